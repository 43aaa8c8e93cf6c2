//! A model with a forest: served, explained, changed, refused and kept.

use std::fs;

use headwater::proto;

use super::sandbox::messages::{answer, event, item, recommend, time};
use super::sandbox::service::{Home, Service, until};

const FOREST: &str = include_str!("../forest/lightgbm.json");
const MODEL: &str = "[forest]\nfile = \"default.forest.json\"\nrerank = 20\n";
const ITEMS: usize = 40;

fn write_forest(home: &Home, content: &str) {
    fs::write(home.path("forest.partial"), content).expect("a file");
    fs::rename(home.path("forest.partial"), home.path("models/default.forest.json")).expect("a forest");
}

async fn fed(service: &Service) {
    let now = headwater::clock::wall_clock();
    let of = |number: usize| {
        let mut item = item(&format!("i{number:02}"), &[&format!("c{}", number % 4)]);
        item.created_at = time(now - number as i64 * 3_600_000);
        item
    };
    let items = (0..ITEMS).map(of).collect();
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    service.until_items(ITEMS as u64).await;
    let click = |number: usize| {
        let item = format!("i{:02}", number * number % 17);
        event(&format!("u{}", number % 5), &item, "click", now - 60_000 + number as i64)
    };
    let events = (0..60).map(click).collect();
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    service.until_events(60).await;
    // Lists of now know an item once the index was refreshed.
    until("the items in the index", async || {
        (service.metrics().await.sum("headwater_index_rows") == ITEMS as u64).then_some(())
    })
    .await;
}

fn sum(contributions: &[proto::Contribution]) -> f64 {
    contributions.iter().fold(0.0, |sum, part| sum + part.contribution)
}

async fn version(service: &Service) -> String {
    let request = proto::GetModelRequest::default();
    let model = answer(service.models().get_model(request).await).expect("a model");
    model.model.expect("its name").version
}

async fn changes(service: &Service, outcome: &str) -> u64 {
    service.metrics().await.with("headwater_model_changes_total", &format!("outcome=\"{outcome}\""))
}

async fn list(service: &Service, as_of: Option<i64>) -> proto::RecommendResponse {
    let request = proto::RecommendRequest { explain: true, ..recommend("u1", 25, as_of) };
    answer(service.recommender().recommend(request).await).expect("a list")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_by_a_forest_is_explained_to_the_last_bit() {
    let home = Home::on_journal();
    write_forest(&home, FOREST);
    home.write_model("default", MODEL);
    let service = home.start().await;
    fed(&service).await;
    // One instant for all questions, so that the idle time is the same.
    let list = list(&service, Some(headwater::clock::wall_clock())).await;
    assert_eq!(list.items.len(), 25);
    for (place, item) in list.items.iter().enumerate() {
        let told = &item.contributions;
        assert_eq!(sum(told).to_bits(), item.score.to_bits(), "{item:?}");
        let names: Vec<&str> = told.iter().map(|part| &*part.feature).collect();
        match place < 20 {
            true => assert_eq!(names, ["expected", "linear", "next", "count_1h", "user_idle"]),
            false => assert_eq!(names, ["interest", "popularity", "recency"]),
        }
    }
    let by_forest = &list.items[..20];
    assert!(by_forest.windows(2).all(|pair| pair[0].score >= pair[1].score), "{by_forest:?}");
    for item in &list.items {
        let request = proto::ExplainRequest {
            user_id: "u1".into(),
            item_id: item.item_id.to_string(),
            as_of: list.as_of,
            ..Default::default()
        };
        let explained = answer(service.recommender().explain(request).await).expect("explained");
        assert_eq!(explained.score.to_bits(), item.score.to_bits(), "{explained:?} {item:?}");
        assert_eq!(explained.contributions, item.contributions);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forest_that_is_damaged_is_refused_and_the_one_before_goes_on_across_restarts() {
    let home = Home::on_journal();
    write_forest(&home, FOREST);
    home.write_model("default", MODEL);
    let service = home.start().await;
    fed(&service).await;
    let first = version(&service).await;

    write_forest(&home, &FOREST[..FOREST.len() / 2]);
    until("the refusal", async || (changes(&service, "refused").await == 1).then_some(())).await;
    assert_eq!(version(&service).await, first);
    let models = answer(service.models().list_models(proto::ListModelsRequest {}).await).expect("models");
    let [refused] = &models.files_not_served[..] else { panic!("{models:?}") };
    assert!(refused.reason.contains("models/default.forest.json: EOF while parsing"), "{}", refused.reason);
    assert!(refused.reason.contains("(`forest.file` of the model `default` names it)"), "{}", refused.reason);

    // What served last is kept with its forest.
    service.stop().await;
    let service = home.start().await;
    assert_eq!(version(&service).await, first);
    assert_eq!(list(&service, None).await.items[0].contributions[0].feature, "expected");

    fs::remove_file(home.path("models/default.forest.json")).expect("it goes");
    until("another reason", async || {
        let models = answer(service.models().list_models(proto::ListModelsRequest {}).await).expect("models");
        models.files_not_served[0].reason.contains("can't be read: No such file").then_some(())
    })
    .await;
    assert_eq!(version(&service).await, first);

    write_forest(&home, &FOREST.replace("\"leaf_value\":0.", "\"leaf_value\":0.1"));
    until("the new forest", async || (version(&service).await != first).then_some(())).await;
    let models = answer(service.models().list_models(proto::ListModelsRequest {}).await).expect("models");
    assert!(models.files_not_served.is_empty(), "{models:?}");
    service.stop().await;
}
