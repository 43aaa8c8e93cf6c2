//! The request path: query, interests, candidates, filters, features, score, top N.
//!
//! One straight line without I/O, locks or waiting. Everything that a request needs to grow is in a
//! [`Scratch`] that the caller keeps from one request to the next.

use ndarray::{ArrayView1, ArrayViewMut1};

use super::candidates::{Asked, Source, ask};
use super::diversity;
use super::event::{EventType, Timestamp};
use super::filters::{CompiledFilter, Filter};
use super::interest::{Interests, Located};
use super::pools::Pools;
use super::profile::{Profile, ProfileAt};
use super::state::PartitionState;
use super::topk;

/// The features of a score, in the order in which contributions are added up.
pub const FEATURES: [&str; 4] = ["interest", "popularity", "recency", "boost"];

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
}

/// The user that asks.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// The partition that the user lives in.
    pub state: &'a PartitionState,
    /// Its place.
    pub partition: usize,
    /// The user's facts.
    pub profile: &'a Profile,
}

/// A ranked row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// The item.
    pub row: u32,
    /// The sum of the contributions, in the order of [`FEATURES`].
    pub score: f64,
    /// The value of each feature.
    pub features: [f64; 4],
    /// The category of the item that speaks to the user most, if one does.
    pub category: Option<u32>,
}

/// A list, and how it came about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Best first.
    pub items: Vec<Ranked>,
    /// The time of the user's newest event that counts.
    pub profile_as_of: Option<Timestamp>,
    /// How many candidates were scored, by source; one that several sources gave counts for the
    /// first.
    pub candidates: [usize; Source::ALL.len()],
    /// How many candidates a filter removed.
    pub filtered: usize,
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

/// Room for the work of one request.
#[derive(Debug, Default)]
pub struct Scratch {
    interests: Interests,
    /// By row: the request that has dealt with it.
    marks: Vec<u32>,
    request: u32,
    rows: Vec<u32>,
    /// The interest by list of categories.
    by_list: Vec<f64>,
    lanes: [Vec<f64>; 4],
    scores: Vec<f64>,
    keys: Vec<u128>,
}

/// Ranks items for a user, or for an anonymous session.
///
/// # Errors
/// The question is for an instant that state can't answer for any more.
pub fn recommend(
    pools: &Pools,
    asker: Option<Asker<'_>>,
    query: &Query<'_>,
    scratch: &mut Scratch,
) -> Result<Answer, TooOld> {
    let profile = profile_at(pools, asker, query.as_of)?;
    let mut answer = Answer { profile_as_of: newest(&profile, query), ..Answer::default() };
    scratch.begin(pools);
    scratch.count_interests(pools, asker, profile.as_ref(), query);
    scratch.leave_out(pools, asker, profile.as_ref(), query);
    let filter = query.filter.compile(&pools.layout);
    for source in Source::ALL {
        if source == Source::All && (scratch.rows.len() >= query.n || scratch.rows.len() >= pools.live.len())
        {
            break;
        }
        scratch.gather(source, pools, query, &filter, &mut answer);
    }
    scratch.score(pools, query.as_of);
    let best = scratch.pick(pools, query.n);
    answer.items = best.into_iter().map(|place| scratch.ranked(pools, place)).collect();
    Ok(answer)
}

/// Scores one row for a user, whether or not it could be in a list.
///
/// # Errors
/// The question is for an instant that state can't answer for any more.
pub fn explain(
    pools: &Pools,
    asker: Option<Asker<'_>>,
    query: &Query<'_>,
    row: u32,
    scratch: &mut Scratch,
) -> Result<Explained, TooOld> {
    let profile = profile_at(pools, asker, query.as_of)?;
    scratch.begin(pools);
    scratch.count_interests(pools, asker, profile.as_ref(), query);
    scratch.leave_out(pools, asker, profile.as_ref(), query);
    let seen = scratch.marks.get(row as usize) == Some(&scratch.request);
    scratch.rows.push(row);
    scratch.score(pools, query.as_of);
    Ok(Explained { ranked: scratch.ranked(pools, 0), seen, profile_as_of: newest(&profile, query) })
}

/// One row's score for a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The score.
    pub ranked: Ranked,
    /// Whether the user has acted on it.
    pub seen: bool,
    /// The time of the user's newest event that counts.
    pub profile_as_of: Option<Timestamp>,
}

impl Ranked {
    /// What each feature adds to the score.
    pub fn contributions(&self, pools: &Pools) -> [f64; 4] {
        let mut contributions = weights(pools);
        for (weight, feature) in contributions.iter_mut().zip(self.features) {
            *weight *= feature;
        }
        contributions
    }
}

/// The weight of each feature.
pub fn weights(pools: &Pools) -> [f64; 4] {
    let model = &pools.model;
    [model.interest_weight, model.popularity_weight, model.recency_weight, 1.0]
}

fn profile_at<'a>(
    pools: &Pools,
    asker: Option<Asker<'a>>,
    t: Timestamp,
) -> Result<Option<ProfileAt<'a>>, TooOld> {
    if t < pools.floor {
        return Err(TooOld { asked: t, oldest: pools.floor });
    }
    let Some(asker) = asker else { return Ok(None) };
    let keep = asker.state.config().recent_events_per_user;
    asker
        .profile
        .at(t, keep, asker.state.interest_ladder())
        .map(Some)
        .map_err(|oldest| TooOld { asked: t, oldest })
}

fn newest(profile: &Option<ProfileAt<'_>>, query: &Query<'_>) -> Option<Timestamp> {
    let context = (!query.context.is_empty()).then_some(query.as_of);
    context.max(profile.as_ref().and_then(ProfileAt::newest))
}

impl Scratch {
    fn begin(&mut self, pools: &Pools) {
        self.interests.reset(&pools.layout);
        self.rows.clear();
        self.request = self.request.wrapping_add(1);
        if self.request == 0 {
            self.marks.fill(0);
            self.request = 1;
        }
        if self.marks.len() < pools.layout.len() {
            self.marks.resize(pools.layout.len(), 0);
        }
    }

    fn count_interests(
        &mut self,
        pools: &Pools,
        asker: Option<Asker<'_>>,
        profile: Option<&ProfileAt<'_>>,
        query: &Query<'_>,
    ) {
        if let (Some(asker), Some(profile)) = (asker, profile)
            && let Some(map) = pools.maps.get(asker.partition)
        {
            let user = Located { state: asker.state, layout: &pools.layout, map };
            self.interests.count(user, profile, &pools.model, query.as_of);
        }
        for item_id in query.context {
            let row = pools.layout.row(item_id);
            let categories = row.map_or(&[][..], |row| pools.layout.categories(row));
            self.interests.count_now(categories, query.context_kind.0, &pools.model);
        }
        self.interests.finish(&pools.model);
    }

    /// Marks what must not become a candidate.
    fn leave_out(
        &mut self,
        pools: &Pools,
        asker: Option<Asker<'_>>,
        profile: Option<&ProfileAt<'_>>,
        query: &Query<'_>,
    ) {
        for item_id in query.exclude {
            self.mark(pools.layout.row(item_id));
        }
        if query.include_seen {
            return;
        }
        for item_id in query.context {
            self.mark(pools.layout.row(item_id));
        }
        if let (Some(asker), Some(profile)) = (asker, profile)
            && let Some(map) = pools.maps.get(asker.partition)
        {
            let seen = pools.model.seen_types();
            for event in profile.exact.iter().filter(|event| seen >> (event.kind().0 & 31) & 1 == 1) {
                self.mark(map.row(&pools.layout, asker.state, event.item));
            }
        }
    }

    fn mark(&mut self, row: Option<u32>) {
        if let Some(mark) = row.and_then(|row| self.marks.get_mut(row as usize)) {
            *mark = self.request;
        }
    }

    /// Adds the candidates of a source that are new, live at the instant and pass the filter.
    fn gather(
        &mut self,
        source: Source,
        pools: &Pools,
        query: &Query<'_>,
        filter: &CompiledFilter<'_>,
        answer: &mut Answer,
    ) {
        let before = self.rows.len();
        let open = query.filter.is_empty();
        let all_live = pools.as_of <= query.as_of && query.as_of < pools.next_expiry;
        let (rows, marks, request) = (&mut self.rows, &mut self.marks, self.request);
        let asked = Asked { pools, interests: &self.interests, filter };
        let passes = |row: u32| {
            (open || filter.passes(&pools.layout, row))
                && (all_live || pools.not_live(row, query.as_of).is_none())
        };
        ask(source, &asked, &mut |found| {
            let start = rows.len();
            rows.resize(start + found.len(), 0);
            let mut end = start;
            for row in found {
                // Each row is written, and the next one over it if it was not new: whether it is
                // can't be predicted, so that a branch would cost more than all the rest.
                if let Some(mark) = marks.get_mut(*row as usize) {
                    rows[end] = *row;
                    end += usize::from(*mark != request);
                    *mark = request;
                }
            }
            rows.truncate(end);
            if !(open && all_live) {
                let new = rows.split_off(start);
                rows.extend(new.into_iter().filter(|row| passes(*row)));
                answer.filtered += end - rows.len();
            }
        });
        answer.candidates[source as usize] = self.rows.len() - before;
    }

    /// Scores the candidates: a matrix of features, a lane each, times the model's weights. Lanes
    /// are added in the order of [`FEATURES`], so that a score is the sum of its contributions to
    /// the last bit.
    fn score(&mut self, pools: &Pools, t: Timestamp) {
        let ageing = pools.ageing(t);
        let (rows, interests, layout) = (&self.rows, &self.interests, &pools.layout);
        let [interest, popularity, recency, boost] = &mut self.lanes;
        if layout.lists_len() < rows.len() {
            // Items share their lists of categories: each list is looked at once.
            let lists = 0..layout.lists_len() as u32;
            self.by_list.clear();
            self.by_list.extend(lists.map(|list| interests.of(layout.members(list))));
            let of_list = |list: u32| self.by_list.get(list as usize).copied();
            fill(interest, rows, |row| layout.list(row).and_then(of_list).unwrap_or(0.0));
        } else {
            fill(interest, rows, |row| interests.of(layout.categories(row)));
        }
        popularity.resize(rows.len(), 0.0);
        recency.resize(rows.len(), 0.0);
        for ((row, popularity), recency) in rows.iter().zip(popularity).zip(recency) {
            let facts = pools.facts[*row as usize];
            (*popularity, *recency) = (facts.popularity, facts.recency * ageing);
        }
        if pools.boost.is_empty() {
            boost.clear();
        } else {
            fill(boost, rows, |row| pools.boost[row as usize]);
        }
        self.scores.clear();
        self.scores.resize(rows.len(), 0.0);
        let mut scores = ArrayViewMut1::from(&mut self.scores[..]);
        for (lane, weight) in self.lanes.iter().zip(weights(pools)) {
            if lane.len() == scores.len() {
                scores.scaled_add(weight, &ArrayView1::from(&lane[..]));
            }
        }
    }

    fn pick(&mut self, pools: &Pools, n: usize) -> Vec<u32> {
        let share = pools.model.max_category_share;
        if share >= 1.0 {
            return topk::select(&self.scores, &self.rows, n, &mut self.keys);
        }
        let best = topk::select(&self.scores, &self.rows, self.rows.len(), &mut self.keys);
        let rows = &self.rows;
        let main = |place: u32| pools.layout.categories(rows[place as usize]).first().copied();
        diversity::cap(&best, n, share, main)
    }

    fn ranked(&self, pools: &Pools, place: u32) -> Ranked {
        let place = place as usize;
        let row = self.rows[place];
        let value = |lane: &Vec<f64>| lane.get(place).copied().unwrap_or(0.0);
        let [interest, popularity, recency, boost] = &self.lanes;
        let categories = pools.layout.categories(row).iter().copied();
        let liked = categories.map(|category| (self.interests.of(&[category]), category));
        let strongest = liked.filter(|(interest, _)| *interest > 0.0).max_by(|a, b| a.0.total_cmp(&b.0));
        Ranked {
            row,
            score: self.scores[place],
            features: [value(interest), value(popularity), value(recency), value(boost)],
            category: strongest.map(|(_, category)| category),
        }
    }
}

fn fill(lane: &mut Vec<f64>, rows: &[u32], feature: impl Fn(u32) -> f64) {
    lane.clear();
    lane.extend(rows.iter().map(|row| feature(*row)));
}
