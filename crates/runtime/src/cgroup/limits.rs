//! Limits of a container that runs: written anew, all of them, or left as they were.

use std::path::{Path, PathBuf};

use super::{CgroupError, Hierarchies, Version, write};
use crate::container::Resources;
use crate::spec::{CPU_PERIOD_MICROS, LimitError, cpu_quota_micros, memory_and_swap};

/// One write.
struct Setting {
    limit: &'static str,
    file: PathBuf,
    value: String,
}

impl Hierarchies {
    /// Gives `path` the limits of `wish`. If one of them cannot be set, those of `before` are restored.
    pub(crate) fn set_limits(
        &self,
        path: &str,
        wish: &Resources,
        before: &Resources,
    ) -> Result<(), LimitError> {
        let settings = self.settings(path, wish)?;
        let Err(error) = apply(&settings) else { return Ok(()) };
        // What was in force a moment ago can be in force again; if not, the first error is the one to report.
        if let Err(error) = self.settings(path, before).and_then(|settings| apply(&settings)) {
            tracing::error!(error = crate::files::chain(&error), "limits of a container not restored");
        }
        Err(error)
    }

    /// Lists the writes in an order in which the kernel accepts them.
    fn settings(&self, path: &str, wish: &Resources) -> Result<Vec<Setting>, LimitError> {
        let mut settings = Vec::new();
        let mut add = |limit, group: &Path, file: &str, value: String| {
            settings.push(Setting { limit, file: group.join(file), value });
        };
        let number =
            |value: Option<i64>, unlimited: &str| value.map_or(unlimited.to_owned(), |v| v.to_string());
        if let Some((version, group)) = self.wanted("memory", "memory", path, wish.memory_bytes.is_some())? {
            let (memory, total) = memory_and_swap(wish);
            let swap_is_limited = group.join(if version == Version::V1 {
                "memory.memsw.limit_in_bytes"
            } else {
                "memory.swap.max"
            });
            match version {
                Version::V1 => {
                    // The sum must never be below the memory limit, whichever way both move.
                    if swap_is_limited.exists() {
                        add("swap", &group, "memory.memsw.limit_in_bytes", "-1".into());
                    }
                    add("memory", &group, "memory.limit_in_bytes", number(memory, "-1"));
                    if swap_is_limited.exists() {
                        add("swap", &group, "memory.memsw.limit_in_bytes", number(total, "-1"));
                    }
                    if let Some(swappiness) = wish.swappiness {
                        add("swappiness", &group, "memory.swappiness", swappiness.to_string());
                    }
                }
                Version::V2 => {
                    add("memory", &group, "memory.max", number(memory, "max"));
                    if swap_is_limited.exists() {
                        let swap = total.zip(memory).map(|(total, memory)| total - memory);
                        add("swap", &group, "memory.swap.max", number(swap, "max"));
                    }
                }
            }
        }
        if let Some((version, group)) = self.wanted("CPU", "cpu", path, wish.nano_cpus.is_some())? {
            let quota = wish.nano_cpus.map(cpu_quota_micros);
            match version {
                Version::V1 => {
                    add("CPU", &group, "cpu.cfs_period_us", CPU_PERIOD_MICROS.to_string());
                    add("CPU", &group, "cpu.cfs_quota_us", number(quota, "-1"));
                }
                Version::V2 => {
                    add("CPU", &group, "cpu.max", format!("{} {CPU_PERIOD_MICROS}", number(quota, "max")));
                }
            }
        }
        if let Some((_, group)) = self.wanted("process count", "pids", path, wish.pids_limit.is_some())? {
            let limit = wish.pids_limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
            add("process count", &group, "pids.max", number(limit, "max"));
        }
        Ok(settings)
    }

    /// Returns a controller's group; an error if it is missing and there is something to limit.
    fn wanted(
        &self,
        limit: &'static str,
        controller: &'static str,
        path: &str,
        is_limited: bool,
    ) -> Result<Option<(Version, PathBuf)>, LimitError> {
        match self.find(controller) {
            Some(hierarchy) => Ok(Some((hierarchy.version, hierarchy.group(path)))),
            None if is_limited => Err(LimitError::Controller { limit, controller }),
            None => Ok(None),
        }
    }
}

fn apply(settings: &[Setting]) -> Result<(), LimitError> {
    for setting in settings {
        write(&setting.file, &setting.value).map_err(|error| refused(setting, error))?;
    }
    Ok(())
}

fn refused(setting: &Setting, source: CgroupError) -> LimitError {
    let is_busy =
        matches!(&source, CgroupError::File { source, .. } if source.raw_os_error() == Some(libc::EBUSY));
    match is_busy && setting.limit == "memory" {
        true => LimitError::InUse { value: setting.value.clone() },
        false => LimitError::Write { limit: setting.limit, value: setting.value.clone(), source },
    }
}
