//! The RPCs for those who don't speak gRPC: JSON or protobuf by the [Connect protocol](https://connectrpc.com/docs/protocol)
//! for whatever can send an HTTP request, and gRPC-Web for browsers. The HTTP port serves them.
//!
//! Each request becomes one of gRPC and goes the way of those: through the same queue, the same admission, to the
//! same services (`door.rs`). What differs is its head and its end (`connect.rs`), and for JSON the message, which is
//! translated behind admission (`messages.rs`), where its bytes are weighed and its deadline runs.

mod connect;
mod door;
mod error;
mod framed;
mod messages;
mod origins;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use prost_reflect::{DescriptorError, DescriptorPool, MethodDescriptor};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::{ALLOW, CONTENT_TYPE};
use tonic::codegen::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tonic::codegen::{BoxFuture, Service, StdError};
use tonic_web::GrpcWebLayer;
use tower_http::cors::CorsLayer;
use tower_layer::Layer;

use crate::proto;

pub(super) use door::{Door, Line};
use messages::Codec;
pub(super) use messages::Messages;

const NOTHING_HERE: &str = "there is nothing here: RPCs are called with POST, such as \
     /headwater.v1.RecommenderService/Recommend; /metrics, /healthz and /readyz are pages";
const GRPC_WEB: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];
const ACCEPT_POST: &str = "accept-post";
/// What a body may be.
const ACCEPTED: &str =
    "application/json, application/proto, application/grpc-web+proto, application/grpc-web-text+proto";

/// The RPCs, for an HTTP server to call.
#[derive(Clone)]
pub struct WebService<S> {
    /// By their paths.
    methods: Arc<HashMap<String, MethodDescriptor>>,
    /// Web sites whose pages may call.
    origins: Arc<[HeaderValue]>,
    cors: Option<CorsLayer>,
    door: Door<S>,
}

/// What a request is written in.
enum Protocol {
    Connect(Codec),
    /// With its content type.
    GrpcWeb(&'static str),
}

impl<S> WebService<S> {
    /// All unary RPCs of the protocol, and pages of these web sites may call them.
    ///
    /// # Errors
    /// The descriptors of the protocol are not valid.
    pub(super) fn new(door: Door<S>, origins: &[String]) -> Result<Self, DescriptorError> {
        let pool = DescriptorPool::decode(proto::DESCRIPTORS)?;
        let services: Vec<_> = pool.services().collect();
        let methods = services.iter().flat_map(|service| service.methods());
        let unary = methods.filter(|method| !method.is_client_streaming() && !method.is_server_streaming());
        let by_path = |method: MethodDescriptor| {
            (format!("/{}/{}", method.parent_service().full_name(), method.name()), method)
        };
        let origins: Arc<[HeaderValue]> =
            origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
        let cors = (!origins.is_empty()).then(|| origins::cors(&origins));
        Ok(Self { methods: Arc::new(unary.map(by_path).collect()), origins, cors, door })
    }
}

impl<S> WebService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Unpin + 'static,
    S::Future: Send + Unpin + 'static,
{
    async fn answer(self, mut request: Request<Body>) -> Response<Body> {
        if let Err(status) = origins::check(request.headers(), &self.origins) {
            return error::response(&status);
        }
        let Some(method) = self.methods.get(request.uri().path()) else {
            let status = Status::unimplemented(NOTHING_HERE);
            return error::with_status(StatusCode::NOT_FOUND, &status);
        };
        if request.method() != Method::POST {
            let status = Status::unimplemented("an RPC is called with POST");
            let mut response = error::with_status(StatusCode::METHOD_NOT_ALLOWED, &status);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        match Protocol::of(request.headers()) {
            Some(Protocol::Connect(codec)) => match connect::into_grpc(request, method, codec) {
                Ok(request) => connect::from_grpc(self.door.enter(request).await),
                Err((http, status)) => error::with_status(http, &status),
            },
            Some(Protocol::GrpcWeb(content_type)) => {
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                let behind = Answering(move |request| self.door.enter(request));
                let answer = GrpcWebLayer::new().layer(behind).call(request).await;
                answer.unwrap_or_else(|never| match never {})
            }
            None => {
                let status = Status::unimplemented(format!("`content-type` must be one of {ACCEPTED}"));
                let mut response = error::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, &status);
                response.headers_mut().insert(ACCEPT_POST, HeaderValue::from_static(ACCEPTED));
                response
            }
        }
    }
}

impl<S, B> Service<Request<B>> for WebService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Unpin + 'static,
    S::Future: Send + Unpin + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<StdError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let request = request.map(Body::new);
        let web = self.clone();
        let mut behind = Answering(move |request| web.clone().answer(request));
        match &self.cors {
            Some(cors) => Box::pin(cors.layer(behind).call(request)),
            None => behind.call(request),
        }
    }
}

/// A way to answer, for a layer to call.
struct Answering<F>(F);

impl<F, A> Service<Request<Body>> for Answering<F>
where
    F: FnMut(Request<Body>) -> A,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = (self.0)(request);
        Box::pin(async move { Ok(answer.await) })
    }
}

impl Protocol {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let essence = text.split(';').next()?.trim().to_ascii_lowercase();
        let grpc_web = || GRPC_WEB.into_iter().find(|known| *known == essence).map(Self::GrpcWeb);
        Codec::of(&essence).map(Self::Connect).or_else(grpc_web)
    }
}
