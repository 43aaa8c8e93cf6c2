//! Requests that can't be answered: the code and the message that a caller reads.

use headwater::proto;
use headwater::proto::Filter;
use tonic::Code;

use super::sandbox::messages::{Refusal, answer, event, explain, item, profile, recommend, time, trending};
use super::sandbox::service::Home;
use super::sandbox::world::World;

const TS: i64 = 1_700_000_000_000;

/// Makes a filter bad.
type Change = fn(&mut Filter);

fn long(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn no_time() -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: 1, nanos: 1_000_000_000 })
}

fn expect<T: std::fmt::Debug>(found: Result<T, Refusal>, code: Code, message: &str) {
    let found = found.expect_err(message);
    assert_eq!((found.0, found.1.as_str()), (code, message));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_that_is_not_valid_names_its_field() {
    let home = Home::on_journal();
    let service = home.start().await;
    let ask = async |change: fn(&mut proto::RecommendRequest), message: &str| {
        let mut request = recommend("u", 5, Some(TS));
        change(&mut request);
        expect(answer(service.recommender().recommend(request).await), Code::InvalidArgument, message);
    };
    ask(|r| r.n = 1001, "`n` is 1001, expected 1 to 1000, or 0 for 10").await;
    ask(|r| r.user_id = long(257), "`user_id` is 257 bytes long, expected at most 256").await;
    ask(|r| r.model = long(129), "`model` is 129 bytes long, expected at most 128").await;
    ask(|r| r.surface = long(129), "`surface` is 129 bytes long, expected at most 128").await;
    ask(|r| r.request_id = long(129), "`request_id` is 129 bytes long, expected at most 128").await;
    ask(
        |r| r.context_item_ids = vec!["i".into(); 129],
        "`context_item_ids` has 129 entries, expected at most 128",
    )
    .await;
    ask(|r| r.context_item_ids = vec![String::new()], "`context_item_ids` is required").await;
    ask(
        |r| r.context_item_ids = vec![long(257)],
        "`context_item_ids` is 257 bytes long, expected at most 256",
    )
    .await;
    ask(
        |r| r.exclude_item_ids = vec!["i".into(); 1001],
        "`exclude_item_ids` has 1001 entries, expected at most 1000",
    )
    .await;
    ask(|r| r.as_of = no_time(), "`as_of` has 1000000000 nanos, expected 0 to 999999999").await;
    ask(|r| r.as_of = time(-1), "`as_of` is -1 ms, expected 0 to 253402300799999 (1970 to 9999)").await;
    ask(
        |r| r.as_of = time(253_402_300_800_000),
        "`as_of` is 253402300800000 ms, expected 0 to 253402300799999 (1970 to 9999)",
    )
    .await;
    let filters: [(Change, &str); 6] = [
        (
            |f| f.categories_any = vec!["c".into(); 101],
            "`filter.categories_any` has 101 entries, expected at most 100",
        ),
        (
            |f| f.categories_none = vec!["c".into(); 101],
            "`filter.categories_none` has 101 entries, expected at most 100",
        ),
        (
            |f| f.categories_any = vec![long(257)],
            "`filter.categories_any` is 257 bytes long, expected at most 256",
        ),
        (|f| f.categories_none = vec![String::new()], "`filter.categories_none` is required"),
        (
            |f| f.attributes = (0..101).map(|n| (n.to_string(), String::new())).collect(),
            "`filter.attributes` has 101 entries, expected at most 100",
        ),
        (
            |f| f.created_after = no_time(),
            "`filter.created_after` has 1000000000 nanos, expected 0 to 999999999",
        ),
    ];
    for (change, message) in filters {
        let mut filter = Filter::default();
        change(&mut filter);
        let request = proto::RecommendRequest { filter: Some(filter.clone()), ..recommend("u", 5, Some(TS)) };
        expect(answer(service.recommender().recommend(request).await), Code::InvalidArgument, message);
        let request = proto::TrendingRequest { filter: Some(filter), ..trending(5, Some(TS)) };
        expect(answer(service.recommender().trending(request).await), Code::InvalidArgument, message);
    }
    let refused = answer(service.recommender().trending(trending(1001, None)).await);
    expect(refused, Code::InvalidArgument, "`n` is 1001, expected 1 to 1000, or 0 for 10");
    let refused = answer(service.recommender().explain(explain("u", "", None)).await);
    expect(refused, Code::InvalidArgument, "`item_id` is required");
    let refused = answer(service.recommender().explain(explain(&long(257), "i", None)).await);
    expect(refused, Code::InvalidArgument, "`user_id` is 257 bytes long, expected at most 256");
    let refused = answer(service.profiles().get_profile(profile("", None)).await);
    expect(refused, Code::InvalidArgument, "`user_id` is required");
    let refused = answer(service.profiles().get_profile(profile(&long(257), None)).await);
    expect(refused, Code::InvalidArgument, "`user_id` is 257 bytes long, expected at most 256");
    let request = proto::GetProfileRequest { as_of: no_time(), ..profile("u", None) };
    let refused = answer(service.profiles().get_profile(request).await);
    expect(refused, Code::InvalidArgument, "`as_of` has 1000000000 nanos, expected 0 to 999999999");
    let refused = answer(service.catalog().get_item(proto::GetItemRequest::default()).await);
    expect(refused, Code::InvalidArgument, "`item_id` is required");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_named() {
    let home = Home::on_journal();
    home.write_model("bold", "");
    let service = home.start().await;
    let item = "`item_id` is `i`, which is not in the catalog";
    let refused = answer(service.recommender().explain(explain("u", "i", None)).await);
    expect(refused, Code::NotFound, item);
    let request = proto::GetItemRequest { item_id: "i".into() };
    expect(answer(service.catalog().get_item(request).await), Code::NotFound, item);
    let model = "`model` is `brave`, loaded are: bold, default";
    let request = proto::RecommendRequest { model: "brave".into(), ..recommend("u", 5, None) };
    expect(answer(service.recommender().recommend(request).await), Code::NotFound, model);
    let request = proto::TrendingRequest { model: "brave".into(), ..trending(5, None) };
    expect(answer(service.recommender().trending(request).await), Code::NotFound, model);
    let request = proto::GetProfileRequest { model: "brave".into(), ..profile("u", None) };
    expect(answer(service.profiles().get_profile(request).await), Code::NotFound, model);
    let request = proto::GetModelRequest { name: "brave".into() };
    expect(answer(service.models().get_model(request).await), Code::NotFound, model);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instant_that_state_no_longer_holds_is_refused_with_the_oldest_that_it_does() {
    let home = Home::on_journal();
    let service = home.start().await;
    let publish = async |ts| {
        let request = proto::PublishRequest { events: vec![event("u", "i", "click", ts)] };
        answer(service.events().publish(request).await).expect("published");
    };
    publish(TS).await;
    service.until_events(1).await;
    publish(TS + 3_600_000).await;
    service.until_events(2).await;
    // An hour on, less 30 s of lateness and 15 min of horizon, and down to a whole pane of 15 s.
    let oldest = TS + 3_600_000 - 30_000 - 900_000 - 5000;
    let message = "`as_of` is 2023-11-14T22:13:20.000Z, but the oldest instant that can still be answered \
                   exactly is 2023-11-14T22:57:45.000Z";
    expect(
        answer(service.recommender().recommend(recommend("u", 5, Some(TS))).await),
        Code::OutOfRange,
        message,
    );
    expect(
        answer(service.recommender().recommend(recommend("", 5, Some(TS))).await),
        Code::OutOfRange,
        message,
    );
    expect(answer(service.recommender().trending(trending(5, Some(TS))).await), Code::OutOfRange, message);
    expect(answer(service.profiles().get_profile(profile("u", Some(TS))).await), Code::OutOfRange, message);
    answer(service.recommender().recommend(recommend("u", 5, Some(oldest))).await).expect("still held");
    answer(service.profiles().get_profile(profile("u", Some(oldest))).await).expect("still held");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publish_rejects_bad_events_one_by_one_and_takes_the_others() {
    let home = Home::on_journal();
    let service = home.start().await;
    let click = |user: &str| event(user, "i", "click", TS);
    let events = vec![
        click("good-1"),
        click(""),
        proto::Event { r#type: "teleport".into(), ..click("u") },
        proto::Event { ts: None, ..click("u") },
        proto::Event { ts: no_time(), ..click("u") },
        proto::Event { value: Some(f64::INFINITY), ..click("u") },
        proto::Event { event_id: long(129), ..click("u") },
        proto::Event { categories: vec!["c".into(); 17], ..click("u") },
        click("good-2"),
    ];
    let answered =
        answer(service.events().publish(proto::PublishRequest { events }).await).expect("an answer");
    assert_eq!(answered.accepted, 2);
    let reasons: Vec<(u32, &str)> =
        answered.rejected.iter().map(|rejected| (rejected.index, rejected.reason.as_str())).collect();
    let types = "view, click, add_to_cart, purchase, like, dislike, hide, impression";
    let unknown = format!("`type` is `teleport`, expected one of {types}");
    let expected = [
        (1, "`user_id` is required"),
        (2, unknown.as_str()),
        (3, "`ts` is required"),
        (4, "`ts` has 1000000000 nanos, expected 0 to 999999999"),
        (5, "`value` is inf, expected a finite number"),
        (6, "`event_id` is 129 bytes long, expected 1 to 128"),
        (7, "`categories` has 17 entries, expected at most 16"),
    ];
    assert_eq!(reasons, expected);
    service.until_events(2).await;
    for (user, events) in [("good-1", 1), ("good-2", 1), ("u", 0)] {
        let found = answer(service.profiles().get_profile(profile(user, Some(TS))).await).expect("a profile");
        assert_eq!(found.recent_events.len(), events, "{user}");
    }
    let request = proto::PublishRequest { events: vec![click("u"); 10_001] };
    let refused = answer(service.events().publish(request).await);
    expect(refused, Code::InvalidArgument, "`events` has 10001 entries, expected at most 10000");
    let nothing =
        answer(service.events().publish(proto::PublishRequest::default()).await).expect("an answer");
    assert_eq!((nothing.accepted, nothing.rejected.len()), (0, 0));
    assert_eq!(service.metrics().await.sum("headwater_dead_letters_total"), 0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_are_put_all_or_none() {
    let home = Home::on_journal();
    let service = home.start().await;
    let world = World::small();
    world.put_items(&service).await;
    world.publish(&service, 0..1000, 0).await;
    let before = world.digest(&service).await;
    let many: Vec<String> = (0..17).map(|n| format!("c{n}")).collect();
    let cases = [
        (item("", &["c"]), "`items[1]`: `item_id` is required"),
        (
            proto::Item { categories: many, ..item("x", &[]) },
            "`items[1]`: `categories` has 17 entries, expected at most 16",
        ),
        (item(&long(257), &["c"]), "`items[1]`: `item_id` is 257 bytes long, expected 1 to 256"),
        (item("x", &[""]), "`items[1]`: `categories` is 0 bytes long, expected 1 to 256"),
        (
            proto::Item { title: long(1025), ..item("x", &[]) },
            "`items[1]`: `title` is 1025 bytes long, expected 1 to 1024",
        ),
        (
            proto::Item { created_at: no_time(), ..item("x", &[]) },
            "`items[1]`: `created_at` has 1000000000 nanos, expected 0 to 999999999",
        ),
        (
            proto::Item {
                attributes: (0..33).map(|n| (n.to_string(), String::new())).collect(),
                ..item("x", &[])
            },
            "`items[1]`: `attributes` has 33 entries, expected at most 32",
        ),
    ];
    for (bad, message) in cases {
        let request = proto::PutItemsRequest { items: vec![item("first", &["c"]), bad] };
        expect(answer(service.catalog().put_items(request).await), Code::InvalidArgument, message);
    }
    let request = proto::PutItemsRequest { items: vec![item("i", &[]); 10_001] };
    let refused = answer(service.catalog().put_items(request).await);
    expect(refused, Code::InvalidArgument, "`items` has 10001 entries, expected at most 10000");
    let request = proto::DeleteItemsRequest { item_ids: vec![world.items[0].item_id.clone(), String::new()] };
    let refused = answer(service.catalog().delete_items(request).await);
    expect(refused, Code::InvalidArgument, "`item_ids` is required");
    // What is put next is the next change: nothing of the refused calls came before it.
    let request = proto::PutItemsRequest { items: vec![item("last", &["no-one-reads-this"])] };
    answer(service.catalog().put_items(request).await).expect("put");
    service.until_items(world.items.len() as u64 + 1).await;
    let request = proto::DeleteItemsRequest { item_ids: vec!["last".into()] };
    answer(service.catalog().delete_items(request).await).expect("deleted");
    service.until_items(world.items.len() as u64 + 2).await;
    assert!(world.digest(&service).await == before, "refused items have changed answers");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_that_the_catalog_has_no_room_for_are_refused() {
    let service = Home::on_journal().set("limits.items", "1000").start().await;
    let items = |from, to| (from..to).map(|number| item(&format!("i{number}"), &["c"])).collect();
    let put = async |items| answer(service.catalog().put_items(proto::PutItemsRequest { items }).await);
    assert_eq!(put(items(0, 990)).await.expect("they fit").accepted, 990);
    service.until_items(990).await;
    let full = "the catalog holds 990 items and `limits.items` is 1000: there is no room for 11 new ones. \
                Delete items that nobody wants any more, or raise the limit";
    expect(put(items(980, 1001)).await, Code::FailedPrecondition, full);
    assert_eq!(put(items(980, 1000)).await.expect("half of them are there").accepted, 20);
    service.until_items(1010).await;
    assert_eq!(put(items(0, 10)).await.expect("all are there").accepted, 10);
    service.stop().await;
}
