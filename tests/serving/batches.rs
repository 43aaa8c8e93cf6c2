//! Lists of many users in one call.

use headwater::proto;
use headwater::proto::user_result::Result::{Error, Response};
use tonic::Code;

use super::sandbox::messages::{answer, event, item, millis, recommend};
use super::sandbox::service::{Clients, Home, until};

const TS: i64 = 1_700_000_000_000;

fn batch(users: &[&str], options: proto::RecommendRequest) -> proto::BatchRecommendRequest {
    let user_ids = users.iter().map(|user| (*user).to_owned()).collect();
    proto::BatchRecommendRequest { user_ids, options: Some(options) }
}

fn options(as_of: Option<i64>) -> proto::RecommendRequest {
    recommend("", 5, as_of)
}

async fn ask(
    service: &Clients,
    users: &[&str],
    options: proto::RecommendRequest,
) -> Result<proto::BatchRecommendResponse, (Code, String)> {
    answer(service.recommender().batch_recommend(batch(users, options)).await)
}

/// A list, or the code and the message in its place.
fn outcome(result: &proto::UserResult) -> Result<&proto::RecommendResponse, (&str, &str)> {
    match result.result.as_ref().expect("a result") {
        Response(response) => Ok(response),
        Error(error) => Err((&error.code, &error.message)),
    }
}

/// Twenty items, and five users who have clicked on some.
async fn fill(service: &Clients, ts: i64) {
    let items = (0..20).map(|n| item(&format!("i{n}"), &[["sport", "music", "film"][n % 3]])).collect();
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    service.until_items(20).await;
    let click = |n: i64| event(&format!("u{}", n % 5), &format!("i{}", n * 3 % 20), "click", ts - 60_000 + n);
    let events = (0..30).map(click).collect();
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    service.until_events(30).await;
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the end of time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_says_of_each_user_what_recommend_says() {
    let home = Home::on_journal();
    let service = home.start().await;
    fill(&service, TS).await;
    let users = ["u3", "u0", "nobody", "", "u4", "u0", "u1", "u2"];
    let options = proto::RecommendRequest {
        explain: true,
        with_item: true,
        request_id: "mine".into(),
        exclude_item_ids: vec!["i1".into()],
        filter: Some(proto::Filter { categories_none: vec!["film".into()], ..Default::default() }),
        ..options(Some(TS))
    };
    let answered = ask(&service, &users, options.clone()).await.expect("lists");
    assert_eq!(answered.request_id, "mine");
    assert_eq!(answered.results.iter().map(|result| result.user_id.as_str()).collect::<Vec<_>>(), users);
    for (user, result) in users.iter().zip(&answered.results) {
        let alone = proto::RecommendRequest { user_id: (*user).to_owned(), ..options.clone() };
        let alone = answer(service.recommender().recommend(alone).await).expect("a list");
        assert_eq!(alone.items.len(), 5);
        assert_eq!(outcome(result), Ok(&alone), "{user}");
        assert_eq!((&alone.model, &alone.as_of), (&answered.model, &answered.as_of));
    }
    let metrics = service.metrics().await;
    assert_eq!(metrics.with("headwater_requests_total", "method=\"BatchRecommend\",code=\"OK\""), 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_of_one_instant_which_is_no_later_than_now() {
    let service = Home::on_journal().start().await;
    let before = now();
    fill(&service, before).await;
    // A clock that is ahead.
    let ahead =
        (0..20).map(|n| event("ahead", &format!("i{n}"), "click", before + 60_000 + n * 1000)).collect();
    answer(service.events().publish(proto::PublishRequest { events: ahead }).await).expect("published");
    service.until_events(50).await;
    let answered = ask(&service, &["u0", "ahead", "u1"], options(None)).await.expect("lists");
    assert!((before..=now()).contains(&millis(answered.as_of).expect("an instant")));
    for result in &answered.results {
        assert_eq!(outcome(result).expect("a list").as_of, answered.as_of, "{}", result.user_id);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_list_gets_an_error_and_the_others_their_lists() {
    let home = Home::on_journal().set("stream.recent_events_per_user", "4");
    let service = home.start().await;
    fill(&service, TS).await;
    let busy = (0..20).map(|n| event("busy", &format!("i{n}"), "click", TS + n * 1000)).collect();
    answer(service.events().publish(proto::PublishRequest { events: busy }).await).expect("published");
    service.until_events(50).await;
    // What was so long ago is known of the others still.
    let answered = ask(&service, &["u0", "busy", "u1"], options(Some(TS))).await.expect("lists");
    let [first, busy, last] = &answered.results[..] else { panic!("{answered:?}") };
    let (code, message) = outcome(busy).expect_err("it is too long ago");
    assert_eq!(code, "OUT_OF_RANGE");
    assert!(message.contains("the oldest instant that can still be answered"), "{message}");
    for result in [first, last] {
        assert_eq!(outcome(result).expect("a list").items.len(), 5);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_asks_for_too_much_or_for_nobody_is_refused_whole() {
    let service = Home::on_journal().start().await;
    let refused = async |users: &[&str], options, message: &str| {
        let refused = ask(&service, users, options).await.expect_err("a refusal");
        assert_eq!((refused.0, refused.1.as_str()), (Code::InvalidArgument, message));
    };
    refused(&[], options(None), "`user_ids` has 0 entries, expected 1 to 100").await;
    refused(&["u"; 101], options(None), "`user_ids` has 101 entries, expected 1 to 100").await;
    let hundred_one = proto::RecommendRequest { n: 101, ..options(None) };
    let message = "`options.n` is 101 for 100 users, expected at most 10000 items in all";
    refused(&["u"; 100], hundred_one.clone(), message).await;
    let named = proto::RecommendRequest { user_id: "u".into(), ..options(None) };
    let message = "`options.user_id` is set, expected whom it is for in `user_ids` alone";
    refused(&["u"], named, message).await;
    let long = "x".repeat(257);
    refused(&[&long], options(None), "`user_ids` is 257 bytes long, expected at most 256").await;
    let far = proto::RecommendRequest { n: 1001, ..options(None) };
    refused(&["u"], far, "`n` is 1001, expected 1 to 1000, or 0 for 10").await;
    assert_eq!(ask(&service, &["u"; 99], hundred_one).await.expect("lists").results.len(), 99);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_would_take_the_room_of_others_is_refused_whole() {
    let home = Home::on_journal().set("server.max_concurrent_requests", "8");
    let service = home.start().await;
    let (code, message) = ask(&service, &["u"; 5], options(None)).await.expect_err("more than half");
    assert_eq!(
        (code, message.as_str()),
        (Code::InvalidArgument, "`user_ids` has 5 entries, expected 1 to 4")
    );

    assert_eq!(ask(&service, &["u"; 4], options(None)).await.expect("there is room").results.len(), 4);
    until("nothing in flight", async || {
        (service.metrics().await.sum("headwater_requests_in_flight") == 0).then_some(())
    })
    .await;
    service.stop().await;
}

// On one thread, so that whoever has it keeps all others waiting.
#[tokio::test]
async fn who_asks_for_one_list_is_not_kept_waiting_for_a_batch() {
    let service = Home::on_journal().start().await;
    fill(&service, TS).await;
    let users: Vec<String> = (0..100).map(|n| format!("u{n}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    for _ in 0..5 {
        let many = ask(&service, &users, options(None));
        let mut recommender = service.recommender();
        let one = recommender.recommend(recommend("u0", 5, None));
        tokio::select! {
            biased;
            many = many => panic!("it came first: {many:?}"),
            one = one => drop(answer(one).expect("a list")),
        }
    }
    service.stop().await;
}
