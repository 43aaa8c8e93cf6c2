//! A process that stands still now and then, whatever it is doing.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

const EVERY: Duration = Duration::from_secs(1);
const LASTS: Duration = Duration::from_millis(50);

/// Hiccups of a process, one after the other.
pub struct Hiccups {
    end: Sender<()>,
    thread: JoinHandle<usize>,
}

impl Hiccups {
    /// The first comes after half of the time between two.
    pub fn begin(process: u32) -> Self {
        let process = i32::try_from(process).ok().and_then(Pid::from_raw).expect("a process");
        let (end, ended) = channel();
        let thread = thread::spawn(move || {
            let tell = |signal| kill_process(process, signal).expect("it runs");
            let (mut wait, mut hiccups) = (EVERY / 2, 0);
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                tell(Signal::STOP);
                thread::sleep(LASTS);
                tell(Signal::CONT);
                (wait, hiccups) = (EVERY - LASTS, hiccups + 1);
            }
            hiccups
        });
        Self { end, thread }
    }

    /// Ends them, and tells how many there were.
    pub fn end(self) -> usize {
        drop(self.end);
        self.thread.join().expect("it ends")
    }
}
