//! `headwater recommend`, `trending`, `profile` and `explain`: questions to a running server.

use std::io::Write;

use super::client::{ClientError, ServerArgs};
use super::error::CliError;
use super::print::{parse_instant, show_instant, write_json, write_table};
use crate::proto;
use crate::proto::profile_service_client::ProfileServiceClient;
use crate::proto::recommender_service_client::RecommenderServiceClient;

/// What every question has.
#[derive(clap::Args, Clone, Debug)]
struct Common {
    #[command(flatten)]
    server: ServerArgs,
    /// The scoring model [default: the server's default]
    #[arg(long, default_value = "", hide_default_value = true)]
    model: String,
    /// The instant to answer for (RFC 3339 or ms since the epoch) [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    as_of: Option<prost_types::Timestamp>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which items may be in a list.
#[derive(clap::Args, Clone, Debug)]
struct FilterArgs {
    /// Only items of this category; may be repeated
    #[arg(long, value_name = "CATEGORY")]
    category: Vec<String>,
    /// No items of this category; may be repeated
    #[arg(long, value_name = "CATEGORY")]
    not_category: Vec<String>,
    /// Only items with this attribute; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_attribute)]
    attribute: Vec<(String, String)>,
    /// Only items created after this instant
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    created_after: Option<prost_types::Timestamp>,
}

/// Ask for the best items for a user
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headwater recommend u1
  headwater recommend u1 -n 5 --explain --category travel
  headwater recommend --context i7 --context i9            an anonymous session
  headwater recommend u1 --as-of 2026-01-31T12:00:00Z --json")]
pub(super) struct RecommendArgs {
    /// The user; leave out for an anonymous session
    #[arg(default_value = "", hide_default_value = true)]
    user: String,
    /// How many items
    #[arg(short = 'n', long, default_value_t = 10)]
    number: u32,
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
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    common: Common,
}

/// Ask for the items that more people turn to than they used to
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  headwater trending\n  headwater trending -n 20 --category football --json"
)]
pub(super) struct TrendingArgs {
    /// How many items
    #[arg(short = 'n', long, default_value_t = 10)]
    number: u32,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    common: Common,
}

/// Show a user's interests, by window and category
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  headwater profile u1\n  headwater profile u1 --json")]
pub(super) struct ProfileArgs {
    /// The user
    user: String,
    #[command(flatten)]
    common: Common,
}

/// Show why an item scores as it does for a user
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  headwater explain u1 i42\n  headwater explain u1 i42 --model default --json"
)]
pub(super) struct ExplainArgs {
    /// The user
    user: String,
    /// The item
    item: String,
    #[command(flatten)]
    common: Common,
}

impl RecommendArgs {
    pub async fn run(self, out: &mut dyn Write) -> Result<(), CliError> {
        let Self { user, number, context, exclude, include_seen, explain, filter, common } = self;
        if user.is_empty() && context.is_empty() {
            return Err(CliError::Failed(
                "name a USER, or an anonymous session's items with --context".into(),
            ));
        }
        let channel = common.server.connect().await?;
        let request = proto::RecommendRequest {
            user_id: user,
            n: number,
            model: common.model,
            context_item_ids: context,
            exclude_item_ids: exclude,
            filter: Some(filter.message()),
            include_seen,
            as_of: common.as_of,
            explain,
            with_item: true,
            ..Default::default()
        };
        let mut client = RecommenderServiceClient::new(channel);
        let answer = client.recommend(request).await.map_err(ClientError::from)?.into_inner();
        if common.json {
            return write_json("RecommendResponse", &answer, out);
        }
        let mut rows = vec![header(&["#", "item", "score", "why", "title"], explain)];
        for item in &answer.items {
            let mut row = vec![
                item.rank.to_string(),
                item.item_id.to_string(),
                score(item.score),
                item.reason.to_string(),
                title(item.item.as_deref()),
            ];
            if explain {
                row.push(sum(&item.contributions));
            }
            rows.push(row);
        }
        write_table(&rows, out)?;
        writeln!(out, "{}", footer(answer.model.as_ref(), answer.as_of.as_ref()))?;
        writeln!(out, "newest event of this user: {}", show_instant(answer.profile_as_of.as_ref()))?;
        if !answer.removed.is_empty() {
            let removed = answer.removed.iter().map(|(why, count)| format!("{count} {why}"));
            writeln!(out, "candidates left out: {}", removed.collect::<Vec<_>>().join(", "))?;
        }
        if answer.degraded {
            writeln!(out, "degraded: {}", answer.degraded_reason)?;
        }
        Ok(())
    }
}

impl TrendingArgs {
    pub async fn run(self, out: &mut dyn Write) -> Result<(), CliError> {
        let channel = self.common.server.connect().await?;
        let request = proto::TrendingRequest {
            n: self.number,
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
        let mut rows = vec![header(&["#", "item", "trend", "recent", "expected", "title"], false)];
        rows.extend(answer.items.iter().map(|item| {
            let title = title(item.item.as_deref());
            let expected = format!("{:.1}", item.expected);
            let trend = format!("{:.2}", item.score);
            vec![item.rank.to_string(), item.item_id.clone(), trend, item.recent.to_string(), expected, title]
        }));
        write_table(&rows, out)?;
        Ok(writeln!(out, "{}", footer(answer.model.as_ref(), answer.as_of.as_ref()))?)
    }
}

impl ProfileArgs {
    pub async fn run(self, out: &mut dyn Write) -> Result<(), CliError> {
        let request = proto::GetProfileRequest {
            user_id: self.user,
            model: self.common.model,
            as_of: self.common.as_of,
        };
        let mut client = ProfileServiceClient::new(self.common.server.connect().await?);
        let answer = client.get_profile(request).await.map_err(ClientError::from)?.into_inner();
        if self.common.json {
            return write_json("GetProfileResponse", &answer, out);
        }
        let mut rows = vec![header(&["window", "category", "interest", "weight", "events"], false)];
        for window in &answer.windows {
            let all = format!("{} events", window.events);
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
                    category.category.clone(),
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
        writeln!(out, "{} scores {} = {}", answer.item_id, score(answer.score), sum(&answer.contributions))?;
        if !answer.excluded.is_empty() {
            writeln!(out, "it would not be in a list: {}", answer.excluded)?;
        }
        let mut rows = vec![header(&["interest from", "window", "events", "weight", "part"], false)];
        rows.extend(answer.interest.iter().map(|part| {
            let events = part.events.to_string();
            vec![part.category.clone(), part.window.clone(), events, score(part.weight), score(part.interest)]
        }));
        rows.push(header(&["popularity from", "window", "events", "most", "part"], false));
        rows.extend(answer.popularity.iter().map(|part| {
            let (events, most) = (part.interactions.to_string(), part.most.to_string());
            vec![String::new(), part.window.clone(), events, most, score(part.popularity)]
        }));
        write_table(&rows, out)?;
        Ok(writeln!(out, "{}", footer(answer.model.as_ref(), answer.as_of.as_ref()))?)
    }
}

impl FilterArgs {
    fn message(self) -> proto::Filter {
        proto::Filter {
            categories_any: self.category,
            categories_none: self.not_category,
            attributes: self.attribute.into_iter().collect(),
            created_after: self.created_after,
        }
    }
}

/// What an item is called, if it has a title.
fn title(item: Option<&proto::Item>) -> String {
    item.map(|item| item.title.clone()).unwrap_or_default()
}

fn parse_attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn header(names: &[&str], explain: bool) -> Vec<String> {
    let last = explain.then_some("score =");
    names.iter().copied().chain(last).map(str::to_owned).collect()
}

fn footer(model: Option<&proto::ModelRef>, as_of: Option<&prost_types::Timestamp>) -> String {
    let model = model.map_or_else(String::new, |model| format!("{} {}", model.name, model.version));
    format!("model {model}, as of {}", show_instant(as_of))
}

fn sum(contributions: &[proto::Contribution]) -> String {
    let part = |part: &proto::Contribution| {
        format!("{} {} * {}", part.feature, score(part.value), score(part.weight))
    };
    contributions.iter().map(part).collect::<Vec<_>>().join(" + ")
}

fn score(value: f64) -> String {
    format!("{value:.4}")
}
