//! What commands that wait run on.

use std::time::Duration;

use super::error::CliError;

/// How long what still runs at the end may take to end by itself.
const LAST: Duration = Duration::from_secs(1);

/// Runs a command to its end.
pub(super) fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A question that a broker does not answer must not hold up the end.
    runtime.shutdown_timeout(LAST);
    result
}
