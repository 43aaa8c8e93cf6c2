//! The schedule: who does something when, in the order of event time.
//!
//! Each user's sessions divide the span's activity into equal parts, and each session begins
//! somewhere in its part. So a user has exactly the events that were asked for, sessions of one
//! user never overlap, and a session is known from its number alone: what waits for its turn
//! takes 16 bytes a user, whatever the number of events. Waiting users lie in slices of time;
//! only those of the slice that is being played are kept in order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::behaviour::{Act, Behaviour, Visit};
use super::daily_cycle::{activity_until, instant_of};
use super::random::{Random, Stream};
use super::settings::GenerateSettings;
use crate::engine::config::{MINUTE, SECOND};
use crate::engine::events::event::Timestamp;

/// How many events a session has on average.
const SESSION_EVENTS: u32 = 6;
/// The room that an event takes in a session when there is enough.
const USUAL_GAP: i64 = 75 * SECOND;
const SLICES: usize = 4096;

/// An event before its way to us: the `number`th in event time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Happening {
    pub(super) number: u64,
    pub(super) ts: Timestamp,
    pub(super) user: u32,
    pub(super) session: u32,
    pub(super) persona: usize,
    pub(super) act: Act,
}

/// Plays all users' sessions in order.
#[derive(Debug)]
pub(super) struct Schedule<'g> {
    settings: &'g GenerateSettings,
    behaviour: Behaviour<'g>,
    slices: Vec<Vec<Waiting>>,
    slice_ms: i64,
    next_slice: usize,
    active: BinaryHeap<Reverse<Active>>,
    number: u64,
}

/// A user between sessions.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    user: u32,
    /// The next session.
    session: u32,
    sessions: u32,
    /// Events still to come.
    events: u32,
}

/// A user in a session.
#[derive(Clone, Copy, Debug)]
struct Active {
    /// The next event.
    ts: i64,
    /// The session is over before this.
    until: i64,
    /// Events still to come in this session.
    events: u32,
    then: Waiting,
    visit: Visit,
    random: Random,
}

impl<'g> Schedule<'g> {
    pub(super) fn new(settings: &'g GenerateSettings, behaviour: Behaviour<'g>) -> Self {
        let slice_ms = settings.span_ms / SLICES as i64 + 1;
        let slices = (0..SLICES).map(|_| Vec::new()).collect();
        let active = BinaryHeap::new();
        let mut schedule = Self { settings, behaviour, slices, slice_ms, next_slice: 0, active, number: 0 };
        for (user, events) in (0..settings.users).zip(events_by_user(settings)) {
            schedule.wait(Waiting { user, session: 0, sessions: events.div_ceil(SESSION_EVENTS), events });
        }
        schedule
    }

    /// The instant of the next event.
    pub(super) fn peek(&mut self) -> Option<Timestamp> {
        loop {
            let slice_begin = self.settings.start.0 + self.slice_ms * self.next_slice as i64;
            match self.active.peek() {
                Some(Reverse(first)) if first.ts < slice_begin => return Some(Timestamp(first.ts)),
                first if self.next_slice == self.slices.len() => {
                    return first.map(|Reverse(first)| Timestamp(first.ts));
                }
                _ => self.play_next_slice(),
            }
        }
    }

    fn play_next_slice(&mut self) {
        let waiting = self.slices.get_mut(self.next_slice).map(std::mem::take).unwrap_or_default();
        self.next_slice += 1;
        for user in waiting {
            let session = self.session(user);
            self.active.push(Reverse(session));
        }
    }

    /// Puts a user where the next session begins.
    fn wait(&mut self, user: Waiting) {
        if user.events == 0 {
            return;
        }
        let session = self.session(user);
        let slice = usize::try_from((session.ts - self.settings.start.0) / self.slice_ms).unwrap_or(0);
        match self.slices.get_mut(slice) {
            Some(waiting) if slice >= self.next_slice => waiting.push(user),
            _ => self.active.push(Reverse(session)),
        }
    }

    /// The next session of a user.
    fn session(&self, waiting: Waiting) -> Active {
        let Waiting { user, session, sessions, events } = waiting;
        let id = u64::from(user) << 32 | u64::from(session);
        let mut random = Random::new(self.settings.seed, Stream::Session, id);
        let after = sessions - session - 1;
        let here = match after {
            0 => events,
            _ => {
                let twice = u64::from(2 * (events / (after + 1)));
                let drawn = u32::try_from(random.below(twice.max(2) - 1)).unwrap_or(0) + 1;
                drawn.min(events - after)
            }
        };
        let (from, until, mut ts) = self.part(session, sessions, &mut random);
        ts = ts.min(from.max(until - USUAL_GAP * i64::from(here))).clamp(self.settings.start.0, until - 1);
        let visit = self.behaviour.begin(user, Timestamp(ts), &mut random);
        let then = Waiting { session: session + 1, events: events - here, ..waiting };
        Active { ts, until, events: here, then, visit, random }
    }

    /// The part of the span that belongs to a session, and an instant in it.
    fn part(&self, session: u32, sessions: u32, random: &mut Random) -> (i64, i64, i64) {
        let begin = activity_until(self.settings.start.0.unsigned_abs());
        let total = activity_until(self.settings.end().0.unsigned_abs()) - begin;
        let upto = |parts: u32| {
            let share = u128::from(total) * u128::from(parts) / u128::from(sessions.max(1));
            begin + u64::try_from(share).unwrap_or(total)
        };
        let (first, last) = (upto(session), upto(session + 1));
        let within = first + random.below(last - first);
        [first, last, within].map(|activity| i64::try_from(instant_of(activity)).unwrap_or(i64::MAX)).into()
    }
}

impl Iterator for Schedule<'_> {
    type Item = Happening;

    fn next(&mut self) -> Option<Happening> {
        self.peek()?;
        let Reverse(mut active) = self.active.pop()?;
        let (ts, user) = (Timestamp(active.ts), active.then.user);
        let act = self.behaviour.act(&mut active.visit, user, ts, &mut active.random);
        let (number, session, persona) = (self.number, active.then.session - 1, active.visit.persona);
        self.number += 1;
        active.events -= 1;
        if active.events == 0 {
            self.wait(active.then);
        } else {
            // The lesser of two: people go on soon more often than not.
            let pause = |random: &mut Random| random.between(0, 3 * MINUTE);
            let gap = 2 * SECOND + pause(&mut active.random).min(pause(&mut active.random));
            active.ts += gap.min((active.until - 1 - active.ts) / i64::from(active.events));
            self.active.push(Reverse(active));
        }
        Some(Happening { number, ts, user, session, persona, act })
    }
}

/// How many events each user has, in order; they add up to what was asked for.
fn events_by_user(settings: &GenerateSettings) -> Box<dyn Iterator<Item = u32> + '_> {
    if let Some(each) = settings.events_per_user {
        return Box::new(std::iter::repeat_n(each, settings.users as usize));
    }
    let total: u128 = (0..settings.users).map(|user| activity(settings.seed, user)).sum();
    let events = u128::from(settings.events);
    let (mut weight, mut given) = (0, 0);
    Box::new((0..settings.users).map(move |user| {
        weight += activity(settings.seed, user);
        let upto = events * weight / total.max(1);
        let here = u32::try_from(upto - given).unwrap_or(u32::MAX);
        given = upto;
        here
    }))
}

/// How active a user is: a few are up to 64 times as active as most.
fn activity(seed: u64, user: u32) -> u128 {
    let drawn = Random::new(seed, Stream::Activity, u64::from(user)).below(1 << 32);
    u128::from((1_u64 << 50) / (drawn + (1 << 26)))
}

impl Ord for Active {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.ts, self.then.user).cmp(&(other.ts, other.then.user))
    }
}

impl PartialOrd for Active {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Active {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Active {}

#[cfg(test)]
mod tests {
    use super::super::bursts::Bursts;
    use super::super::catalog::Catalog;
    use super::*;

    #[test]
    fn what_is_kept_is_one_entry_a_user_whatever_the_number_of_events() {
        for events in [100, 40_000] {
            let settings = GenerateSettings { users: 50, items: 20, events, ..GenerateSettings::default() };
            let catalog = Catalog::new(&settings);
            let bursts = Bursts::new(&settings, &catalog);
            let mut schedule = Schedule::new(&settings, Behaviour::new(&settings, &catalog, &bursts));
            let mut count = 0;
            while schedule.next().is_some() {
                count += 1;
                if count % 97 == 0 {
                    let waiting: usize = schedule.slices.iter().map(Vec::len).sum();
                    assert!(waiting + schedule.active.len() <= 50);
                }
            }
            assert_eq!(count, events);
        }
    }

    #[test]
    fn the_most_active_users_do_far_more_than_most() {
        let settings = GenerateSettings { users: 1_000, events: 100_000, ..GenerateSettings::default() };
        let mut counts: Vec<u32> = events_by_user(&settings).collect();
        assert_eq!(counts.iter().sum::<u32>(), 100_000);
        counts.sort_unstable();
        let top: u32 = counts.iter().rev().take(100).sum();
        assert!(top > 35_000 && counts[0] > 0, "the most active tenth has {top}");
    }
}
