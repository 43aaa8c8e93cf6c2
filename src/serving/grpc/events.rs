//! `EventService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::codec::convert::into_event_draft;
use crate::codec::event_record;
use crate::engine::config::StreamConfig;
use crate::engine::events::event::EventDraft;
use crate::log::{NewRecord, Topic};
use crate::proto;
use crate::proto::event_service_server::EventService;
use crate::serving::appender::Appender;
use crate::serving::calls::Calls;
use crate::serving::convert;
use crate::telemetry::{Call, Rpc};

/// Takes in events.
pub struct Events {
    pub calls: Arc<Calls>,
    pub appender: Appender,
    pub config: Arc<StreamConfig>,
}

#[tonic::async_trait]
impl EventService for Events {
    async fn publish(
        &self,
        request: Request<proto::PublishRequest>,
    ) -> Result<Response<proto::PublishResponse>, Status> {
        self.calls.run(&Call::of(Rpc::Publish), self.append(request.into_inner())).await
    }
}

impl Events {
    async fn append(&self, request: proto::PublishRequest) -> Result<proto::PublishResponse, Status> {
        convert::count("events", request.events.len(), convert::MAX_BATCH)?;
        let mut records = Vec::with_capacity(request.events.len());
        let mut rejected = Vec::new();
        for (index, event) in request.events.into_iter().enumerate() {
            match self.record(event) {
                Ok(record) => records.push(record),
                Err(reason) => rejected.push(proto::RejectedEvent { index: index as u32, reason }),
            }
        }
        let accepted = self.appender.append(Topic::Clicks, records).await?;
        Ok(proto::PublishResponse { accepted, rejected })
    }

    fn record(&self, event: proto::Event) -> Result<NewRecord, String> {
        let draft: EventDraft<'_> = into_event_draft(event).map_err(|error| error.to_string())?;
        draft.check(&self.config.event_types).map_err(|error| error.to_string())?;
        Ok(event_record(&draft))
    }
}
