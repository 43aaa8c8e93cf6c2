//! JSON over HTTP by the Connect protocol: the same answers, the same limits, the same refusals as over gRPC.

use std::net::Ipv4Addr;

use headwater::proto;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::sandbox::http::{Answer, Exchange};
use super::sandbox::messages::{answer, recommend};
use super::sandbox::service::{Clients, Home, until};

const TS: i64 = 1_700_000_000_000;
const RECOMMEND: &str = "/headwater.v1.RecommenderService/Recommend";
const PUBLISH: &str = "/headwater.v1.EventService/Publish";
const JSON: (&str, &str) = ("Content-Type", "application/json");
const MIB: usize = 1 << 20;

async fn post(service: &Clients, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let length = body.len().to_string();
    let headers = [headers, &[("Content-Length", length.as_str())]].concat();
    let mut request = Exchange::begin(service.http, "POST", path, &headers).await.expect("a connection");
    request.send(body).await;
    request.answer().await.expect("an answer")
}

async fn ask(service: &Clients, path: &str, body: &Value) -> Answer {
    post(service, path, &[JSON], body.to_string().as_bytes()).await
}

/// A request of which so many bytes are announced and none is sent.
async fn hold(service: &Clients, path: &str, bytes: usize, timeout: Option<&str>) -> Exchange {
    let length = bytes.to_string();
    let mut headers = vec![JSON, ("Content-Length", length.as_str())];
    headers.extend(timeout.map(|timeout| ("Connect-Timeout-Ms", timeout)));
    Exchange::begin(service.http, "POST", path, &headers).await.expect("a connection")
}

/// The error that it is, with its code and what its message says.
fn refused(answer: &Answer, status: u16, code: &str, says: &str) {
    let error = answer.json();
    assert_eq!((answer.status, error["code"].as_str()), (status, Some(code)), "{error}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(error["message"].as_str().is_some_and(|message| message.contains(says)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_gets_the_answers_of_grpc_and_counts_as_it_does() {
    let service = Home::on_journal().start().await;
    let items = json!({ "items": [
        { "itemId": "a", "title": "Ä \"quoted\"", "categories": ["sport"], "available": true, "createdAt": "2023-11-14T00:00:00Z" },
        { "item_id": "b", "categories": ["film"], "attributes": { "language": "en" } },
    ] });
    let put = ask(&service, "/headwater.v1.CatalogService/PutItems", &items).await;
    assert_eq!((put.status, put.json()), (200, json!({ "accepted": 2 })));
    service.until_items(2).await;
    let click = json!({ "user_id": "ada", "itemId": "a", "type": "click", "ts": "2023-11-14T22:13:20Z", "value": 0.1 });
    let published = ask(&service, PUBLISH, &json!({ "events": [click, { "item_id": "a" }] })).await.json();
    assert_eq!((&published["accepted"], &published["rejected"][0]["index"]), (&json!(1), &json!(1)));
    service.until_events(1).await;

    let found = ask(&service, "/headwater.v1.CatalogService/GetItem", &json!({ "itemId": "a" })).await.json();
    assert_eq!(found["item"], items["items"][0]);
    let profile = json!({ "userId": "ada", "asOf": "2023-11-14T22:13:20.001Z" });
    let profile = ask(&service, "/headwater.v1.ProfileService/GetProfile", &profile).await.json();
    assert_eq!(profile["windows"][0]["events"], "1", "64 bits are a text: {profile}");

    let question = json!({ "userId": "ada", "n": 5, "asOf": "2023-11-14T22:13:20.001Z", "explain": true });
    let in_json = ask(&service, RECOMMEND, &question).await;
    assert_eq!((in_json.status, in_json.header("content-type")), (200, "application/json"));
    let request = proto::RecommendRequest { explain: true, ..recommend("ada", 5, Some(TS + 1)) };
    let expected = answer(service.recommender().recommend(request.clone()).await).expect("a list");
    assert!(!expected.items.is_empty());
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).expect("descriptors");
    let descriptor = pool.get_message_by_name("headwater.v1.RecommendResponse").expect("the message");
    let read = DynamicMessage::deserialize(descriptor, in_json.json()).expect("it is the message");
    assert_eq!(proto::RecommendResponse::decode(&*read.encode_to_vec()), Ok(expected.clone()));

    let headers = [("Content-Type", "application/proto"), ("Connect-Protocol-Version", "1")];
    let in_proto = post(&service, RECOMMEND, &headers, &request.encode_to_vec()).await;
    assert_eq!((in_proto.status, in_proto.header("content-type")), (200, "application/proto"));
    assert_eq!(proto::RecommendResponse::decode(&*in_proto.body), Ok(expected));

    let metrics = service.metrics().await;
    assert_eq!(metrics.with("headwater_requests_total", "method=\"Recommend\",code=\"OK\""), 3);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_rpc_of_the_protocol_can_be_called_and_an_error_has_its_code_and_status() {
    let service = Home::on_journal().start().await;
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).expect("descriptors");
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let answer = ask(&service, &path, &json!({})).await;
        let told = answer.status == 200 || answer.json()["code"] == "invalid_argument";
        assert!(told, "{path}: {answer:?}");
        let unknown = ask(&service, &path, &json!({ "no such field": 1 })).await;
        refused(&unknown, 400, "invalid_argument", "unrecognized field name 'no such field'");
    }
    let answer = ask(&service, RECOMMEND, &json!({ "n": 1001 })).await;
    refused(&answer, 400, "invalid_argument", "`n` is 1001");
    let answer = ask(&service, "/headwater.v1.CatalogService/GetItem", &json!({ "itemId": "nope" })).await;
    refused(&answer, 404, "not_found", "nope");
    let answer = ask(&service, "/headwater.v1.RecommenderService/recommend", &json!({})).await;
    refused(&answer, 404, "unimplemented", "/headwater.v1.RecommenderService/Recommend");
    let request = Exchange::begin(service.http, "GET", RECOMMEND, &[]).await.expect("a connection");
    let answer = request.answer().await.expect("an answer");
    refused(&answer, 405, "unimplemented", "POST");
    assert_eq!(answer.header("allow"), "POST");
    let answer = post(&service, RECOMMEND, &[JSON, ("Content-Encoding", "gzip")], b"{}").await;
    refused(&answer, 501, "unimplemented", "identity");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_content_type_is_none_that_is_tried_again_on_either_port() {
    let service = Home::on_journal().start().await;
    for wrong in
        ["text/plain", "application/x-www-form-urlencoded", "application/grpc", "application/connect+json"]
    {
        let answer = post(&service, RECOMMEND, &[("Content-Type", wrong)], b"{}").await;
        refused(&answer, 415, "unimplemented", "application/json");
        assert!(answer.header("accept-post").starts_with("application/json, application/proto"));
    }
    let stream = tokio::net::TcpStream::connect(service.grpc).await.expect("a connection");
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    for wrong in ["application/json", "application/grpc-web", "application/grpc+json"] {
        let request =
            http::Request::post(format!("http://{}{PUBLISH}", service.grpc)).header("content-type", wrong);
        let mut sender = sender.clone().ready().await.expect("a connection that is up");
        let (response, mut body) =
            sender.send_request(request.body(()).expect("a request"), false).expect("a stream");
        // As the length of a message this would be two gigabytes.
        let _ = body.send_data(bytes::Bytes::from_static(b"{\"user_id\": \"ada\"}"), true);
        let (head, mut text) = response.await.expect("an answer").into_parts();
        assert_eq!(head.status, 415, "{wrong}");
        assert!(!head.headers.contains_key("grpc-status"));
        let text = text.data().await.expect("a text").expect("a text");
        assert!(String::from_utf8_lossy(&text).contains("`server.http_addr`"), "{text:?}");
    }
    let metrics = service.metrics().await;
    assert_eq!(metrics.sum("headwater_shed_requests_total"), 0, "nothing was weighed");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_on_the_port_of_grpc_is_told_which_port_is_the_right_one() {
    let service = Home::on_journal().start().await;
    let length = ("Content-Length", "2");
    let mut request =
        Exchange::begin(service.grpc, "POST", RECOMMEND, &[JSON, length]).await.expect("a connection");
    request.send(b"{}").await;
    let answer = request.answer().await.expect("an answer");
    assert_eq!(answer.status, 505);
    assert!(answer.text().contains(&format!("served on port {} (`server.http_addr`)", service.http.port())));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_is_weighed_and_refused_with_a_hint_and_what_is_on_its_way_is_finished_by_a_stop() {
    let service = Home::on_journal().set("server.max_upload_bytes", "16MiB").start().await;
    let large = hold(&service, PUBLISH, 12 << 20, None).await;
    let on_their_way = async |count: u64| {
        until("so many to be on their way", async || {
            (service.metrics().await.sum("headwater_incoming_bodies") == count).then_some(())
        })
        .await;
    };
    on_their_way(1).await;
    let answer = hold(&service, PUBLISH, 12 << 20, None).await.answer().await.expect("an answer");
    refused(&answer, 429, "resource_exhausted", "`server.max_upload_bytes`");
    // google.rpc.RetryInfo { retry_delay: 100 ms }, as base64 without padding.
    let details = json!([{ "type": "google.rpc.RetryInfo", "value": "CgUQgMLXLw" }]);
    assert_eq!(answer.json()["details"], details);
    assert_eq!(answer.header("grpc-retry-pushback-ms"), "100");
    drop(large);
    on_their_way(0).await;

    let mut held = hold(&service, RECOMMEND, 17, None).await;
    on_their_way(1).await;
    let http = service.http;
    let stopping = tokio::spawn(service.stop());
    until("the port to be closed", async || {
        tokio::net::TcpStream::connect(http).await.is_err().then_some(())
    })
    .await;
    held.send(br#"{"userId": "ada"}"#).await;
    let answer = held.answer().await.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    stopping.await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_off_is_given_up() {
    let service = Home::on_journal().start().await;
    let held = hold(&service, RECOMMEND, 100, None).await;
    let on_their_way = async |count: u64| {
        until("so many to be on their way", async || {
            (service.metrics().await.sum("headwater_incoming_bodies") == count).then_some(())
        })
        .await;
    };
    on_their_way(1).await;
    drop(held);
    on_their_way(0).await;
    service.stop().await;

    let service = Home::on_journal().set("server.body_timeout", "20ms").start().await;
    let slow = hold(&service, RECOMMEND, 100, None).await.answer().await.expect("an answer");
    refused(&slow, 429, "resource_exhausted", "`server.body_timeout`");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_one_address_that_do_not_come_give_way_and_not_those_of_others() {
    const HOSTILE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
    for content_type in ["application/json", "application/grpc-web+proto"] {
        let home = Home::on_journal().set("server.body_timeout", "1h").set("server.max_incoming_bodies", "4");
        let service = home.start().await;
        let body: &[u8] = if content_type == JSON.1 { b"{}   " } else { &[0; 5] };
        let headers = [("Content-Type", content_type), ("Content-Length", "5")];
        let hold = async |address| {
            let request = Exchange::begin_from(address, service.http, "POST", RECOMMEND, &headers).await;
            request.expect("a connection")
        };
        let waited_for = async |bodies, given_up| {
            until("so many to be waited for, and so many to be given up", async || {
                let metrics = service.metrics().await;
                let shed = metrics.with("headwater_shed_requests_total", "reason=\"slow_body\"");
                (metrics.sum("headwater_incoming_bodies") == bodies && shed == given_up).then_some(())
            })
            .await;
        };
        // The oldest of all.
        let mut good = hold(Ipv4Addr::LOCALHOST).await;
        waited_for(1, 0).await;
        let mut hostile = Vec::new();
        for number in 1..=6 {
            hostile.push(hold(HOSTILE).await);
            waited_for(4.min(number + 1), u64::saturating_sub(number, 3)).await;
        }
        good.send(body).await;
        assert_eq!(good.answer().await.expect("an answer").status, 200, "{content_type}");
        drop(hostile);
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_ends_at_the_deadline() {
    let service = Home::on_journal().set("server.request_timeout", "30s").start().await;
    let answer = post(&service, RECOMMEND, &[JSON, ("Connect-Timeout-Ms", "0")], b"{}").await;
    refused(&answer, 504, "deadline_exceeded", "deadline");
    let held = hold(&service, RECOMMEND, 100, Some("20")).await;
    refused(&held.answer().await.expect("an answer"), 504, "deadline_exceeded", "deadline");
    assert_eq!(service.metrics().await.sum("headwater_requests_total"), 0, "none was begun");
    service.stop().await;

    let service = Home::on_journal().set("server.request_timeout", "20ms").start().await;
    let held = hold(&service, RECOMMEND, 100, Some("9999999999")).await;
    refused(&held.answer().await.expect("an answer"), 504, "deadline_exceeded", "`server.request_timeout`");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_bodies_are_refused_before_they_cost_anything() {
    let home = Home::on_journal().set("server.max_upload_bytes", "16MiB");
    let service = home.start().await;
    // Nothing of the body has been sent.
    let answer = hold(&service, RECOMMEND, MIB + 1, None).await.answer().await.expect("an answer");
    refused(&answer, 400, "out_of_range", "takes at most 1048576");
    let answer = hold(&service, PUBLISH, usize::MAX / 4, None).await.answer().await.expect("an answer");
    refused(&answer, 400, "out_of_range", "takes at most 16777216");
    let chunked = [JSON, ("Transfer-Encoding", "chunked")];
    let request = Exchange::begin(service.http, "POST", PUBLISH, &chunked).await.expect("a connection");
    refused(&request.answer().await.expect("an answer"), 411, "invalid_argument", "`content-length`");

    let many = format!(r#"{{"events":[{}{{}}]}}"#, "{},".repeat(5 * MIB));
    let answer = post(&service, PUBLISH, &[JSON], many.as_bytes()).await;
    refused(&answer, 400, "invalid_argument", "more than 10240 elements");
    let deep = "[".repeat(MIB);
    let answer = post(&service, RECOMMEND, &[JSON], deep.as_bytes()).await;
    refused(&answer, 400, "invalid_argument", "braces and brackets");

    // Of these there is room for one.
    let mut uploads = JoinSet::new();
    for _ in 0..8 {
        let held = hold(&service, PUBLISH, 12 * MIB, None).await;
        uploads.spawn(async move { held.answer().await.expect("an answer") });
    }
    for _ in 0..7 {
        let answer = uploads.join_next().await.expect("seven of eight").expect("it ends");
        refused(&answer, 429, "resource_exhausted", "`server.max_upload_bytes`");
    }
    uploads.abort_all();

    let events: Vec<Value> = (0..10_000)
        .map(|n| json!({ "userId": format!("u{}", n % 50), "itemId": "i", "type": "click", "ts": "2023-11-14T22:13:20Z" }))
        .collect();
    let published = until("a full batch to be taken", async || {
        let answer = ask(&service, PUBLISH, &json!({ "events": events })).await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    assert_eq!(published, json!({ "accepted": 10_000 }));
    service.stop().await;
}
