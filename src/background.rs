//! Work that takes a processor for long and that nobody should notice: on a thread of its own that leaves
//! the processors to those that serve.

use std::io;

use tokio::sync::oneshot;

/// How much less such a thread matters than others, from 0 to 19.
const NICENESS: i32 = 10;

/// Does some work in the background.
///
/// # Errors
/// The thread can't be started, or the work panicked.
pub async fn in_background<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, done) = oneshot::channel();
    let run = move || {
        // Elsewhere it would be the priority of the whole process.
        if cfg!(target_os = "linux") {
            // Where it may not be changed, the work only takes its share of the time.
            let _ = rustix::process::setpriority_process(None, NICENESS);
        }
        // Without a receiver nobody wants it any more.
        let _ = sender.send(work());
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
    done.await.map_err(|_| io::Error::other("it stopped unexpectedly"))
}
