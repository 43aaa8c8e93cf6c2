//! What a model file may say, and how its mistakes are told.

use super::keys::KEYS;
use super::*;
use crate::engine::config::HOUR;
use crate::engine::rank::model::{Away, Boost, CandidateLimits, Recent, Trend};

fn parse_for(text: &str, stream: &StreamConfig) -> Result<Model, Vec<String>> {
    let lines = |error: ModelError| error.mistakes.iter().map(ToString::to_string).collect::<Vec<_>>();
    parse_model("m", Path::new("m.toml"), text, stream).map_err(lines)
}

fn parse(text: &str) -> Result<Model, Vec<String>> {
    parse_for(text, &StreamConfig::default())
}

fn mistake(text: &str) -> String {
    let mut mistakes = parse(text).expect_err("it was taken");
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    mistakes.remove(0)
}

/// The part of the documentation that tells what holds where a file says nothing.
fn documented() -> &'static str {
    let docs = include_str!("../../../docs/models.md");
    let section = docs.split("## What is left out").nth(1).expect("the section");
    section.split("```toml\n").nth(1).and_then(|block| block.split("```").next()).expect("its block")
}

#[test]
fn an_empty_file_means_what_is_written_down_and_what_it_meant_when_there_were_fewer_keys() {
    let (empty, written) = (parse("").unwrap(), parse(documented()).unwrap());
    assert_ne!(empty.version, written.version);
    let bare = |model: &Model| Model { version: String::new(), source: String::new(), ..model.clone() };
    assert_eq!(bare(&empty), bare(&written));
    let named: Vec<String> =
        document::entries(documented()).unwrap().iter().map(|entry| entry.path.join(".")).collect();
    // What is not there unless it is named.
    let optional = ["boosts", "interest.parts", "forest"];
    for key in KEYS.iter().filter(|key| !optional.iter().any(|start| key.starts_with(start))) {
        let start = key.trim_end_matches('*');
        assert!(named.iter().any(|named| named.starts_with(start)), "{key} is not written down");
    }
    assert_eq!(empty.weights(), [0.6, 0.0, 0.0, 0.0, 0.0, 0.3, 0.1, 1.0]);
    assert_eq!((empty.evidence, empty.rarity, empty.dilution, empty.recent.weight), (1.0, 0.0, 1.0, 0.0));
    assert_eq!(empty.interest_windows, [0.25, 0.25, 0.2, 0.2]);
    assert_eq!(
        (empty.popularity_windows, empty.popularity_evidence),
        (vec![0.2, 0.5, 0.1, 0.0, 0.1, 0.1], 0.0)
    );
    assert_eq!(empty.event_weights, [0.5, 1.0, 2.0, 3.0, 2.0, -2.0, -3.0, 0.0]);
    assert_eq!((empty.trending.short, empty.trending.long), (2, 4));
}

#[test]
fn the_default_model_keeps_its_contract_of_interest_popularity_and_recency() {
    let default = parse(crate::models::BUILT_IN_MODEL).unwrap();
    let [interest, next, covisits, _, _, popularity, recency, boost] = default.weights();
    assert_eq!((popularity, recency, boost), (0.3, 0.1, 1.0));
    let parts = [interest, next, covisits].map(|weight| (weight / 0.6 * 1e9).round() / 1e9);
    assert_eq!(parts, [0.8, 9.0, 2.5]);
}

#[test]
fn the_version_is_the_hash_of_the_content() {
    let model = parse("# a").unwrap();
    assert_eq!(model.version, format!("{:016x}", xxhash_rust::xxh3::xxh3_64(b"# a")));
    assert_eq!((model.version.len(), model.source.as_str(), model.name.as_str()), (16, "# a", "m"));
}

#[test]
fn every_value_reaches_its_field() {
    let text = "
        [weights]
        interest = -1
        popularity = 2.5
        recency = 10
        [event_weights]
        click = 4
        hide = -100
        [interest]
        evidence = 0.5
        rarity = 0.25
        dilution = 0
        windows = { '60m' = 0.25, '30d' = 0.75 }
        [interest.recent]
        weight = 0.75
        distance = 7
        evidence = 8
        [popularity]
        evidence = 9
        [popularity.windows]
        '1d' = 1
        [recency]
        half_life = '1y'
        [trending]
        short = '5m'
        long = '15m'
        evidence = 3
        [diversity]
        max_category_share = 0.5
        [candidates]
        categories = 1
        per_category = 2
        popular = 3
        trending = 4
        fresh = 0
        [[boosts]]
        category = 'a'
        add = 0.5
        [[boosts]]
        category = 'b'
        add = -0.5";
    let model = parse(text).unwrap();
    assert_eq!(model.weights(), [-1.0, 0.0, 0.0, 0.0, 0.0, 2.5, 10.0, 1.0]);
    assert_eq!(model.event_weights, [0.0, 4.0, 0.0, 0.0, 0.0, 0.0, -100.0, 0.0]);
    assert_eq!((model.evidence, model.interest_windows), (0.5, vec![0.25, 0.0, 0.0, 0.75]));
    assert_eq!(model.popularity_windows, [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!((model.rarity, model.dilution, model.popularity_evidence), (0.25, 0.0, 9.0));
    assert_eq!(model.recent, Recent { weight: 0.75, distance: 7.0, evidence: 8.0 });
    assert_eq!(model.half_life, 31_557_600_000);
    assert_eq!(model.trending, Trend { short: 0, long: 1, evidence: 3.0 });
    assert_eq!(model.max_category_share, 0.5);
    assert_eq!(
        model.candidates,
        CandidateLimits { categories: 1, per_category: 2, popular: 3, trending: 4, fresh: 0, related: 100 }
    );
    let boost = |category: &str, add| Boost { category: category.into(), add };
    assert_eq!(model.boosts, [boost("a", 0.5), boost("b", -0.5)]);
}

#[test]
fn every_mistake_is_named_at_once() {
    let text = "[weights]
interest = nan
popularty = 1
[event_weights]
stream = 1
click = 101
[interest]
evidence = 0
windows = { '2h' = 0.5, '1h' = 1.5, 'soon' = 0.1 }
[recency]
half_life = '0s'
[trending]
short = '2h'
[diversity]
max_category_share = 0
[candidates]
popular = -1
[[boosts]]
category = ''
[extra]
a = 1
";
    assert_eq!(
        parse(text).unwrap_err(),
        [
            "m.toml:2: `weights.interest` is nan, expected a number from -10 to 10",
            "m.toml:3: `weights.popularty` is not an option; did you mean `weights.popularity`?",
            "m.toml:5: `event_weights.stream` is 1, expected its event type to be one of \
             view, click, add_to_cart, purchase, like, dislike, hide, impression",
            "m.toml:6: `event_weights.click` is 101, expected a number from -100 to 100",
            "m.toml:8: `interest.evidence` is 0, expected a number above 0, at most 1000000",
            "m.toml:9: `interest.windows.2h` is 0.5, expected its window to be one of 1h, 24h, 7d, 30d",
            "m.toml:9: `interest.windows.1h` is 1.5, expected a number from 0 to 1",
            "m.toml:9: `interest.windows.soon` is 0.1, expected its window to be one of 1h, 24h, 7d, 30d",
            "m.toml:11: `recency.half_life` is \"0s\", expected a length of time from 1s to 36500d, such as \"30s\"",
            "m.toml:13: `trending.short` is \"2h\", expected one of the stream's popularity windows (5m, 15m, 1h, 6h, 24h, 7d)",
            "m.toml:15: `diversity.max_category_share` is 0, expected a number above 0, at most 1",
            "m.toml:17: `candidates.popular` is -1, expected a whole number from 0 to 1000000",
            "m.toml:19: `boosts[0].category` is \"\", expected a category of 1 to 256 bytes",
            "m.toml:21: `extra.a` is not an option",
            "m.toml: `boosts[0].add` is absent, expected a number from -10 to 10",
        ]
    );
}

#[test]
fn what_is_seen_goes_by_type_and_what_is_not_named_by_its_weight() {
    let seen = |text: &str| parse(text).unwrap().seen;
    let (never, always) = (Away::Never, Away::Always);
    let usual = [always, always, always, always, always, always, always, never];
    assert_eq!(seen(""), usual);
    let some =
        "[event_weights]\nclick = 1\nhide = -1\n[seen]\nview = '1h'\nhide = 'never'\nimpression = 'always'";
    assert_eq!(seen(some), [Away::For(HOUR), always, never, never, never, never, never, always]);
    let stated = |what: &str| format!("[seen]\n{what}");
    assert_eq!(
        mistake(&stated("view = 'sometimes'")),
        "m.toml:2: `seen.view` is \"sometimes\", expected \"always\", \"never\" or a length of time from 1s to 3650d, such \
         as \"30s\""
    );
    assert_eq!(
        mistake(&stated("stream = 'always'")),
        "m.toml:2: `seen.stream` is \"always\", expected its event type to be one of view, click, add_to_cart, \
         purchase, like, dislike, hide, impression"
    );
}

#[test]
fn at_least_one_event_type_is_positive() {
    let expected = "m.toml: `event_weights` is without a positive weight, expected a positive weight for at least one event \
                    type (view, click, add_to_cart, purchase, like, dislike, hide, impression)";
    assert_eq!(mistake("[event_weights]\nhide = -1"), expected);
    assert_eq!(mistake("[event_weights]"), expected);
}

#[test]
fn windows_are_named_once_and_add_up_to_at_most_one() {
    let over = mistake("interest.windows = { '1h' = 0.9, '7d' = 0.2 }");
    assert!(over.starts_with("m.toml: `interest.windows` is 1.1"), "{over}");
    assert!(over.ends_with(" in sum, expected weights with a sum above 0, at most 1"), "{over}");
    assert_eq!(
        mistake("[popularity.windows]"),
        "m.toml: `popularity.windows` is 0 in sum, expected weights with a sum above 0, at most 1"
    );
    assert_eq!(
        mistake("interest.windows = { '24h' = 0.5, '1d' = 0.5 }"),
        "m.toml:1: `interest.windows.1d` is 0.5, expected each window once"
    );
    // 0.1 + 0.2 + 0.7 is a little more than 1 in binary.
    assert!(parse("interest.windows = { '1h' = 0.1, '24h' = 0.2, '7d' = 0.7 }").is_ok());
}

#[test]
fn the_short_trend_is_shorter_than_the_long_one() {
    assert_eq!(
        mistake("trending = { short = '24h', long = '1h' }"),
        "m.toml: `trending.short` is \"24h\", expected shorter than `trending.long` (1h)"
    );
    assert_eq!(
        mistake("trending.short = '7d'"),
        "m.toml: `trending.short` is \"7d\", expected shorter than `trending.long` (7d)"
    );
    let places = |text| parse(text).map(|model| (model.trending.short, model.trending.long));
    assert_eq!(places("trending.short = '24h'"), Ok((4, 5)));
    assert_eq!(places("trending.long = '15m'"), Ok((0, 1)));
}

#[test]
fn other_windows_have_their_own_defaults() {
    let hours = |hours: &[i64]| hours.iter().map(|hour| hour * HOUR).collect::<Vec<_>>();
    let stream = |popularity: &[i64]| StreamConfig {
        interest_windows: hours(&[1, 2]),
        popularity_windows: hours(popularity),
        ..StreamConfig::default()
    };
    let trend = |popularity: &[i64]| {
        let model = parse_for("", &stream(popularity)).unwrap();
        (model.trending.short, model.trending.long)
    };
    let model = parse_for("", &stream(&[2, 3, 4, 5])).unwrap();
    assert_eq!((model.interest_windows, model.popularity_windows), (vec![0.5; 2], vec![0.25; 4]));
    assert_eq!(trend(&[2, 3, 4, 5]), (1, 3));
    assert_eq!(trend(&[1, 2, 24, 48]), (0, 2));
    assert_eq!(trend(&[2, 3]), (0, 1));
    assert_eq!(trend(&[2]), (0, 0));
}

#[test]
fn some_candidates_are_wanted() {
    let none = "candidates = { categories = 5, per_category = 0, popular = 0, trending = 0, fresh = 0 }";
    assert_eq!(mistake(none), "m.toml: `candidates` is 0 in total, expected at least one candidate");
}

#[test]
fn boosts_are_whole_distinct_and_bounded() {
    let boost = |category: &str| format!("[[boosts]]\ncategory = '{category}'\nadd = 1\n");
    assert_eq!(
        mistake(&(boost("a") + &boost("b") + &boost("a"))),
        "m.toml:8: `boosts[2].category` is \"a\", expected each category once"
    );
    assert_eq!(
        parse("[[boosts]]").unwrap_err(),
        [
            "m.toml: `boosts[0].category` is absent, expected a category of 1 to 256 bytes",
            "m.toml: `boosts[0].add` is absent, expected a number from -10 to 10"
        ]
    );
    assert_eq!(
        mistake("boosts = 1"),
        "m.toml:1: `boosts` is 1, expected [[boosts]] with `category` and `add`"
    );
    assert_eq!(
        mistake(&(boost("a") + "ad = 1")),
        "m.toml:4: `boosts[0].ad` is not an option; did you mean `boosts.add`?"
    );
    let many = |count: usize| (0..count).map(|place| boost(&format!("c{place}"))).collect::<String>();
    assert_eq!(parse(&many(256)).unwrap().boosts.len(), 256);
    assert!(mistake(&many(300)).ends_with("`boosts` is longer, expected at most 256"));
}

#[test]
fn a_key_in_no_section_is_refused() {
    assert_eq!(mistake("interest = 1"), "m.toml:1: `interest` is 1, expected a table");
    assert_eq!(
        mistake("[event_weight]\nclick = 1"),
        "m.toml:2: `event_weight.click` is not an option; did you mean `event_weights`?"
    );
    assert_eq!(mistake("[wieghts]"), "m.toml:1: `wieghts` is not an option; did you mean `weights`?");
    assert!(mistake("[weights").starts_with("m.toml:1: not TOML: "));
}

#[test]
fn a_hostile_nesting_is_refused() {
    for text in [
        format!("{}a = 1", "a.".repeat(300_000)),
        format!("a = {}", "[".repeat(300_000)),
        "[a.".repeat(300_000),
    ] {
        assert!(parse(&text).is_err());
    }
}
