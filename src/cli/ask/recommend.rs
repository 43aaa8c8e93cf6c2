//! `headwater recommend`: the best items for a user, for somebody who is not known, or for each user of a file.

use std::io::Write;
use std::path::PathBuf;

use super::super::client::ClientError;
use super::super::error::CliError;
use super::super::print::{NAME, show_instant, write_json, write_table};
use super::super::terminal::{clipped, visible};
use super::many::recommend_each;
use super::{Common, FilterArgs, Length, footer, header, score, sum, title};
use crate::proto;
use crate::proto::recommender_service_client::RecommenderServiceClient;

/// Ask for the best items for a user
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headwater recommend u1
  headwater recommend u1 -n 5 --explain --category travel
  headwater recommend                                      for somebody of whom nothing is known
  headwater recommend --context i7 --context i9            an anonymous session
  headwater recommend u1 --compare default,news            one list of two models
  headwater recommend u1 --as-of 2026-01-31T12:00:00Z --json
  headwater recommend --users users.txt --out lists.jsonl  a list a line for each user of a file

With --users a list that can't be had is a line with `user_id` and `error`, and the exit code is 1 in the end.")]
pub(crate) struct RecommendArgs {
    /// The user; leave out for somebody of whom nothing is known, or an anonymous session
    #[arg(default_value = "", hide_default_value = true)]
    user: String,
    /// Ask for each user of this file, an id a line, `-` for standard input; plain or packed with gzip or zstd
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    users: Option<PathBuf>,
    /// Where the lists of --users go, as JSON, a list a line [default: standard output]
    #[arg(long, value_name = "FILE", requires = "users")]
    out: Option<PathBuf>,
    #[command(flatten)]
    length: Length,
    /// An item of the session so far, newest last; may be repeated
    #[arg(long, value_name = "ITEM")]
    context: Vec<String>,
    /// An item to leave out; may be repeated
    #[arg(long, value_name = "ITEM")]
    exclude: Vec<String>,
    /// Let items that the user has already acted on be in the list
    #[arg(long)]
    include_seen: bool,
    /// Show what each score is made of
    #[arg(long)]
    explain: bool,
    /// Two models whose lists are made one, A,B: each item says which has picked it
    #[arg(long, value_name = "A,B", value_delimiter = ',', num_args = 1, conflicts_with_all = ["model", "users"])]
    compare: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    common: Common,
}

impl RecommendArgs {
    pub async fn run(self, out: &mut dyn Write) -> Result<(), CliError> {
        let channel = self.common.server.connect().await?;
        let request = proto::RecommendRequest {
            user_id: self.user,
            n: self.length.number,
            model: self.common.model,
            context_item_ids: self.context,
            exclude_item_ids: self.exclude,
            filter: Some(self.filter.message()),
            include_seen: self.include_seen,
            as_of: self.common.as_of,
            explain: self.explain,
            compare: self.compare,
            with_item: self.users.is_none(),
            ..Default::default()
        };
        if let Some(users) = &self.users {
            return recommend_each(users, self.out.as_deref(), &request, channel, out).await;
        }
        let mut client = RecommenderServiceClient::new(channel);
        let answer = client.recommend(request).await.map_err(ClientError::from)?.into_inner();
        if self.common.json {
            return write_json("RecommendResponse", &answer, out);
        }
        print(&answer, self.explain, &self.filter, out)
    }
}

fn print(
    answer: &proto::RecommendResponse,
    explain: bool,
    filter: &FilterArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut names = header(&["#", "item", "score", "why", "title"]);
    let picked_by = |place: usize| {
        let comparison = answer.comparison.as_ref()?;
        let model = comparison.models.get(*comparison.picked_by.get(place)? as usize)?;
        Some(clipped(&model.name, NAME))
    };
    names.extend(answer.comparison.is_some().then(|| "picked by".to_owned()));
    names.extend(explain.then(|| "score =".to_owned()));
    let mut rows = vec![names];
    for (place, item) in answer.items.iter().enumerate() {
        let mut row = vec![
            item.rank.to_string(),
            clipped(&item.item_id, NAME),
            score(item.score),
            clipped(&item.reason, NAME),
            clipped(title(item.item.as_deref()), NAME),
        ];
        row.extend(picked_by(place));
        row.extend(explain.then(|| sum(&item.contributions)));
        rows.push(row);
    }
    match answer.items.is_empty() {
        true => writeln!(out, "{}", filter.why_empty())?,
        false => write_table(&rows, out)?,
    }
    match &answer.comparison {
        Some(comparison) => {
            let models = comparison.models.iter().map(|model| format!("{} {}", model.name, model.version));
            let models = visible(&models.collect::<Vec<_>>().join(" and ")).to_string();
            writeln!(out, "models {models}, as of {}", show_instant(answer.as_of.as_ref()))?;
        }
        None => writeln!(out, "{}", footer(answer.model.as_ref(), answer.as_of.as_ref()))?,
    }
    writeln!(out, "newest event of this user: {}", show_instant(answer.profile_as_of.as_ref()))?;
    if !answer.removed.is_empty() {
        let removed = answer.removed.iter().map(|(why, count)| format!("{count} {why}"));
        writeln!(out, "candidates left out: {}", visible(&removed.collect::<Vec<_>>().join(", ")))?;
    }
    if answer.degraded {
        writeln!(out, "degraded: {}", visible(&answer.degraded_reason))?;
    }
    Ok(())
}
