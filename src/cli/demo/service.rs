//! The service as its clients see it.

use std::time::{Duration, Instant};

use tonic::transport::Channel;

use super::super::address::ServerAddress;
use super::super::client::{ClientError, endpoint};
use super::super::error::CliError;
use crate::codec::convert::millis;
use crate::proto;
use crate::proto::catalog_service_client::CatalogServiceClient;
use crate::proto::event_service_client::EventServiceClient;
use crate::proto::profile_service_client::ProfileServiceClient;
use crate::proto::recommender_service_client::RecommenderServiceClient;

/// How long something may take before the demo gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to the running service.
#[derive(Clone)]
pub(super) struct Service(Channel);

impl Service {
    pub fn connect(address: std::net::SocketAddr) -> Result<Self, CliError> {
        let address = ServerAddress { host: address.ip().to_string(), port: address.port() };
        Ok(Self(endpoint(&address)?.connect_lazy()))
    }

    pub async fn put_items(&self, items: Vec<proto::Item>) -> Result<(), CliError> {
        let request = proto::PutItemsRequest { items };
        let sent = CatalogServiceClient::new(self.0.clone()).put_items(request).await;
        Ok(sent.map(drop).map_err(ClientError::from)?)
    }

    pub async fn has_item(&self, item_id: &str) -> bool {
        let request = proto::GetItemRequest { item_id: item_id.to_owned() };
        CatalogServiceClient::new(self.0.clone()).get_item(request).await.is_ok()
    }

    /// Sends events; none of them may be rejected.
    pub async fn publish(&self, events: Vec<proto::Event>) -> Result<(), CliError> {
        let request = proto::PublishRequest { events };
        let answer = EventServiceClient::new(self.0.clone()).publish(request).await;
        match answer.map_err(ClientError::from)?.into_inner().rejected.into_iter().next() {
            None => Ok(()),
            Some(rejected) => Err(CliError::Failed(format!("an event was rejected: {}", rejected.reason))),
        }
    }

    pub async fn recommend(
        &self,
        request: proto::RecommendRequest,
    ) -> Result<proto::RecommendResponse, CliError> {
        let answer = RecommenderServiceClient::new(self.0.clone()).recommend(request).await;
        Ok(answer.map_err(ClientError::from)?.into_inner())
    }

    pub async fn trending(&self, n: u32) -> Result<Vec<proto::TrendingItem>, CliError> {
        let request = proto::TrendingRequest { n, ..Default::default() };
        let answer = RecommenderServiceClient::new(self.0.clone()).trending(request).await;
        Ok(answer.map_err(ClientError::from)?.into_inner().items)
    }

    pub async fn profile(&self, user_id: &str) -> Result<proto::GetProfileResponse, CliError> {
        let request = proto::GetProfileRequest { user_id: user_id.to_owned(), ..Default::default() };
        let answer = ProfileServiceClient::new(self.0.clone()).get_profile(request).await;
        Ok(answer.map_err(ClientError::from)?.into_inner())
    }
}

/// When the newest event happened, in ms.
pub(super) fn newest(time: Option<&prost_types::Timestamp>) -> i64 {
    time.and_then(|time| millis("time", time).ok()).unwrap_or(i64::MIN)
}

/// Asks again and again until the answer is there.
pub(super) async fn until<T>(
    what: &str,
    patience: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>, CliError>,
) -> Result<T, CliError> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if started.elapsed() > patience {
            return Err(CliError::Failed(format!("{what} took longer than {} s", patience.as_secs())));
        }
        tokio::task::yield_now().await;
    }
}
