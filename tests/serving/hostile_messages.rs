//! Messages that are small on the wire and would be large in memory.

use headwater::proto;
use headwater::proto::codec::Codec;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};

use super::sandbox::messages::{answer, event, recommend};
use super::sandbox::service::{Clients, Home};

const MIB: u64 = 1 << 20;

/// A list of so many elements of two bytes, whatever the method takes there.
async fn call<R>(service: &Clients, path: &'static str, elements: usize) -> Status
where
    R: prost::Message + prost::Name + Default + Send + 'static,
{
    let message = proto::DeleteItemsRequest { item_ids: vec![String::new(); elements] };
    let mut client = Grpc::new(service.channel.clone());
    client.ready().await.expect("a connection");
    let codec = Codec::<proto::DeleteItemsRequest, R>::default();
    let answer = client.unary(Request::new(message), PathAndQuery::from_static(path), codec).await;
    answer.map(tonic::Response::into_inner).err().expect("it is refused")
}

/// The most memory that a process has ever had.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is told");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_nothing_are_refused_before_they_take_memory() {
    let service = Home::on_journal().spawn().await;
    answer(service.recommender().recommend(recommend("u", 5, None)).await).expect("an answer");
    let before = peak(service.id());
    let publish = "/headwater.v1.EventService/Publish";
    for _ in 0..3 {
        let refused = call::<proto::PublishResponse>(&service, publish, 4_000_000).await;
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        let expected =
            "headwater.v1.PublishRequest is too large to be decoded: it has more than 10240 fields";
        assert!(refused.message().starts_with(expected), "{refused}");
    }
    // A question is smaller than a batch may be.
    let list = "/headwater.v1.RecommenderService/Recommend";
    let refused = call::<proto::RecommendResponse>(&service, list, 600_000).await;
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    let refused = call::<proto::RecommendResponse>(&service, list, 500_000).await;
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let grown = peak(service.id()).saturating_sub(before);
    // The bytes of one message as they came, and some of what moved them; decoded it would be a gigabyte.
    assert!(grown < 64 * MIB, "{} MiB more than before", grown / MIB);

    // What is a batch goes on to be one.
    let now = headwater::clock::wall_clock();
    let events =
        (0..10_000).map(|n| event(&format!("u{}", n % 50), &format!("i{n}"), "click", now)).collect();
    let published =
        answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    assert_eq!(published.accepted, 10_000);
}
