//! `skep-sim fleet`: takes the time and the memory of a large cluster, and prints them as a table.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use skep_sim::fleet::{self, Fleet, Phase, Seen, Size, Stuck};

const USAGE: &str = "usage: skep-sim fleet [--nodes N] [--tasks N] [--write FILE]";

/// What to measure.
struct Order {
    size: Size,
    page: Option<String>,
}

pub fn main(arguments: &[String]) -> ExitCode {
    let Some(order) = parse(arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&order) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(order: &Order) -> Result<(), String> {
    let seen = measure(order.size).map_err(|stuck| stuck.to_string())?;
    let section = fleet::render(order.size, &seen);
    print!("{section}");
    let Some(path) = &order.page else { return Ok(()) };
    let page = std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let page = fleet::put_section(&page, &section);
    std::fs::write(path, page).map_err(|error| format!("cannot write {path}: {error}"))
}

fn measure(size: Size) -> Result<Vec<Seen>, Stuck> {
    let began_at = Instant::now();
    let stopwatch = || processor_time().unwrap_or_else(|| began_at.elapsed());
    let mut fleet = Fleet::new(size, &stopwatch);
    let mut seen = Vec::new();
    let mut last = stopwatch();
    let mut see = |phase: Phase| {
        let now = stopwatch();
        eprintln!("{}: {:.1} s", phase.name, (now - last).as_secs_f64());
        seen.push(Seen { phase, took: now - last, memory_peak: memory_peak() });
        last = now;
    };
    see(fleet.register()?);
    see(fleet.deploy()?);
    see(fleet.roll()?);
    see(fleet.lose_nodes()?);
    see(fleet.get_nodes_back()?);
    Ok(seen)
}

/// Returns the time for which this thread, the only one, had a processor: machines are shared, and the clock on the
/// wall tells as much of the others. `None`: the system does not say.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Returns the most memory that this process had in use so far, in bytes; 0 where the system does not say.
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) << 10
}

fn parse(arguments: &[String]) -> Option<Order> {
    let mut order = Order { size: Size { nodes: 1_000, tasks: 10_000 }, page: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next()?;
        match argument.as_str() {
            "--nodes" => order.size.nodes = value.parse().ok()?,
            "--tasks" => order.size.tasks = value.parse().ok()?,
            "--write" => order.page = Some(value.clone()),
            _ => return None,
        }
    }
    (order.size.nodes > 0 && order.size.tasks > 0).then_some(order)
}
