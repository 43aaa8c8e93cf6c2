//! How many connections the descriptors of the process are enough for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// The part of all descriptors that connections may take: the log, snapshots, models and those who ask for
/// health and metrics need some as well.
const PART: u64 = 4;

/// At most `most`, and three quarters of the descriptors that the process may have, which are raised as far
/// as it may raise them itself.
pub(super) fn leave_enough(most: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let Some(current) = current else { return most };
    let enough = usize::try_from(current - current / PART).unwrap_or(usize::MAX).max(1);
    if enough < most {
        warn!(
            descriptors = current,
            connections = enough,
            "fewer connections than `server.max_connections` can be open: raise the limit of open files (`ulimit -n`)"
        );
    }
    most.min(enough)
}
