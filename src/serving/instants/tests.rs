//! Who makes the pools of an instant, who shares them, and who is refused.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;

use super::*;
use crate::engine::config::StreamConfig;
use crate::engine::events::event::EventDraft;
use crate::engine::position::{Offset, Partition};
use crate::engine::rank::models::ModelSet;
use crate::models::{BUILT_IN_MODEL, parse_model};
use crate::state::State;
use crate::telemetry::Metrics;

const T: i64 = 1_700_000_000_000;

/// Pools of instants for the model that is built in, of events that come when a test applies them.
struct Asked {
    state: Arc<State>,
    model: Arc<Model>,
    metrics: Metrics,
    instants: Arc<Instants>,
}

impl Asked {
    fn new() -> Self {
        let config = Arc::new(StreamConfig::default());
        let model = parse_model("default", "default.toml".as_ref(), BUILT_IN_MODEL, &config);
        let model = Arc::new(model.expect("a valid model"));
        let models = ModelSet::new([("default".to_owned(), Arc::clone(&model))].into(), "default");
        let state = Arc::new(State::empty(config, 1));
        let ranker = Arc::new(Ranker::new(Arc::clone(&state), Arc::new(models.expect("a default model"))));
        ranker.refresh(Timestamp(T));
        let metrics = Metrics::new();
        let instants = Arc::new(Instants::new(ranker, &metrics.shed));
        Self { state, model, metrics, instants }
    }

    fn click(&self, offset: u64, ts: i64) {
        self.apply(offset, ts);
        self.instants.ranker.refresh(Timestamp(T));
    }

    fn apply(&self, offset: u64, ts: i64) {
        let draft = EventDraft {
            user_id: Some("u".into()),
            item_id: Some("i".into()),
            kind: Some("click".into()),
            ts: Some(ts),
            ..EventDraft::default()
        };
        let event = draft.check(&self.state.config().event_types).expect("an event");
        self.state.apply(Partition(0), Offset(offset), None, &event).expect("it is applied");
    }

    async fn pools(&self, instant: i64) -> Result<Arc<Pools>, Code> {
        self.instants.pools(&self.model, Timestamp(instant)).await.map_err(|status| status.code())
    }

    fn refused(&self) -> u64 {
        self.metrics.shed.get_or_create(&Shed { reason: "as_of" }).get()
    }
}

#[tokio::test]
async fn however_many_ask_for_an_instant_it_is_made_once_and_nobody_is_refused() {
    let asked = Asked::new();
    // There is room for one.
    let _others = Arc::clone(&asked.instants.room).try_acquire_many_owned(AT_ONCE as u32 - 1).expect("room");
    let mut asking = JoinSet::new();
    for _ in 0..5 * AT_ONCE {
        let (instants, model) = (Arc::clone(&asked.instants), Arc::clone(&asked.model));
        asking.spawn(async move { instants.pools(&model, Timestamp(T)).await });
    }
    let all: Vec<_> = asking.join_all().await.into_iter().map(|made| made.expect("pools")).collect();
    assert!(all.iter().all(|made| Arc::ptr_eq(made, &all[0])));
    assert_eq!(asked.refused(), 0);
}

#[tokio::test]
async fn beyond_a_few_instants_that_are_made_further_ones_are_refused_and_known_ones_are_not() {
    let asked = Asked::new();
    asked.pools(T).await.expect("room");
    let others = Arc::clone(&asked.instants.room).try_acquire_many_owned(AT_ONCE as u32).expect("room");
    assert_eq!(asked.pools(T + 1).await.err(), Some(Code::ResourceExhausted));
    assert_eq!(asked.refused(), 1);
    asked.pools(T).await.expect("it is known");
    drop(others);
    asked.pools(T + 1).await.expect("room");
    assert_eq!(asked.refused(), 1);
}

#[tokio::test]
async fn beyond_so_many_who_wait_further_ones_are_refused_though_the_instant_is_under_way() {
    let asked = Asked::new();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let (ranker, model) = (Arc::clone(&asked.instants.ranker), Arc::clone(&asked.model));
    let (begun, beginning) = std::sync::mpsc::channel();
    // All work waits for this.
    let before = std::thread::spawn(move || {
        ranker.at(&model, Timestamp(T - 1), || {
            begun.send(()).expect("it is waited for");
            gone.recv().expect("it is told to");
        })
    });
    beginning.recv().expect("it begins");
    let mut asking = JoinSet::new();
    for _ in 0..WAITING + 3 {
        let (instants, model) = (Arc::clone(&asked.instants), Arc::clone(&asked.model));
        asking.spawn(async move { instants.pools(&model, Timestamp(T)).await.map(drop) });
    }
    for _ in 0..3 {
        let ended = timeout(Duration::from_secs(60), asking.join_next())
            .await
            .expect("those beyond are told at once");
        let refused = ended.expect("one").expect("it ends").expect_err("no room");
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.metadata().contains_key("grpc-retry-pushback-ms"), "{refused:?}");
    }
    go.send(()).expect("it waits");
    before.join().expect("it ends");
    asking.join_all().await.into_iter().for_each(|made| made.expect("pools"));
    assert_eq!(asked.refused(), 3);
    asked.pools(T + 1).await.expect("those who waited have made room");
}

#[tokio::test]
async fn models_that_say_the_same_answer_by_their_own_names() {
    let asked = Asked::new();
    asked.pools(T).await.expect("pools");
    let copy = Arc::new(Model { name: "copy".to_owned(), ..Model::clone(&asked.model) });
    let pools = asked.instants.pools(&copy, Timestamp(T)).await.expect("pools");
    assert_eq!(pools.model.name, "copy");
}

#[tokio::test]
async fn pools_of_an_instant_are_shared_until_an_event_comes_that_they_would_miss() {
    let asked = Asked::new();
    asked.click(0, T - 2);
    let first = asked.pools(T).await.expect("pools");
    assert_eq!(first.most()[0], 1);
    asked.click(1, T + 1);
    assert!(Arc::ptr_eq(&first, &asked.pools(T).await.expect("pools")), "it is of later");
    asked.click(2, T - 1);
    let second = asked.pools(T).await.expect("pools");
    assert_eq!(second.most()[0], 2);
    assert!(Arc::ptr_eq(&second, &asked.pools(T).await.expect("pools")));
}

#[tokio::test]
async fn whoever_asks_leaves_nothing_behind() {
    let asked = Asked::new();
    for instant in T..T + 3 {
        asked.pools(instant).await.expect("pools");
    }
    assert!(asked.instants.flights.0.lock().is_empty());
    assert_eq!(asked.instants.room.available_permits(), AT_ONCE);
}

#[tokio::test]
async fn work_keeps_its_place_though_nobody_waits_for_it_and_serves_whoever_comes_before_it_begins() {
    let asked = Asked::new();
    // All work waits for this.
    let (busy, go_on) = (Arc::clone(&asked.instants), std::sync::mpsc::channel::<()>());
    let (model, (go, gone)) = (Arc::clone(&asked.model), go_on);
    let (begun, beginning) = std::sync::mpsc::channel();
    let before = std::thread::spawn(move || {
        busy.ranker.at(&model, Timestamp(T - 1), || {
            begun.send(()).expect("it is waited for");
            gone.recv().expect("it is told to");
        })
    });
    beginning.recv().expect("it begins");
    let join = |instant: i64| asked.instants.join(&asked.model, Timestamp(instant)).expect("threads");
    for instant in T..T + AT_ONCE as i64 {
        assert!(matches!(join(instant), Some((_, None))), "there is room, and it has not begun");
    }
    assert_eq!(asked.instants.room.available_permits(), 0);
    assert_eq!(asked.pools(T - 2).await.err(), Some(Code::ResourceExhausted));
    let ((first, _), (second, _)) = (join(T).expect("it is under way"), join(T).expect("it is under way"));
    assert!(first.same_channel(&second));
    go.send(()).expect("it waits");
    before.join().expect("it ends");
    landed(first).await.expect("pools");
    asked.pools(T + AT_ONCE as i64 - 1).await.expect("pools");
}

#[tokio::test]
async fn whoever_comes_after_it_has_begun_gets_what_is_made_next() {
    let flights = Flights::default();
    let key = ("a model".to_owned(), "its version".to_owned(), Timestamp(T));
    let join = || Flights::join(flights.0.lock().get_mut(&key).expect("it is under way"));
    let asked = Asked::new();
    let mut place = Arc::clone(&asked.instants.room).try_acquire_owned().ok();
    let (_making, made) = watch::channel(None);
    flights.0.lock().insert(key.clone(), Flight::new(made));
    let (before, None) = join() else { panic!("it has not begun") };
    flights.begin(&key);
    let ((first, Some(next)), (_, Some(other))) = (join(), join()) else { panic!("it has begun") };
    assert!(first.same_channel(&before) && next.same_channel(&other) && !next.same_channel(&first));
    flights.end(&key, &mut place).expect("somebody has come");
    assert!(place.is_some());
    let (now, None) = join() else { panic!("the next one has not begun") };
    assert!(now.same_channel(&next));
    flights.begin(&key);
    assert!(flights.end(&key, &mut place).is_none());
    assert!(place.is_none() && flights.0.lock().is_empty());
}

/// Whatever comes between: counted while others make the pools of the same instant all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_applied_before_one_asked_is_never_missing() {
    let asked = Arc::new(Asked::new());
    let applied = Arc::new(Mutex::new(0));
    let ranker = Arc::downgrade(&asked.instants.ranker);
    let refresher = std::thread::spawn(move || {
        while let Some(ranker) = ranker.upgrade() {
            ranker.refresh(Timestamp(T));
        }
    });
    let mut askers = JoinSet::new();
    for _ in 0..2 * AT_ONCE {
        let (asked, applied) = (Arc::clone(&asked), Arc::clone(&applied));
        askers.spawn(async move {
            for _ in 0..50 {
                let least = {
                    let mut applied = applied.lock();
                    asked.apply(*applied, T - 1);
                    *applied += 1;
                    *applied
                };
                let pools = asked.pools(T).await.expect("pools");
                assert!(u64::from(pools.most()[0]) >= least, "{} of {least}", pools.most()[0]);
            }
        });
    }
    while let Some(ended) = askers.join_next().await {
        ended.expect("nothing was missing");
    }
    drop(asked);
    refresher.join().expect("it ends");
}

#[tokio::test]
async fn those_who_wait_hear_of_a_panic_and_the_next_one_begins_anew() {
    let asked = Asked::new();
    let (making, made) = watch::channel(None);
    let key = (asked.model.name.clone(), asked.model.version.clone(), Timestamp(T));
    let place = Arc::clone(&asked.instants.room).try_acquire_owned().ok();
    asked.instants.flights.0.lock().insert(key.clone(), Flight::new(made));
    asked.instants.flights.begin(&key);
    let Ok(Some((made, Some(next)))) = asked.instants.join(&asked.model, Timestamp(T)) else {
        panic!("it has begun")
    };
    let work = Work {
        ranker: Arc::clone(&asked.instants.ranker),
        model: Arc::clone(&asked.model),
        flights: Arc::clone(&asked.instants.flights),
        key,
        place,
    };
    let panicked = std::thread::spawn(move || {
        let (_work, _making) = (work, making);
        panic!("as a test may");
    });
    panicked.join().expect_err("it panics");
    for waiting in [made, next] {
        let landed = timeout(Duration::from_secs(60), landed(waiting)).await.expect("they hear of it");
        assert_eq!(landed.expect_err("there are none").code(), Code::Internal);
    }
    assert_eq!(asked.instants.room.available_permits(), AT_ONCE);
    asked.pools(T).await.expect("pools");
}
