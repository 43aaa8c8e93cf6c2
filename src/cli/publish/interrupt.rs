//! ctrl-c: once, and what was read is sent and told; twice, and it ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::super::runtime::{INTERRUPTED, end};
use super::rejects::Notices;

/// Whether somebody has pressed ctrl-c.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on.
    pub fn listen(notices: Notices) -> io::Result<Self> {
        let mut pressed = signal(SignalKind::interrupt())?;
        let interrupt = Self::default();
        let came = interrupt.clone();
        tokio::spawn(async move {
            pressed.recv().await;
            came.0.store(true, Ordering::Relaxed);
            notices.tell("ending", "what was read is being sent. ctrl-c again ends at once");
            pressed.recv().await;
            end(INTERRUPTED);
        });
        Ok(interrupt)
    }

    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
