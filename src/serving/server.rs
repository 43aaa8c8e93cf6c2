//! The gRPC server: every service, health and reflection on one listener.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::service::Routes;

use super::{Shared, connections};
use crate::proto;
use crate::proto::catalog_service_server::CatalogServiceServer;
use crate::proto::event_service_server::EventServiceServer;
use crate::proto::model_service_server::ModelServiceServer;
use crate::proto::profile_service_server::ProfileServiceServer;
use crate::proto::recommender_service_server::{self, RecommenderServiceServer};
use crate::serving::grpc::{Catalog, Events, Models, Profiles, Recommender};

/// The largest request: a full batch of events with every field at its longest does not fit, one of
/// usual events does.
const MAX_REQUEST_BYTES: usize = 16 << 20;

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
    /// The descriptors of the protocol can't be served.
    #[error("gRPC reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// All services. Lists are most of what is asked for: they are answered without a look at the table of
/// routes, which costs a few hundred ns.
#[derive(Clone)]
struct Services {
    recommender: RecommenderServiceServer<Recommender>,
    routes: Routes,
}

impl Service<Request<Body>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match request.uri().path().strip_prefix('/').and_then(|path| path.split_once('/')) {
            Some((recommender_service_server::SERVICE_NAME, _)) => self.recommender.call(request),
            _ => Box::pin(self.routes.call(request)),
        }
    }
}

macro_rules! sized {
    ($service:expr) => {
        $service.max_decoding_message_size(MAX_REQUEST_BYTES)
    };
}

fn recommender(shared: &Arc<Shared>) -> RecommenderServiceServer<Recommender> {
    sized!(RecommenderServiceServer::new(Recommender::new(Arc::clone(shared))))
}

/// Headwater's own services, without a transport.
pub fn routes(shared: &Arc<Shared>) -> Routes {
    let recommender = recommender(shared);
    let shared = || Arc::clone(shared);
    Routes::new(recommender)
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
    + Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>,
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
    let services = Services { recommender: recommender(&shared), routes };
    connections::serve(listener, services, Arc::clone(&shared.admission), shutdown).await;
    Ok(())
}
