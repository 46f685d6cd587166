//! From figures to a page: medians, ratios, targets, and the machine they were measured on.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::row::Spread;
use super::{Figures, Kind, Row, Subject};
use crate::process::run;

/// Everything measured in one run.
#[derive(Debug)]
pub struct Report {
    subjects: Vec<(&'static Subject, Figures)>,
    /// How busy the machine was before the first round.
    load: String,
}

impl Report {
    /// Makes an empty report, and notes what else the machine does.
    pub fn begin() -> Result<Self> {
        let load = read("/proc/loadavg")?;
        let load = load.split_whitespace().next().unwrap_or("unknown").to_owned();
        Ok(Self { subjects: Vec::new(), load })
    }

    /// Adds what was measured of one subject.
    pub fn add(&mut self, subject: &'static Subject, figures: Figures) {
        self.subjects.push((subject, figures));
    }

    /// Returns the table; a contender that was not measured shows as a dash.
    pub fn table(&self) -> String {
        let mut table = String::from(
            "| median (least – most) | skep | dockerd 20.10 | ratio | target | |\n|---|---|---|---|---|---|\n",
        );
        for (subject, figures) in &self.subjects {
            for (index, row) in subject.rows.iter().enumerate() {
                table.push_str(&line(
                    row,
                    spread(figures, Kind::Skep, index),
                    spread(figures, Kind::Dockerd, index),
                ));
            }
        }
        table
    }

    /// Returns how each subject is measured.
    fn methods(&self) -> String {
        let mut text = String::new();
        for (subject, figures) in &self.subjects {
            let rounds = figures.values().next().map_or(0, Vec::len);
            writeln!(text, "- **{}** ({rounds} rounds). {}", subject.name, subject.method)
                .expect("writing to a string cannot fail");
        }
        text
    }
}

fn line(row: &Row, skep: Option<Spread>, dockerd: Option<Spread>) -> String {
    let ratio = skep.zip(dockerd).filter(|(_, dockerd)| dockerd.median != 0.0);
    let ratio = ratio.map_or("–".into(), |(skep, dockerd)| format!("{:.3}", skep.median / dockerd.median));
    let met = skep.and_then(|skep| row.is_met(&skep, dockerd.as_ref()));
    let met = met.map_or("", |met| if met { "met" } else { "**missed**" });
    let cell = |spread: Option<Spread>| match spread {
        Some(Spread { least, median, most }) => {
            format!("{} ({} – {})", row.show(median), row.show(least), row.show(most))
        }
        None => "–".into(),
    };
    format!("| {} | {} | {} | {ratio} | {} | {met} |\n", row.what, cell(skep), cell(dockerd), row.target())
}

fn spread(figures: &Figures, kind: Kind, row: usize) -> Option<Spread> {
    Spread::of(figures.get(&kind)?.iter().map(|round| round[row]).collect())
}

/// Returns the whole page of `docs/benchmarks.md`: this report, and the sections of `page` that others write.
pub fn page(report: &Report, page: &str) -> Result<String> {
    Ok(format!(
        "# Benchmarks\n\n\
         Written by `make bench`, down to the first section, and by the commands that the sections name; do not edit by hand.\n\
         Skep (release build) and dockerd {docker} with swarm mode (Debian's package with its defaults: containerd, runc,\n\
         overlay2, bridge, iptables) in the same run, each in its own sandbox, taking turns. Both are driven over the HTTP API by\n\
         the same code. Unless something else is said the image (busybox) is local and named by digest.\n\n\
         - machine: {machine}\n- load before the first round (1 minute): {load}\n- kernel: {kernel}\n- date: {date}\n\n\
         {table}\nHow it is measured:\n\n{methods}{sections}",
        docker = line_of("dockerd", &["--version"])?.split([' ', ',']).nth(2).unwrap_or("(unknown version)"),
        machine = machine()?,
        load = report.load,
        kernel = line_of("uname", &["-sr"])?,
        date = line_of("date", &["-u", "+%Y-%m-%d"])?,
        table = report.table(),
        methods = report.methods(),
        sections = sections(page),
    ))
}

/// Returns what follows the part that `make bench` writes, from the first section on.
fn sections(page: &str) -> &str {
    page.find("\n## ").map_or("", |at| &page[at..])
}

fn machine() -> Result<String> {
    let processors = read("/proc/cpuinfo")?;
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field(&processors, "model name").unwrap_or_else(|| "unknown processor".into());
    let cores = std::thread::available_parallelism().context("cannot count the cores")?;
    let memory = field(&read("/proc/meminfo")?, "MemTotal").unwrap_or_default();
    let gibibytes = memory.trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / 1_048_576.0;
    Ok(format!("{cores} cores of {model}, {gibibytes:.0} GiB"))
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// Returns what a command prints, as one line.
fn line_of(program: &str, arguments: &[&str]) -> Result<String> {
    let output = run(Command::new(program).args(arguments), Duration::from_secs(10))?;
    Ok(output.success().with_context(|| program.to_owned())?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::SUBJECTS;

    #[test]
    fn a_line_holds_figures_against_their_target() {
        let subject = SUBJECTS[0];
        let of = |value: f64| vec![vec![value; subject.rows.len()]];
        let mut report = Report { subjects: Vec::new(), load: "0.10".into() };
        report.add(subject, Figures::from([(Kind::Skep, of(3.0)), (Kind::Dockerd, of(30.0))]));
        let table = report.table();
        let lines: Vec<&str> = table.lines().collect();
        let create = "| 3.00 s (3.00 s – 3.00 s) | 30.00 s (30.00 s – 30.00 s) | 0.100 | ≤ 0.15 × | met |";
        assert!(lines[2].ends_with(create), "{table}");
        assert!(lines[3].ends_with("| 0.100 | ≤ 0.06 × | **missed** |"), "{table}");
        // The ratio of the last row is met, its own bound is not.
        assert!(lines[6].ends_with("| 0.100 | ≤ 0.15 × and ≤ 1.00 MiB | **missed** |"), "{table}");
        assert!(report.methods().starts_with("- **rollout** (1 rounds)."));
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let row = &SUBJECTS[0].rows[0];
        let skep = Spread::of(vec![1.0]);
        assert!(line(row, skep, None).ends_with("| 1.00 s (1.00 s – 1.00 s) | – | – | ≤ 0.15 × |  |\n"));
    }

    #[test]
    fn sections_of_others_stay() {
        assert_eq!(sections("# Benchmarks\n\nold\n\n## Placement\n\nx\n"), "\n## Placement\n\nx\n");
        assert_eq!(sections("# Benchmarks\n"), "");
    }

    #[test]
    fn names_are_words_and_differ() {
        let names: std::collections::BTreeSet<&str> = SUBJECTS.iter().map(|subject| subject.name).collect();
        assert_eq!(names.len(), SUBJECTS.len());
    }
}
