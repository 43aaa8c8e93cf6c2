//! An explanation is one look at the facts, and pools of named instants cost nobody else anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use headwater::proto;
use tonic::Code;

use super::sandbox::messages::{answer, event, item, profile, recommend, time};
use super::sandbox::service::{Home, Service, until};

const TS: i64 = 1_700_000_000_000;
const ITEMS: usize = 40;
const CATEGORIES: usize = 5;
/// With all that an interest and a popularity can be made of.
const MODEL: &str = "
    [interest]
    evidence = 6.0
    rarity = 1.0
    dilution = 0.5
    windows = { 1h = 0.15, 24h = 0.15, 7d = 0.15, 30d = 0.15 }
    recent = { weight = 0.3, distance = 4.0, evidence = 3.0 }
    [popularity]
    evidence = 30.0
    windows = { 5m = 0.3, 15m = 0.5, 1h = 0.05, 24h = 0.1, 7d = 0.05 }
";

async fn service() -> (Home, Service) {
    let home = Home::on_journal();
    home.write_model("default", MODEL);
    let service = home.start().await;
    let of = |number: usize| item(&format!("i{number}"), &[&format!("c{}", number % CATEGORIES), "all"]);
    let items = (0..ITEMS).map(of).collect();
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    service.until_items(ITEMS as u64).await;
    // Lists and explanations of now know an item once the index was refreshed.
    until("the items in the index", async || {
        (service.metrics().await.sum("headwater_index_rows") == ITEMS as u64).then_some(())
    })
    .await;
    (home, service)
}

fn interest(explained: &proto::ExplainResponse) -> f64 {
    explained.contributions.iter().find(|part| part.feature == "interest").expect("an interest").value
}

fn evidence(explained: &proto::ExplainResponse) -> f64 {
    explained.interest.iter().map(|part| part.interest).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_storm_of_events_the_evidence_of_each_explanation_adds_up_to_its_score() {
    let (_home, service) = service().await;
    let stop = Arc::new(AtomicBool::new(false));
    let storm = {
        let (stop, mut events) = (Arc::clone(&stop), service.events());
        tokio::spawn(async move {
            let (mut sent, began) = (0_usize, headwater::clock::wall_clock() - 60_000);
            while !stop.load(Ordering::Relaxed) {
                let click = |place: usize| {
                    let item = (sent + place) * 7 % ITEMS;
                    event(
                        "u",
                        &format!("i{item}"),
                        ["click", "dislike", "view"][item % 3],
                        began + (sent + place) as i64,
                    )
                };
                let events_now = (0..20).map(click).collect();
                let request = proto::PublishRequest { events: events_now };
                answer(events.publish(request).await).expect("published");
                sent += 20;
            }
        })
    };
    let (mut told, mut popular) = (std::collections::BTreeSet::new(), false);
    // How many events come between two questions is up to the machine: go on until enough have.
    for question in 0..100_000 {
        if question >= 400 && told.len() > 20 && popular {
            break;
        }
        let request = proto::ExplainRequest {
            user_id: "u".into(),
            item_id: format!("i{}", question % ITEMS),
            ..Default::default()
        };
        let explained = answer(service.recommender().explain(request).await).expect("explained");
        let (interest, evidence) = (interest(&explained), evidence(&explained));
        assert_eq!(interest, evidence, "{explained:?}");
        let evidence: f64 = explained.popularity.iter().map(|part| part.popularity).sum();
        let popularity = explained.contributions.iter().find(|part| part.feature == "popularity");
        let popularity = popularity.map_or(0.0, |part| part.value);
        assert_eq!(popularity, evidence, "{explained:?}");
        popular |= evidence > 0.0;
        let score = explained.contributions.iter().fold(0.0, |sum, part| sum + part.contribution);
        assert_eq!(score, explained.score, "{explained:?}");
        told.insert(explained.profile_as_of.map(|at| (at.seconds, at.nanos)));
    }
    stop.store(true, Ordering::Relaxed);
    storm.await.expect("a storm");
    assert!(told.len() > 20, "the user's facts changed only {} times", told.len());
    assert!(popular, "no item has become popular");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_items_of_a_session_are_evidence_too() {
    let (_home, service) = service().await;
    let request = proto::ExplainRequest {
        item_id: "i1".into(),
        context_item_ids: vec!["i6".into(), "i2".into()],
        ..Default::default()
    };
    let explained = answer(service.recommender().explain(request).await).expect("explained");
    assert!(interest(&explained) > 0.0);
    assert_eq!(interest(&explained), evidence(&explained), "{explained:?}");
    let recent = explained.interest.iter().filter(|part| part.window == "recent");
    assert!(
        recent.map(|part| part.interest).sum::<f64>() > 0.0,
        "the last ones count once more: {explained:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_for_instants_without_end_are_refused_beyond_a_few_and_those_of_now_are_answered() {
    let (_home, service) = service().await;
    let events =
        (0..2000_usize).map(|place| event(&format!("u{place}"), &format!("i{}", place % ITEMS), "click", TS));
    answer(service.events().publish(proto::PublishRequest { events: events.collect() }).await)
        .expect("published");
    service.until_events(2000).await;
    let asked = (0..64_i64).map(|place| {
        let mut client = service.recommender();
        tokio::spawn(async move { answer(client.recommend(recommend("u1", 3, Some(TS + place))).await) })
    });
    let asked: Vec<_> = asked.collect();
    for _ in 0..20 {
        answer(service.recommender().recommend(recommend("u1", 3, None)).await).expect("an answer of now");
    }
    let (mut answered, mut refused) = (0, 0);
    for one in asked {
        match one.await.expect("asked") {
            Ok(list) => {
                assert_eq!(list.items.len(), 3);
                answered += 1;
            }
            Err(status) => {
                assert_eq!(status.0, Code::ResourceExhausted, "{status:?}");
                assert!(status.1.contains("as_of"), "{status:?}");
                refused += 1;
            }
        }
    }
    assert!(answered >= 4, "{answered} answered, {refused} refused");
    // An instant that somebody has asked for is there for everybody.
    let one = recommend("u2", 3, Some(TS + 1_000_000));
    let first = answer(service.recommender().recommend(one.clone()).await).expect("an answer");
    let again = answer(service.recommender().recommend(one).await).expect("an answer");
    assert_eq!(first, again);
    assert_eq!(first.as_of, time(TS + 1_000_000));
    let metrics = service.metrics().await;
    assert_eq!(metrics.sum("headwater_index_rows"), ITEMS as u64);
    assert!((1..=16).contains(&metrics.sum("headwater_instants")));
    assert!(metrics.sum("process_resident_memory_bytes") > 1_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_categories_the_strongest_are_told_and_how_many_there_are() {
    let service = Home::on_journal().start().await;
    let events = (0..20).map(|n| proto::Event {
        categories: (0..16).map(|category| format!("c{n}-{category}")).collect(),
        ..event("u", &format!("i{n}"), if n == 7 { "like" } else { "view" }, TS + n)
    });
    let request = proto::PublishRequest { events: events.collect() };
    answer(service.events().publish(request).await).expect("published");
    service.until_events(20).await;
    let ask = async |max_categories| {
        let request = proto::GetProfileRequest { max_categories, ..profile("u", Some(TS + 20)) };
        answer(service.profiles().get_profile(request).await)
    };
    for (asked, told) in [(0, 100), (5, 5), (1000, 320)] {
        let profile = ask(asked).await.expect("a profile");
        let window = &profile.windows[0];
        assert_eq!((window.categories.len(), window.category_count), (told, 320));
        assert!(window.categories.iter().take(16).all(|known| known.category.starts_with("c7-")));
    }
    let refused = ask(1001).await.expect_err("too many");
    assert_eq!(refused.1, "`max_categories` is 1001, expected at most 1000");
    service.stop().await;
}
