//! Two models compared in one list.

use headwater::proto;
use tonic::Code;

use super::sandbox::messages::{answer, event, ids, item, recommend};
use super::sandbox::service::{Clients, Home, Service, run_to_end, until};

const TS: i64 = 1_700_000_000_000;

/// A service with two models that order twenty items the one from the front, the other one from the back.
async fn service(home: &Home, ts: i64) -> Service {
    home.write_model("default", "[weights]\ninterest = 1\npopularity = 0\nrecency = 0\n");
    home.write_model("popular", "[weights]\ninterest = 0\npopularity = 1\nrecency = 0\n");
    let service = home.start().await;
    let items = (0..20).map(|number| item(&format!("i{number}"), &[["travel", "film"][number % 2]]));
    let request = proto::PutItemsRequest { items: items.collect() };
    answer(service.catalog().put_items(request).await).expect("put");
    service.until_items(20).await;
    let crowd =
        (0..20).flat_map(|n| (0..n).map(move |who| event(&format!("p{who}"), &format!("i{n}"), "click", ts)));
    let clicks: Vec<_> = crowd.chain([event("ada", "i0", "like", ts)]).collect();
    let count = clicks.len() as u64;
    answer(service.events().publish(proto::PublishRequest { events: clicks }).await).expect("published");
    service.until_events(count).await;
    service
}

fn compared(user: &str, n: u32) -> proto::RecommendRequest {
    let compare = vec!["default".to_owned(), "popular".to_owned()];
    proto::RecommendRequest { compare, ..recommend(user, n, Some(TS)) }
}

async fn ask(service: &Clients, request: proto::RecommendRequest) -> proto::RecommendResponse {
    answer(service.recommender().recommend(request).await).expect("a list")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_model_picks_its_best_that_is_left_and_a_longer_list_begins_with_the_shorter_one() {
    let home = Home::on_journal();
    let service = service(&home, TS).await;
    let mut own = Vec::new();
    for model in ["default", "popular"] {
        let request =
            proto::RecommendRequest { model: model.into(), explain: true, ..recommend("ada", 20, Some(TS)) };
        own.push(ask(&service, request).await);
    }
    let request = proto::RecommendRequest { explain: true, with_item: true, ..compared("ada", 20) };
    let list = ask(&service, request.clone()).await;
    assert_eq!(ask(&service, request).await, list, "asked again");
    let comparison = list.comparison.clone().expect("a comparison");
    assert_eq!((comparison.models.len(), comparison.picked_by.len(), list.items.len()), (2, 19, 19));
    assert_eq!(list.model, None);
    assert_eq!(comparison.models, [own[0].model.clone().unwrap(), own[1].model.clone().unwrap()]);
    let mut taken: Vec<&str> = Vec::new();
    for (place, (item, by)) in list.items.iter().zip(&comparison.picked_by).enumerate() {
        let theirs = &own[*by as usize].items;
        let best = theirs.iter().find(|item| !taken.contains(&&*item.item_id)).expect("one that is left");
        assert_eq!((&item.item_id, item.score, item.rank), (&best.item_id, best.score, place as u32 + 1));
        assert_eq!((&item.reason, &item.contributions), (&best.reason, &best.contributions));
        assert_eq!(item.item.as_ref().expect("the item").item_id, &*item.item_id);
        taken.push(&item.item_id);
    }
    // Of each two one is the one's and one the other's, but where one has no more.
    let rounds = comparison.picked_by.chunks_exact(2);
    assert!(rounds.clone().all(|round| round[0] != round[1]), "{comparison:?}");
    let shorter = ask(&service, compared("ada", 7)).await;
    assert_eq!(ids(&shorter), ids(&list)[..7]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_s_model_is_first_for_everybody() {
    let home = Home::on_journal();
    let service = service(&home, TS).await;
    let mut first = [0; 2];
    for user in 0..40 {
        let list = ask(&service, compared(&format!("u{user}"), 2)).await;
        first[list.comparison.expect("a comparison").picked_by[0] as usize] += 1;
    }
    let mut of_strangers = [0; 2];
    for n in 0..40 {
        let request = proto::RecommendRequest { request_id: format!("r{n}"), ..compared("", 2) };
        of_strangers[ask(&service, request).await.comparison.expect("a comparison").picked_by[0] as usize] +=
            1;
    }
    assert!(first.iter().chain(&of_strangers).all(|count| *count >= 8), "{first:?} {of_strangers:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_shadow_would_have_listed_is_told_by_how_much_is_the_same() {
    let home = Home::on_journal().set("models.shadow", "popular").set("models.shadow_every", "2");
    let now = headwater::clock::wall_clock();
    let service = service(&home, now).await;
    let list = async |user: &str, model: &str| {
        let request = proto::RecommendRequest { model: model.into(), ..recommend(user, 5, None) };
        ask(&service, request).await
    };
    until("the pools of now", async || (list("", "popular").await.items.len() == 5).then_some(())).await;
    // Those of the shadow itself, of the past and of two models are no lists to compare with.
    list("ada", "popular").await;
    ask(&service, recommend("ada", 5, Some(now))).await;
    ask(&service, proto::RecommendRequest { as_of: None, ..compared("ada", 5) }).await;
    let (mut overlap, mut same_first) = (0.0, 0);
    for n in 0..6 {
        let user = ["ada", "p3", ""][n % 3];
        let [served, shadow] = [list(user, "").await, list(user, "popular").await];
        if n % 2 == 0 {
            let common = ids(&served).iter().filter(|item| ids(&shadow).contains(item)).count();
            overlap += common as f64 / served.items.len() as f64;
            same_first += u64::from(ids(&served)[0] == ids(&shadow)[0]);
        }
    }
    let told = until("the lists to be compared", async || {
        let metrics = service.metrics().await;
        (metrics.sum("headwater_shadow_overlap_count") == 3).then_some(metrics)
    })
    .await;
    let with = |outcome: &str| told.with("headwater_shadow_lists_total", &format!("outcome=\"{outcome}\""));
    assert_eq!((with("same_first"), with("other_first")), (same_first, 3 - same_first));
    let sum: f64 = told.of("headwater_shadow_overlap_sum").iter().map(|(_, value)| value).sum();
    assert!((sum - overlap).abs() < 1e-9, "{overlap}");
    assert!(overlap < 3.0, "both list the same");
    service.stop().await;
}

#[test]
fn a_shadow_that_is_not_there_ends_the_start_with_those_that_are() {
    let home = Home::on_journal().set("models.shadow", "brave");
    home.write_model("default", "");
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    assert!(
        message.contains("there is no model `brave` (see `models.shadow`); models here: `default`"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_compared_is_refused_with_what_is_expected() {
    let home = Home::on_journal();
    let service = service(&home, TS).await;
    let compare = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let refused = async |request| {
        let status = service.recommender().recommend(request).await.expect_err("refused");
        (status.code(), status.message().to_owned())
    };
    for (names, code, told) in [
        (&["default"][..], Code::InvalidArgument, "`compare` has 1 entries, expected two models, or none"),
        (&["default", "popular", "news"], Code::InvalidArgument, "`compare` has 3 entries"),
        (&["default", ""], Code::InvalidArgument, "`compare`"),
        (&["default", "default"], Code::InvalidArgument, "`compare` is `default` twice, expected two models"),
        (&["default", "brave"], Code::NotFound, "`brave`, loaded are: default, popular"),
    ] {
        let (found, message) =
            refused(proto::RecommendRequest { compare: compare(names), ..compared("ada", 5) }).await;
        assert!(found == code && message.contains(told), "{names:?}: {found:?} {message}");
    }
    let (code, message) =
        refused(proto::RecommendRequest { model: "popular".into(), ..compared("ada", 5) }).await;
    assert_eq!(
        (code, &*message),
        (Code::InvalidArgument, "`model` is set, expected the models in `compare` alone")
    );
    let batch = proto::BatchRecommendRequest { user_ids: vec!["ada".into()], options: Some(compared("", 5)) };
    let status = service.recommender().batch_recommend(batch).await.expect_err("refused");
    assert!(status.message().contains("options.compare"), "{}", status.message());
    service.stop().await;
}
