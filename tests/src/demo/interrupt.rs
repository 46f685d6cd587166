//! Ctrl-C as an ordinary error.
//!
//! A signal only sets a flag. Every wait of the demo looks at it and ends with an error, so that an
//! interrupted demo cleans up in the same way as one that ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use tokio::signal::unix::{SignalKind, signal};

/// Tells whether somebody wants the demo to end.
#[derive(Debug, Clone)]
pub struct Interrupt {
    raised: Arc<AtomicBool>,
}

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP, from now to the end of the program.
    pub fn watch() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot make a runtime")?;
        let (mut interrupt, mut terminate, mut hangup) = {
            let _inside = runtime.enter();
            let take = |kind| signal(kind).context("cannot take over a signal");
            (take(SignalKind::interrupt())?, take(SignalKind::terminate())?, take(SignalKind::hangup())?)
        };
        let raised = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&raised);
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
            });
            flag.store(true, Ordering::Relaxed);
        });
        Ok(Self { raised })
    }

    /// Tells whether a signal came.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// Ends the caller's work once a signal came.
    pub fn check(&self) -> Result<()> {
        ensure!(!self.is_raised(), "interrupted");
        Ok(())
    }
}
