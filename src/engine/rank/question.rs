//! A question for a list or for an explanation, and what is known of who asks.

use crate::engine::events::event::{EventType, Timestamp};
use crate::engine::facts::profile::{Profile, ProfileAt};
use crate::engine::facts::state::PartitionState;
use crate::engine::index::pools::Pools;
use crate::engine::rank::filters::Filter;
use crate::engine::rank::interest::Located;

/// A question for a list.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// How many items.
    pub n: usize,
    /// The instant to answer for.
    pub as_of: Timestamp,
    /// Items of the session so far: they count as events of this type, now.
    pub context: &'a [String],
    /// See [`Self::context`].
    pub context_kind: EventType,
    /// Items to leave out.
    pub exclude: &'a [String],
    /// Which items may be in the list.
    pub filter: &'a Filter,
    /// Whether items that the user has acted on may be in the list.
    pub include_seen: bool,
    /// Whether to tell what is not in the list.
    pub explain: bool,
    /// What new items are drawn by, where the model has places for them; none: it has none in this list.
    pub explore: Option<u64>,
}

/// What one partition knows of the user that asks. For most there is one such partition; where events of the
/// same user came by several, each knows a part: facts are whole numbers, and are added up.
#[derive(Clone, Copy)]
pub struct UserContext<'a> {
    /// The partition.
    pub state: &'a PartitionState,
    /// Its index.
    pub partition: usize,
    /// The user's facts.
    pub profile: &'a Profile,
}

/// What is known of a user at an instant, by partition.
pub struct Known<'a> {
    // Most are known by one, who need no list.
    first: Option<KnownPart<'a>>,
    more: Vec<KnownPart<'a>>,
}

/// What a partition knows of a user at an instant.
pub struct KnownPart<'a> {
    /// The partition, and the user's facts.
    pub user: UserContext<'a>,
    /// These at the instant.
    pub profile: ProfileAt<'a>,
}

impl<'a> Known<'a> {
    /// The partitions.
    pub fn parts(&self) -> impl Iterator<Item = &KnownPart<'a>> {
        self.first.iter().chain(&self.more)
    }
}

impl<'a> KnownPart<'a> {
    /// Where it is in the layout of the pools, if that knows the partition.
    pub fn located<'b>(&self, pools: &'b Pools) -> Option<Located<'b>>
    where
        'a: 'b,
    {
        let map = pools.maps.get(self.user.partition)?;
        Some(Located { state: self.user.state, layout: &pools.layout, map })
    }
}

/// An instant that state can't answer for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`as_of` is {asked}, but the oldest instant that can still be answered exactly is {oldest}")]
pub struct TooOld {
    /// What was asked for.
    pub asked: Timestamp,
    /// What can be answered.
    pub oldest: Timestamp,
}

/// What is known of a user at an instant.
///
/// # Errors
/// State can't answer for it any more.
pub fn known_at<'a>(pools: &Pools, user: &[UserContext<'a>], t: Timestamp) -> Result<Known<'a>, TooOld> {
    if t < pools.floor {
        return Err(TooOld { asked: t, oldest: pools.floor });
    }
    let part = |user: &UserContext<'a>| {
        let keep = user.state.config().recent_events_per_user;
        let profile = user.profile.at(t, keep, user.state.interest_windows());
        let profile = profile.map_err(|oldest| TooOld { asked: t, oldest })?;
        Ok(KnownPart { user: *user, profile })
    };
    let (first, more) = user.split_first().unzip();
    let first = first.map(part).transpose()?;
    let more = more.unwrap_or_default().iter().map(part).collect::<Result<_, TooOld>>()?;
    Ok(Known { first, more })
}
