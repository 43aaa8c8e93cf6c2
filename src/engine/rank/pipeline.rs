//! The request path: query, interests, candidates, filters, features, score, top N.
//!
//! One straight line without I/O, locks or waiting: the user's partition is locked meanwhile, and nothing else of
//! it may be applied or asked. Everything that a request needs to grow is in a [`Scratch`] that the caller keeps
//! from one request to the next.
//!
//! Answers are the same for the same facts, whatever was asked before and whichever sources gave an item: scores
//! are sums in one order, and ties go by rank, which is the order of ids.

use hashbrown::HashMap;

use crate::engine::events::event::Timestamp;
use crate::engine::index::pools::{Gathered, Pools, Room};
pub use crate::engine::rank::answer::{Answer, Explained, Listed, Ranked};
use crate::engine::rank::candidates::request::{Candidates, Given, RequestContext, Source};
use crate::engine::rank::candidates::{ALL, BySource, SOURCES};
use crate::engine::rank::diversity;
use crate::engine::rank::explore::new_items::NewItems;
use crate::engine::rank::features::FEATURES;
use crate::engine::rank::features::columns::{Block, Column, Row, WIDTH};
use crate::engine::rank::features::feature::{Asking, Per};
use crate::engine::rank::filters::CompiledFilter;
use crate::engine::rank::forest::list::{Asker, List};
use crate::engine::rank::forest::reranked::Reranked;
use crate::engine::rank::forest::signal::Named;
use crate::engine::rank::interest::{Interests, Located};
use crate::engine::rank::question::{Known, known_at};
pub use crate::engine::rank::question::{Query, TooOld, UserContext};
use crate::engine::rank::reason::Reason;
use crate::engine::rank::related::Relation;
use crate::engine::rank::related::recent::Recent;
use crate::engine::rank::related::rows::{RelatedRows, RelatedTo};
use crate::engine::rank::removal::{Removal, Removals, Removed};
use crate::engine::rank::scorer;
use crate::engine::rank::topk::TopK;

/// Room for the work of one request.
#[derive(Debug, Default)]
pub struct Scratch {
    interests: Interests,
    /// By row: the last request that has dealt with it. So nothing has to be cleared between two requests, where
    /// a set of rows would be emptied and a list of flags wiped.
    marks: Vec<u32>,
    /// The number of this request, never 0: that is a row that no request has dealt with.
    request: u32,
    /// What is related to the items that the user was last on.
    related: RelatedRows,
    gathered: Gathered,
    /// Room for the features that depend on the user, each for a block of rows.
    columns: [Vec<f64>; WIDTH],
    /// The scores of a block of rows.
    scores: Vec<f64>,
    best: TopK,
    /// What the sources gave, best first: all else comes behind it.
    sourced: Vec<u32>,
    /// The first of that: the features and the linear score of each, where a forest is to look at them.
    listed: (Vec<Row>, Vec<f64>),
    reranked: Reranked,
    new: NewItems,
}

/// The items that a user was last on: to find out what is related to them comes before [`recommend`] and [`explain`],
/// as it is about everybody and takes a look at each partition.
///
/// # Errors
/// The question is for an instant that state can't answer for any more.
pub fn recent(pools: &Pools, user: &[UserContext<'_>], query: &Query<'_>) -> Result<Recent, TooOld> {
    Ok(Recent::of(pools, &known_at(pools, user, query.as_of)?, query))
}

/// Ranks items for a user, or for an anonymous session. `related` is what is related to the items of [`recent`].
///
/// # Errors
/// The question is for an instant that state can't answer for any more.
pub fn recommend(
    pools: &Pools,
    user: &[UserContext<'_>],
    query: &Query<'_>,
    related: &[RelatedTo],
    scratch: &mut Scratch,
) -> Result<Answer, TooOld> {
    let user = known_at(pools, user, query.as_of)?;
    let mut answer = Answer { profile_as_of: newest(&user, query), ..Answer::default() };
    scratch.begin(pools, related);
    scratch.count_interests(pools, &user, query);
    scratch.leave_out(pools, &user, query);
    scratch.find_new(pools, query);
    scratch.rank(pools, query, &mut answer);
    if query.explain {
        answer.removed = scratch.removed(pools, &user, query, &answer.candidates);
    }
    scratch.rerank(pools, &user, query, related);
    scratch.place_new(pools, query);
    let best = scratch.pick(pools, query.n);
    answer.items = best.into_iter().map(|row| scratch.ranked(pools, row, related, query)).collect();
    Ok(answer)
}

/// The best candidates of the linear score for a user, best first: what a forest would have to look at.
///
/// # Errors
/// The question is for an instant that state can't answer for any more.
pub fn candidates(
    pools: &Pools,
    user: &[UserContext<'_>],
    query: &Query<'_>,
    related: &[RelatedTo],
    signals: &[Named],
    scratch: &mut Scratch,
) -> Result<Listed, TooOld> {
    let user = known_at(pools, user, query.as_of)?;
    scratch.begin(pools, related);
    scratch.count_interests(pools, &user, query);
    scratch.leave_out(pools, &user, query);
    scratch.rank(pools, query, &mut Answer::default());
    scratch.sourced.truncate(query.n);
    let mut listed = Listed { rows: scratch.sourced.clone(), signals: Vec::new() };
    scratch.with_list(pools, &user, query, related, query.n, |_, list| {
        list.fill(signals, &mut Default::default(), &mut listed.signals);
    });
    Ok(listed)
}

/// Scores one row for a user, whether or not it could be in a list.
///
/// # Errors
/// The question is for an instant that state can't answer for any more.
pub fn explain(
    pools: &Pools,
    user: &[UserContext<'_>],
    query: &Query<'_>,
    (row, related): (u32, &[RelatedTo]),
    scratch: &mut Scratch,
) -> Result<Explained, TooOld> {
    let user = known_at(pools, user, query.as_of)?;
    scratch.begin(pools, related);
    scratch.count_interests(pools, &user, query);
    scratch.leave_out(pools, &user, query);
    let seen = scratch.marks.get(row as usize) == Some(&scratch.request);
    // Where a forest ranks, a score hangs on all that is in the list.
    if pools.model.reranking.is_some() {
        scratch.rank(pools, query, &mut Answer::default());
        scratch.rerank(pools, &user, query, related);
    }
    let ranked = scratch.ranked(pools, row, related, &Query { explain: true, ..query.clone() });
    Ok(Explained {
        ranked,
        seen,
        sources: scratch.sources_of(pools, query, row),
        related: related.iter().filter_map(|to| Some((to.row, to.share, to.values(row)?))).collect(),
        profile_as_of: newest(&user, query),
    })
}

/// Whether an instant can be answered for.
///
/// # Errors
/// State can't any more.
pub fn check_instant(pools: &Pools, user: &[UserContext<'_>], t: Timestamp) -> Result<(), TooOld> {
    known_at(pools, user, t).map(drop)
}

fn newest(user: &Known<'_>, query: &Query<'_>) -> Option<Timestamp> {
    let context = (!query.context.is_empty()).then_some(query.as_of);
    user.parts().filter_map(|part| part.profile.newest()).max().max(context)
}

impl Scratch {
    /// The interests of the last request.
    pub(super) fn interests(&self) -> &Interests {
        &self.interests
    }

    fn begin(&mut self, pools: &Pools, related: &[RelatedTo]) {
        self.interests.reset(&pools.layout);
        self.related.fill(pools.layout.len(), related);
        self.reranked.clear();
        self.new.clear();
        self.request = self.request.wrapping_add(1);
        if self.request == 0 {
            // After four billion requests marks of long ago would be those of this one.
            self.marks.fill(0);
            self.request = 1;
        }
        if self.marks.len() < pools.layout.len() {
            self.marks.resize(pools.layout.len(), 0);
        }
    }

    fn count_interests(&mut self, pools: &Pools, user: &Known<'_>, query: &Query<'_>) {
        for part in user.parts() {
            if let Some(located) = part.located(pools) {
                self.interests.count(located, &part.profile, &pools.model, query.as_of);
            }
        }
        for item_id in query.context {
            let row = pools.layout.row(item_id);
            let categories = row.map_or(&[][..], |row| pools.layout.categories(row));
            self.interests.count_now(categories, query.context_kind.0, &pools.model);
        }
        self.interests.finish(&pools.model, &pools.layout);
    }

    /// Marks what must not become a candidate, as if it had been dealt with: to ranking that is one question, not
    /// two.
    fn leave_out(&mut self, pools: &Pools, user: &Known<'_>, query: &Query<'_>) {
        left_out(pools, user, query, |row, _| {
            if let Some(mark) = self.marks.get_mut(row as usize) {
                *mark = self.request;
            }
        });
    }

    fn request<'a>(&'a self, pools: &'a Pools, filter: &'a CompiledFilter<'a>) -> RequestContext<'a> {
        RequestContext { pools, interests: &self.interests, related: self.related.rows(), filter }
    }

    /// The names of the sources that give a row.
    fn sources_of(&self, pools: &Pools, query: &Query<'_>, row: u32) -> Vec<&'static str> {
        let filter = query.filter.compile(&pools.layout);
        let request = self.request(pools, &filter);
        let gives = |source: &&Source| {
            let mut given = false;
            let mut take = |candidates: Given<'_>| given |= candidates.rows().contains(&row);
            (source.collect)(&request, &mut Candidates::new(&mut take));
            given
        };
        SOURCES.iter().filter(gives).map(|source| source.name).collect()
    }

    /// What is not in the list of those that the sources gave.
    fn removed(&self, pools: &Pools, user: &Known<'_>, query: &Query<'_>, candidates: &BySource) -> Removed {
        let filter = query.filter.compile(&pools.layout);
        let mut removals = Removals { pools, as_of: query.as_of, filter: &filter, left_out: HashMap::new() };
        left_out(pools, user, query, |row, why| {
            removals.left_out.entry(row).or_insert(why);
        });
        if candidates[ALL] > 0 {
            let rows = (0..pools.layout.len() as u32).filter(|row| !pools.layout.is_deleted(*row));
            return removals.count(rows);
        }
        let mut rows = Vec::new();
        let request = self.request(pools, &filter);
        let mut take = |candidates: Given<'_>| rows.extend_from_slice(candidates.rows());
        let mut candidates = Candidates::new(&mut take);
        SOURCES.iter().for_each(|source| (source.collect)(&request, &mut candidates));
        rows.sort_unstable();
        rows.dedup();
        removals.count(rows.into_iter())
    }

    /// Scores the candidates of each source and keeps the best that are new, live at the instant and pass the
    /// filter. To score a row is cheaper than to look at what it is: so blocks of rows are scored, column after
    /// column, and only those that are good enough for the list are looked at. Blocks whose best row could not
    /// get into the list any more are passed over.
    ///
    /// Where the sources give too few all other items come behind theirs, by their scores: so a longer list begins
    /// with the shorter one, for which they were not looked at. What a forest is to rank is found however short the list
    /// is.
    fn rank(&mut self, pools: &Pools, query: &Query<'_>, answer: &mut Answer) {
        let Self { interests, marks, request, related, gathered, columns, scores, best, sourced, .. } = self;
        sourced.clear();
        let ageing = pools.ageing(query.as_of);
        let reranked = pools.model.reranking.as_ref().map_or(0, |reranking| reranking.candidates);
        let filter = query.filter.compile(&pools.layout);
        let context = RequestContext { pools, interests, related: related.rows(), filter: &filter };
        let (layout, open) = (&*pools.layout, query.filter.is_empty());
        let asking = Asking { interests, layout };
        // Pools hold what was live at their own instant: for one before which nothing changes that is the same.
        let moved = query.as_of < pools.as_of || pools.liveness.next_change() <= query.as_of;
        // Each main category may take a share of the list: who makes room for whom is known last.
        let capped = pools.model.max_category_share < 1.0;
        best.start(if capped && query.n > 0 { usize::MAX } else { query.n.max(reranked) });
        let mut offer = |block: &Block<'_>, best: &mut TopK, mixed: bool| {
            score(pools, asking, block, columns, scores);
            best.offer(block.rows, block.ranks, scores, |row| {
                // Several sources give the same row. Its score is the same each time, so that one that is not
                // admitted now need not be asked for again.
                let Some(mark) = marks.get_mut(row as usize).filter(|mark| **mark != *request) else {
                    return false;
                };
                *mark = *request;
                (open || filter.passes(layout, row))
                    && (!mixed || pools.liveness.is_live(row))
                    && (!moved || pools.not_live(row, query.as_of).is_none())
            });
        };
        let most = pair_peak(pools, asking);
        for (source, scored) in SOURCES.iter().zip(&mut answer.candidates) {
            let mut take = |candidates: Given<'_>| {
                *scored += candidates.rows().len();
                let pool = match candidates {
                    Given::Pool(pool) => pool,
                    Given::Related(rows) => {
                        if !rows.is_empty() {
                            let mut block = pools.gather(rows, ageing, gathered);
                            related.fill_columns(&mut block.columns);
                            offer(&block, best, true);
                        }
                        return;
                    }
                };
                // Rows that are related have been offered, so that what is left has none of that.
                for (rows, mut peak) in pool.peaks(ageing) {
                    peak.iter_mut().zip(&most).for_each(|(value, most)| *value += most);
                    // Each step from features to a score keeps the order of its operands, rounding included.
                    if !best.is_beyond(pools.model.scorer.score_row(&peak)) {
                        offer(&pool.block(rows, ageing), best, false);
                    }
                }
            };
            (source.collect)(&context, &mut Candidates::new(&mut take));
        }
        let enough = best.len() >= query.n.min(pools.liveness.count());
        sourced.extend(best.finish());
        if enough {
            return best.start(0);
        }
        best.start(if capped { usize::MAX } else { query.n - sourced.len() });
        // Rows that are not live are among all of them, and the popularity of most is nowhere else.
        let mut room = Room::default();
        for rows in layout.blocks() {
            offer(&pools.block(rows, ageing, &mut room), best, true);
        }
        answer.candidates[ALL] = layout.items_len();
    }

    /// Puts the best of what the sources gave into the order of the model's forest, if it has one.
    fn rerank(&mut self, pools: &Pools, user: &Known<'_>, query: &Query<'_>, related: &[RelatedTo]) {
        if let Some(reranking) = pools.model.reranking.as_deref() {
            let candidates = reranking.candidates;
            self.with_list(pools, user, query, related, candidates, |reranked, list| {
                reranked.rank(reranking, list)
            });
            let order = self.reranked.rows();
            self.sourced[..order.len()].copy_from_slice(order);
        }
    }

    /// Calls back with the best of what the sources gave, as a forest looks at it.
    fn with_list(
        &mut self,
        pools: &Pools,
        user: &Known<'_>,
        query: &Query<'_>,
        related: &[RelatedTo],
        candidates: usize,
        with: impl FnOnce(&mut Reranked, &List<'_>),
    ) {
        let (mut features, mut linear) = std::mem::take(&mut self.listed);
        features.clear();
        linear.clear();
        let ageing = pools.ageing(query.as_of);
        let candidates = candidates.min(self.sourced.len());
        for index in 0..candidates {
            let row = self.features(pools, self.sourced[index], ageing);
            features.push(row);
            linear.push(pools.model.scorer.score_row(&row));
        }
        let Self { interests, sourced, reranked, .. } = self;
        let list = List {
            pools,
            as_of: query.as_of,
            interests,
            related,
            asker: Asker::of(user, query),
            rows: &sourced[..candidates],
            features: &features,
            linear: &linear,
        };
        with(reranked, &list);
        self.listed = (features, linear);
    }

    /// Finds the new items that places may be drawn for. What is left out is marked by now, and nothing else.
    fn find_new(&mut self, pools: &Pools, query: &Query<'_>) {
        let (mut new, ageing) = (std::mem::take(&mut self.new), pools.ageing(query.as_of));
        let (marks, request) = (std::mem::take(&mut self.marks), self.request);
        let may_be = |row: u32| marks.get(row as usize) != Some(&request);
        new.find(pools, query, may_be, |row| {
            pools.model.scorer.score_row(&self.features(pools, row, ageing))
        });
        (self.new, self.marks) = (new, marks);
    }

    /// Draws for the places that new items may get.
    fn place_new(&mut self, pools: &Pools, query: &Query<'_>) {
        let (mut new, ranked) = (std::mem::take(&mut self.new), std::mem::take(&mut self.sourced));
        let ageing = pools.ageing(query.as_of);
        let score = |row| pools.model.scorer.score_row(&self.features(pools, row, ageing));
        self.sourced = new.place(pools, query, ranked, score);
        self.new = new;
    }

    /// The list. With a cap on categories all candidates that may be in it are kept until now, best first, as
    /// any of them may move up into a place that a category leaves.
    fn pick(&mut self, pools: &Pools, n: usize) -> Vec<u32> {
        let (sourced, rest) = (&self.sourced, self.best.finish());
        let share = pools.model.max_category_share;
        if share >= 1.0 {
            return sourced.iter().copied().chain(rest).take(n).collect();
        }
        let main_category = |row| pools.layout.categories(row).first().copied();
        // Each for itself: what the sources give is first in any list, however long.
        let mut picked = diversity::cap(sourced, n, share, main_category);
        picked.extend(diversity::cap(&rest.collect::<Vec<_>>(), n - picked.len(), share, main_category));
        picked
    }

    /// The features of a row.
    fn features(&mut self, pools: &Pools, row: u32, ageing: f64) -> Row {
        let set = pools.layout.category_set(row);
        let block =
            Block { rows: &[row], ranks: &[0], category_sets: &[set], columns: [Column::Zero; WIDTH] };
        let asking = Asking { interests: &self.interests, layout: &pools.layout };
        let mut features = pools.item_features(row, ageing);
        for ((feature, value), room) in FEATURES.iter().zip(&mut features).zip(&mut self.columns) {
            match feature.per {
                Per::Pair(fill, _) => *value = fill(asking, &block, room).get(0),
                Per::Related(relation) => *value = self.related.get(row, relation),
                Per::Item(_) | Per::Popularity => {}
            }
        }
        features
    }

    fn ranked(&mut self, pools: &Pools, row: u32, related: &[RelatedTo], query: &Query<'_>) -> Ranked {
        let features = self.features(pools, row, pools.ageing(query.as_of));
        let contributions = pools.model.scorer.contributions(&features);
        let category = || {
            let categories = pools.layout.categories(row).iter();
            let liked = categories.map(|category| (self.interests.of(&[*category]), *category));
            let liked = liked.filter(|(interest, _)| *interest > 0.0);
            liked.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, category)| category)
        };
        let reason = Reason::of(&contributions, category, |relation| most_related(related, row, relation));
        let (score, signals) = match self.reranked.of(row) {
            None => (scorer::sum(&contributions), None),
            Some((score, signals)) => (score, query.explain.then(|| signals.into())),
        };
        let drawn = self.new.drawn(row);
        let reason = if drawn.is_some_and(|drawn| drawn.is_new) { Reason::New } else { reason };
        Ranked { row, score, features, signals, reason, propensity: drawn.map(|drawn| drawn.propensity) }
    }
}

/// Which of the items that the user was last on a row is most related to.
fn most_related(related: &[RelatedTo], row: u32, relation: Relation) -> Option<u32> {
    let adds = |to: &RelatedTo| Some((to.share * to.values(row)?[relation as usize], to.row));
    let most = related.iter().filter_map(adds).reduce(|a, b| if b.0 > a.0 { b } else { a });
    most.map(|(_, row)| row)
}

/// Calls back with each row that the query or the user's past keeps out of the list, and why.
fn left_out(pools: &Pools, user: &Known<'_>, query: &Query<'_>, mut with: impl FnMut(u32, Removal)) {
    let layout = &*pools.layout;
    query.exclude.iter().filter_map(|id| layout.row(id)).for_each(|row| with(row, Removal::Excluded));
    if query.include_seen {
        return;
    }
    query.context.iter().filter_map(|id| layout.row(id)).for_each(|row| with(row, Removal::Seen));
    let (model, t) = (&pools.model, query.as_of);
    for part in user.parts() {
        let Some(Located { state, map, .. }) = part.located(pools) else { continue };
        let known = part.profile.known();
        let away = known.filter(|event| event.ts() <= t && model.keeps_away(event.kind(), event.ts(), t));
        let rows = away.filter_map(|event| map.row(layout, state, event.item));
        rows.for_each(|row| with(row, Removal::Seen));
    }
}

/// What features of the user and an item could come to at best, under the weights of the model; 0 for all others.
fn pair_peak(pools: &Pools, asking: Asking<'_>) -> Row {
    let mut peak = [0.0; WIDTH];
    for ((value, feature), weight) in peak.iter_mut().zip(&FEATURES).zip(pools.model.weights()) {
        if let Per::Pair(_, range) = feature.per {
            let (least, greatest) = range(asking);
            *value = if weight < 0.0 { least } else { greatest };
        }
    }
    peak
}

/// Fills in the scores of a block, with what depends on the user.
fn score(
    pools: &Pools,
    asking: Asking<'_>,
    block: &Block<'_>,
    rooms: &mut [Vec<f64>; WIDTH],
    scores: &mut Vec<f64>,
) {
    let columns = FEATURES.iter().zip(&block.columns).zip(rooms);
    let columns = columns.map(|((feature, column), room)| match feature.per {
        Per::Pair(fill, _) => fill(asking, block, room),
        Per::Item(_) | Per::Related(_) | Per::Popularity => *column,
    });
    scores.resize(block.rows.len(), 0.0);
    pools.model.scorer.score(columns, scores);
}
