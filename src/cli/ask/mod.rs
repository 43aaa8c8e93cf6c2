//! `headwater recommend`, `trending`, `profile` and `explain`: questions to a running server.

mod explain;
mod many;
mod profile;
mod recommend;
mod trending;

use super::client::ServerArgs;
use super::print::{parse_instant, show_instant};
use super::terminal::visible;
use crate::proto;

pub(super) use explain::ExplainArgs;
pub(super) use profile::ProfileArgs;
pub(super) use recommend::RecommendArgs;
pub(super) use trending::TrendingArgs;

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

/// How long a list is to be.
#[derive(clap::Args, Clone, Copy, Debug)]
struct Length {
    /// How many items, from 1 to what the server allows
    #[arg(
        short = 'n',
        long = "number",
        value_name = "NUMBER",
        default_value_t = 10,
        value_parser = parse_length,
        allow_negative_numbers = true
    )]
    number: u32,
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

impl FilterArgs {
    fn message(&self) -> proto::Filter {
        proto::Filter {
            categories_any: self.category.clone(),
            categories_none: self.not_category.clone(),
            attributes: self.attribute.iter().cloned().collect(),
            created_after: self.created_after,
        }
    }

    /// Why a list may be empty, as far as can be told from here.
    fn why_empty(&self) -> String {
        let asked = |name: &str| format!("`{}`", visible(name));
        let categories: Vec<String> = self.category.iter().map(|name| asked(name)).collect();
        let attributes: Vec<String> =
            self.attribute.iter().map(|(key, value)| asked(&format!("{key}={value}"))).collect();
        let mut wanted = Vec::new();
        if !categories.is_empty() {
            wanted.push(format!("has the category {}", categories.join(" or ")));
        }
        if !attributes.is_empty() {
            wanted.push(format!("has the attribute {}", attributes.join(" and ")));
        }
        if let Some(after) = &self.created_after {
            wanted.push(format!("was created after {}", show_instant(Some(after))));
        }
        match wanted.is_empty() {
            true => "nothing is in the list: no item that may be shown was found. Is the catalog empty? \
                     `headwater publish --items FILE` fills it"
                .to_owned(),
            false => format!(
                "nothing is in the list: no item that may be shown {}. Is it spelt as in the catalog?",
                wanted.join(" and ")
            ),
        }
    }
}

/// What an item is called, if it has a title.
fn title(item: Option<&proto::Item>) -> &str {
    item.map_or("", |item| &item.title)
}

fn parse_attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn parse_length(text: &str) -> Result<u32, String> {
    let number = text.parse::<u32>().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "expected how many items the list is to have: 1 or more".to_owned())
}

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn footer(model: Option<&proto::ModelRef>, as_of: Option<&prost_types::Timestamp>) -> String {
    let model = model.map_or_else(String::new, |model| format!("{} {}", model.name, model.version));
    format!("model {}, as of {}", visible(&model), show_instant(as_of))
}

/// How many of the numbers that a forest has looked at are told in a line.
const TOLD: usize = 5;

fn sum(contributions: &[proto::Contribution]) -> String {
    if let Some((expected, looked_at)) = by_forest(contributions) {
        let parts = looked_at.iter().take(TOLD);
        let parts = parts.map(|part| format!(" {:+.4} {}", part.contribution, part.feature));
        let rest: f64 = looked_at.iter().skip(TOLD).map(|part| part.contribution).sum();
        let more = looked_at.len().saturating_sub(TOLD);
        let rest = if more > 0 { format!(" {rest:+.4} {more} more") } else { String::new() };
        return format!("{} expected{}{rest}", score(expected.contribution), parts.collect::<String>());
    }
    let part = |part: &proto::Contribution| {
        format!("{} {} * {}", part.feature, score(part.value), score(part.weight))
    };
    contributions.iter().map(part).collect::<Vec<_>>().join(" + ")
}

/// What a forest expects of any item and what it has looked at, what adds or takes most first; none of a score that is
/// not by a forest.
fn by_forest(
    contributions: &[proto::Contribution],
) -> Option<(&proto::Contribution, Vec<&proto::Contribution>)> {
    let (expected, looked_at) = contributions.split_first()?;
    if expected.feature != "expected" {
        return None;
    }
    let mut looked_at: Vec<_> = looked_at.iter().collect();
    looked_at.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
    Some((expected, looked_at))
}

fn score(value: f64) -> String {
    format!("{value:.4}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_forest_says_is_told_by_what_matters_most_and_the_rest_in_one() {
        let part = |feature: &str, contribution| proto::Contribution {
            feature: feature.to_owned(),
            value: 7.0,
            weight: 0.0,
            contribution,
        };
        let mut parts = vec![part("expected", -1.0), part("age", 0.25), part("linear", -0.5)];
        assert_eq!(sum(&parts), "-1.0000 expected -0.5000 linear +0.2500 age");
        parts.extend((0..5).map(|number| part(&format!("n{number}"), 0.125)));
        let told =
            "-1.0000 expected -0.5000 linear +0.2500 age +0.1250 n0 +0.1250 n1 +0.1250 n2 +0.2500 2 more";
        assert_eq!(sum(&parts), told);
    }

    #[test]
    fn an_empty_list_says_what_was_asked_of_it() {
        let all =
            FilterArgs { category: vec![], not_category: vec![], attribute: vec![], created_after: None };
        assert!(all.why_empty().contains("Is the catalog empty?"), "{}", all.why_empty());
        let category = ["trvel", "a\u{1b}b"].map(str::to_owned).to_vec();
        let attribute = vec![("lang".to_owned(), "en".to_owned())];
        let some = FilterArgs { category, attribute, ..all };
        let expected = "has the category `trvel` or `a\\u001bb` and has the attribute `lang=en`. Is it spelt";
        assert!(some.why_empty().contains(expected), "{}", some.why_empty());
    }
}
