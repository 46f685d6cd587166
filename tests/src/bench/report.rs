//! From rounds to a page: medians, ratios, targets, and the machine they were measured on.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Kind, Options, Round};
use crate::process::run;

/// Everything measured in one run.
#[derive(Debug)]
pub struct Report {
    rounds: Vec<(Kind, Round)>,
    round_count: usize,
    replicas: usize,
}

/// One row of the table: what, how it reads from a round, and what Skep promises.
struct Row {
    what: &'static str,
    value: fn(&Round) -> f64,
    unit: Unit,
    /// Skep's share of dockerd's figure, at most.
    ratio: f64,
    /// Skep's own figure, at most, where one is promised.
    most: Option<f64>,
}

#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Mebibytes,
}

const MEBIBYTE: f64 = 1_048_576.0;

const ROWS: [Row; 5] = [
    Row {
        what: "`service create`, POST to the last task RUNNING",
        value: |round| round.create.as_secs_f64(),
        unit: Unit::Seconds,
        ratio: 0.15,
        most: None,
    },
    Row {
        what: "rolling update, parallelism 1, delay 0",
        value: |round| round.update_one.as_secs_f64(),
        unit: Unit::Seconds,
        ratio: 0.06,
        most: None,
    },
    Row {
        what: "rolling update, parallelism 5, delay 0",
        value: |round| round.update_five.as_secs_f64(),
        unit: Unit::Seconds,
        ratio: 0.10,
        most: None,
    },
    Row {
        what: "resident memory of the daemon (dockerd + containerd)",
        value: |round| round.daemon_bytes as f64 / MEBIBYTE,
        unit: Unit::Mebibytes,
        ratio: 0.15,
        most: None,
    },
    Row {
        what: "private memory per container beside its process (shim)",
        value: |round| round.shim_bytes as f64 / MEBIBYTE,
        unit: Unit::Mebibytes,
        ratio: 0.15,
        most: Some(1.0),
    },
];

impl Report {
    /// Makes an empty report.
    pub fn new(options: &Options) -> Self {
        Self { rounds: Vec::new(), round_count: options.rounds, replicas: options.replicas }
    }

    /// Adds one round.
    pub fn add(&mut self, kind: Kind, round: Round) {
        self.rounds.push((kind, round));
    }

    /// Returns the table; a contender that was not measured shows as a dash.
    pub fn table(&self) -> String {
        let mut table = format!(
            "| {} replicas, median of {} (least – most) | skep | dockerd 20.10 | ratio | target | |\n\
             |---|---|---|---|---|---|\n",
            self.replicas, self.round_count
        );
        for row in &ROWS {
            let skep = self.spread(Kind::Skep, row);
            let dockerd = self.spread(Kind::Dockerd, row);
            let ratio =
                skep.as_ref().zip(dockerd.as_ref()).map(|(skep, dockerd)| skep.median / dockerd.median);
            let target = match row.most {
                Some(most) => format!("≤ {:.2} and ≤ {}", row.ratio, row.unit.show(most)),
                None => format!("≤ {:.2}", row.ratio),
            };
            let met = ratio
                .zip(skep.as_ref())
                .map(|(ratio, skep)| ratio <= row.ratio && row.most.is_none_or(|most| skep.median <= most));
            let cell = |spread: Option<Spread>| spread.map_or("–".into(), |spread| spread.show(row.unit));
            let ratio = ratio.map_or("–".into(), |ratio| format!("{ratio:.3}"));
            let met = met.map_or("", |met| if met { "met" } else { "**missed**" });
            writeln!(
                table,
                "| {} | {} | {} | {ratio} | {target} | {met} |",
                row.what,
                cell(skep),
                cell(dockerd)
            )
            .expect("writing to a string cannot fail");
        }
        table
    }

    fn spread(&self, kind: Kind, row: &Row) -> Option<Spread> {
        let values =
            self.rounds.iter().filter(|(found, _)| *found == kind).map(|(_, round)| (row.value)(round));
        Spread::of(values.collect())
    }
}

/// The middle and the ends of some figures.
#[derive(Debug, PartialEq)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { least, median, most })
    }

    fn show(&self, unit: Unit) -> String {
        let number = |value: f64| format!("{value:.2}");
        format!("{} ({} – {})", unit.show(self.median), number(self.least), number(self.most))
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Seconds => format!("{value:.2} s"),
            Self::Mebibytes => format!("{value:.2} MiB"),
        }
    }
}

/// Returns the whole page of `docs/benchmarks.md`.
pub fn markdown(report: &Report) -> Result<String> {
    Ok(format!(
        "# Benchmarks\n\n\
         Written by `make bench`; do not edit by hand. Skep (release build) and dockerd {docker} with swarm mode \
         (Debian's package\nwith its defaults: containerd, runc, overlay2, bridge, iptables) in the same run, each \
         in its own sandbox, taking turns.\nBoth are driven over the HTTP API by the same poller. The image \
         (busybox) is local and named by digest; its process ends at\nonce on SIGTERM. An update is measured from \
         its POST to the moment when every task of the new version is RUNNING.\nMemory is read from \
         `/proc/PID/smaps_rollup` while all tasks run.\n\n\
         - machine: {machine}\n- kernel: {kernel}\n- date: {date}\n\n{table}",
        docker = line("dockerd", &["--version"])?.split([' ', ',']).nth(2).unwrap_or("(unknown version)"),
        machine = machine()?,
        kernel = line("uname", &["-sr"])?,
        date = line("date", &["-u", "+%Y-%m-%d"])?,
        table = report.table(),
    ))
}

fn machine() -> Result<String> {
    let read = |path| std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
    let processors = read("/proc/cpuinfo")?;
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field(&processors, "model name").unwrap_or_else(|| "unknown processor".into());
    let cores = std::thread::available_parallelism().context("cannot count the cores")?;
    let memory = field(&read("/proc/meminfo")?, "MemTotal").unwrap_or_default();
    let gibibytes = memory.trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / MEBIBYTE;
    Ok(format!("{cores} cores of {model}, {gibibytes:.0} GiB"))
}

/// Returns what a command prints, as one line.
fn line(program: &str, arguments: &[&str]) -> Result<String> {
    let output = run(Command::new(program).args(arguments), Duration::from_secs(10))?;
    Ok(output.success().with_context(|| program.to_owned())?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(skep: u64, dockerd: u64) -> Report {
        let options = Options { kinds: vec![Kind::Skep, Kind::Dockerd], rounds: 1, replicas: 20 };
        let mut report = Report::new(&options);
        let round = |tenths: u64| {
            let lasted = Duration::from_millis(tenths * 100);
            Round {
                create: lasted,
                update_one: lasted,
                update_five: lasted,
                daemon_bytes: tenths << 20,
                shim_bytes: tenths << 20,
            }
        };
        report.add(Kind::Skep, round(skep));
        report.add(Kind::Dockerd, round(dockerd));
        report
    }

    #[test]
    fn ratios_are_held_against_their_targets() {
        let table = report(3, 30).table();
        let rows: Vec<&str> = table.lines().collect();
        assert!(
            rows[2].contains("| 0.30 s (0.30 – 0.30) | 3.00 s (3.00 – 3.00) | 0.100 | ≤ 0.15 | met |"),
            "{table}"
        );
        assert!(rows[3].ends_with("| 0.100 | ≤ 0.06 | **missed** |"), "{table}");
        // The ratio of the last row is met, its own bound of 1 MiB is not.
        assert!(rows[6].ends_with("| 0.100 | ≤ 0.15 and ≤ 1.00 MiB | **missed** |"), "{table}");
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 9.0]).unwrap(), Spread { least: 1.0, median: 3.0, most: 9.0 });
        assert_eq!(Spread::of(vec![4.0, 2.0]).unwrap().median, 3.0);
        assert_eq!(Spread::of(vec![]), None);
    }
}
