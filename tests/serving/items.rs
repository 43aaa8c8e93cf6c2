//! What the catalog has of items: in lists, in trends, and for many at once.

use headwater::proto;
use tonic::Code;

use super::sandbox::messages::{answer, event, item, recommend, trending};
use super::sandbox::service::{Clients, Home, headwater, until};

const TS: i64 = 1_700_000_000_000;

async fn put(service: &Clients, items: Vec<proto::Item>) {
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
}

async fn get(service: &Clients, ids: &[&str]) -> Result<proto::GetItemsResponse, (Code, String)> {
    let item_ids = ids.iter().map(|id| (*id).to_owned()).collect();
    answer(service.catalog().get_items(proto::GetItemsRequest { item_ids }).await)
}

/// One with something in each field.
fn full(id: &str) -> proto::Item {
    proto::Item {
        title: format!("All of {id}"),
        attributes: [("lang".to_owned(), "en".to_owned())].into(),
        created_at: Some(prost_types::Timestamp { seconds: TS / 1000 - 60, nanos: 5_000_000 }),
        expires_at: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
        available: Some(true),
        ..item(id, &["sport", "music"])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_trends_carry_what_the_catalog_has_of_their_items_if_that_is_asked_for() {
    let home = Home::on_journal();
    let service = home.start().await;
    put(&service, vec![full("a"), full("b")]).await;
    service.until_items(2).await;
    let of = |item: &str| event(&format!("fan of {item}"), item, "click", TS - 1000);
    let events = vec![of("a"), of("b")];
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    service.until_events(2).await;

    let plain = recommend("u", 5, Some(TS));
    let asked = proto::RecommendRequest { with_item: true, ..plain.clone() };
    let without = answer(service.recommender().recommend(plain).await).expect("a list");
    let with = answer(service.recommender().recommend(asked).await).expect("a list");
    assert_eq!(without.items.len(), 2);
    assert!(without.items.iter().all(|ranked| ranked.item.is_none()));
    for ranked in &with.items {
        assert_eq!(ranked.item, Some(Box::new(full(&ranked.item_id))));
    }
    let mut stripped = with.clone();
    stripped.items.iter_mut().for_each(|ranked| ranked.item = None);
    assert_eq!(stripped, without, "all else is the same");

    let plain = trending(5, Some(TS));
    let asked = proto::TrendingRequest { with_item: true, ..plain.clone() };
    let without = answer(service.recommender().trending(plain).await).expect("trends");
    let with = answer(service.recommender().trending(asked).await).expect("trends");
    assert_eq!(without.items.len(), 2);
    assert!(without.items.iter().all(|trend| trend.item.is_none()));
    for trend in &with.items {
        assert_eq!(trend.item, Some(Box::new(full(&trend.item_id))));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_items_come_in_the_order_asked_and_those_that_are_unknown_are_named() {
    let home = Home::on_journal();
    let service = home.start().await;
    put(&service, vec![full("a"), full("b")]).await;
    service.until_items(2).await;
    let found = get(&service, &["b", "x", "a", "b", "y"]).await.expect("items");
    assert_eq!(found.items, ["b", "a", "b"].map(full));
    assert_eq!(found.unknown_item_ids, ["x", "y"]);
    assert_eq!(get(&service, &[]).await, Ok(proto::GetItemsResponse::default()));

    let (code, message) = get(&service, &["a"; 1001]).await.expect_err("too many");
    assert_eq!(code, Code::InvalidArgument);
    assert_eq!(message, "`item_ids` has 1001 entries, expected at most 1000");
    let (code, message) = get(&service, &["a", ""]).await.expect_err("no id");
    assert_eq!((code, message.as_str()), (Code::InvalidArgument, "`item_ids` is required"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_never_holds_more_than_clients_take() {
    let home = Home::on_journal();
    let service = home.start().await;
    // Forty of the largest are less than 2 MiB, a hundred and twenty more than 4.
    let ids: Vec<String> = (0..120).map(|n| format!("i{n}")).collect();
    let text = "x".repeat(1024);
    let attributes = (0..32).map(|n| (format!("{n:0>256}"), text.clone()));
    let attributes: std::collections::BTreeMap<_, _> = attributes.collect();
    let large = |id: &String| proto::Item { attributes: attributes.clone(), ..full(id) };
    put(&service, ids.iter().map(large).collect()).await;
    service.until_items(120).await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(get(&service, &ids[..40]).await.expect("they fit").items.len(), 40);
    let (code, message) = get(&service, &ids).await.expect_err("they do not fit");
    assert_eq!(code, Code::InvalidArgument);
    let expected =
        "`item_ids` names items of more than 4 MiB, which is what an answer may hold: ask for fewer";
    assert_eq!(message, expected);

    let list = |n| proto::RecommendRequest { with_item: true, ..recommend("u", n, Some(TS)) };
    assert_eq!(answer(service.recommender().recommend(list(40)).await).expect("they fit").items.len(), 40);
    let (code, message) = answer(service.recommender().recommend(list(120)).await).expect_err("they do not");
    assert_eq!(code, Code::InvalidArgument);
    let expected =
        "`n` items with `with_item` take more than 4 MiB, which is what an answer may hold: ask for fewer";
    assert_eq!(message, expected);
    let user_ids = ["u", "v", "w", "x"].map(str::to_owned).to_vec();
    let batch = proto::BatchRecommendRequest {
        user_ids,
        options: Some(proto::RecommendRequest { user_id: String::new(), ..list(40) }),
    };
    let answered = service.recommender().max_decoding_message_size(4 << 20).batch_recommend(batch).await;
    let results = answer(answered).expect("as many as fit").results;
    let codes: Vec<&str> = results
        .iter()
        .map(|result| match result.result.as_ref().expect("a result") {
            proto::user_result::Result::Response(_) => "OK",
            proto::user_result::Result::Error(error) => error.code.as_str(),
        })
        .collect();
    assert_eq!(codes, ["OK", "OK", "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_shows_titles_from_one_call() {
    let home = Home::on_journal();
    let service = home.start().await;
    put(&service, vec![full("a"), full("b")]).await;
    service.until_items(2).await;
    let now = ::headwater::clock::wall_clock();
    let of = |item: &str| event("fan", item, "click", now);
    answer(service.events().publish(proto::PublishRequest { events: vec![of("a"), of("b")] }).await)
        .expect("published");
    service.until_events(2).await;
    for command in [&["recommend", "u"][..], &["trending"]] {
        let server = service.grpc.to_string();
        until("both titles", async || {
            let output = headwater(command).args(["--server", &server]).output().expect("it runs");
            let told = String::from_utf8(output.stdout).expect("a text");
            ["All of a", "All of b"].iter().all(|title| told.contains(title)).then_some(())
        })
        .await;
    }
    assert_eq!(service.metrics().await.with("headwater_requests_total", "method=\"GetItem\""), 0);
    service.stop().await;
}
