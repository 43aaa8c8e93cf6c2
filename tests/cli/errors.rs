//! `--json`: numbers are numbers, and errors are JSON as well.

use headwater::clock::wall_clock;
use headwater::proto;
use serde_json::Value;

use super::sandbox::messages::{answer, event, item};
use super::sandbox::service::{Home, headwater};
use super::{Done, ask, ask_json, run};

/// The error that a command has told as JSON, and nothing else.
fn error(done: &Done, code: i32) -> Value {
    assert_eq!((done.code, done.out.as_str()), (Some(code), ""), "{done:?}");
    let mut told: Value = serde_json::from_str(&done.err).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    let error = told["error"].take();
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    assert!(error["details"].is_array(), "{error}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_numbers_by_the_names_of_the_protocol() {
    let home = Home::on_journal();
    let service = home.start().await;
    answer(
        service.catalog().put_items(proto::PutItemsRequest { items: vec![item("i0", &["travel"])] }).await,
    )
    .expect("put");
    service.until_items(1).await;
    let events = vec![event("ada", "i0", "click", wall_clock())];
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    service.until_events(1).await;
    let profile = ask_json(&service, &["profile", "ada"]);
    let hour = &profile["windows"][0];
    assert_eq!(hour["events"], 1, "{profile}");
    assert_eq!(hour["categories"][0]["events_by_type"]["click"], 1, "{profile}");
    assert!(hour["total_weight"].is_f64(), "{profile}");
    // Whoever reads it need not know what is left out where it is nothing.
    let list = ask_json(&service, &["recommend", "ada"]);
    assert_eq!((&list["degraded"], &list["request_id"]), (&false.into(), &"".into()), "{list}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_json_where_answers_are() {
    let home = Home::on_journal();
    let service = home.start().await;
    let refused = error(&ask(&service, &["recommend", "ada", "--model", "nosuch", "--json"]), 1);
    assert_eq!(refused["code"], "not_found", "{refused}");
    let too_many = error(&ask(&service, &["recommend", "ada", "-n", "99999", "--json"]), 1);
    assert_eq!(too_many["code"], "invalid_argument", "{too_many}");
    service.stop().await;

    let away = error(&run(headwater(&["profile", "ada", "--server", "127.0.0.1:1"]).arg("--json")), 1);
    assert_eq!(away["code"], "unavailable", "{away}");
    let wrong = error(&run(&mut headwater(&["recommend", "--nosuch", "--json"])), 2);
    assert_eq!(wrong["code"], "usage", "{wrong}");
    let checked = run(&mut headwater(&["config", "check", "--set", "server.grpc_adr=x", "--json"]));
    let told: Value = serde_json::from_str(&checked.err).expect("JSON");
    assert_eq!(told["error"]["code"], "invalid_argument", "{told}");
    assert_eq!(told["error"]["details"][0]["key"], "server.grpc_adr", "{told}");
    let plain = run(&mut headwater(&["profile", "ada", "--server", "127.0.0.1:1"]));
    assert!(plain.err.starts_with("error: no server answers"), "{plain:?}");
}
