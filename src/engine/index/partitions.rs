//! The partitions of a service, as the index looks at them.

use crate::engine::facts::state::PartitionState;

/// The partitions of a service, each to be looked at for a short while.
pub trait Partitions {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows the state of one partition, if it is here.
    fn with(&self, partition: usize, look: &mut dyn FnMut(&PartitionState));
}

impl Partitions for [PartitionState] {
    fn len(&self) -> usize {
        <[PartitionState]>::len(self)
    }

    fn with(&self, partition: usize, look: &mut dyn FnMut(&PartitionState)) {
        if let Some(state) = self.get(partition) {
            look(state);
        }
    }
}
