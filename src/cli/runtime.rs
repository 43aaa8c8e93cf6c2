//! What commands that wait run on, and how the process ends.

use std::io::{self, Write};
use std::pin::{Pin, pin};

use rustix::fs::Mode;

use super::error::CliError;

/// What a process exits with that has failed, one that was called wrongly, and one that ctrl-c has ended.
pub(super) const FAILED: i32 = 1;
pub(super) const WRONG_CALL: i32 = 2;
pub(super) const INTERRUPTED: i32 = 130;

/// Runs a command to its end.
pub(super) fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // One type for all commands: tokio's machinery is compiled anew for each.
    let work: Pin<&mut dyn Future<Output = _>> = pin!(work);
    let result = runtime.block_on(work);
    // A question that a broker does not answer must not hold up the end.
    runtime.shutdown_background();
    result
}

/// What is written from now on is for the user alone who runs it: it says who likes what. Files and folders that are
/// there stay as they are.
pub(super) fn keep_files_private() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Ends the process, now: what had to be saved has been, and no destructor or exit handler of any
/// library decides how long it takes. (That of OpenSSL, for one, takes away what the threads of
/// librdkafka still use.)
#[expect(unsafe_code, reason = "the standard library's own end runs the exit handlers")]
pub(super) fn end(code: i32) -> ! {
    // Standard error is not buffered; nobody is left to tell if this fails.
    let _ = io::stdout().flush();
    // SAFETY: it has no preconditions, and nothing runs after it.
    unsafe { libc::_exit(code) }
}
