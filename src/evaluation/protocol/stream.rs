//! The stream protocol: everything learns as it goes, and right before a click is told each contender is asked for the
//! list of that instant.

use std::ops::Range;
use std::thread;

use super::super::contender::{Contender, Listable, NOBODY, Question};
use super::super::people::Person;
use super::super::stream::Stream;
use super::super::tally::{Asked, Column, NOT_ASKED, top};
use super::super::window::Window;
use crate::engine::events::event::EventTypeSet;
use crate::engine::time::{DAY, MINUTE};

/// Two lists of different users are compared if they are of the same length of time of these, in ms.
pub const CLOSE: i64 = 10 * MINUTE;
/// One question in so many is asked for the sources of what was clicked, which takes longer than a list.
pub const SOURCES_EVERY: usize = 8;
/// How many events or questions are done between two calls of whoever watches.
const STEPS: u64 = 1024;

/// Which events are scored, and how is asked.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How many items a list has.
    pub n: usize,
    /// Those of this instant or later, in ms since the epoch.
    pub from: i64,
    /// Those before this instant.
    pub until: i64,
    /// Those of these types.
    pub types: EventTypeSet,
    /// One in so many of those that are left.
    pub every: usize,
    /// Also where nobody has had the item before.
    pub first_clicks: bool,
    /// Also where the user has had the item before.
    pub seen: bool,
    /// Ask without telling who asks.
    pub strangers: bool,
}

/// How many events of the span and types are not scored, by the first reason that holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// The user has no earlier event.
    pub first_of_user: u64,
    /// The user has had the item before.
    pub seen: u64,
    /// Nobody has had the item before.
    pub first_of_item: u64,
    /// The item may not be listed at that instant: the catalog does not have it, or not then.
    pub not_live: u64,
}

/// The questions of a run.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    /// Those that are asked, in the order of time.
    pub asked: Vec<Asked>,
    /// How many could be asked.
    pub eligible: u64,
    /// Of how many events there is none.
    pub left_out: LeftOut,
}

/// Goes through a stream and finds what is asked: whoever is asked then, it is the same.
pub fn questions(stream: &Stream, rules: &Rules) -> Questions {
    let mut found = Questions::default();
    let mut people = vec![Person::default(); stream.users()];
    let mut first: Vec<Option<i64>> = vec![None; stream.items()];
    for (place, event) in (0..).zip(stream.events()) {
        if stream.config().is_passive(event.kind) {
            continue;
        }
        let (person, first) = (&mut people[event.user as usize], &mut first[event.item as usize]);
        if (rules.from..rules.until).contains(&event.ts) && rules.types.contains(event.kind) {
            let left_out = &mut found.left_out;
            match person.last() {
                None => left_out.first_of_user += 1,
                Some(_) if !rules.seen && person.had().contains(&event.item) => left_out.seen += 1,
                Some(_) if !rules.first_clicks && first.is_none() => left_out.first_of_item += 1,
                Some(_) if !stream.is_live(event.item, event.ts) => left_out.not_live += 1,
                Some(last) => {
                    if found.eligible % rules.every.max(1) as u64 == 0 {
                        found.asked.push(Asked {
                            place,
                            user: event.user,
                            ts: event.ts,
                            earlier: person.events(),
                            gap: event.ts - last,
                            age: first.map_or(0, |first| event.ts - first),
                            position: person.visit(event.visit).0.len() as u32 + 1,
                        });
                    }
                    found.eligible += 1;
                }
            }
        }
        first.get_or_insert(event.ts);
        person.observe(event);
    }
    found
}

/// Makes those who are asked, none of whom knows anything yet: the same ones each time.
pub type Make<'a> = &'a (dyn Fn() -> Vec<Box<dyn Contender + 'a>> + Sync);

/// Replays a stream and asks. Each thread replays it from the beginning with contenders of its own and asks its share
/// of the questions, which are those of a span of time: so all of them are asked what one would be asked, and answers
/// do not hang on how many threads there are. `aligned`, in ms, are lengths of time that no span may cut.
pub fn replay(
    stream: &Stream,
    rules: &Rules,
    asked: &[Asked],
    make: Make<'_>,
    (threads, aligned): (usize, &[i64]),
    progress: &(dyn Fn(u64) + Sync),
) -> Vec<Column> {
    let parts = parts(asked, threads, aligned);
    let run = |part: Range<usize>| Replay::new(stream, rules, make()).run(part.start, &asked[part], progress);
    let run = &run;
    let answered: Vec<Vec<Column>> = thread::scope(|scope| {
        let running: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || run(part))).collect();
        let joined = running.into_iter().map(|thread| thread.join());
        joined.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut answered = answered.into_iter();
    let mut columns = answered.next().unwrap_or_default();
    for part in answered {
        columns.iter_mut().zip(part).for_each(|(column, more)| column.append(more));
    }
    columns
}

/// How many steps a watcher of [`replay`] is told of.
pub fn steps(asked: &[Asked], threads: usize, aligned: &[i64]) -> u64 {
    let events = |part: &Range<usize>| asked[part.clone()].last().map_or(0, |last| u64::from(last.place));
    asked.len() as u64 + parts(asked, threads, aligned).iter().map(events).sum::<u64>()
}

/// Cuts questions into about equal parts, at least one.
fn parts(asked: &[Asked], threads: usize, aligned: &[i64]) -> Vec<Range<usize>> {
    let apart = |at: usize| {
        let (before, after) = (asked[at - 1].ts, asked[at].ts);
        let cut = |length: &i64| before.div_euclid(*length) != after.div_euclid(*length);
        cut(&CLOSE) && aligned.iter().all(cut)
    };
    let mut cuts = vec![0];
    for thread in 1..threads {
        let about = (asked.len() * thread / threads).max(cuts[cuts.len() - 1] + 1);
        cuts.extend((about..asked.len()).find(|at| apart(*at)));
    }
    cuts.dedup();
    let ends = cuts[1..].iter().copied().chain([asked.len()]);
    cuts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

/// The items that may be listed at an instant.
struct Live<'a> {
    stream: &'a Stream,
    ts: i64,
    marks: &'a [u32],
    question: u32,
}

impl Listable for Live<'_> {
    fn may_list(&self, item: u32) -> bool {
        self.stream.is_live(item, self.ts) && self.marks.get(item as usize) != Some(&self.question)
    }
}

/// A replay that is under way.
struct Replay<'a> {
    stream: &'a Stream,
    rules: &'a Rules,
    contenders: Vec<Box<dyn Contender + 'a>>,
    columns: Vec<Column>,
    people: Vec<Person>,
    /// Positive events of the last 24 h.
    day: Window,
    /// By item: the last question whose asker has had it, from 1.
    marks: Vec<u32>,
    /// The question before this one, and the top of the list of each contender.
    before: Option<(Asked, Vec<Vec<u32>>)>,
    list: Vec<u32>,
}

impl<'a> Replay<'a> {
    fn new(stream: &'a Stream, rules: &'a Rules, contenders: Vec<Box<dyn Contender + 'a>>) -> Self {
        let column = |contender: &dyn Contender| {
            Column::new(contender.name().to_owned(), contender.sources().to_vec(), stream.items())
        };
        Self {
            stream,
            rules,
            columns: contenders.iter().map(|contender| column(&**contender)).collect(),
            contenders,
            people: vec![Person::default(); stream.users()],
            day: Window::new(DAY, stream.items()),
            marks: vec![0; stream.items()],
            before: None,
            list: Vec::new(),
        }
    }

    /// Asks these questions, of which the first is the one of that number.
    fn run(mut self, first: usize, asked: &[Asked], progress: &(dyn Fn(u64) + Sync)) -> Vec<Column> {
        let (mut next, mut steps) = (0, 0);
        let mut step = || {
            steps += 1;
            if steps % STEPS == 0 {
                progress(STEPS);
            }
        };
        for (question, asked) in (first..).zip(asked) {
            while next < asked.place {
                self.observe(next as usize);
                next += 1;
                step();
            }
            self.ask(question, asked);
            step();
        }
        progress(steps % STEPS);
        self.columns
    }

    fn observe(&mut self, place: usize) {
        let event = &self.stream.events()[place];
        self.contenders.iter_mut().for_each(|contender| contender.observe(event));
        if event.positive {
            self.day.add(event.item, event.ts);
        }
        if !self.stream.config().is_passive(event.kind) {
            self.people[event.user as usize].observe(event);
        }
    }

    fn ask(&mut self, number: usize, asked: &Asked) {
        let Self { stream, rules, contenders, columns, people, day, marks, before, list } = self;
        // What was clicked is looked at when the lists are there; of what comes next, only who and when is told.
        let event = stream.events()[asked.place as usize];
        let (person, mark) = (&people[event.user as usize], number as u32 + 1);
        if !rules.seen && !rules.strangers {
            person.had().iter().for_each(|item| marks[*item as usize] = mark);
        }
        let live = Live { stream, ts: event.ts, marks, question: mark };
        let (so_far, earlier) = person.visit(event.visit);
        let known = Question {
            user: event.user,
            visit: event.visit,
            so_far,
            before: earlier,
            ts: event.ts,
            n: rules.n,
            listable: &live,
        };
        let question = if rules.strangers {
            Question { user: NOBODY, so_far: &[], before: &[], ..known }
        } else {
            known
        };
        day.slide(event.ts, |_, _| ());
        let share = |item| f64::from(day.count(item) + 1) / (day.total() + 1) as f64;
        let is_close = |other: &Asked| {
            other.user != asked.user && other.ts.div_euclid(CLOSE) == asked.ts.div_euclid(CLOSE)
        };
        let close = before.as_ref().is_some_and(|(other, _)| is_close(other));
        let (_, tops) = before.get_or_insert_with(|| (*asked, vec![Vec::new(); contenders.len()]));
        for ((contender, column), before) in contenders.iter_mut().zip(columns).zip(tops) {
            contender.list(&question, list);
            column.add(list, event.item, &share, close.then_some(before.as_slice()));
            let sources = if !column.sources.is_empty() && number.is_multiple_of(SOURCES_EVERY) {
                contender.gave(&question, event.item)
            } else {
                NOT_ASKED
            };
            column.gave.push(sources);
            before.clear();
            before.extend_from_slice(top(list));
        }
        if let Some((other, _)) = before {
            *other = *asked;
        }
    }
}

#[cfg(test)]
mod tests;
