//! `ProfileService`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::codec::convert::from_time;
use crate::engine::config::window_name;
use crate::engine::events::event::{EventType, EventTypes, Timestamp};
use crate::engine::facts::profile::{Profile, ProfileAt};
use crate::engine::facts::state::PartitionState;
use crate::engine::rank::explain;
use crate::engine::rank::pipeline::TooOld;
use crate::proto;
use crate::proto::profile_service_server::ProfileService;
use crate::serving::calls::Calls;
use crate::serving::convert;
use crate::serving::reader::Reader;
use crate::state::ranker::Unanswerable;
use crate::telemetry::{Call, Rpc};

/// How many categories a window tells of, unless it is asked for more or fewer.
const CATEGORIES: usize = 100;
const MAX_CATEGORIES: u32 = 1000;

/// Tells what is known of people.
pub struct Profiles {
    pub calls: Arc<Calls>,
    pub reader: Reader,
}

#[tonic::async_trait]
impl ProfileService for Profiles {
    async fn get_profile(
        &self,
        request: Request<proto::GetProfileRequest>,
    ) -> Result<Response<proto::GetProfileResponse>, Status> {
        let request = request.into_inner();
        let (user_id, model) = (&request.user_id, &request.model);
        let call = Call { user_id, model, ..Call::of(Rpc::GetProfile) };
        self.calls.run(&call, async { self.get(&request) }).await
    }
}

impl Profiles {
    fn get(&self, request: &proto::GetProfileRequest) -> Result<proto::GetProfileResponse, Status> {
        convert::required("user_id", &request.user_id)?;
        let most = match request.max_categories {
            0 => CATEGORIES,
            most if most > MAX_CATEGORIES => {
                let message = format!("`max_categories` is {most}, expected at most {MAX_CATEGORIES}");
                return Err(Status::invalid_argument(message));
            }
            most => most as usize,
        };
        let as_of = convert::instant("as_of", request.as_of.as_ref())?;
        let model = Arc::clone(&self.reader.pools(&request.model)?.model);
        let mut t = as_of.unwrap_or_else(|| self.reader.now());
        let catalog = self.reader.state().catalog();
        let located = self.reader.state().partitions_of(&request.user_id);
        let located = located.map_err(|error| self.reader.refusal(error.into()))?;
        // A user without events has a profile too: an empty one.
        let nobody = Profile::default();
        let known =
            |t| located.iter().map(|(_, state)| known_at(state, &request.user_id, &nobody, t)).collect();
        let known: Vec<_> = convert::resolve_as_of(&mut t, as_of.is_none(), known)
            .map_err(|error| self.reader.refusal(error))?;
        let config = self.reader.state().config();
        let types = &config.event_types;
        let windows = explain::windows(&known, &catalog, &model, t, (&config.interest_windows, most));
        Ok(proto::GetProfileResponse {
            user_id: request.user_id.clone(),
            windows: windows.into_iter().map(|window| window_message(window, types)).collect(),
            recent_events: explain::recent(&known)
                .into_iter()
                .map(|event| event_message(&event, types))
                .collect(),
            model: Some(convert::model_ref(&model)),
            as_of: Some(from_time(t)),
            profile_as_of: known.iter().filter_map(|(_, profile)| profile.newest()).max().map(from_time),
        })
    }
}

/// What a partition knows of a user at an instant.
fn known_at<'a>(
    state: &'a PartitionState,
    user_id: &str,
    nobody: &'a Profile,
    t: Timestamp,
) -> Result<(&'a PartitionState, ProfileAt<'a>), Unanswerable> {
    let profile = state.user(user_id).unwrap_or(nobody);
    match profile.at(t, state.config().recent_events_per_user, state.interest_windows()) {
        Err(oldest) => Err(TooOld { asked: t, oldest }.into()),
        Ok(_) if t < state.floor() => Err(TooOld { asked: t, oldest: state.floor() }.into()),
        Ok(profile) => Ok((state, profile)),
    }
}

fn window_message(window: explain::WindowReport, types: &EventTypes) -> proto::WindowProfile {
    let category = |category: explain::CategoryReport| proto::CategoryInterest {
        category: category.category,
        weight: category.weight,
        interest: category.interest,
        events_by_type: by_name(&category.events, types),
    };
    proto::WindowProfile {
        window: window_name(window.window),
        events: window.events,
        total_weight: window.total_weight,
        categories: window.categories.into_iter().map(category).collect(),
        category_count: window.categories_len as u64,
    }
}

fn event_message(event: &explain::EventReport<'_>, types: &EventTypes) -> proto::ProfileEvent {
    proto::ProfileEvent {
        item_id: event.item_id.to_owned(),
        r#type: types.name(event.kind).to_owned(),
        ts: Some(from_time(event.ts)),
    }
}

fn by_name(counts: &BTreeMap<EventType, u64>, types: &EventTypes) -> BTreeMap<String, u64> {
    counts.iter().map(|(kind, count)| (types.name(*kind).to_owned(), *count)).collect()
}
