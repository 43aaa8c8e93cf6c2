//! The gRPC server: every service, health and reflection on one listener.

use std::future::Future;
use std::sync::Arc;

use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Error, Server};

use super::Shared;
use super::admission::Entry;
use crate::proto;
use crate::proto::catalog_service_server::CatalogServiceServer;
use crate::proto::event_service_server::EventServiceServer;
use crate::proto::model_service_server::ModelServiceServer;
use crate::proto::profile_service_server::ProfileServiceServer;
use crate::proto::recommender_service_server::RecommenderServiceServer;
use crate::serving::grpc::{Catalog, Events, Models, Profiles, Recommender};

/// The largest request: a full batch of events with every field at its longest does not fit, one of
/// usual events does.
const MAX_REQUEST_BYTES: usize = 16 << 20;

/// What a caller may send of a body before it is read, and over one connection in all. A connection
/// holds no more than this of what waits for its turn.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// The names of the services whose health follows readiness.
pub const SERVICES: [&str; 6] = [
    "",
    "headwater.v1.RecommenderService",
    "headwater.v1.EventService",
    "headwater.v1.CatalogService",
    "headwater.v1.ProfileService",
    "headwater.v1.ModelService",
];

/// Why the server can't run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The transport failed.
    #[error("gRPC server: {0}")]
    Transport(#[from] Error),
    /// The descriptors of the protocol can't be served.
    #[error("gRPC reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Headwater's own services, without a transport.
pub fn routes(shared: &Arc<Shared>) -> Routes {
    let shared = || Arc::clone(shared);
    macro_rules! sized {
        ($service:expr) => {
            $service.max_decoding_message_size(MAX_REQUEST_BYTES)
        };
    }
    Routes::new(sized!(RecommenderServiceServer::new(Recommender::new(shared()))))
        .add_service(sized!(EventServiceServer::new(Events(shared()))))
        .add_service(sized!(CatalogServiceServer::new(Catalog(shared()))))
        .add_service(sized!(ProfileServiceServer::new(Profiles(shared()))))
        .add_service(sized!(ModelServiceServer::new(Models(shared()))))
}

/// Serves on a bound listener until `shutdown` resolves, then lets what is being worked on finish.
///
/// # Errors
/// The server can't run.
pub async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    health: impl tonic::server::NamedService
    + Clone
    + Send
    + Sync
    + 'static
    + tonic::codegen::Service<
        tonic::codegen::http::Request<tonic::body::Body>,
        Response = tonic::codegen::http::Response<tonic::body::Body>,
        Error = std::convert::Infallible,
        Future: Send + 'static,
    >,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = routes(&shared)
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .prepare();
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .max_concurrent_streams(shared.admission.settings().max_concurrent_streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .serve_with_incoming_shutdown(Entry::new(routes, shared), incoming, shutdown)
        .await?;
    Ok(())
}
