//! The signals that stop a service: the first one in order, the second one at once.

use std::future::Future;
use std::io::{self, Write};
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::runtime::{FAILED, end};

/// Resolves at SIGTERM or ctrl-c. At the next one the process ends, whatever it is doing: a thread of
/// its own listens, so that nothing which blocks the others is in the way.
pub(super) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
    };
    let (stopped, first) = oneshot::channel();
    let listen = async move {
        signals.next().await;
        // Without a receiver nobody has anything to stop any more.
        let _ = stopped.send(());
        signals.next().await;
        let _ = writeln!(
            io::stderr(),
            "error: ended by a second signal: what was not saved is read from the log at the next start"
        );
        end(FAILED)
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(listen))?;
    // The sender lives as long as the process does.
    Ok(async move { first.await.unwrap_or(()) })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
