//! The user's terminal: its size, changes of its size, and the modes in which keys go straight to a process.

use std::io;

use skep_api::client::TerminalSize;

/// What a terminal can be told.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    Raw,
    Silent,
}

/// Keeps the terminal in another mode until it is dropped.
#[derive(Debug)]
pub(crate) struct Mode(#[expect(dead_code, reason = "it is there to be dropped")] system::Saved);

impl Mode {
    /// Every key reaches the program as it is typed, and nothing is echoed.
    pub(crate) fn raw() -> io::Result<Mode> {
        system::change(Wanted::Raw).map(Mode)
    }

    /// Lines are typed as usual, and nothing is echoed: for passwords.
    pub(crate) fn silent() -> io::Result<Mode> {
        system::change(Wanted::Silent).map(Mode)
    }
}

/// The size of the terminal of the standard output, if it is one.
pub(crate) fn size() -> Option<TerminalSize> {
    system::size()
}

/// Changes of the size.
pub(crate) struct Resizes(system::Resizes);

impl Resizes {
    /// Listens from now on.
    pub(crate) fn listen() -> io::Result<Resizes> {
        system::resizes().map(Resizes)
    }

    /// Waits for the next change.
    pub(crate) async fn next(&mut self) {
        system::next_resize(&mut self.0).await;
    }
}

#[cfg(unix)]
mod system {
    use std::io;

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
    use skep_api::client::TerminalSize;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::Wanted;

    pub(super) type Resizes = Signal;

    /// The modes to go back to.
    #[derive(Debug)]
    pub(super) struct Saved(Termios);

    pub(super) fn change(wanted: Wanted) -> io::Result<Saved> {
        let saved = tcgetattr(io::stdin())?;
        let mut modes = saved.clone();
        match wanted {
            Wanted::Raw => modes.make_raw(),
            Wanted::Silent => modes.local_modes.remove(LocalModes::ECHO),
        }
        tcsetattr(io::stdin(), OptionalActions::Now, &modes)?;
        Ok(Saved(saved))
    }

    impl Drop for Saved {
        fn drop(&mut self) {
            // A terminal that went away needs no modes.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
        }
    }

    pub(super) fn size() -> Option<TerminalSize> {
        let size = tcgetwinsize(io::stdout()).ok()?;
        Some(TerminalSize { rows: size.ws_row, columns: size.ws_col })
    }

    pub(super) fn resizes() -> io::Result<Resizes> {
        signal(SignalKind::window_change())
    }

    pub(super) async fn next_resize(resizes: &mut Resizes) {
        if resizes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    use skep_api::client::TerminalSize;

    use super::Wanted;

    pub(super) struct Resizes;

    #[derive(Debug)]
    pub(super) struct Saved;

    pub(super) fn change(_: Wanted) -> io::Result<Saved> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "terminal modes need a unix system"))
    }

    pub(super) fn size() -> Option<TerminalSize> {
        None
    }

    pub(super) fn resizes() -> io::Result<Resizes> {
        Ok(Resizes)
    }

    pub(super) async fn next_resize(_: &mut Resizes) {
        std::future::pending::<()>().await;
    }
}
