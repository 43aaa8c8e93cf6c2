//! `ModelService`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::engine::config::window_name;
use crate::engine::rank::features::FEATURES;
use crate::health::Health;
use crate::proto;
use crate::proto::model_service_server::ModelService;
use crate::serving::calls::Calls;
use crate::serving::convert;
use crate::serving::reader::Reader;
use crate::telemetry::{Call, Rpc};

/// Tells which scoring models are loaded.
pub struct Models {
    pub calls: Arc<Calls>,
    pub reader: Reader,
    pub health: Arc<Health>,
}

#[tonic::async_trait]
impl ModelService for Models {
    async fn list_models(
        &self,
        _: Request<proto::ListModelsRequest>,
    ) -> Result<Response<proto::ListModelsResponse>, Status> {
        self.calls.run(&Call::of(Rpc::ListModels), async { Ok(self.list()) }).await
    }

    async fn get_model(
        &self,
        request: Request<proto::GetModelRequest>,
    ) -> Result<Response<proto::GetModelResponse>, Status> {
        self.calls.run(&Call::of(Rpc::GetModel), async { self.get(&request.into_inner().name) }).await
    }
}

impl Models {
    fn list(&self) -> proto::ListModelsResponse {
        let models = self.reader.ranker().models();
        proto::ListModelsResponse {
            models: models.iter().map(|model| convert::model_ref(model)).collect(),
            default_model: models.default_name().to_owned(),
            files_not_served: convert::files_not_served(&self.health.files_not_served()),
        }
    }

    fn get(&self, name: &str) -> Result<proto::GetModelResponse, Status> {
        let model = Arc::clone(&self.reader.pools(name)?.model);
        let stream = self.reader.state().config();
        let windows = |lengths: &[i64], weights: &[f64]| -> BTreeMap<String, f64> {
            lengths.iter().map(|length| window_name(*length)).zip(weights.iter().copied()).collect()
        };
        let weighted = FEATURES
            .iter()
            .zip(model.weights())
            .filter(|(feature, _)| feature.weight.is_some() && feature.in_use(&model));
        Ok(proto::GetModelResponse {
            model: Some(convert::model_ref(&model)),
            weights: weighted.map(|(feature, weight)| (feature.name.to_owned(), weight)).collect(),
            event_weights: stream
                .event_types
                .names()
                .iter()
                .cloned()
                .zip(model.event_weights.clone())
                .collect(),
            interest_windows: windows(&stream.interest_windows, &model.interest_windows),
            popularity_windows: windows(&stream.popularity_windows, &model.popularity_windows),
            toml: model.source.clone(),
        })
    }
}
