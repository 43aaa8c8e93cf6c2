//! Arrival: the way from a user to us, on which events come late and come twice.
//!
//! What delays an event has its own random stream, so that the same things happen whatever the
//! shares of late and duplicate events are.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::behaviour::{Behaviour, Kind};
use super::event::{EventTruth, GeneratedEvent, Lateness};
use super::generator::Generator;
use super::random::{Random, Share, Stream};
use super::schedule::{Happening, Schedule};
use super::vocabulary::PERSONAS;
use crate::engine::config::SECOND;
use crate::engine::events::event::Timestamp;

const FIRST_RETRY_MS: i64 = 100;
const LAST_RETRY_MS: i64 = 10 * SECOND;

/// Generated events in the order of their arrival. See [`Generator::events`].
#[derive(Debug)]
pub struct Events<'g> {
    generator: &'g Generator,
    schedule: Schedule<'g>,
    late: Share,
    late_or_later: Share,
    duplicate: Share,
    on_the_way: BinaryHeap<Reverse<Held<'g>>>,
}

/// An event that has happened and not arrived.
#[derive(Debug)]
struct Held<'g>(GeneratedEvent<'g>);

impl Generator {
    /// The events in the order of their arrival, duplicates included. Each call begins anew.
    pub fn events(&self) -> Events<'_> {
        let behaviour = Behaviour::new(&self.settings, &self.catalog, &self.bursts);
        Events::new(self, Schedule::new(&self.settings, behaviour))
    }
}

impl<'g> Events<'g> {
    fn new(generator: &'g Generator, schedule: Schedule<'g>) -> Self {
        let settings = generator.settings();
        Self {
            generator,
            schedule,
            late: Share::new(settings.late_share),
            late_or_later: Share::new(settings.late_share + settings.very_late_share),
            duplicate: Share::new(settings.duplicate_share),
            on_the_way: BinaryHeap::new(),
        }
    }

    /// Sends off what has just happened, and its duplicate. What is not delayed arrives at once.
    fn send(&mut self, happening: Happening) -> Option<GeneratedEvent<'g>> {
        let settings = self.generator.settings();
        let mut random = Random::new(settings.seed, Stream::Arrival, happening.number);
        let fate = random.bits();
        let is_sent_twice = random.chance(self.duplicate);
        let retry_after = random.between(FIRST_RETRY_MS, LAST_RETRY_MS);
        let (lateness, delay) = if self.late.covers(fate) {
            (Lateness::Late, random.between(1, settings.max_late_ms))
        } else if self.late_or_later.covers(fate) {
            (Lateness::VeryLate, random.between(settings.max_late_ms + 1, settings.max_very_late_ms))
        } else {
            (Lateness::OnTime, 0)
        };
        let event = self.event(happening, lateness, delay)?;
        if is_sent_twice {
            let truth = EventTruth { duplicate: true, ..event.truth };
            let arrival = event.arrival.plus(retry_after);
            self.on_the_way.push(Reverse(Held(GeneratedEvent { arrival, truth, ..event })));
        }
        if delay == 0 {
            return Some(event);
        }
        self.on_the_way.push(Reverse(Held(event)));
        None
    }

    fn event(&self, happening: Happening, lateness: Lateness, delay: i64) -> Option<GeneratedEvent<'g>> {
        let Happening { number, ts, user, session, persona, act } = happening;
        let price = self.generator.catalog.price(act.item);
        Some(GeneratedEvent {
            seed: self.generator.settings().seed,
            number,
            user,
            session,
            item: self.generator.items().get(act.item as usize)?,
            kind: act.kind.name(),
            ts,
            arrival: ts.plus(delay),
            surface: act.surface,
            value: (act.kind == Kind::Purchase).then_some(price),
            truth: EventTruth {
                persona: PERSONAS.get(persona).map_or("", |persona| persona.name),
                lateness,
                duplicate: false,
                burst: act.burst,
            },
        })
    }
}

impl<'g> Iterator for Events<'g> {
    type Item = GeneratedEvent<'g>;

    fn next(&mut self) -> Option<GeneratedEvent<'g>> {
        loop {
            let next = self.schedule.peek();
            let arrives = self.on_the_way.peek().map(|Reverse(held)| held.0.arrival);
            if arrives.is_some_and(|arrival| next.is_none_or(|next| arrival <= next)) {
                return self.on_the_way.pop().map(|Reverse(held)| held.0);
            }
            let happening = self.schedule.next()?;
            if let Some(event) = self.send(happening) {
                return Some(event);
            }
        }
    }
}

impl Held<'_> {
    fn order(&self) -> (Timestamp, u64, bool) {
        (self.0.arrival, self.0.number, self.0.truth.duplicate)
    }
}

impl Ord for Held<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Held<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Held<'_> {}
