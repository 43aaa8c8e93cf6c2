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
use tonic_health::pb::health_server::{Health, HealthServer};

use super::ServingParts;
use super::admission::{Admission, AdmissionService};
use super::appender::Appender;
use super::calls::Calls;
use super::connections::{self, WorkerEnded};
use super::limits::{MAX_BATCH_BYTES, MAX_OTHER_BYTES, MAX_QUESTION_BYTES};
use super::reader::Reader;
use super::web::{Door, Line, Messages, WebService};
use crate::proto;
use crate::proto::catalog_service_server::CatalogServiceServer;
use crate::proto::event_service_server::EventServiceServer;
use crate::proto::model_service_server::ModelServiceServer;
use crate::proto::profile_service_server::ProfileServiceServer;
use crate::proto::recommender_service_server::{self, RecommenderServiceServer};
use crate::proto::status_service_server::StatusServiceServer;
use crate::serving::grpc::{Catalog, Events, Models, ProcessStatus, Profiles, Recommender};

/// Why the server can't run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The descriptors of the protocol can't be served.
    #[error("gRPC reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// They can't be read.
    #[error("the descriptors of the protocol: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),
}

/// All services. Lists are most of what is asked for: they are answered without a look at the table of
/// routes, which costs a few hundred ns.
#[derive(Clone)]
pub struct Services {
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

macro_rules! asked {
    ($service:expr) => {
        $service.max_decoding_message_size(MAX_QUESTION_BYTES)
    };
}

macro_rules! fed {
    ($service:expr) => {
        $service.max_decoding_message_size(MAX_BATCH_BYTES)
    };
}

impl Services {
    /// Headwater's own services.
    fn new(parts: ServingParts) -> Self {
        let ServingParts { ranker, log, health, about, metrics, clock, slow_request, shadow } = parts;
        let config = Arc::clone(ranker.state().config());
        let calls = Arc::new(Calls::new(Arc::clone(&metrics), slow_request));
        let appender = Appender::new(Arc::clone(&log), Arc::clone(&metrics));
        let reader = Reader::new(ranker, Arc::clone(&health), log, clock);
        let status = ProcessStatus {
            calls: Arc::clone(&calls),
            reader: reader.clone(),
            about,
            health: Arc::clone(&health),
            metrics: Arc::clone(&metrics),
        };
        let recommender = Recommender::new(Arc::clone(&calls), reader.clone(), metrics, shadow);
        let events = Events { calls: Arc::clone(&calls), appender: appender.clone(), config };
        let catalog = Catalog { calls: Arc::clone(&calls), reader: reader.clone(), appender };
        let profiles = Profiles { calls: Arc::clone(&calls), reader: reader.clone() };
        let models = Models { calls, reader, health };
        let recommender = asked!(RecommenderServiceServer::new(recommender));
        let routes = Routes::new(recommender.clone())
            .add_service(fed!(EventServiceServer::new(events)))
            .add_service(fed!(CatalogServiceServer::new(catalog)))
            .add_service(asked!(ProfileServiceServer::new(profiles)))
            .add_service(asked!(ModelServiceServer::new(models)))
            .add_service(asked!(StatusServiceServer::new(status)));
        Self { recommender, routes }
    }
}

/// Headwater's own services, without a transport.
pub fn routes(parts: ServingParts) -> Routes {
    Services::new(parts).routes
}

/// What is served: over connections of gRPC by itself, and by way of [`Self::web`].
pub struct Server {
    services: Services,
    admission: Arc<Admission>,
    line: Line,
    http_port: u16,
}

impl Server {
    /// Headwater's own services, health and reflection. Who speaks HTTP/1.1 to gRPC's port is told of `http_port`.
    ///
    /// # Errors
    /// The descriptors of the protocol can't be served.
    pub fn new(
        parts: ServingParts,
        admission: Arc<Admission>,
        health: HealthServer<impl Health>,
        http_port: u16,
    ) -> Result<Self, ServerError> {
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let mut services = Services::new(parts);
        let routes = services.routes;
        services.routes = routes
            .add_service(health)
            .add_service(reflection().build_v1()?.max_decoding_message_size(MAX_OTHER_BYTES))
            .add_service(reflection().build_v1alpha()?.max_decoding_message_size(MAX_OTHER_BYTES))
            .prepare();
        Ok(Self { services, admission, line: Line::default(), http_port })
    }

    /// Its RPCs for the HTTP port, and for pages of these web sites. They are answered while [`Self::serve`] runs.
    ///
    /// # Errors
    /// The descriptors of the protocol can't be served.
    pub fn web(&self, origins: &[String]) -> Result<WebService<Messages<Services>>, ServerError> {
        let admission = Arc::clone(&self.admission);
        let all = admission.others();
        let services = AdmissionService::new(Messages(self.services.clone()), admission, all);
        Ok(WebService::new(Door::new(self.line.clone(), services), origins)?)
    }

    /// Serves gRPC on a bound listener until `shutdown` resolves, then lets what is being worked on finish.
    ///
    /// # Errors
    /// Nobody may be left to answer.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), WorkerEnded> {
        let Self { services, admission, line, http_port } = self;
        connections::serve(listener, services, admission, line, http_port, shutdown).await
    }
}
