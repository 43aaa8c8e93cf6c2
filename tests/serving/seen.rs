//! What a user has acted on stays out of the user's lists, whatever follows it.

use headwater::proto;

use super::sandbox::messages::{answer, event, explain, ids, item, profile, recommend};
use super::sandbox::service::{Clients, Home, Service};

const TS: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;
const ITEMS: usize = 60;
/// Far more than `stream.recent_events_per_user`.
const MANY: i64 = 500;

async fn service(home: &Home) -> Service {
    let service = home.start().await;
    let items = (0..ITEMS).map(|number| item(&format!("i{number}"), &["travel"])).collect();
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    service.until_items(ITEMS as u64).await;
    service
}

async fn publish(service: &Clients, events: Vec<proto::Event>) {
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
}

/// Everything that the user may get.
async fn all(service: &Clients, as_of: i64) -> Vec<String> {
    let list = answer(service.recommender().recommend(recommend("ada", 1000, Some(as_of))).await);
    ids(&list.expect("a list")).into_iter().map(str::to_owned).collect()
}

/// Many events of a type on some twenty items, a second apart.
fn flood(kind: &str, from: i64) -> Vec<proto::Event> {
    let one = |n: i64| event("ada", &format!("i{}", 20 + n % 20), kind, from + n * 1000);
    (0..MANY).map(one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_user_has_acted_on_stays_away_whatever_follows_and_across_a_restart() {
    let home = Home::on_journal();
    let service = service(&home).await;
    let acted = [("i0", "hide"), ("i1", "purchase"), ("i2", "dislike"), ("i3", "click"), ("i4", "view")];
    publish(&service, acted.iter().map(|(item, kind)| event("ada", item, kind, TS)).collect()).await;
    publish(&service, flood("impression", TS + 1000)).await;
    publish(&service, flood("click", TS + 1500)).await;
    let count = acted.len() as u64 + 2 * MANY as u64;
    service.until_events(count).await;
    let now = TS + MANY * 1000 + 1500;
    let before = all(&service, now).await;
    assert_eq!(before.len(), ITEMS - acted.len() - 20, "{before:?}");
    for (item, _) in acted {
        assert!(!before.iter().any(|id| id == item), "{item} is back");
        let explained = answer(service.recommender().explain(explain("ada", item, Some(now))).await);
        assert_eq!(explained.expect("explained").excluded, "seen", "{item}");
    }
    // Those twenty that were clicked all the time are known by older clicks, too.
    assert_eq!(service.metrics().await.sum("headwater_acted_items"), acted.len() as u64 + 20);
    // What the user was shown is not among them.
    let postings = acted.len() as u64 + MANY as u64;
    assert_eq!(service.metrics().await.sum("headwater_postings"), postings);
    service.stop().await;

    let service = home.start().await;
    assert_eq!(service.metrics().await.sum("headwater_events_total"), 0, "nothing was replayed");
    assert_eq!(service.metrics().await.sum("headwater_postings"), postings);
    assert_eq!(all(&service, now).await, before);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_says_for_how_long_each_type_keeps_an_item_away() {
    let home = Home::on_journal();
    home.write_model("shop", "[seen]\nview = 'never'\npurchase = '1h'\nimpression = '10m'\n");
    let service = service(&home).await;
    let events = [("i0", "hide"), ("i1", "purchase"), ("i2", "view"), ("i3", "impression")];
    publish(&service, events.iter().map(|(item, kind)| event("ada", item, kind, TS)).collect()).await;
    service.until_events(4).await;
    let away = async |as_of: i64| {
        let request = proto::RecommendRequest { model: "shop".into(), ..recommend("ada", 100, Some(as_of)) };
        let list = answer(service.recommender().recommend(request).await).expect("a list");
        let listed = ids(&list);
        let away = events.iter().map(|(item, _)| *item).filter(|item| !listed.contains(item));
        away.collect::<Vec<_>>()
    };
    assert_eq!(away(TS + HOUR / 6 - 1).await, ["i0", "i1", "i3"]);
    assert_eq!(away(TS + HOUR - 1).await, ["i0", "i1"]);
    assert_eq!(away(TS + HOUR).await, ["i0"]);
    // The same, by what is remembered when those events are no longer kept one by one.
    publish(&service, flood("click", TS + HOUR / 2)).await;
    service.until_events(4 + MANY as u64).await;
    assert_eq!(away(TS + HOUR - 1).await, ["i0", "i1"]);
    assert_eq!(away(TS + HOUR).await, ["i0"]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_user_was_shown_pushes_out_nothing_of_what_the_user_did() {
    let home = Home::on_journal();
    let service = service(&home).await;
    publish(&service, (0..3).map(|n| event("ada", &format!("i{n}"), "like", TS + n * 1000)).collect()).await;
    publish(&service, flood("impression", TS + 4000)).await;
    service.until_events(3 + MANY as u64).await;
    let told = answer(service.profiles().get_profile(profile("ada", Some(TS + MANY * 1000 + 4000))).await);
    let told = told.expect("a profile");
    let likes = told.recent_events.iter().filter(|event| event.r#type == "like").count();
    assert_eq!(likes, 3, "they are kept one by one");
    for window in &told.windows {
        assert_eq!(window.events, 3 + MANY as u64);
        assert_eq!((window.total_weight, window.categories[0].events_by_type["like"]), (6.0, 3));
    }
    service.stop().await;
}
