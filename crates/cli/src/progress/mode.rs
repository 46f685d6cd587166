//! Counting the tasks of each service mode: what to show, and whether all are where they should be.

use std::collections::BTreeMap;

use skep_api::wire::{ServiceMode, Task};

use super::Look;
use super::screen::Line;
use super::state::{COMPLETE, RUNNING, is_known, is_over, is_running, padded, short_error, step};
use crate::format::short_id;

/// How many tasks get a line of their own.
const BARS_MAX: usize = 20;

/// The counter of one service.
#[derive(Debug)]
pub(super) enum Counter {
    Replicated(Replicated),
    Global(Global),
    ReplicatedJob { is_drawn: bool },
    GlobalJob { total: Option<usize> },
}

/// What one look showed.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub lines: Vec<Line>,
    pub is_converged: bool,
}

impl Counter {
    /// The counter for a mode; the error is docker's.
    pub(super) fn new(mode: &ServiceMode) -> Result<Counter, &'static str> {
        match mode {
            ServiceMode { replicated: Some(_), .. } => Ok(Counter::Replicated(Replicated::default())),
            ServiceMode { global: Some(_), .. } => Ok(Counter::Global(Global::default())),
            ServiceMode { replicated_job: Some(_), .. } => Ok(Counter::ReplicatedJob { is_drawn: false }),
            ServiceMode { global_job: Some(_), .. } => Ok(Counter::GlobalJob { total: None }),
            _ => Err("unrecognized service mode"),
        }
    }

    /// Counts what one look showed.
    pub(super) fn count(&mut self, look: &Look, is_rollback: bool) -> Result<Count, &'static str> {
        let mode = &look.service.spec.mode;
        match self {
            Counter::Replicated(counter) => {
                let replicas = mode.replicated.and_then(|mode| mode.replicas).ok_or("no replica count")?;
                Ok(counter.count(look, replicas, is_rollback))
            }
            Counter::Global(counter) => Ok(counter.count(look, is_rollback)),
            Counter::ReplicatedJob { is_drawn } => {
                let job = mode.replicated_job.unwrap_or_default();
                let total = job.total_completions.unwrap_or(1);
                Ok(count_job(look, total, job.max_concurrent.unwrap_or(total), is_drawn))
            }
            Counter::GlobalJob { total } => Ok(count_global_job(look, total)),
        }
    }
}

fn overall(running: usize, total: u64, is_rollback: bool) -> Line {
    let prefix = if is_rollback { "rolling back update: " } else { "" };
    Line::new("overall progress", format!("{prefix}{running} out of {total} tasks"))
}

/// Docker writes a single blank for a task of which nothing is known yet.
fn blank(label: String) -> Line {
    Line::new(label, " ")
}

/// The line of a task: its error, or its state with a bar; nothing for one that is over.
fn task_line(label: String, task: &Task, steps: u64) -> Option<Line> {
    if !task.status.err.is_empty() {
        return Some(Line::new(label, short_error(&task.status.err)));
    }
    let bar = Some((step(&task.status.state), steps));
    let is_over = steps == RUNNING && (is_over(&task.desired_state) || is_over(&task.status.state));
    (!is_over).then(|| Line { bar, ..Line::new(label, padded(task)) })
}

/// Prefers the task that is meant to live, and among those the one that is not yet there.
fn is_better(task: &Task, known: &Task) -> bool {
    let rank = |task: &Task| (step(&task.desired_state), step(&task.status.state));
    rank(task) < rank(known)
}

/// Chooses one task for each key.
fn choose<K: Ord>(
    tasks: impl Iterator<Item = (K, Task)>,
    is_better: fn(&Task, &Task) -> bool,
) -> BTreeMap<K, Task> {
    let mut chosen: BTreeMap<K, Task> = BTreeMap::new();
    for (key, task) in tasks {
        match chosen.get(&key) {
            Some(known) if !is_better(&task, known) => {}
            _ => {
                chosen.insert(key, task);
            }
        }
    }
    chosen
}

#[derive(Debug, Default)]
pub(super) struct Replicated {
    is_drawn: bool,
    /// The order in which slots were first seen: their place on the screen.
    slots: Vec<i64>,
    is_done: bool,
}

impl Replicated {
    fn count(&mut self, look: &Look, replicas: u64, is_rollback: bool) -> Count {
        let mut count = Count::default();
        let has_bars = replicas <= BARS_MAX as u64;
        if !self.is_drawn {
            self.is_drawn = true;
            count.lines.push(overall(0, replicas, is_rollback));
            if has_bars {
                count.lines.extend((1..=replicas).map(|place| blank(format!("{place}/{replicas}"))));
            }
        }
        let is_active = |task: &Task| task.node_id.is_empty() || look.nodes.contains(&task.node_id);
        let tasks = look.tasks.iter().filter(|task| is_known(task) && is_active(task));
        let tasks = choose(tasks.map(|task| (task.slot, task.clone())), is_better);
        self.is_done &= tasks.values().all(|task| task.status.state == "running");
        for (slot, task) in &tasks {
            let place = self.place(*slot) as u64;
            if !self.is_done && has_bars && place <= replicas {
                count.lines.extend(task_line(format!("{place}/{replicas}"), task, RUNNING));
            }
        }
        let running = tasks.values().filter(|task| is_running(task)).count();
        count.is_converged = running as u64 == replicas;
        if !self.is_done {
            count.lines.push(overall(running, replicas, is_rollback));
            self.is_done = count.is_converged;
        }
        count
    }

    fn place(&mut self, slot: i64) -> usize {
        let known = self.slots.iter().position(|known| *known == slot);
        1 + known.unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct Global {
    is_drawn: bool,
    is_done: bool,
}

impl Global {
    fn count(&mut self, look: &Look, is_rollback: bool) -> Count {
        let mut count = Count::default();
        let tasks = look.tasks.iter().filter(|task| is_known(task));
        let tasks = choose(tasks.map(|task| (task.node_id.clone(), task.clone())), is_better);
        let total = tasks.len();
        if !self.is_drawn {
            if total == 0 {
                // Either the tasks are still to be made, or no node fits; only the user can tell.
                count.lines.push(Line::new("overall progress", "waiting for new tasks"));
                return count;
            }
            self.is_drawn = true;
            count.lines.push(overall(0, total as u64, is_rollback));
        }
        self.is_done &= tasks.values().all(|task| task.status.state == "running");
        let active: Vec<&Task> = tasks.values().filter(|task| look.nodes.contains(&task.node_id)).collect();
        if !self.is_done && total <= BARS_MAX {
            let line = |task: &&Task| task_line(short_id(&task.node_id).to_owned(), task, RUNNING);
            count.lines.extend(active.iter().filter_map(line));
        }
        let running = active.iter().filter(|task| is_running(task)).count();
        count.is_converged = running == total;
        if !self.is_done {
            count.lines.push(overall(running, total as u64, is_rollback));
            self.is_done = count.is_converged;
        }
        count
    }
}

/// Tasks of the current iteration in a known state.
fn current(look: &Look) -> impl Iterator<Item = &Task> {
    let iteration = look.service.job_status.as_ref().map(|status| status.job_iteration).unwrap_or_default();
    look.tasks.iter().filter(move |task| task.job_iteration == Some(iteration) && is_known(task))
}

fn is_earlier(task: &Task, known: &Task) -> bool {
    step(&task.status.state) < step(&known.status.state)
}

fn is_complete(task: &&Task) -> bool {
    task.status.state == "complete"
}

fn job_line(complete: usize, total: u64) -> Line {
    let width = digits(total);
    let text = format!("{complete:width$} out of {total} complete");
    Line { bar: Some((complete as u64, total)), ..Line::new("job progress", text) }
}

fn digits(number: u64) -> usize {
    number.to_string().len()
}

fn count_job(look: &Look, total: u64, concurrent: u64, is_drawn: &mut bool) -> Count {
    let mut count = Count::default();
    let label = |slot: u64| format!("{}/{total}", slot + 1);
    let active_line = |active: usize, complete: usize| {
        let desired = (total - (complete as u64).min(total)).min(concurrent);
        Line::new("active tasks", format!("{active} out of {desired} tasks"))
    };
    let has_bars = total <= BARS_MAX as u64;
    if !*is_drawn {
        *is_drawn = true;
        count.lines.extend([job_line(0, total), active_line(0, 0)]);
        if has_bars {
            count.lines.extend((0..total).map(|slot| blank(label(slot))));
        }
    }
    let tasks = choose(current(look).map(|task| (task.slot, task.clone())), is_earlier);
    if has_bars {
        let line = |(slot, task): (&i64, &Task)| task_line(label(*slot as u64), task, COMPLETE);
        count.lines.extend(tasks.iter().filter_map(line));
    }
    let complete = tasks.values().filter(is_complete).count();
    let active = tasks.values().filter(|task| step(&task.status.state) < COMPLETE).count();
    count.lines.extend([job_line(complete, total), active_line(active, complete)]);
    count.is_converged = complete as u64 == total;
    count
}

fn count_global_job(look: &Look, total: &mut Option<usize>) -> Count {
    let mut count = Count::default();
    let tasks = choose(current(look).map(|task| (task.node_id.clone(), task.clone())), is_earlier);
    let total = match *total {
        Some(total) => total,
        None if look.tasks.is_empty() && !look.nodes.is_empty() => {
            count.lines.push(Line::new("job progress", "waiting for tasks"));
            return count;
        }
        // Nodes that join later run the job too, but are not waited for.
        None => {
            *total = Some(tasks.len());
            count.lines.push(job_line(0, tasks.len() as u64));
            tasks.len()
        }
    };
    if total <= BARS_MAX {
        count.lines.extend(tasks.iter().filter_map(|(node, task)| task_line(node.clone(), task, COMPLETE)));
    }
    let complete = tasks.values().filter(is_complete).count();
    count.lines.push(job_line(complete, total as u64));
    count.is_converged = complete == total;
    count
}
