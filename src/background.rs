//! Threads of our own: for work that takes a processor for long and that nobody should notice, and for what is to
//! run as long as the process does.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::{Builder, JoinHandle};

use tokio::sync::oneshot;

mod priority;

pub use priority::Niceness;

/// Does some work in the background.
///
/// # Errors
/// The thread can't be started, or the work panicked.
pub async fn in_background<T: Send + 'static>(
    name: &str,
    niceness: Niceness,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, done) = oneshot::channel();
    // Without a receiver nobody wants it any more.
    begin_in_background(name, niceness, move || drop(sender.send(work())))?;
    done.await.map_err(|_| io::Error::other("it stopped unexpectedly"))
}

/// Does some work where a thread may be blocked, as if it were done here: if it panics, so does this.
///
/// # Errors
/// The runtime ends.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(error) => Err(error.into()),
    }
}

/// Begins some work in the background, which nobody need wait for.
///
/// # Errors
/// The thread can't be started.
pub fn begin_in_background(
    name: &str,
    niceness: Niceness,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let run = move || {
        priority::lower(niceness);
        work();
    };
    Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// Runs something for as long as its owner wants. Nobody waits for such a thread before that, so that its end would
/// go unnoticed: if it panics, `panicked` is called.
///
/// # Errors
/// The thread can't be started.
pub fn forever(
    name: &str,
    work: impl FnOnce() + Send + 'static,
    panicked: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let run = move || {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            panicked();
        }
    };
    Builder::new().name(name.to_owned()).spawn(run)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_thread_that_panics_is_told_of_and_one_that_ends_is_not() {
        let (told, telling) = channel();
        for panics in [true, false] {
            let told = told.clone();
            let work = move || assert!(!panics, "as a test may");
            forever("test", work, move || told.send(panics).expect("it is listened to"))
                .expect("a thread")
                .join()
                .expect("it ends in order");
        }
        drop(told);
        assert_eq!(telling.iter().collect::<Vec<_>>(), [true]);
    }
}
