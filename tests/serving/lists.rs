//! What may be in a list, and what it is named.

use headwater::proto;
use headwater::proto::Filter;
use tonic::Code;

use super::sandbox::messages::{answer, event, ids, item, millis, profile, recommend, time, trending};
use super::sandbox::service::{Clients, Home, Service, until};

const TS: i64 = 1_700_000_000_000;
const DAY: i64 = 86_400_000;

/// Eight items: four of sport, four of music; the last of each are old.
async fn catalog() -> (Home, Service) {
    let home = Home::on_journal();
    let service = home.start().await;
    let items = (0..8_i32).map(|place| {
        let category = if place < 4 { "sport" } else { "music" };
        let mut item = item(&format!("{category}-{}", place % 4), &[category]);
        let age = if place % 4 == 3 { 100 * DAY } else { DAY + i64::from(place) };
        item.created_at = time(TS - age);
        item.attributes.insert("lang".into(), ["en", "de"][place as usize % 2].into());
        item
    });
    put(&service, items.collect()).await;
    service.until_items(8).await;
    (home, service)
}

async fn put(service: &Clients, items: Vec<proto::Item>) {
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
}

async fn publish(service: &Clients, events: Vec<proto::Event>) {
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
}

async fn list(service: &Clients, request: proto::RecommendRequest) -> proto::RecommendResponse {
    answer(service.recommender().recommend(request).await).expect("a list")
}

fn anyone() -> proto::RecommendRequest {
    recommend("", 20, Some(TS))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_of_an_anonymous_session_count_as_its_clicks_now() {
    let (_home, service) = catalog().await;
    let without = list(&service, anyone()).await;
    assert_eq!(without.profile_as_of, None);
    for (clicked, category, other) in [("music-3", "music", "sport"), ("sport-3", "sport", "music")] {
        let request =
            proto::RecommendRequest { context_item_ids: vec![clicked.into()], explain: true, ..anyone() };
        let answered = list(&service, request).await;
        let found = ids(&answered);
        assert!(!found.contains(&clicked), "the session has seen it: {found:?}");
        assert_eq!(found.len(), 7);
        assert!(found[..3].iter().all(|id| id.starts_with(category)), "{found:?}");
        assert!(found[3..].iter().all(|id| id.starts_with(other)), "{found:?}");
        assert_eq!(answered.items[0].reason, format!("interest in {category}"));
        // The session is of now.
        assert_eq!(answered.profile_as_of, time(TS));
        for item in &answered.items {
            let sum = item.contributions.iter().fold(0.0, |sum, part| sum + part.contribution);
            assert_eq!(sum, item.score, "{}", item.item_id);
        }
    }
    // An item that nobody knows does no harm.
    let request = proto::RecommendRequest { context_item_ids: vec!["who knows".into()], ..anyone() };
    assert_eq!(ids(&list(&service, request).await), ids(&without));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seen_and_excluded_items_are_left_out() {
    let (_home, service) = catalog().await;
    publish(
        &service,
        vec![event("u", "sport-0", "click", TS - 1000), event("u", "music-0", "impression", TS - 900)],
    )
    .await;
    service.until_events(2).await;
    let asked = || recommend("u", 20, Some(TS));
    let plain = list(&service, asked()).await;
    assert!(!ids(&plain).contains(&"sport-0"));
    assert!(ids(&plain).contains(&"music-0"), "who was only shown an item has not acted on it");
    assert_eq!(plain.items.len(), 7);
    assert_eq!(plain.profile_as_of, time(TS - 900));
    let all = list(&service, proto::RecommendRequest { include_seen: true, ..asked() }).await;
    assert_eq!(ids(&all)[0], "sport-0");
    assert_eq!(all.items.len(), 8);
    let exclude_item_ids = vec![ids(&plain)[0].to_owned(), "who knows".into()];
    let fewer = list(&service, proto::RecommendRequest { exclude_item_ids, ..asked() }).await;
    assert_eq!(ids(&fewer), ids(&plain)[1..]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_explained_tells_how_many_candidates_were_removed_and_why() {
    let (_home, service) = catalog().await;
    let mut gone = item("gone", &["sport"]);
    gone.available = Some(false);
    put(&service, vec![gone]).await;
    service.until_items(9).await;
    publish(&service, vec![event("u", "sport-0", "click", TS - 1000)]).await;
    service.until_events(1).await;
    let request = proto::RecommendRequest {
        exclude_item_ids: vec!["music-1".into(), "who knows".into()],
        filter: Some(Filter {
            attributes: [("lang".to_owned(), "de".to_owned())].into(),
            ..Filter::default()
        }),
        ..recommend("u", 20, Some(TS))
    };
    let plain = list(&service, request.clone()).await;
    assert!(plain.removed.is_empty(), "nobody asked: {:?}", plain.removed);
    let explained = list(&service, proto::RecommendRequest { explain: true, ..request }).await;
    assert_eq!(ids(&explained), ids(&plain));
    assert_eq!(explained.items.len(), 3);
    let removed = [("excluded", 1), ("filtered", 3), ("seen", 1), ("unavailable", 1)];
    assert_eq!(explained.removed, removed.map(|(why, count)| (why.to_owned(), count)).into());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_part_of_a_filter_counts_in_lists_and_trends() {
    let (_home, service) = catalog().await;
    let clicks = (0..8).map(|place| {
        let id = format!("{}-{}", ["sport", "music"][place / 4], place % 4);
        event(&format!("u{place}"), &id, "click", TS - 1000)
    });
    publish(&service, clicks.collect()).await;
    service.until_events(8).await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let lang = |lang: &str| [("lang".to_owned(), lang.to_owned())].into();
    let cases = [
        (
            Filter { categories_any: names(&["music", "no such"]), ..Filter::default() },
            "music-0 music-1 music-2 music-3",
        ),
        (
            Filter { categories_none: names(&["music"]), ..Filter::default() },
            "sport-0 sport-1 sport-2 sport-3",
        ),
        (Filter { attributes: lang("de"), ..Filter::default() }, "music-1 music-3 sport-1 sport-3"),
        (
            Filter { created_after: time(TS - 50 * DAY), ..Filter::default() },
            "music-0 music-1 music-2 sport-0 sport-1 sport-2",
        ),
        (
            Filter {
                categories_any: names(&["sport"]),
                attributes: lang("en"),
                created_after: time(TS - 50 * DAY),
                ..Filter::default()
            },
            "sport-0 sport-2",
        ),
        (Filter { categories_any: names(&["no such"]), ..Filter::default() }, ""),
        (Filter { attributes: lang("fr"), ..Filter::default() }, ""),
    ];
    for (filter, expected) in cases {
        let request = proto::RecommendRequest { filter: Some(filter.clone()), ..anyone() };
        let answered = list(&service, request).await;
        let mut found = ids(&answered);
        found.sort_unstable();
        assert_eq!(found.join(" "), expected, "{filter:?}");
        let request = proto::TrendingRequest { filter: Some(filter.clone()), ..trending(20, Some(TS)) };
        let answered = answer(service.recommender().trending(request).await).expect("trends");
        let mut found: Vec<&str> = answered.items.iter().map(|item| item.item_id.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found.join(" "), expected, "trends of {filter:?}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_answers_have_equal_names_and_others_have_others() {
    let (_home, service) = catalog().await;
    publish(&service, vec![event("u", "sport-0", "click", TS - 1000)]).await;
    service.until_events(1).await;
    let named = async |request| list(&service, request).await.recommendation_id;
    let first = named(recommend("u", 5, Some(TS))).await;
    assert_eq!(first.len(), 32, "{first}");
    assert_eq!(named(recommend("u", 5, Some(TS))).await, first);
    assert_ne!(named(recommend("u", 4, Some(TS))).await, first);
    assert_ne!(named(recommend("v", 5, Some(TS))).await, first);
    assert_ne!(named(recommend("u", 5, Some(TS + 1))).await, first);
    let asked = proto::RecommendRequest { request_id: "mine".into(), ..recommend("u", 5, Some(TS)) };
    assert_eq!(list(&service, asked).await.request_id, "mine");
    // A default and the number that it stands for.
    assert_eq!(named(recommend("u", 0, Some(TS))).await, named(recommend("u", 10, Some(TS))).await);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_catalog_items_that_events_name_are_recommended() {
    let home = Home::on_journal();
    let service = home.start().await;
    let empty = list(&service, anyone()).await;
    assert!(empty.items.is_empty());
    let mut events = vec![
        event("a", "x", "click", TS - 3000),
        event("b", "x", "click", TS - 2000),
        event("b", "y", "click", TS - 1000),
    ];
    events.iter_mut().for_each(|event| event.categories = vec!["news".into()]);
    publish(&service, events).await;
    service.until_events(3).await;
    assert_eq!(ids(&list(&service, anyone()).await), ["x", "y"]);
    let asked = proto::RecommendRequest { explain: true, ..recommend("a", 5, Some(TS)) };
    let seen_one = list(&service, asked).await;
    assert_eq!(ids(&seen_one), ["y"]);
    let told = &seen_one.items[0].contributions;
    let of = |feature: &str| told.iter().find(|part| part.feature == feature).map(|part| part.contribution);
    // What they have in common is known from the events, as is who turned to what next.
    assert!(of("interest") > Some(0.0) && of("next") > Some(0.0), "{told:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_item_disappears_from_lists_that_are_asked_for_now_and_then() {
    let (_home, service) = catalog().await;
    let asked = || recommend("", 20, None);
    until("all items in the list of now", async || {
        (list(&service, asked()).await.items.len() == 8).then_some(())
    })
    .await;
    let request = proto::DeleteItemsRequest { item_ids: vec!["sport-1".into()] };
    let deleted = answer(service.catalog().delete_items(request).await).expect("deleted");
    assert_eq!(deleted.accepted, 1);
    until("the item to disappear", async || {
        let answered = list(&service, asked()).await;
        (answered.items.len() == 7 && !ids(&answered).contains(&"sport-1")).then_some(())
    })
    .await;
    assert!(!ids(&list(&service, anyone()).await).contains(&"sport-1"));
    let request = proto::GetItemRequest { item_id: "sport-1".into() };
    let (code, message) = answer(service.catalog().get_item(request).await).expect_err("deleted");
    assert_eq!((code, &*message), (Code::NotFound, "`item_id` is `sport-1`, which is not in the catalog"));

    put(&service, vec![proto::Item { available: Some(false), ..item("sport-2", &["sport"]) }]).await;
    until("the unavailable item to disappear", async || {
        (!ids(&list(&service, asked()).await).contains(&"sport-2")).then_some(())
    })
    .await;
    put(&service, vec![item("sport-1", &["sport"])]).await;
    until("the item to come back", async || {
        ids(&list(&service, asked()).await).contains(&"sport-1").then_some(())
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_ahead_moves_nothing_of_what_others_are_told() {
    let home = Home::on_journal().set("limits.recent_events", "16").set("journal.partitions", "1");
    let service = home.start().await;
    put(&service, vec![item("a", &["c"]), item("b", &["c"])]).await;
    service.until_items(2).await;
    let now = headwater::clock::wall_clock();
    // Less ahead than is told of, and more events than popularity keeps one by one.
    let ahead = now + 290_000;
    publish(&service, vec![event("v", "b", "click", now)]).await;
    publish(&service, (0..200).map(|n| event("u", "a", "click", ahead + n)).collect()).await;
    service.until_events(201).await;
    let told = until("the clicks to trend", async || {
        let told = answer(service.recommender().trending(trending(2, None)).await).expect("it is answered");
        (told.items.first().is_some_and(|first| first.item_id == "a")).then_some(told)
    })
    .await;
    let list = answer(service.recommender().recommend(recommend("v", 2, None)).await).expect("a list");
    let later = headwater::clock::wall_clock();
    for as_of in [told.as_of, list.as_of] {
        assert!((now..=later).contains(&millis(as_of).expect("an instant")), "{as_of:?}");
    }
    answer(service.recommender().trending(trending(2, Some(later))).await)
        .expect("what is now can be asked for");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_in_the_catalog_takes_away_nothing_of_what_people_like() {
    let home = Home::on_journal();
    let mut service = home.start().await;
    let items = (0..6)
        .map(|n| item(&format!("{}-{}", ["travel", "health"][n % 2], n), &[["travel", "health"][n % 2]]));
    put(&service, items.collect()).await;
    service.until_items(6).await;
    let liked = ["travel-0", "travel-2"];
    publish(&service, liked.iter().map(|item| event("ada", item, "like", TS)).collect()).await;
    service.until_events(2).await;
    let told = async |service: &Clients| {
        let told = answer(service.profiles().get_profile(profile("ada", Some(TS))).await).expect("a profile");
        let list = list(service, recommend("ada", 5, Some(TS))).await;
        let interests = told.windows[0].categories.iter().map(|told| (told.category.clone(), told.interest));
        (interests.collect::<Vec<_>>(), list.items[0].item_id.to_string(), list.items[0].reason.to_string())
    };
    let before = told(&service).await;
    assert_eq!(
        before,
        (vec![("travel".to_owned(), 4.0 / 9.0)], "travel-4".to_owned(), "interest in travel".to_owned())
    );
    // One is deleted, the other one is put without its categories.
    answer(
        service.catalog().delete_items(proto::DeleteItemsRequest { item_ids: vec![liked[0].into()] }).await,
    )
    .expect("deleted");
    put(&service, vec![item(liked[1], &[])]).await;
    service.until_items(8).await;
    assert_eq!(told(&service).await, before);
    service.stop().await;
    service = home.start().await;
    assert_eq!(told(&service).await, before, "after a restart");
    service.stop().await;
}
