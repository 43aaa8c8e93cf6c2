//! Pages in browsers: which may call, and how they are answered by gRPC-Web.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwater::proto;
use prost::Message;

use super::sandbox::http::{Answer, Exchange};
use super::sandbox::messages::{answer, item, recommend};
use super::sandbox::service::{Clients, Home, Service};

const RECOMMEND: &str = "/headwater.v1.RecommenderService/Recommend";
const SHOP: &str = "https://shop.example";

async fn shop() -> Service {
    Home::on_journal().set("server.cors_origins", SHOP).start().await
}

/// What a browser asks before it lets a page call.
async fn preflight(service: &Clients, origin: &str) -> Answer {
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "connect-timeout-ms,content-type,x-grpc-web"),
    ];
    let request = Exchange::begin(service.http, "OPTIONS", RECOMMEND, &headers).await.expect("a connection");
    request.answer().await.expect("an answer")
}

async fn call(service: &Clients, content_type: &str, origin: Option<&str>, body: &[u8]) -> Answer {
    let length = body.len().to_string();
    let mut headers =
        vec![("Content-Type", content_type), ("Accept", content_type), ("Content-Length", length.as_str())];
    headers.extend(origin.map(|origin| ("Origin", origin)));
    let mut request = Exchange::begin(service.http, "POST", RECOMMEND, &headers).await.expect("a connection");
    request.send(body).await;
    request.answer().await.expect("an answer")
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag], (message.len() as u32).to_be_bytes().as_slice(), message].concat()
}

/// The first frame of a body, and what is behind it.
fn frame(body: &[u8]) -> (u8, &[u8], &[u8]) {
    let (head, rest) = body.split_first_chunk::<5>().expect("a frame");
    let [flag, length @ ..] = *head;
    let (message, rest) = rest.split_at(u32::from_be_bytes(length) as usize);
    (flag, message, rest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_may_call_if_its_site_is_named_and_no_other() {
    let service = shop().await;
    let allowed = preflight(&service, SHOP).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), SHOP);
    assert_eq!(allowed.header("access-control-allow-methods"), "POST");
    for name in
        ["content-type", "connect-protocol-version", "connect-timeout-ms", "grpc-timeout", "x-grpc-web"]
    {
        assert!(allowed.header("access-control-allow-headers").contains(name), "{allowed:?}");
    }
    let answer = call(&service, "application/json", Some(SHOP), b"{}").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, SHOP));
    assert!(answer.header("access-control-expose-headers").contains("grpc-retry-pushback-ms"), "{answer:?}");
    assert!(answer.header("vary").contains("origin"), "{answer:?}");

    let other = "https://evil.example";
    assert_eq!(preflight(&service, other).await.header("access-control-allow-origin"), "");
    let answer = call(&service, "application/json", Some(other), b"{}").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("permission_denied")));
    assert!(answer.text().contains("`server.cors_origins`"));
    assert_eq!(answer.header("access-control-allow-origin"), "");
    // Who is no browser names no site.
    assert_eq!(call(&service, "application/json", None, b"{}").await.status, 200);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_may_not_call_unless_somebody_said_so() {
    let service = Home::on_journal().start().await;
    let refused = preflight(&service, SHOP).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, ""));
    assert_eq!(call(&service, "application/json", Some(SHOP), b"{}").await.status, 403);
    // Those that were there before are read by whoever reaches them, but no page is.
    let headers = [("Origin", SHOP)];
    let metrics = Exchange::begin(service.http, "GET", "/metrics", &headers).await.expect("a connection");
    let metrics = metrics.answer().await.expect("an answer");
    assert_eq!((metrics.status, metrics.header("access-control-allow-origin")), (200, ""));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_web_gets_its_message_and_its_trailers_as_bytes_and_as_text() {
    let service = shop().await;
    let items = vec![item("a", &["sport"])];
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    service.until_items(1).await;
    let request = recommend("ada", 5, Some(1_700_000_000_000));
    let expected = answer(service.recommender().recommend(request.clone()).await).expect("a list");
    let body = framed(0, &request.encode_to_vec());

    let check = |body: &[u8]| {
        let (flag, message, rest) = frame(body);
        assert_eq!(flag, 0);
        assert_eq!(proto::RecommendResponse::decode(message), Ok(expected.clone()));
        let (flag, trailers, rest) = frame(rest);
        assert_eq!((flag, rest.len()), (0x80, 0), "trailers");
        assert!(String::from_utf8_lossy(trailers).contains("grpc-status:0\r\n"), "{trailers:?}");
    };
    for content_type in ["application/grpc-web", "application/grpc-web+proto; charset=utf-8"] {
        let answer = call(&service, content_type, Some(SHOP), &body).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, SHOP));
        assert_eq!(answer.header("content-type"), "application/grpc-web+proto");
        check(&answer.body);
    }
    let headers = "application/grpc-web-text";
    let answer = call(&service, headers, Some(SHOP), STANDARD.encode(&body).as_bytes()).await;
    assert_eq!(answer.status, 200);
    check(&unpacked(&answer.body));

    let refused = call(
        &service,
        "application/grpc-web",
        Some(SHOP),
        &framed(0, &recommend("u", 5000, None).encode_to_vec()),
    )
    .await;
    assert_eq!((refused.status, refused.header("grpc-status")), (200, "3"), "{refused:?}");
    // The next one's length is that of a gigabyte.
    let refused = call(&service, "application/grpc-web", Some(SHOP), &[0, 64, 0, 0, 0]).await;
    assert_eq!(refused.header("grpc-status"), "8", "{refused:?}");
    let metrics = service.metrics().await;
    assert_eq!(metrics.with("headwater_requests_total", "method=\"Recommend\",code=\"OK\""), 4);
    service.stop().await;
}

/// Parts of base64, each padded by itself, as they were sent.
fn unpacked(text: &[u8]) -> Vec<u8> {
    let parts = text.chunks(4).map(|quantum| STANDARD.decode(quantum).expect("base64"));
    parts.flatten().collect()
}
