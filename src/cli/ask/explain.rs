//! `headwater explain`: why an item scores as it does.

use std::io::Write;

use super::super::client::ClientError;
use super::super::error::CliError;
use super::super::print::{NAME, write_json, write_table};
use super::super::terminal::{clipped, visible};
use super::{Common, by_forest, footer, header, score, sum};
use crate::proto;
use crate::proto::recommender_service_client::RecommenderServiceClient;

/// Show why an item scores as it does for a user
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  headwater explain u1 i42\n  headwater explain u1 i42 --model default --json"
)]
pub(crate) struct ExplainArgs {
    /// The user
    user: String,
    /// The item
    item: String,
    #[command(flatten)]
    common: Common,
}

impl ExplainArgs {
    pub async fn run(self, out: &mut dyn Write) -> Result<(), CliError> {
        let request = proto::ExplainRequest {
            user_id: self.user,
            item_id: self.item,
            model: self.common.model,
            as_of: self.common.as_of,
            ..Default::default()
        };
        let mut client = RecommenderServiceClient::new(self.common.server.connect().await?);
        let answer = client.explain(request).await.map_err(ClientError::from)?.into_inner();
        if self.common.json {
            return write_json("ExplainResponse", &answer, out);
        }
        let (item, parts) = (clipped(&answer.item_id, NAME), sum(&answer.contributions));
        writeln!(out, "{item} scores {} = {}", score(answer.score), visible(&parts))?;
        if !answer.excluded.is_empty() {
            writeln!(out, "it would not be in a list: {}", visible(&answer.excluded))?;
        } else if answer.sources.is_empty() {
            writeln!(out, "no source gives it: it comes behind all others, in a list that is long enough")?;
        } else {
            writeln!(out, "it is a candidate by: {}", visible(&answer.sources.join(", ")))?;
        }
        let mut rows = Vec::new();
        if let Some((_, looked_at)) = by_forest(&answer.contributions) {
            rows.push(header(&["looked at by the forest", "", "", "value", "part"]));
            rows.extend(looked_at.iter().map(|part| {
                let name = clipped(&part.feature, NAME);
                vec![name, String::new(), String::new(), score(part.value), score(part.contribution)]
            }));
        }
        rows.push(header(&["interest from", "window", "events", "weight", "part"]));
        rows.extend(answer.interest.iter().map(|part| {
            let events = part.events.to_string();
            vec![
                clipped(&part.category, NAME),
                part.window.clone(),
                events,
                score(part.weight),
                score(part.interest),
            ]
        }));
        if !answer.related.is_empty() {
            let values = |to: &proto::RelatedEvidence| [to.next, to.covisits, to.neighbours, to.own];
            // Most models don't ask for neighbours, nor for what the user was on.
            let told =
                |column: usize| column < 2 || answer.related.iter().any(|to| values(to)[column] != 0.0);
            let columns: Vec<usize> = (0..4).filter(|column| told(*column)).collect();
            let names = columns.iter().map(|column| ["next", "covisits", "neighbours", "own"][*column]);
            rows.push(header(&["related to", "", "weight"].into_iter().chain(names).collect::<Vec<_>>()));
            rows.extend(answer.related.iter().map(|to| {
                let row = [clipped(&to.item_id, NAME), String::new(), score(to.weight)];
                row.into_iter().chain(columns.iter().map(|column| score(values(to)[*column]))).collect()
            }));
        }
        rows.push(header(&["popularity from", "window", "events", "most", "part"]));
        rows.extend(answer.popularity.iter().map(|part| {
            let (events, most) = (part.interactions.to_string(), part.most.to_string());
            vec![String::new(), part.window.clone(), events, most, score(part.popularity)]
        }));
        write_table(&rows, out)?;
        Ok(writeln!(out, "{}", footer(answer.model.as_ref(), answer.as_of.as_ref()))?)
    }
}
