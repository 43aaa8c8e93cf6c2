//! `headwater profile`: what a user is interested in.

use std::io::Write;

use super::super::client::ClientError;
use super::super::error::CliError;
use super::super::print::{NAME, counted, show_instant, write_json, write_table};
use super::super::terminal::clipped;
use super::{Common, footer, header, score};
use crate::proto;
use crate::proto::profile_service_client::ProfileServiceClient;

/// Show a user's interests, by window and category
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  headwater profile u1\n  headwater profile u1 --json")]
pub(crate) struct ProfileArgs {
    /// The user
    user: String,
    #[command(flatten)]
    common: Common,
}

impl ProfileArgs {
    pub async fn run(self, out: &mut dyn Write) -> Result<(), CliError> {
        let request = proto::GetProfileRequest {
            user_id: self.user,
            model: self.common.model,
            as_of: self.common.as_of,
            ..Default::default()
        };
        let mut client = ProfileServiceClient::new(self.common.server.connect().await?);
        let answer = client.get_profile(request).await.map_err(ClientError::from)?.into_inner();
        if self.common.json {
            return write_json("GetProfileResponse", &answer, out);
        }
        let mut rows = vec![header(&["window", "category", "interest", "weight", "events"])];
        for window in &answer.windows {
            let all = counted(window.events, "event");
            rows.push(vec![
                window.window.clone(),
                String::new(),
                String::new(),
                score(window.total_weight),
                all,
            ]);
            rows.extend(window.categories.iter().map(|category| {
                let events = category.events_by_type.iter().map(|(name, count)| format!("{count} {name}"));
                let events = events.collect::<Vec<_>>().join(", ");
                vec![
                    String::new(),
                    clipped(&category.category, NAME),
                    score(category.interest),
                    score(category.weight),
                    events,
                ]
            }));
        }
        write_table(&rows, out)?;
        writeln!(out, "{}", footer(answer.model.as_ref(), answer.as_of.as_ref()))?;
        Ok(writeln!(out, "newest event of this user: {}", show_instant(answer.profile_as_of.as_ref()))?)
    }
}
