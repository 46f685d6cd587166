//! The default runtime: youki's libcontainer, inside the shim.
//!
//! It is not safe in a process with threads, which is why the shim has none. Its `kill` and `delete` are not used: they
//! trust pids and a state file that is rewritten in place.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::rc::Rc;

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::error::LibcontainerError;
use libcontainer::syscall::syscall::SyscallType;

use super::launch::{Console, LaunchStatus, Launcher, Payload};
use super::oci::{OciRuntime, Stdio, Waiting};
use crate::files::remove_tree;
use crate::protocol::Failure;
use crate::sys::terminal::receive_descriptor;

/// One container of libcontainer.
pub(super) struct Libcontainer {
    pub(super) id: String,
    pub(super) bundle: PathBuf,
    /// libcontainer's own directory.
    pub(super) root: PathBuf,
    pub(super) payload: Rc<Payload>,
    pub(super) created: Option<(Container, LaunchStatus)>,
}

impl OciRuntime for Libcontainer {
    fn create(&mut self, stdio: Stdio) -> Result<Waiting, Failure> {
        let (status, status_write) = LaunchStatus::pipe().map_err(|error| Failure::retryable(&error))?;
        let mut builder = ContainerBuilder::new(self.id.clone(), SyscallType::Linux);
        let mut master = None;
        let console = match stdio {
            Stdio::Pipes { stdin, stdout, stderr } => {
                builder = builder.with_stdout(stdout).with_stderr(stderr);
                if let Some(stdin) = stdin {
                    builder = builder.with_stdin(stdin);
                }
                None
            }
            // libcontainer's way asks for a socket with a short path; the hook is in the right place already.
            Stdio::Terminal(size) => {
                let (ours, theirs) = UnixStream::pair().map_err(|error| Failure::retryable(&error))?;
                master = Some(ours);
                Some(Console { socket: Rc::new(theirs.into()), size })
            }
        };
        let launcher = Launcher::new(Rc::clone(&self.payload), status_write, console);
        let build = || -> Result<Container, LibcontainerError> {
            builder
                .with_root_path(&self.root)?
                .with_executor(launcher)
                .as_init(&self.bundle)
                // The default would speak to systemd.
                .with_systemd(false)
                .build()
        };
        match build() {
            Ok(container) => {
                let pid = container.pid().map(|pid| pid.as_raw()).ok_or_else(|| Failure {
                    fatal: false,
                    message: "libcontainer created a container without a process".into(),
                })?;
                self.created = Some((container, status));
                let terminal = master.map(receive_descriptor).transpose();
                let terminal = terminal.map_err(|error| Failure::retryable(&error))?;
                Ok(Waiting { pid, terminal })
            }
            // Only the launcher's sentences concern the program; everything else may pass.
            Err(error) => Err(match status.complaint() {
                Some(message) => Failure { fatal: true, message },
                None => Failure::retryable(&error),
            }),
        }
    }

    fn start(&mut self) -> Result<(), Failure> {
        let Some((container, status)) = &mut self.created else {
            return Err(Failure {
                fatal: false,
                message: "the container is not created, or already started".into(),
            });
        };
        container.start().map_err(|error| Failure::retryable(&error))?;
        let result = status.wait().map_err(|message| Failure { fatal: true, message });
        // The container is never asked again, and its parsed configuration is large.
        self.created = None;
        result
    }

    fn delete(&mut self) -> Result<(), Failure> {
        remove_tree(&self.root).map_err(|error| Failure::retryable(&error))
    }
}
