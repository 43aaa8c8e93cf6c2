//! A real scrape.

use std::collections::{BTreeMap, BTreeSet};

use headwater::proto;

use super::promql;
use super::sandbox::http;
use super::sandbox::messages::{answer, event, item, recommend, trending};
use super::sandbox::service::Home;

const TS: i64 = 1_700_000_000_000;

/// What Prometheus adds to each series.
pub const ADDED: [&str; 2] = ["instance", "job"];

/// A series as it is told.
#[derive(Clone, Debug)]
pub struct Series {
    /// With its labels, as it is written.
    pub text: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: String,
}

/// What a service has told.
pub struct Scrape {
    /// Its content type.
    pub content_type: String,
    /// Its body.
    pub text: String,
}

/// What a service that has done a bit of everything tells to those who accept that.
pub async fn scrape<const N: usize>(accept: [&str; N]) -> [Scrape; N] {
    let home = Home::on_journal().set("models.shadow", "default");
    let service = home.start().await;
    let items = vec![item("i", &["sport"])];
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    service.until_items(1).await;
    let events = vec![event("u", "i", "click", TS), event("u", "unknown", "click", TS)];
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    service.until_events(2).await;
    answer(service.recommender().recommend(recommend("u", 5, Some(TS))).await).expect("a list");
    answer(service.recommender().trending(trending(5000, None)).await).expect_err("too many");
    let mut scrapes = Vec::new();
    for accept in accept {
        let asked = http::Exchange::begin(service.http, "GET", "/metrics", &[("Accept", accept)]).await;
        let told = asked.expect("somebody is there").answer().await.expect("an answer");
        assert_eq!(told.status, 200);
        scrapes.push(Scrape { content_type: told.header("content-type").to_owned(), text: told.text() });
    }
    service.stop().await;
    scrapes.try_into().unwrap_or_else(|_| panic!("as many as were asked for"))
}

/// The same in Prometheus' text.
pub async fn text() -> Scrape {
    let [text] = scrape(["text/plain"]).await;
    text
}

impl Scrape {
    /// The names and types of its metrics.
    pub fn types(&self) -> BTreeMap<String, String> {
        let types = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.filter_map(|line| line.split_once(' ')).map(|(name, kind)| (name.into(), kind.into())).collect()
    }

    /// All series.
    pub fn series(&self) -> Vec<Series> {
        let samples = self.text.lines().filter(|line| !line.starts_with('#'));
        samples
            .map(|line| line.rsplit_once(' ').expect("a value"))
            .map(|(text, value)| Series::of(text, value))
            .collect()
    }

    /// The labels that a query may group by, or a legend name: those of what it asks for, each of which has to be
    /// there.
    pub fn labels_of(&self, query: &str) -> BTreeSet<String> {
        let mut labels: BTreeSet<String> = ADDED.map(str::to_owned).into();
        for metric in promql::metrics(query) {
            let series: Vec<Series> =
                self.series().into_iter().filter(|series| series.name == metric).collect();
            assert!(!series.is_empty(), "no service tells `{metric}` of {query}");
            labels.extend(series.into_iter().flat_map(|series| series.labels.into_keys()));
        }
        labels
    }

    /// The labels of a metric's series, those of buckets aside.
    pub fn labels(&self, metric: &str) -> BTreeSet<String> {
        let parts = ["", "_bucket", "_sum", "_count"].map(|part| format!("{metric}{part}"));
        let own = self.series().into_iter().filter(|series| parts.contains(&series.name));
        own.flat_map(|series| series.labels.into_keys()).filter(|label| label != "le").collect()
    }
}

impl Series {
    /// One as it is written, whose labels' values hold no comma.
    pub fn of(text: &str, value: &str) -> Self {
        let (name, labels) = text.split_once('{').unwrap_or((text, ""));
        let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
        Self {
            text: text.to_owned(),
            name: name.to_owned(),
            labels: labels
                .map(|(label, value)| (label.to_owned(), value.trim_matches('"').to_owned()))
                .collect(),
            value: value.to_owned(),
        }
    }
}
