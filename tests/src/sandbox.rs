//! A machine of its own for one test: network, mounts and processes apart from everybody else's.
//!
//! The first process of the sandbox holds its namespaces. When it dies, and it dies with the test program at
//! the latest, the kernel kills everything else in there, and links, nftables and mounts vanish with the
//! namespaces. What remains are control groups and one temporary folder, which are removed on drop.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::cgroups;
use crate::process::{Output, Process, first_child, run};
use crate::wait::Look;

/// Longest wait for something that takes milliseconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Begins the name of everything a sandbox leaves outside its namespaces; the id of its program follows.
const PREFIX: &str = "skep-t";

/// Namespaces, a temporary folder and a control group name, all of one test.
#[derive(Debug)]
pub struct Sandbox {
    holder: Process,
    /// The first process inside, by its id outside.
    init: u32,
    folder: TempDir,
    name: String,
}

/// A process seen from outside.
#[derive(Debug, Clone)]
pub struct Inmate {
    /// Its id outside the sandbox.
    pub id: u32,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// A program that runs inside; dropping it kills the program.
#[derive(Debug)]
pub struct Program {
    /// The `nsenter` that waits for the program and passes on how it ended.
    door: Process,
    id: u32,
}

impl Sandbox {
    /// Makes the namespaces with a loopback interface that is up.
    pub fn new() -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        static SWEEP: Once = Once::new();
        SWEEP.call_once(sweep);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let name = format!("{prefix}{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir().context("cannot make a folder")?;
        let ready = folder.path().join("ready");
        // The first process of a process namespace inherits orphans; `wait` in the loop buries them.
        let script =
            format!("ip link set lo up && : >{} && while :; do sleep 3600 & wait $!; done", ready.display());
        let log = folder.path().join("sandbox.log");
        let mut arguments =
            vec!["--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"];
        arguments.extend(["bash", "-c", &script]);
        let mut holder = Process::spawn("the sandbox (is this root?)", "unshare", &arguments, &log)?;
        holder.wait_ready(PATIENCE, || {
            Ok(if ready.exists() { Look::Done(()) } else { Look::NotYet("no namespaces".into()) })
        })?;
        let init = first_child(holder.id(), PATIENCE)?;
        Ok(Self { holder, init, folder, name })
    }

    /// Returns the folder for data, sockets and logs; it is removed with the sandbox.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a name that no other sandbox has, fit for a control group.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts a program inside, with its output in `folder()/NAME.log`.
    pub fn spawn(&self, name: &str, program: &str, arguments: &[&str]) -> Result<Program> {
        let target = self.init.to_string();
        let mut door = vec!["--target", &target, "--net", "--mount", "--pid", "--ipc", "--", program];
        door.extend(arguments);
        let door = Process::spawn(name, "nsenter", &door, &self.log(name))?;
        let id = first_child(door.id(), PATIENCE);
        let id = id.with_context(|| format!("{name} did not start\n{}", door.log_tail()))?;
        Ok(Program { door, id })
    }

    /// Runs a command inside to its end.
    pub fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<Output> {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.init.to_string(),
            "--net",
            "--mount",
            "--pid",
            "--ipc",
            "--",
            program,
        ]);
        run(command.args(arguments), limit)
    }

    /// Runs `work` on a thread inside the sandbox's network, so that its sockets are the sandbox's.
    pub fn in_network<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let path = format!("/proc/{}/ns/net", self.init);
        let namespace = File::open(&path).with_context(|| format!("cannot open {path}"))?;
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .context("cannot enter the sandbox's network")?;
                work()
            });
            match inside.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Returns the address of the network that a process inside has to itself, a container's for example.
    ///
    /// `process` is its id inside.
    pub fn address_of(&self, process: u64) -> Result<String> {
        let target = process.to_string();
        let words =
            ["--target", &target, "--net", "--", "ip", "-4", "-o", "address", "show", "scope", "global"];
        let listing = self.run("nsenter", &words, PATIENCE)?.success().context("cannot list addresses")?;
        let address = listing.split_whitespace().skip_while(|word| *word != "inet").nth(1);
        let address = address.with_context(|| format!("process {process} has no address: {listing:?}"))?;
        Ok(address.split('/').next().expect("a split has a first part").to_owned())
    }

    /// Lists the processes inside, the sandbox's own keeper left out.
    pub fn inmates(&self) -> Result<Vec<Inmate>> {
        let own = namespace_of(self.init).context("the sandbox is gone")?;
        let mut inmates = Vec::new();
        for entry in std::fs::read_dir("/proc").context("cannot list /proc")? {
            let entry = entry.context("cannot list /proc")?;
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            if id != self.init && namespace_of(id).is_some_and(|namespace| namespace == own) {
                inmates.extend(Inmate::read(id));
            }
        }
        Ok(inmates)
    }

    /// Returns the path, as seen from outside, of a file inside: mounts of the sandbox included.
    pub fn path(&self, inside: &Path) -> PathBuf {
        let inside = inside.strip_prefix("/").unwrap_or(inside);
        Path::new("/proc").join(self.init.to_string()).join("root").join(inside)
    }

    /// Returns where [`spawn`](Self::spawn) puts a program's output.
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder().join(format!("{name}.log"))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The first process is only reaped when the kernel has killed every other one in its namespace.
        let ended = signal(self.init, Signal::KILL).and_then(|()| self.holder.wait(PATIENCE));
        if let Err(error) = ended.and_then(|_| cgroups::remove(&self.name)) {
            eprintln!("sandbox {}: {error:#}", self.name);
        }
    }
}

impl Program {
    /// Returns the program's process id, as seen from outside.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Sends a signal to the program itself.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self::signal(self.id, signal)
    }

    /// Waits for the end of the program; returns its code, or 128 and the signal that ended it.
    pub fn wait(&mut self, limit: Duration) -> Result<i32> {
        use std::os::unix::process::ExitStatusExt;
        let status = self.door.wait(limit)?;
        match (status.code(), status.signal()) {
            (Some(code), _) => Ok(code),
            (None, Some(signal)) => Ok(128 + signal),
            (None, None) => bail!("process {} ended with neither code nor signal", self.id),
        }
    }

    /// Kills the program and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        let code = self.wait(PATIENCE)?;
        ensure!(code == 128 + 9, "killed, but ended with {code}");
        Ok(())
    }

    /// Waits until `look` says done; ends early, with the log, when the program dies first.
    pub fn wait_ready<T>(&mut self, limit: Duration, look: impl FnMut() -> Result<Look<T>>) -> Result<T> {
        self.door.wait_ready(limit, look)
    }

    /// Returns whether the program still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.door.exit()?.is_none())
    }

    /// Returns the last lines of its output.
    pub fn log_tail(&self) -> String {
        self.door.log_tail()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.door.exit(), Ok(None)) {
            // It may end by itself between the look and the signal: then there is nothing left to do.
            drop(self.signal(Signal::KILL));
        }
    }
}

impl Inmate {
    /// Reads a process that may end at any moment: nothing when it has, or when it is the kernel's.
    fn read(id: u32) -> Option<Self> {
        let bytes = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let arguments: Vec<String> = bytes
            .split(|byte| *byte == 0)
            .filter(|argument| !argument.is_empty())
            .map(|argument| String::from_utf8_lossy(argument).into_owned())
            .collect();
        (!arguments.is_empty()).then_some(Self { id, arguments })
    }

    /// Returns the file name of its program.
    pub fn program(&self) -> &str {
        self.arguments[0].rsplit('/').next().expect("a split has a last part")
    }

    /// Returns a sum of `/proc/ID/smaps_rollup` in bytes, `Rss` or `Private_Dirty` for example.
    pub fn memory(&self, field: &str) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.id);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line =
            text.lines().find(|line| line.strip_prefix(field).is_some_and(|rest| rest.starts_with(':')));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
        let kibibytes = kibibytes.with_context(|| format!("{path} has no {field}"))?;
        Ok(kibibytes.parse::<u64>().with_context(|| format!("{field} of {path} is no number"))? * 1024)
    }

    /// Returns the processor time that it has used so far, the threads that have ended included.
    pub fn processor_time(&self) -> Result<Duration> {
        /// The clock of `/proc/ID/stat`, the same on every architecture (`USER_HZ`).
        const TICKS_PER_SECOND: u64 = 100;
        let path = format!("/proc/{}/stat", self.id);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        // The name in parentheses may hold anything; user and system time are the 14th and 15th field.
        let fields =
            text.rsplit_once(") ").map_or("", |(_, fields)| fields).split_whitespace().skip(11).take(2);
        let ticks: Option<Vec<u64>> = fields.map(|field| field.parse().ok()).collect();
        let ticks = ticks.filter(|ticks| ticks.len() == 2).with_context(|| format!("{path} has no times"))?;
        Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 1000 / TICKS_PER_SECOND))
    }
}

/// Removes what test programs left that were killed before they could: their processes died with them.
fn sweep() {
    let abandoned = |name: &str| {
        let id = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')).map(|(id, _)| id);
        id.and_then(|id| id.parse::<u32>().ok()).is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists())
    };
    for group in cgroups::names().into_iter().filter(|name| abandoned(name)) {
        if let Err(error) = cgroups::remove(&group) {
            eprintln!("cannot remove what an earlier test left: {error:#}");
        }
    }
    let folders = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    for folder in folders.filter(|entry| abandoned(&entry.file_name().to_string_lossy())) {
        if let Err(error) = std::fs::remove_dir_all(folder.path()) {
            eprintln!("cannot remove what an earlier test left, {}: {error}", folder.path().display());
        }
    }
}

fn signal(id: u32, signal: Signal) -> Result<()> {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).context("a process id is positive")?;
    rustix::process::kill_process(id, signal).with_context(|| format!("cannot signal process {id:?}"))
}

/// Returns the process namespace of a process, or nothing when it has ended.
fn namespace_of(id: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{id}/ns/pid")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{Look, wait_for};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn programs_run_inside_and_die_with_it() {
        let sandbox = Sandbox::new().unwrap();
        let program = sandbox.spawn("sleeper", "sleep", &["60"]).unwrap();
        // On its way into the sandbox it is the program that leads there.
        let sleeper = wait_for("the program to be inside", PATIENCE, || {
            let inmates = sandbox.inmates()?;
            let found = inmates.into_iter().find(|inmate| inmate.id == program.id());
            Ok(match found {
                Some(inmate) if inmate.program() == "sleep" => Look::Done(inmate),
                Some(inmate) => Look::NotYet(inmate.program().to_owned()),
                None => Look::NotYet("nobody".to_owned()),
            })
        })
        .unwrap();
        assert!(sleeper.memory("Rss").unwrap() > 0);
        assert!(sleeper.processor_time().unwrap() < Duration::from_secs(1));
        let path = format!("/proc/{}", program.id());
        drop(sandbox);
        assert!(!Path::new(&path).exists());
    }

    #[test]
    fn its_network_is_its_own() {
        let sandbox = Sandbox::new().unwrap();
        let listener = sandbox.in_network(|| Ok(TcpListener::bind("127.0.0.1:5000")?)).unwrap();
        let address = listener.local_addr().unwrap();
        assert!(sandbox.in_network(move || Ok(TcpStream::connect(address)?)).is_ok());
        let links = sandbox.run("ip", &["-o", "link"], PATIENCE).unwrap().success().unwrap();
        assert!(!links.contains("eth0"), "{links}");
    }

    #[test]
    fn a_killed_program_is_told_from_one_that_ended() {
        let sandbox = Sandbox::new().unwrap();
        let mut program = sandbox.spawn("three", "sh", &["-c", "exec sleep 0.2"]).unwrap();
        assert_eq!(program.wait(PATIENCE).unwrap(), 0);
        let mut program = sandbox.spawn("sleeper", "sleep", &["60"]).unwrap();
        assert!(program.is_running().unwrap());
        program.kill().unwrap();
        assert!(!program.is_running().unwrap());
    }
}
