//! The messages of a call by the Connect protocol, behind admission: of JSON they are translated, of protobuf they
//! have lost their length before them. What comes in here has the shape of gRPC, so that it was weighed as all is.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use prost_reflect::MethodDescriptor;
use tonic::body::Body;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::{Code, Status};

use super::framed::{HEAD, head};
use crate::proto::json;
use crate::serving::admission::Held;

/// From here on a text is read on a thread where it holds nobody up.
const LARGE: usize = 64 << 10;

/// What a message is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    Json,
    Proto,
}

impl Codec {
    /// The one of a content type without its parameters.
    pub fn of(content_type: &str) -> Option<Self> {
        [Self::Json, Self::Proto].into_iter().find(|codec| codec.content_type() == content_type)
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Proto => "application/proto",
        }
    }
}

/// Said with a request (among its extensions): it is a call by Connect, of this method, written in this.
#[derive(Clone)]
pub struct Call {
    pub method: MethodDescriptor,
    pub codec: Codec,
}

/// Services that take calls by Connect, too.
#[derive(Clone)]
pub struct Messages<S>(pub S);

impl<S> Service<Request<Body>> for Messages<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let mut services = self.0.clone();
        let call = request.extensions_mut().remove::<Call>();
        Box::pin(async move {
            let Some(call) = call else { return services.call(request).await };
            Ok(unary(services, call, request).await.unwrap_or_else(Status::into_http))
        })
    }
}

async fn unary<S>(mut services: S, call: Call, request: Request<Body>) -> Result<Response<Body>, Status>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let Call { method, codec } = call;
    let held = request.extensions().get::<Held>().cloned();
    let request = match codec {
        Codec::Proto => request,
        Codec::Json => from_json(&method, request).await?,
    };
    let (mut parts, body) = match services.call(request).await {
        Ok(response) => response.into_parts(),
        Err(never) => match never {},
    };
    failed(&parts.headers)?;
    let body = body.collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    failed(&trailers)?;
    let mut message = body.to_bytes();
    if message.len() < HEAD {
        return Err(Status::internal("the answer has no message"));
    }
    let message = message.split_off(HEAD);
    let message = match codec {
        Codec::Proto => message,
        Codec::Json => {
            let output = method.output();
            aside(held, message.len(), move || json::decode(&output, &message)).await?.into()
        }
    };
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(codec.content_type()));
    let told = trailers.iter().filter(|(name, _)| **name != Status::GRPC_STATUS);
    for (name, value) in told {
        let name = HeaderName::try_from(format!("trailer-{name}"));
        parts.headers.append(name.map_err(|error| Status::internal(error.to_string()))?, value.clone());
    }
    Ok(Response::from_parts(parts, Body::new(Full::from(message))))
}

/// What went wrong, if it did.
fn failed(headers: &HeaderMap) -> Result<(), Status> {
    match Status::from_header_map(headers) {
        Some(status) if status.code() != Code::Ok => Err(status),
        _ => Ok(()),
    }
}

/// Translates a message of so many bytes: a large one where nobody else waits for the thread. What its request holds
/// is held until that is done, as nobody can stop it.
async fn aside<T: Send + 'static>(
    held: Option<Held>,
    bytes: usize,
    translate: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    if bytes < LARGE {
        return translate();
    }
    let translated = tokio::task::spawn_blocking(move || {
        let _held = held;
        translate()
    });
    translated.await.map_err(|error| Status::internal(error.to_string()))?
}

/// The same request with its message as protobuf has it.
async fn from_json(method: &MethodDescriptor, request: Request<Body>) -> Result<Request<Body>, Status> {
    let (parts, body) = request.into_parts();
    let held = parts.extensions.get::<Held>().cloned();
    let framed = body.collect().await?.to_bytes();
    let json = framed.slice(HEAD.min(framed.len())..);
    let input = method.input();
    let encode = move || -> Result<Bytes, Status> {
        let mut wire = vec![0; HEAD];
        json::encode(&input, &json, &mut wire)?;
        let length =
            u32::try_from(wire.len() - HEAD).map_err(|error| Status::out_of_range(error.to_string()))?;
        wire[..HEAD].copy_from_slice(&head(length));
        Ok(wire.into())
    };
    let wire = aside(held, framed.len(), encode).await?;
    Ok(Request::from_parts(parts, Body::new(Full::from(wire))))
}
