//! Which items a user was last on.

use super::own::Own;
use super::rows::RelatedTo;
use super::{RelatedItems, RelatedSettings, neighbours};
use crate::engine::events::event::{EventType, Timestamp};
use crate::engine::facts::visits::VISIT_GAP;
use crate::engine::index::partitions::Partitions;
use crate::engine::index::pools::Pools;
use crate::engine::rank::question::{Known, Query};

/// Rows that the user was last on, each once, and what they count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recent {
    /// The newest first, each with what it counts: 1 for the newest unless the user comes back.
    pub rows: Vec<(u32, f64)>,
    /// All that the user was on, if the model asks for it.
    own: Own,
}

impl Recent {
    /// Those of a user, or of an anonymous session. Only what the model takes for a good sign counts.
    pub(in crate::engine::rank) fn of(pools: &Pools, user: &Known<'_>, query: &Query<'_>) -> Self {
        let (model, t) = (&pools.model, query.as_of);
        if !model.asks_for_related() && !model.asks_for_own() {
            return Self::default();
        }
        let settings: &RelatedSettings = &model.related;
        let mut acted: Vec<(Timestamp, u32, EventType)> = Vec::new();
        let mut newest = None;
        for part in user.parts() {
            let Some(located) = part.located(pools) else { continue };
            let liked = part.profile.exact().filter(|event| event.ts() <= t && model.likes(event.kind()));
            let rows = liked.inspect(|event| newest = newest.max(Some(event.ts()))).filter_map(|event| {
                let row = located.map.row(located.layout, located.state, event.item)?;
                Some((event.ts(), row, event.kind()))
            });
            acted.extend(rows);
        }
        // Nobody knows in which order things happened in one instant.
        acted.sort_unstable_by_key(|(ts, row, _)| (std::cmp::Reverse(*ts), pools.layout.rank(*row)));
        let is_back =
            query.context.is_empty() && newest.is_some_and(|newest: Timestamp| newest.plus(VISIT_GAP) < t);
        let session = query.context.iter().rev().filter_map(|id| pools.layout.row(id));
        let mut own = Own::default();
        if model.asks_for_own() {
            let now = session.clone().map(|row| (t, row, query.context_kind));
            for (ts, row, kind) in now.chain(acted.iter().copied()) {
                let weight = model.event_weights.get(usize::from(kind.0)).copied().unwrap_or(0.0);
                own.add(&model.own, row, weight.max(0.0), t.0.saturating_sub(ts.0));
            }
        }
        let mut rows: Vec<(u32, f64)> = Vec::with_capacity(settings.items);
        let mut shares = settings.shares().take(if model.asks_for_related() { settings.items } else { 0 });
        for row in session.chain(acted.into_iter().map(|(_, row, _)| row)) {
            if rows.iter().any(|(known, _)| *known == row) {
                continue;
            }
            let Some(share) = shares.next() else { break };
            rows.push((row, if is_back { share * settings.new_visit } else { share }));
        }
        Self { rows, own }
    }

    /// What is related to them, for a request of this user, or of a stranger if `user_id` is empty. It is about everybody, so
    /// that it looks at each partition for a moment: none may be held meanwhile.
    pub fn related(
        &self,
        pools: &Pools,
        partitions: &(impl Partitions + ?Sized),
        user_id: &str,
    ) -> Vec<RelatedTo> {
        let related = |(row, share): &(u32, f64)| {
            let items = pools.related.get(*row, || RelatedItems::of(pools, partitions, *row));
            RelatedTo { row: *row, share: *share, items }
        };
        let mut related: Vec<RelatedTo> = self.rows.iter().map(related).collect();
        if pools.model.asks_for_neighbours() {
            neighbours::add(pools, partitions, user_id, &mut related);
        }
        related.extend(self.own.related(&pools.model.own));
        related
    }
}
