//! What baselines are worth on real clickstreams, which are no part of the repository: `docs/testing.md` says where they
//! come from and how these are run. They assert what is known of the data, and print the rest.

use std::cell::Cell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use headwater::engine::events::event::EventType;
use headwater::engine::time::{DAY, HOUR, MINUTE};
use headwater::evaluation::baselines::published::by_name;
use headwater::evaluation::contender::{Contender, Listable, Observed, Question, VISIT_GAP};
use headwater::evaluation::protocol::{chameleon, sessions};
use headwater::evaluation::ranks::Ranks;
use headwater::evaluation::sessions_file::{Numbers, read_sessions};
use headwater::files::{EventContent, EventFile};

/// The folder of a data set.
fn data(name: &str) -> PathBuf {
    let root = std::env::var_os("HEADWATER_DATA").expect("HEADWATER_DATA names the folder of the data sets");
    PathBuf::from(root).join(name)
}

/// Those of Serenade's toy set.
fn toy(names: &[&str]) -> Vec<Vec<Observed>> {
    let mut numbers = Numbers::default();
    let mut read = |name: &&str| {
        read_sessions(&data("sessions").join(format!("{name}.txt.zst")), &mut numbers).expect("sessions")
    };
    names.iter().map(&mut read).collect()
}

/// The clicks of a news portal. A visit ends where its user does nothing for half an hour.
fn news() -> Vec<Observed> {
    fn number(numbers: &mut HashMap<String, u32>, id: &str) -> u32 {
        let next = numbers.len() as u32;
        *numbers.entry(id.to_owned()).or_insert(next)
    }
    let (mut users, mut items) = (HashMap::new(), HashMap::new());
    let mut visits: HashMap<u32, (u32, i64)> = HashMap::new();
    let mut begun = 0;
    let file = EventFile::open(&data("news").join("events.csv.zst"), None).expect("the events");
    let event = |event: Result<headwater::files::OwnedEvent, _>| {
        let EventContent::Event(draft) = event.expect("an event").content else {
            unreachable!("the file is CSV");
        };
        let user = number(&mut users, draft.user_id.as_deref().expect("a user"));
        let item = number(&mut items, draft.item_id.as_deref().expect("an item"));
        let ts = draft.ts.expect("a time");
        let (visit, last) = visits.entry(user).or_insert((begun, ts));
        if *visit == begun || ts - *last > VISIT_GAP {
            *visit = begun;
            begun += 1;
        }
        *last = ts;
        Observed { user, visit: *visit, item, kind: EventType(0), positive: true, ts }
    };
    file.map(event).collect()
}

/// How long lists have taken.
type Taken = Rc<Cell<Duration>>;

/// Counts the time that its lists take.
struct Timed {
    inner: Box<dyn Contender>,
    taken: Taken,
}

impl Contender for Timed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn observe(&mut self, event: &Observed) {
        self.inner.observe(event);
    }

    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        let begun = Instant::now();
        self.inner.list(question, list);
        self.taken.set(self.taken.get() + begun.elapsed());
    }
}

/// What was clicked most in the last while.
struct Popular {
    name: String,
    window: i64,
    clicks: VecDeque<(i64, u32)>,
    counts: Vec<u32>,
}

impl Popular {
    fn boxed(name: &str, window: i64) -> Box<dyn Contender> {
        Box::new(Self { name: name.to_owned(), window, clicks: VecDeque::new(), counts: Vec::new() })
    }

    fn until(&mut self, ts: i64) {
        while let Some((then, item)) = self.clicks.front().copied()
            && ts - then >= self.window
        {
            self.counts[item as usize] -= 1;
            self.clicks.pop_front();
        }
    }
}

impl Contender for Popular {
    fn name(&self) -> &str {
        &self.name
    }

    fn observe(&mut self, event: &Observed) {
        self.until(event.ts);
        self.counts.resize(self.counts.len().max(event.item as usize + 1), 0);
        self.counts[event.item as usize] += 1;
        self.clicks.push_back((event.ts, event.item));
    }

    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        self.until(question.ts);
        let counts = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let mut ranked: Vec<(u32, u32)> = counts.map(|(item, count)| (*count, item as u32)).collect();
        ranked.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let may = ranked.iter().filter(|(_, item)| question.listable.may_list(*item));
        list.extend(may.map(|(_, item)| *item).take(question.n));
    }
}

struct Unseen<'a> {
    known: &'a HashSet<u32>,
    had: &'a HashSet<u32>,
}

impl Listable for Unseen<'_> {
    fn may_list(&self, item: u32) -> bool {
        self.known.contains(&item) && !self.had.contains(&item)
    }
}

/// Asks right before every so manieth click that a list could have had: its user has clicked before, on other items, and
/// somebody has clicked it.
fn stream(events: &[Observed], contenders: &mut [Box<dyn Contender>], from: i64, every: usize) -> Ranks {
    let items = events.iter().map(|event| event.item as usize + 1).max().unwrap_or(0);
    let mut ranks = Ranks::of(contenders, items);
    let (mut known, mut had) = (HashSet::new(), HashMap::<u32, HashSet<u32>>::new());
    let mut of_user: HashMap<u32, Vec<(u32, u32)>> = HashMap::new();
    let mut eligible = 0;
    for event in events {
        let past = of_user.entry(event.user).or_default();
        let had = had.entry(event.user).or_default();
        if event.ts > from && !past.is_empty() && known.contains(&event.item) && !had.contains(&event.item) {
            if eligible % every == 0 {
                let split = past.iter().position(|(visit, _)| *visit == event.visit).unwrap_or(past.len());
                let items: Vec<u32> = past.iter().map(|(_, item)| *item).collect();
                let question = Question {
                    user: event.user,
                    visit: event.visit,
                    so_far: &items[split..],
                    before: &items[split.saturating_sub(100)..split],
                    ts: event.ts,
                    n: 20,
                    listable: &Unseen { known: &known, had },
                };
                ranks.ask(contenders, &question, event, (event.ts, None));
            }
            eligible += 1;
        }
        contenders.iter_mut().for_each(|contender| contender.observe(event));
        past.push((event.visit, event.item));
        had.insert(event.item);
        known.insert(event.item);
    }
    ranks
}

/// Those of these names, with how long their lists take.
fn timed(names: &[&str]) -> (Vec<Box<dyn Contender>>, Vec<Taken>) {
    let made = names.iter().map(|name| {
        let inner = match *name {
            "popular 1h" => Popular::boxed(name, HOUR),
            "popular 15m" => Popular::boxed(name, 15 * MINUTE),
            "popular" => Popular::boxed(name, i64::MAX),
            name => by_name(name).expect("a baseline"),
        };
        let taken = Rc::new(Cell::new(Duration::ZERO));
        (Box::new(Timed { inner, taken: Rc::clone(&taken) }) as Box<dyn Contender>, taken)
    });
    made.unzip()
}

fn print(title: &str, ranks: &Ranks, taken: &[Taken], at: u32) {
    println!("{title}: {} lists", ranks.asked.len());
    println!("{:<44} MRR@{at}  HR@{at}   NDCG@{at}  lists/s", "");
    for (place, (name, taken)) in ranks.names.iter().zip(taken).enumerate() {
        let speed = ranks.asked.len() as f64 / taken.get().as_secs_f64();
        let (mrr, hits, ndcg) = (ranks.mrr(place, at), ranks.hit_rate(place, at), ranks.ndcg(place, at));
        println!("{name:<44} {mrr:.4}  {hits:.4}  {ndcg:.4}   {speed:.0}");
    }
}

const TUNED: &str = "vsknn:m=1502,k=288,last=4,idf=1,longest=15";
const SHIPPED: &str = "vsknn:m=500,k=50,last=2,idf=1,longest=15";

#[test]
#[ignore = "needs the data sets"]
fn serenades_figures_on_its_toy_set_are_within_what_the_order_of_ties_leaves_open() {
    let files = toy(&["train", "test"]);
    let names = [
        TUNED,
        SHIPPED,
        "vsknn:m=1502,k=288,last=4",
        "vstan",
        "sknn",
        "rules",
        "transitions:gap=none",
        "popular",
    ];
    let (mut contenders, taken) = timed(&names);
    let ranks = sessions::evaluate(&files[0], &files[1], &mut contenders, sessions::LENGTH, &|_| ());
    print("sessions, session split, test", &ranks, &taken, 20);
    assert_eq!(ranks.asked.len(), 931);
    for (place, mrr, hits) in [(0, 0.3385, 0.6627), (1, 0.3284, 0.6402)] {
        assert!((ranks.mrr(place, 20) - mrr).abs() < 0.003, "{}", ranks.mrr(place, 20));
        assert!((ranks.hit_rate(place, 20) - hits).abs() < 0.0045, "{}", ranks.hit_rate(place, 20));
    }
}

#[test]
#[ignore = "needs the data sets"]
fn baselines_on_sessions_as_a_stream() {
    let mut events = toy(&["train", "valid", "test"]).concat();
    events.sort_by_key(|event| event.ts);
    let last = events.last().expect("events").ts;
    let names = [
        "popular 1h",
        "popular",
        SHIPPED,
        TUNED,
        "vstan",
        "sknn",
        "rules",
        "transitions:gap=none",
        "transitions",
    ];
    let (mut contenders, taken) = timed(&names);
    let ranks = stream(&events, &mut contenders, last - DAY, 1);
    print("sessions as a stream, last day", &ranks, &taken, 20);
}

#[test]
#[ignore = "needs the data sets"]
fn baselines_on_news_as_a_stream() {
    let events = news();
    let last = events.last().expect("events").ts;
    let names = [
        "popular 1h",
        "popular 15m",
        "vsknn",
        "vsknn:m=500,k=100,last=9,idf=0",
        "vsknn:m=500,k=100,last=9,idf=0,age=6h",
        "sknn",
        "vstan",
        "vstan:snh=0.1",
        "rules",
        "rules:age=1h",
        "transitions",
        "transitions:gap=none,age=1h",
        "transitions:gap=none,age=6h",
    ];
    let (mut contenders, taken) = timed(&names);
    let ranks = stream(&events, &mut contenders, last - 2 * DAY, 20);
    print("news as a stream, last two days, one click in 20", &ranks, &taken, 20);
}

#[test]
#[ignore = "needs the data sets"]
fn baselines_on_news_by_the_protocol_of_chameleon() {
    let names =
        ["popular 1h", "sknn", "vsknn", "vsknn:m=3000,k=500,last=9,idf=0", "vstan", "rules", "transitions"];
    let (mut contenders, taken) = timed(&names);
    let ranks =
        chameleon::evaluate(&news(), &mut contenders, &chameleon::Settings::default(), usize::MAX, &|_| ());
    print("news, chameleon", &ranks, &taken, chameleon::LENGTH);
}
