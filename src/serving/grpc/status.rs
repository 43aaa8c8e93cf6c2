//! `StatusService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::codec::convert::from_time;
use crate::engine::events::event::Timestamp;
use crate::health::{About, Health};
use crate::log::{Partition, Topic};
use crate::proto;
use crate::proto::status_service_server::StatusService;
use crate::serving::calls::Calls;
use crate::serving::convert;
use crate::serving::reader::Reader;
use crate::telemetry::{Call, Metrics, PartitionName, Rpc, TopicPartition};

/// Tells how the process is.
pub struct ProcessStatus {
    pub calls: Arc<Calls>,
    pub reader: Reader,
    pub about: Arc<About>,
    pub health: Arc<Health>,
    pub metrics: Arc<Metrics>,
}

#[tonic::async_trait]
impl StatusService for ProcessStatus {
    async fn get_status(
        &self,
        _: Request<proto::GetStatusRequest>,
    ) -> Result<Response<proto::GetStatusResponse>, Status> {
        self.calls.run(&Call::of(Rpc::GetStatus), async { Ok(self.tell()) }).await
    }
}

impl ProcessStatus {
    fn tell(&self) -> proto::GetStatusResponse {
        let About {
            version,
            commit,
            configuration,
            configuration_hash,
            data_dir,
            models_dir,
            log,
            started_at,
        } = (*self.about).clone();
        let (state, models, status) =
            (self.reader.state(), self.reader.ranker().models(), self.health.status());
        let partitions = Partition::all(state.partitions());
        proto::GetStatusResponse {
            version: version.to_owned(),
            commit: commit.to_owned(),
            started_at: Some(from_time(started_at)),
            configuration,
            configuration_hash,
            data_dir,
            models_dir,
            log,
            state: status.phase().name().to_owned(),
            since: Some(from_time(self.health.since())),
            reasons: status.reasons.clone(),
            partitions: partitions.filter_map(|partition| self.partition(partition)).collect(),
            partitions_total: state.partitions(),
            items_lag: (0..).map_while(|partition| self.lag(Topic::Items, Partition(partition))).sum(),
            catalog_items: state.catalog().len() as u64,
            models: models.iter().map(|model| convert::model_ref(model)).collect(),
            default_model: models.default_name().to_owned(),
            model_files_not_served: convert::files_not_served(&self.health.files_not_served()),
        }
    }

    fn partition(&self, partition: Partition) -> Option<proto::PartitionStatus> {
        let state = self.reader.state();
        let users = state.partition(partition)?.state.users_len();
        let written = self.metrics.snapshot_time.get(&PartitionName { partition: partition.0 });
        let written = written.map_or(0, |seconds| (seconds.get() * 1e3) as i64);
        Some(proto::PartitionStatus {
            partition: partition.0,
            next_offset: state.position(partition).0,
            lag: self.lag(Topic::Clicks, partition).unwrap_or(0),
            users: users as u64,
            in_snapshot_until: (written > 0).then(|| from_time(Timestamp(written))),
        })
    }

    /// As it was measured last, if it was.
    fn lag(&self, topic: Topic, partition: Partition) -> Option<u64> {
        let label = TopicPartition { topic: topic.row().name, partition: partition.0 };
        self.metrics.lag.get(&label).map(|lag| u64::try_from(lag.get()).unwrap_or(0))
    }
}
