//! The topics of a log: a row each. Whoever keeps a log goes over these rows, so that one more topic is one
//! more row; what it is called in Kafka is an option of its own.

use std::ops::{Index, IndexMut};

/// What holds for a topic in whatever log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicRow {
    /// Its name where no setting gives it one. The embedded journal's files are called by it.
    pub name: &'static str,
    /// Whether only the newest record of each key is kept, and that for ever. Otherwise all are kept for a
    /// while.
    pub compacted: bool,
    /// The largest record that has to fit, in bytes, where a broker's default may not do.
    pub max_bytes: Option<u32>,
}

macro_rules! topics {
    ($($(#[$doc:meta])* $topic:ident { name: $name:literal, compacted: $compacted:literal, max_bytes: $max:expr }),* $(,)?) => {
        /// What a topic is for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Topic { $($(#[$doc])* $topic),* }

        impl Topic {
            /// Every topic that a log has.
            pub const ALL: &[Self] = &[$(Self::$topic),*];

            /// What holds for it in whatever log it is.
            pub const fn row(self) -> TopicRow {
                match self {
                    $(Self::$topic => TopicRow { name: $name, compacted: $compacted, max_bytes: $max }),*
                }
            }
        }
    };
}

topics! {
    /// Events, keyed by `user_id`.
    Clicks { name: "clicks", compacted: false, max_bytes: None },
    /// The catalog, keyed by `item_id`: the newest record of a key is kept for ever.
    Items { name: "items", compacted: true, max_bytes: None },
    /// Records of `Clicks` and `Items` that could not be applied, keyed as they were. Each is its record
    /// and more.
    DeadLetters { name: "dead-letters", compacted: false, max_bytes: Some(32 * 1024 * 1024) },
}

/// One of something for each topic.
#[derive(Clone, Debug)]
pub struct PerTopic<T>(Vec<T>);

impl<T> PerTopic<T> {
    /// Makes one for each topic.
    pub fn new(make: impl FnMut(Topic) -> T) -> Self {
        Self(Topic::ALL.iter().copied().map(make).collect())
    }

    /// Makes one for each topic, if all of them can be made.
    ///
    /// # Errors
    /// The first that can't.
    pub fn try_new<E>(make: impl FnMut(Topic) -> Result<T, E>) -> Result<Self, E> {
        Topic::ALL.iter().copied().map(make).collect::<Result<_, _>>().map(Self)
    }

    /// Each topic with its own.
    pub fn iter(&self) -> impl Iterator<Item = (Topic, &T)> {
        Topic::ALL.iter().copied().zip(&self.0)
    }

    /// Each topic with its own, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Topic, &mut T)> {
        Topic::ALL.iter().copied().zip(&mut self.0)
    }
}

impl<T> Index<Topic> for PerTopic<T> {
    type Output = T;

    fn index(&self, topic: Topic) -> &T {
        &self.0[topic as usize]
    }
}

impl<T> IndexMut<Topic> for PerTopic<T> {
    fn index_mut(&mut self, topic: Topic) -> &mut T {
        &mut self.0[topic as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_topic_finds_its_own_and_no_two_share_a_name() {
        let names = PerTopic::new(|topic| topic.row().name);
        for (topic, name) in names.iter() {
            assert_eq!((names[topic], *name), (topic.row().name, topic.row().name));
        }
        assert_eq!(names.iter().map(|(_, name)| *name).collect::<BTreeSet<_>>().len(), Topic::ALL.len());
    }
}
