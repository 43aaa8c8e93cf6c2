//! Models of a running service: listed, chosen, changed and refused.

use headwater::proto;

use super::sandbox::messages::{answer, item, recommend, time};
use super::sandbox::service::{Clients, Home, until};

const TS: i64 = 1_700_000_000_000;

async fn recency(service: &Clients, model: &str) -> f64 {
    let request =
        proto::RecommendRequest { model: model.into(), explain: true, ..recommend("", 5, Some(TS)) };
    let answered = answer(service.recommender().recommend(request).await).expect("a list");
    let parts = &answered.items[0].contributions;
    parts.iter().find(|part| part.feature == "recency").expect("a part").contribution
}

async fn changes(service: &Clients, outcome: &str) -> u64 {
    service.metrics().await.with("headwater_model_changes_total", &format!("outcome=\"{outcome}\""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_valid_change_is_taken_over_and_an_invalid_one_is_refused_and_counted() {
    let home = Home::on_journal();
    let shipped = include_str!("../../models/default.toml");
    let service = home.start().await;
    let mut fresh = item("i", &["c"]);
    fresh.created_at = time(TS);
    answer(service.catalog().put_items(proto::PutItemsRequest { items: vec![fresh] }).await).expect("put");
    service.until_items(1).await;
    assert_eq!(recency(&service, "").await, 0.1);
    let version = async || {
        let answered = answer(service.models().get_model(proto::GetModelRequest::default()).await);
        answered.expect("a model").model.expect("its name").version
    };
    let first = version().await;

    home.write_model("default", &shipped.replace("recency = 0.1", "recency = 0.25"));
    until("the change to be in force", async || (recency(&service, "").await == 0.25).then_some(())).await;
    let second = version().await;
    assert_ne!(second, first);
    assert_eq!(changes(&service, "loaded").await, 1);

    home.write_model("default", &shipped.replace("recency = 0.1", "recency = \"much\"\nluck = 1"));
    until("the refusal", async || (changes(&service, "refused").await == 1).then_some(())).await;
    assert_eq!(recency(&service, "").await, 0.25);
    assert_eq!(version().await, second);

    home.write_model("default", shipped);
    until("the old weights again", async || (recency(&service, "").await == 0.1).then_some(())).await;
    assert_eq!(version().await, first, "a version names the content");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_come_and_go_with_their_files() {
    let home = Home::on_journal();
    let service = home.start().await;
    let names = async || {
        let answered =
            answer(service.models().list_models(proto::ListModelsRequest {}).await).expect("models");
        assert_eq!(answered.default_model, "default");
        answered.models.into_iter().map(|model| model.name).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["default"]);
    home.write_model("bold", "weights = { interest = 1, popularity = 0, recency = 0 }");
    until("the new model", async || (names().await == ["bold", "default"]).then_some(())).await;
    let request = proto::GetModelRequest { name: "bold".into() };
    let bold = answer(service.models().get_model(request).await).expect("a model");
    assert_eq!(bold.weights["interest"], 1.0);
    assert_eq!(bold.toml, "weights = { interest = 1, popularity = 0, recency = 0 }");
    assert_eq!(bold.interest_windows.keys().collect::<Vec<_>>(), ["1h", "24h", "30d", "7d"]);
    std::fs::remove_file(home.path("models/bold.toml")).expect("the file goes");
    until("the model to go", async || (names().await == ["default"]).then_some(())).await;
    service.stop().await;
}
