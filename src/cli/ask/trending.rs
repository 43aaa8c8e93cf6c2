//! `headwater trending`: what more people turn to than used to.

use std::io::Write;

use super::super::client::ClientError;
use super::super::error::CliError;
use super::super::print::{NAME, write_json, write_table};
use super::super::terminal::clipped;
use super::{Common, FilterArgs, Length, footer, header, title};
use crate::proto;
use crate::proto::recommender_service_client::RecommenderServiceClient;

/// Ask for the items that more people turn to than they used to
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  headwater trending\n  headwater trending -n 20 --category football --json"
)]
pub(crate) struct TrendingArgs {
    #[command(flatten)]
    length: Length,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    common: Common,
}

impl TrendingArgs {
    pub async fn run(self, out: &mut dyn Write) -> Result<(), CliError> {
        let channel = self.common.server.connect().await?;
        let request = proto::TrendingRequest {
            n: self.length.number,
            model: self.common.model,
            filter: Some(self.filter.message()),
            as_of: self.common.as_of,
            with_item: true,
        };
        let mut client = RecommenderServiceClient::new(channel);
        let answer = client.trending(request).await.map_err(ClientError::from)?.into_inner();
        if self.common.json {
            return write_json("TrendingResponse", &answer, out);
        }
        let mut rows = vec![header(&["#", "item", "trend", "recent", "expected", "title"])];
        rows.extend(answer.items.iter().map(|item| {
            vec![
                item.rank.to_string(),
                clipped(&item.item_id, NAME),
                format!("{:.2}", item.score),
                item.recent.to_string(),
                format!("{:.1}", item.expected),
                clipped(title(item.item.as_deref()), NAME),
            ]
        }));
        match answer.items.is_empty() {
            true => writeln!(out, "{}", self.filter.why_empty())?,
            false => write_table(&rows, out)?,
        }
        Ok(writeln!(out, "{}", footer(answer.model.as_ref(), answer.as_of.as_ref()))?)
    }
}
