//! How processes that share the work of one log learn which partitions are theirs.

use tokio::sync::oneshot;

use crate::log::{LogError, Partition};

/// What a group has decided.
#[derive(Debug)]
pub enum Change {
    /// These are ours from now on, besides those that were.
    Assigned(Vec<Partition>),
    /// These go to others, who get them once the notice is answered: what they need to go on is to
    /// be written until then.
    Revoked(Vec<Partition>),
    /// The group has done without us for too long: these may be others' already.
    Lost(Vec<Partition>),
    /// The membership is over, and trying again would not help.
    Ended(LogError),
}

/// A change, and whom to tell that it was dealt with.
#[derive(Debug)]
pub struct Notice {
    /// What has changed.
    pub change: Change,
    /// To be told, or dropped, when it was dealt with.
    pub done: oneshot::Sender<()>,
}
