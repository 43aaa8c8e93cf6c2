//! The protocol by hand, by a naive oracle, and by contenders who note what they are told.

use std::sync::{Arc, Mutex};

use super::*;
use crate::engine::config::StreamConfig;
use crate::engine::events::event::EventDraft;
use crate::engine::events::item::Item;
use crate::engine::rank::model::Model;
use crate::engine::time::{HOUR, SECOND};
use crate::evaluation::baselines::Baseline;
use crate::evaluation::contender::Observed;
use crate::evaluation::model;
use crate::evaluation::random::Random;
use crate::evaluation::stream::Builder;
use crate::models::{BUILT_IN_MODEL, parse_model};

const T: i64 = 1_700_000_000_000;

/// A user, an item, a type and a time after [`T`] in ms.
type Row = (&'static str, &'static str, &'static str, i64);

fn config() -> Arc<StreamConfig> {
    Arc::new(StreamConfig::default())
}

fn clicks() -> EventTypeSet {
    EventTypeSet::of(&config().event_types, ["click"])
}

fn stream(rows: &[Row], items: &[Item]) -> Stream {
    let config = config();
    let mut builder = Builder::new(Arc::clone(&config), clicks());
    for (user, item, kind, after) in rows {
        let draft = EventDraft {
            user_id: Some((*user).into()),
            item_id: Some((*item).into()),
            kind: Some((*kind).into()),
            ts: Some(T + after),
            ..EventDraft::default()
        };
        builder.event(&draft.check(&config.event_types).expect("a valid event"));
    }
    items.iter().for_each(|item| builder.item(item.clone()));
    builder.finish()
}

fn rules() -> Rules {
    Rules {
        n: 5,
        from: i64::MIN,
        until: i64::MAX,
        types: clicks(),
        every: 1,
        first_clicks: false,
        seen: false,
        strangers: false,
    }
}

const USERS: [&str; 6] = ["u0", "u1", "u2", "u3", "u4", "u5"];
const ITEMS: [&str; 24] = [
    "i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8", "i9", "j0", "j1", "j2", "j3", "j4", "j5", "j6",
    "j7", "j8", "j9", "k0", "k1", "k2", "k3",
];

/// What some people did within some hours, from a seed.
fn crowd(seed: u64, events: usize) -> Vec<Row> {
    let mut random = Random::of(&[seed]);
    let mut after = 0;
    let row = |_| {
        after += random.below(400) as i64 * SECOND;
        let kind = ["click", "click", "click", "dislike", "impression"][random.below(5)];
        (USERS[random.below(USERS.len())], ITEMS[random.below(ITEMS.len())], kind, after)
    };
    (0..events).map(row).collect()
}

fn categories() -> Vec<Item> {
    (0..).zip(ITEMS).map(|(number, id)| Item::new(id, [["x", "y", "z"][number % 3]])).collect()
}

#[test]
fn questions_are_those_that_a_list_could_have_had_and_all_others_are_counted_by_reason() {
    let rows: [Row; 10] = [
        ("a", "i1", "click", 0),
        ("a", "i2", "click", 1),      // the first on the item
        ("b", "i2", "click", 2),      // the first of the user
        ("b", "i1", "impression", 3), // says nothing that anybody did
        ("b", "i1", "click", HOUR),   // a question
        ("b", "i1", "click", HOUR + 1),
        ("a", "i3", "dislike", HOUR + 2),
        ("b", "i3", "click", HOUR + 3), // a question: somebody has had it
        ("b", "gone", "dislike", HOUR + 4),
        ("a", "gone", "click", HOUR + 5), // the catalog does not have it
    ];
    let items: Vec<Item> = ["i1", "i2", "i3"].map(|id| Item::new(id, ["x"])).into();
    let stream = stream(&rows, &items);
    let found = questions(&stream, &rules());
    assert_eq!(found.left_out, LeftOut { first_of_user: 2, seen: 1, first_of_item: 1, not_live: 1 });
    assert_eq!(found.eligible, 2);
    let told: Vec<_> =
        found.asked.iter().map(|one| (one.place, one.earlier, one.gap, one.age, one.position)).collect();
    assert_eq!(told, [(4, 1, HOUR - 2, HOUR, 1), (7, 3, 2, 1, 3)]);
    let asked = |rules: Rules| questions(&stream, &rules).asked.len();
    assert_eq!(asked(Rules { seen: true, ..rules() }), 3);
    assert_eq!(asked(Rules { first_clicks: true, ..rules() }), 3);
    assert_eq!(asked(Rules { every: 2, ..rules() }), 1);
    assert_eq!(asked(Rules { from: T + HOUR + 3, ..rules() }), 1);
    assert_eq!(asked(Rules { until: T + HOUR + 3, ..rules() }), 1);
}

/// How many events were told before a question, who asks, and what may be listed.
type Note = (usize, u32, Vec<u32>);

/// Notes how much it was told before each question.
struct Spy {
    observed: usize,
    notes: Arc<Mutex<Vec<Note>>>,
    items: u32,
}

impl Contender for Spy {
    fn name(&self) -> &'static str {
        "spy"
    }

    fn observe(&mut self, _event: &Observed) {
        self.observed += 1;
    }

    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        list.clear();
        list.extend((0..self.items).filter(|item| question.listable.may_list(*item)));
        self.notes.lock().expect("notes").push((self.observed, question.user, list.clone()));
    }
}

#[test]
fn whoever_is_asked_was_told_all_that_happened_before_and_lists_nothing_that_the_user_has_had() {
    let stream = stream(&crowd(1, 300), &[]);
    for strangers in [false, true] {
        let rules = Rules { strangers, ..rules() };
        let asked = questions(&stream, &rules).asked;
        assert!(asked.len() > 20, "{}", asked.len());
        let notes = Arc::new(Mutex::new(Vec::new()));
        let make = || -> Vec<Box<dyn Contender>> {
            vec![Box::new(Spy { observed: 0, notes: Arc::clone(&notes), items: stream.items() as u32 })]
        };
        replay(&stream, &rules, &asked, &make, (1, &[]), &|_| ());
        let notes = notes.lock().expect("notes");
        assert_eq!(notes.len(), asked.len());
        for ((told, user, list), asked) in notes.iter().zip(&asked) {
            assert_eq!(*told, asked.place as usize);
            let before = &stream.events()[..*told];
            let acted = |event: &&Observed| !stream.config().is_passive(event.kind);
            let had = |item: &u32| {
                before.iter().filter(acted).any(|event| event.user == asked.user && event.item == *item)
            };
            let turned_up = |item: &u32| before.iter().any(|event| event.item == *item);
            let expected =
                (0..stream.items() as u32).filter(turned_up).filter(|item| strangers || !had(item));
            assert_eq!(list.clone(), expected.collect::<Vec<_>>());
            assert_eq!(*user, if strangers { NOBODY } else { asked.user });
        }
    }
}

fn built_in() -> Arc<Model> {
    Arc::new(parse_model("m", "m.toml".as_ref(), BUILT_IN_MODEL, &config()).expect("a valid model"))
}

/// The models and rivals that tests ask.
fn all<'a>(stream: &'a Stream) -> Vec<Box<dyn Contender + 'a>> {
    let rivals = ["popular-1h", "popular-all", "recent", "newest", "random"];
    let rivals = rivals.map(|name| Baseline::named(name).expect("one").make(stream, 3));
    model::contenders(stream, &[built_in()], SECOND).into_iter().chain(rivals).collect()
}

#[test]
fn answers_are_the_same_whatever_the_number_of_threads() {
    let stream = stream(&crowd(2, 600), &categories());
    let asked = questions(&stream, &rules()).asked;
    let answers = |threads| {
        let make = || all(&stream);
        format!("{:?}", replay(&stream, &rules(), &asked, &make, (threads, &[SECOND]), &|_| ()))
    };
    let one = answers(1);
    assert!(parts(&asked, 3, &[SECOND]).len() == 3, "there is something to share");
    assert_eq!(one, answers(2));
    assert_eq!(one, answers(3));
}

#[test]
fn no_list_knows_what_is_clicked_next() {
    let mut rows = crowd(4, 100);
    let last = rows.last_mut().expect("a row");
    (last.0, last.2) = ("u1", "click");
    let answers: Vec<_> = ITEMS
        .into_iter()
        .filter_map(|item| {
            rows.last_mut().expect("a row").1 = item;
            let stream = stream(&rows, &categories());
            let place = rows.len() as u32 - 1;
            let asked: Vec<Asked> =
                questions(&stream, &rules()).asked.into_iter().filter(|asked| asked.place == place).collect();
            let make = || all(&stream);
            let columns = replay(&stream, &rules(), &asked, &make, (1, &[]), &|_| ());
            let ids = |(item, count): (u32, &u32)| (*count > 0).then(|| stream.item_id(item).to_owned());
            let told = |column: &Column| {
                let mut shown: Vec<_> = (0..).zip(&column.shown).filter_map(ids).collect();
                shown.sort();
                (column.name.clone(), shown, (0..).zip(&column.first).filter_map(ids).collect::<Vec<_>>())
            };
            (!asked.is_empty()).then(|| columns.iter().map(told).collect::<Vec<_>>())
        })
        .collect();
    assert!(answers.len() > 2, "several items might have been clicked");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

/// How often an item was clicked within an hour before, and which event of all was the last such click.
fn worth(rows: &[Row], item: &str, now: i64) -> (usize, Option<usize>) {
    let within = |row: &Row| row.1 == item && row.2 == "click" && row.3 > now - HOUR;
    let last = rows.iter().rposition(|row| row.1 == item && row.2 == "click");
    (rows.iter().filter(|row| within(row)).count(), last)
}

#[test]
fn ranks_of_popularity_are_those_of_a_naive_count() {
    let mut hits = 0;
    for seed in 10..20 {
        let rows = crowd(seed, 300);
        let stream = stream(&rows, &categories());
        let asked = questions(&stream, &rules()).asked;
        let make = || vec![Baseline::named("popular-1h").expect("one").make(&stream, 0)];
        let columns = replay(&stream, &rules(), &asked, &make, (1, &[]), &|_| ());
        let expected: Vec<u16> = asked
            .iter()
            .map(|asked| {
                let (before, (user, item, _, now)) =
                    (&rows[..asked.place as usize], rows[asked.place as usize]);
                let had = |item: &str| {
                    before.iter().any(|row| row.0 == user && row.1 == item && row.2 != "impression")
                };
                let mut listed: Vec<_> = ITEMS
                    .into_iter()
                    .filter(|item| !had(item))
                    .map(|item| (worth(before, item, now), item))
                    .filter(|((count, _), _)| *count > 0)
                    .collect();
                listed.sort();
                let best = listed.iter().rev().take(5);
                best.into_iter().position(|(_, other)| *other == item).map_or(0, |place| place as u16 + 1)
            })
            .collect();
        hits += expected.iter().filter(|rank| **rank > 0).count();
        assert_eq!(columns[0].ranks, expected, "seed {seed}");
        let share = columns[0].popularity.iter().filter(|share| !share.is_nan());
        assert!(share.into_iter().all(|share| *share > 0.0 && *share <= 1.0));
    }
    assert!(hits > 100, "{hits}");
}

#[test]
fn no_cut_is_within_a_length_of_time_that_is_one_for_all() {
    let at = |ts| Asked { place: 0, user: 0, ts, earlier: 1, gap: 0, age: 0, position: 1 };
    let close: Vec<Asked> = (0..50).map(|number| at(T / CLOSE * CLOSE + number)).collect();
    assert_eq!(parts(&close, 4, &[]).len(), 1);
    let apart: Vec<Asked> = (0..50).map(|number| at(number * CLOSE)).collect();
    assert_eq!(parts(&apart, 2, &[]), [0..25, 25..50]);
    assert_eq!(parts(&apart, 2, &[30 * CLOSE]), [0..30, 30..50]);
    assert_eq!(parts(&apart[..1], 8, &[]).len(), 1);
}
