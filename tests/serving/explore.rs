//! Places of a list for items that few have acted on.

use headwater::proto;

use super::sandbox::messages::{answer, event, item, recommend, time};
use super::sandbox::service::{Clients, Home, until};

const TS: i64 = 1_700_000_000_000;
/// Items that many have clicked, and new ones that nobody has.
const KNOWN: usize = 20;
const NEW: usize = 6;
const MODEL: &str =
    "[weights]\ninterest = 1\npopularity = 1\nrecency = 0\n[explore]\nevery = 2\nbelow = 3\ngap = 0.01\n";

async fn ask(service: &Clients, request: proto::RecommendRequest) -> proto::RecommendResponse {
    answer(service.recommender().recommend(request).await).expect("a list")
}

async fn click(service: &Clients, events: Vec<proto::Event>) {
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
}

fn is_new(item: &proto::RankedItem) -> bool {
    item.item_id.starts_with("new")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_items_get_places_with_their_propensity_until_some_have_acted_on_them() {
    let home = Home::on_journal();
    home.write_model("default", MODEL);
    home.write_model("plain", "[weights]\ninterest = 1\npopularity = 1\nrecency = 0\n");
    let service = home.start().await;
    let known = (0..KNOWN).map(|number| item(&format!("known{number:02}"), &["film"]));
    let new = (0..NEW).map(|number| {
        let mut item = item(&format!("new{number}"), &["film"]);
        item.created_at = time(TS - 1000 + number as i64);
        item
    });
    let items: Vec<_> = known.chain(new).collect();
    let count = items.len() as u64;
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    service.until_items(count).await;
    let crowd = (0..KNOWN).flat_map(|n| {
        (0..4 + n).map(move |who| event(&format!("p{who}"), &format!("known{n:02}"), "click", TS))
    });
    let clicks: Vec<_> = crowd.collect();
    let mut told = clicks.len() as u64;
    click(&service, clicks).await;
    service.until_events(told).await;

    // No more than places 2, 4, 6, 8 and 10 are drawn for, most of them for new ones where the gap counts next to nothing.
    let list = ask(&service, recommend("ada", 10, Some(TS))).await;
    for (place, item) in (1..).zip(&list.items) {
        let drawn_for = place % 2 == 0;
        assert_eq!(item.propensity.is_some(), drawn_for, "{list:?}");
        assert!(item.propensity.is_none_or(|propensity| propensity > 0.0 && propensity < 1.0), "{list:?}");
        assert!(!is_new(item) || drawn_for, "{list:?}");
        assert_eq!(item.reason == "new, to find out", is_new(item), "{item:?}");
    }
    assert!(list.items.iter().any(is_new), "{list:?}");
    assert_eq!(ask(&service, recommend("ada", 10, Some(TS))).await, list, "asked again");
    let shorter = ask(&service, recommend("ada", 5, Some(TS))).await;
    assert_eq!(shorter.items[..], list.items[..5]);
    // Others get others: each new item is shown to somebody.
    let mut shown = std::collections::BTreeSet::new();
    for user in 0..40 {
        let list = ask(&service, recommend(&format!("u{user}"), 10, Some(TS))).await;
        shown.extend(list.items.into_iter().filter(is_new).map(|item| item.item_id));
    }
    assert_eq!(shown.len(), NEW, "{shown:?}");

    // Models are compared by what they know.
    let compare = vec!["default".to_owned(), "plain".to_owned()];
    let compared = ask(&service, proto::RecommendRequest { compare, ..recommend("ada", 10, Some(TS)) }).await;
    assert!(compared.items.iter().all(|item| item.propensity.is_none() && !is_new(item)), "{compared:?}");

    // Enough have acted on one of them now: it is as good as it is.
    let crowd: Vec<_> = (0..3).map(|who| event(&format!("p{who}"), "new0", "click", TS)).collect();
    told += crowd.len() as u64;
    click(&service, crowd).await;
    service.until_events(told).await;
    until("the list without it", async || {
        for user in 0..40 {
            let list = ask(&service, recommend(&format!("u{user}"), 10, Some(TS))).await;
            if list.items.iter().any(|item| item.item_id == "new0") {
                return None;
            }
        }
        Some(())
    })
    .await;
    service.stop().await;
}
