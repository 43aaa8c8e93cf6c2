//! The limit: a tonic service that decodes a message and answers with one of a given size, and does
//! nothing else.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use prost::Message;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// The path of its one method.
pub const PATH: &str = "/bench.Echo/Echo";

#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    bytes: Bytes,
}

#[derive(Clone)]
struct Echo(Payload);

impl NamedService for Echo {
    const NAME: &'static str = "bench.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(echo, request).await) })
    }
}

impl UnaryService<Payload> for Echo {
    type Response = Payload;
    type Future = Ready<Result<Response<Payload>, Status>>;

    fn call(&mut self, _: Request<Payload>) -> Self::Future {
        ready(Ok(Response::new(self.0.clone())))
    }
}

/// Serves answers of so many bytes until our input is closed.
pub async fn run(bytes: usize) {
    let mut payload = Payload { bytes: vec![0; bytes].into() };
    // Its tag and its length are part of the size.
    payload.bytes.truncate(bytes - (payload.encoded_len() - bytes));
    assert_eq!(payload.encoded_len(), bytes);
    let incoming = TcpIncoming::from(super::listener().await).with_nodelay(Some(true));
    let server = Server::builder().add_service(Echo(payload));
    server.serve_with_incoming_shutdown(incoming, super::closed()).await.expect("the server runs");
}
