//! Every option of `headwater.toml`, once: its name, what it may be, the field that it sets and
//! what it means. Reading, `config default`, `config show` and `docs/config.md` all come from here.

use std::rc::Rc;

use toml::Value;

use super::Config;
use super::offsets::Ranges;
use super::origins::Origins;
use super::rules::{
    Address, Brokers, Choice, Flag, Folder, Length, Millis, Rule, Size, SomeTypes, Text, TypeNames, Whole,
    Windows,
};
use super::snapshot_url::SnapshotUrl;
use crate::codec::Encoding;
use crate::engine::config::{DAY, HOUR, MINUTE, SECOND};
use crate::log::kafka::Assignment;
use crate::models::is_model_name;
use crate::telemetry::{LogFormat, log_filter};

/// Sets a field, if the value is as expected.
type Set = Box<dyn Fn(&mut Config, &Value) -> bool>;
/// Writes a field. It reaches the field by the same function as [`Set`], hence the `mut`.
type Show = Box<dyn Fn(&mut Config) -> Value>;

/// An option.
pub(crate) struct Key {
    /// `section.key`.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// What holds while it is not given, where that is not a fixed value.
    pub otherwise: Option<&'static str>,
    /// What its value may be.
    pub expected: String,
    set: Set,
    show: Show,
}

impl Key {
    /// Sets the option; false if the value is not as expected.
    pub fn set(&self, config: &mut Config, value: &Value) -> bool {
        (self.set)(config, value)
    }

    /// The value in force.
    pub fn show(&self, config: &Config) -> Value {
        (self.show)(&mut config.clone())
    }

    /// The section and the name in it.
    pub fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }

    fn otherwise(mut self, text: &'static str) -> Self {
        self.otherwise = Some(text);
        self
    }
}

fn key<R: Rule + 'static>(
    name: &'static str,
    rule: R,
    field: fn(&mut Config) -> &mut R::Out,
    doc: &'static str,
) -> Key {
    let expected = rule.expected();
    let rule = Rc::new(rule);
    let shown = Rc::clone(&rule);
    let set = move |config: &mut Config, value: &Value| match rule.read(value) {
        Some(out) => {
            *field(config) = out;
            true
        }
        None => false,
    };
    let show = move |config: &mut Config| shown.show(field(config));
    Key { name, doc, otherwise: None, expected, set: Box::new(set), show: Box::new(show) }
}

const FORMATS: Choice<Encoding> = Choice(&[("json", Encoding::Json), ("protobuf", Encoding::Protobuf)]);
const ASSIGNMENTS: Choice<Assignment> = Choice(&[("all", Assignment::All), ("group", Assignment::Group)]);
const LOG_FORMATS: Choice<LogFormat> = Choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);

const TOPIC: Text = Text { expected: "a topic name: 1 to 249 of a-z A-Z 0-9 . _ -", valid: is_topic };
const MODEL: Text = Text { expected: "a model name: 1 to 64 of a-z 0-9 _ -", valid: is_model_name };
const SHADOW: Text = Text {
    expected: "a model name: 1 to 64 of a-z 0-9 _ -, or none",
    valid: |name| name.is_empty() || is_model_name(name),
};
const EVENT_TYPE: Text = Text { expected: "one of `stream.event_types`", valid: |name| !name.is_empty() };
const ENDPOINT: Text =
    Text { expected: "an http:// or https:// URL without user and password", valid: is_endpoint };
const ADDRESS: Text = Text { expected: "\"host:port\"", valid: is_address };
const REGION: Text = Text { expected: "the name of a region, such as \"eu-central-1\"", valid: is_region };
const LOG_FILTER: Text =
    Text { expected: "a log filter, such as \"info,headwater=debug\"", valid: is_log_filter };

const fn length(min: i64, max: i64) -> Length {
    Length(Millis { min, max })
}

fn is_topic(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=249).contains(&name.len()) && name.bytes().all(legal) && name != "." && name != ".."
}

/// Empty stands for none, as it is written where nothing was given. A password would end up in messages, and is of no
/// use: requests are signed with what the environment has.
fn is_endpoint(text: &str) -> bool {
    let anonymous = |url: &url::Url| url.username().is_empty() && url.password().is_none();
    let usable =
        |url: url::Url| matches!(url.scheme(), "http" | "https") && url.has_host() && anonymous(&url);
    text.is_empty() || url::Url::parse(text).is_ok_and(usable)
}

/// Empty stands for none.
fn is_address(text: &str) -> bool {
    let parts = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    text.is_empty() || (parts && text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_graphic()))
}

fn is_region(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn is_log_filter(text: &str) -> bool {
    log_filter(text).is_some()
}

/// Every option, section by section, in the order in which people read them.
#[rustfmt::skip]
pub(crate) fn keys() -> Vec<Key> {
    vec![
        key("server.grpc_addr", Address, |c| &mut c.server.grpc_addr,
            "Where gRPC listens. Port 0 takes a free one; `localhost` is 127.0.0.1, and without a host it is all addresses of IPv4."),
        key("server.advertised_addr", ADDRESS, |c| &mut c.server.advertised_addr,
            "Where clients reach this process, if it shares partitions with others (`kafka.assignment`): they tell it to those who ask them instead.")
            .otherwise("the address that gRPC listens on"),
        key("server.http_addr", Address, |c| &mut c.server.http_addr,
            "Where metrics, health and JSON are served over HTTP/1.1: RPCs by the Connect protocol and gRPC-Web, as much as on the port of gRPC. Port 0 takes a free one."),
        key("server.cors_origins", Origins, |c| &mut c.server.cors_origins,
            "The web sites whose pages may call RPCs on the HTTP port from a browser (CORS). From other pages they are refused."),
        key("server.pool_refresh", length(10, HOUR), |c| &mut c.server.pool_refresh,
            "How old the candidate pools of a live answer may be. Scores are always of now."),
        key("server.slow_request", length(1, HOUR), |c| &mut c.server.slow_request,
            "A request that takes so long is told in a log line at `info`, as is one that fails."),
        key("server.shutdown_delay", length(0, HOUR), |c| &mut c.server.shutdown_delay,
            "How long a stop goes on to serve requests after health and `/readyz` have said that no more should come: the time in which those who spread requests notice. \"0s\" closes the ports at once."),
        key("server.shutdown_grace", length(SECOND, HOUR), |c| &mut c.server.shutdown_grace,
            "How long the rest of a stop may take: requests are finished and state is saved within it, or it ends with exit code 1."),
        key("server.max_concurrent_requests", Whole { min: 1, max: 1_000_000 }, |c| &mut c.server.admission.max_concurrent_requests,
            "Requests that have come as a whole and are worked on or waited for, above which further ones are refused with RESOURCE_EXHAUSTED."),
        key("server.max_concurrent_streams", Whole { min: 1, max: 100_000 }, |c| &mut c.server.admission.max_concurrent_streams,
            "What one connection may have in flight. The caller's side holds back what is more."),
        key("server.queue_target", length(1, HOUR), |c| &mut c.server.admission.queue_target,
            "How long requests may wait for their turn in a queue that stands: those that have waited longer are refused with RESOURCE_EXHAUSTED, so that the others are answered soon. A queue that passes is worked off, however long it is."),
        key("server.queue_interval", length(1, HOUR), |c| &mut c.server.admission.queue_interval,
            "A queue stands when for this long every request has waited longer than `server.queue_target`. A hiccup of the machine that is shorter has nobody refused."),
        key("server.request_timeout", length(1, HOUR), |c| &mut c.server.admission.request_timeout,
            "How long a request may take; it then ends with DEADLINE_EXCEEDED. A shorter deadline of the caller's own comes first."),
        key("server.max_upload_bytes", Size { min: 16 << 20, max: 1 << 40 }, |c| &mut c.server.admission.max_upload_bytes,
            "What messages of 64KiB or more that are being received or worked on may hold in all, as bytes on the wire; one that does not fit is refused with RESOURCE_EXHAUSTED, unless whoever has more on the way than its caller can make room. In memory they take some times as much."),
        key("server.max_incoming_bodies", Whole { min: 1, max: 1_000_000 }, |c| &mut c.server.admission.max_incoming_bodies,
            "Requests whose body has not come as a whole. When there are more, the oldest of the connection that has most of the address that has most is refused with RESOURCE_EXHAUSTED."),
        key("server.body_timeout", length(1, HOUR), |c| &mut c.server.admission.body_timeout,
            "How long the body of a request may be on its way, and longer by what `server.min_body_rate` allows; it is then refused with RESOURCE_EXHAUSTED."),
        key("server.min_body_rate", Size { min: 1, max: 1 << 40 }, |c| &mut c.server.admission.min_body_rate,
            "A body that comes at this rate, in bytes a second, may take longer than `server.body_timeout`: by a second for each so many bytes that have come."),
        key("server.max_connections", Whole { min: 1, max: 1_000_000 }, |c| &mut c.server.admission.max_connections,
            "Connections of gRPC that may be open, at most three quarters of the files that the process may open. When there are more, one of the address that has most is cut, such as do no work first."),
        key("server.connection_idle", length(SECOND, DAY), |c| &mut c.server.admission.connection_idle,
            "How long a connection may be idle until it is ended."),
        key("server.max_unsent_bytes", Size { min: 1 << 20, max: 1 << 40 }, |c| &mut c.server.admission.max_unsent_bytes,
            "What of answers may wait in memory for callers to read them. When it is more, the connection that has most of it of the address that has most is cut."),
        key("server.send_timeout", length(SECOND, HOUR), |c| &mut c.server.admission.send_timeout,
            "How long a connection may read none of the answers that wait for it until it is cut."),

        key("data.dir", Folder, |c| &mut c.data.dir,
            "The folder of the embedded journal and of local snapshots."),

        key("kafka.brokers", Brokers, |c| &mut c.kafka.brokers,
            "The Kafka brokers to bootstrap from. Empty: the embedded journal serves, and nothing else here matters.")
            .otherwise("the embedded journal"),
        key("kafka.clicks_topic", TOPIC, |c| &mut c.kafka.clicks_topic,
            "The topic of events, keyed by `user_id`."),
        key("kafka.items_topic", TOPIC, |c| &mut c.kafka.items_topic,
            "The topic of items, compacted, keyed by `item_id`."),
        key("kafka.dead_letters_topic", TOPIC, |c| &mut c.kafka.dead_letters_topic,
            "The topic of records that could not be applied, with the reason in their headers.")
            .otherwise("`kafka.clicks_topic` + `.dlq`"),
        key("kafka.create_topics", Flag, |c| &mut c.kafka.create_topics,
            "Whether topics that are not there are created."),
        key("kafka.partitions", Whole { min: 1, max: 10_000 }, |c| &mut c.kafka.partitions,
            "How many partitions a created topic of events gets."),
        key("kafka.assignment", ASSIGNMENTS, |c| &mut c.kafka.assignment,
            "Which partitions of events this process takes: \"all\", so that it answers for every user, or those that the consumer \"group\" gives it."),
        key("kafka.clicks_format", FORMATS, |c| &mut c.ingest.clicks_format,
            "The encoding of events that have no `content-type` header."),
        key("kafka.items_format", FORMATS, |c| &mut c.ingest.items_format,
            "The encoding of items that have no `content-type` header."),

        key("journal.partitions", Whole { min: 1, max: 256 }, |c| &mut c.journal.partitions,
            "How many partitions the embedded journal gets when it is created."),
        key("journal.retention", length(MINUTE, 3650 * DAY), |c| &mut c.journal.retention,
            "How long the embedded journal keeps an event. Items are kept for ever."),
        key("journal.retention_bytes", Size { min: 1 << 20, max: 1 << 50 }, |c| &mut c.journal.retention_bytes,
            "How much disk the embedded journal uses at most. The oldest events go first."),
        key("journal.keep_free", Size { min: 1 << 20, max: 1 << 50 }, |c| &mut c.journal.keep_free,
            "How much of the disk stays free of the embedded journal. With less than this free, publishing is refused with UNAVAILABLE until there is more."),

        key("models.dir", Folder, |c| &mut c.models.dir,
            "The folder of scoring models, one `*.toml` each. If it is not there, the built-in default model serves."),
        key("models.default", MODEL, |c| &mut c.models.default,
            "The model that answers when a request names none. docs/models.md says which of the shipped ones is for what."),
        key("models.poll_interval", length(50, HOUR), |c| &mut c.models.poll_interval,
            "How often the folder is looked at for changes."),
        key("models.shadow", SHADOW, |c| &mut c.models.shadow,
            "A model that is asked what it would have listed, beside the one that serves: `headwater_shadow_overlap` tells how much of the lists is the same. Nobody waits for it.")
            .otherwise("none"),
        key("models.shadow_every", Whole { min: 1, max: 1_000_000_000 }, |c| &mut c.models.shadow_every,
            "It is asked for one in so many of the lists of now. A list costs it what a request for a list costs."),

        key("snapshot.url", SnapshotUrl, |c| &mut c.snapshot.location,
            "Where state is saved. Credentials of a bucket come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the other usual variables.")
            .otherwise("`data.dir` + `/snapshots`"),
        key("snapshot.s3_endpoint", ENDPOINT, |c| &mut c.snapshot.s3.endpoint,
            "The URL of an S3-compatible object store.")
            .otherwise("AWS, or what AWS_ENDPOINT_URL says"),
        key("snapshot.s3_region", REGION, |c| &mut c.snapshot.s3.region,
            "The region of the bucket.")
            .otherwise("AWS_REGION, or `us-east-1`"),
        key("snapshot.s3_path_style", Flag, |c| &mut c.snapshot.s3.path_style,
            "Whether the bucket is named in the path of the URL, which every store takes, rather than in the host name."),
        key("snapshot.s3_allow_http", Flag, |c| &mut c.snapshot.s3.allow_http,
            "Whether an `http://` endpoint will do. Without TLS, anyone on the way can read and change snapshots."),
        key("snapshot.s3_timeout", length(SECOND / 10, 10 * MINUTE), |c| &mut c.snapshot.s3.timeout,
            "How long a request to the object store may take, and for how long it is tried again."),
        key("snapshot.interval", length(SECOND / 10, DAY), |c| &mut c.snapshot.interval,
            "The time between two snapshots of a partition."),
        key("snapshot.keep", Whole { min: 1, max: 1000 }, |c| &mut c.snapshot.keep,
            "How many snapshots of a partition are kept. More than one, so that an older one can stand in for a damaged one."),

        key("ingest.workers", Whole { min: 1, max: 1024 }, |c| &mut c.ingest.workers,
            "How many threads apply events. More than there are partitions are not started."),
        key("ingest.max_lag", Whole { min: 0, max: 1_000_000_000 }, |c| &mut c.ingest.max_lag,
            "The service is ready once every partition is within this many records of the end of its log."),
        key("ingest.max_silence", length(SECOND, 3650 * DAY), |c| &mut c.ingest.max_silence,
            "For how long the log may leave unanswered how far it goes. After that the service is not ready, as nobody can tell how stale it is, but goes on answering. `3650d`: never."),
        key("ingest.max_open_transaction", length(SECOND, 3650 * DAY), |c| &mut c.ingest.max_open_transaction,
            "For how long a producer may leave a transaction open that holds back what was written behind its beginning. After that answers are `degraded`, and say so. Longer than the transactions of your producers last, such as the interval between two checkpoints of Flink."),
        key("ingest.slow_batch", length(1, HOUR), |c| &mut c.ingest.slow_batch,
            "A batch of records that takes so long to apply is told in a log line at `info`."),
        key("ingest.breaker_window", Whole { min: 1, max: 1_000_000 }, |c| &mut c.ingest.breaker.window,
            "How many of a partition's last events `ingest.breaker_rejected` looks at."),
        key("ingest.breaker_rejected", Whole { min: 1, max: 1_000_000 }, |c| &mut c.ingest.breaker.rejected,
            "How many of them may be dead letters. One more stops the partition right before it, to be tried again after a while. As many as the window or more: never."),
        key("ingest.breaker_retry", length(SECOND / 10, 3650 * DAY), |c| &mut c.ingest.breaker.retry,
            "After how long a partition that was stopped is read again: for as many dead letters as before, and twice as long each time that it is stopped again, until a window of events has passed. `3650d`: until the next start."),
        key("ingest.breaker_max_retry", length(SECOND / 10, 3650 * DAY), |c| &mut c.ingest.breaker.max_retry,
            "The longest that it waits, unless `ingest.breaker_retry` is longer."),
        key("ingest.skip", Ranges, |c| &mut c.ingest.skip,
            "Records of events that are passed over as if they were not there: neither applied nor dead-lettered. It holds for what has not been read, and is to stay for as long as the log has them, so that a rebuild leaves out the same; for every process that reads the topic alike."),
        key("ingest.accept_gap", Flag, |c| &mut c.ingest.accept_gap,
            "Whether a start goes on although the log no longer holds all the events that state needs, as on a first start with a topic that has lost old ones to its retention. Meant for one start; what is missing is never counted."),

        key("stream.event_types", TypeNames, |c| &mut c.stream.event_types,
            "The event types. Other events are dead letters."),
        key("stream.passive_event_types", SomeTypes, |c| &mut c.passive_event_types,
            "Those that say what a user was shown and not what the user did. However many there are, they push nothing out of what is kept of that, and are known of an item only while they are among the newest.")
            .otherwise("impression, if it is one of `stream.event_types`"),
        key("stream.context_event_type", EVENT_TYPE, |c| &mut c.context_event_type,
            "The type that an item of an anonymous session (`context_item_ids`) counts as."),
        key("stream.interest_windows", Windows, |c| &mut c.stream.interest_windows,
            "The windows over which a user's interest in categories is counted."),
        key("stream.popularity_windows", Windows, |c| &mut c.stream.popularity_windows,
            "The windows over which the popularity of items is counted."),
        key("stream.recent_events_per_user", Whole { min: 1, max: 1024 }, |c| &mut c.stream.recent_events_per_user,
            "How many of the newest events of what a user did are kept exact to the millisecond, and as many of what the user was shown. Older ones are counted by category."),
        key("stream.max_out_of_orderness", Millis { min: 0, max: DAY }, |c| &mut c.stream.max_out_of_orderness,
            "How far behind the newest event time the watermark stands."),
        key("stream.max_clock_skew", Millis { min: 0, max: DAY }, |c| &mut c.stream.max_clock_skew,
            "How far ahead of the log's timestamp an event time may be before it is clamped to it."),
        key("stream.dedup_horizon", Millis { min: SECOND, max: 7 * DAY }, |c| &mut c.stream.dedup_horizon,
            "For how long an `event_id` is remembered, so that a producer's retry counts once."),
        key("stream.as_of_horizon", Millis { min: 0, max: 7 * DAY }, |c| &mut c.stream.as_of_horizon,
            "How far behind the watermark a request's `as_of` may be."),

        key("limits.users", Whole { min: 1, max: 1_000_000_000 }, |c| &mut c.stream.limits.users,
            "Users of one partition. At the limit, users who have been idle for long are forgotten."),
        key("limits.items", Whole { min: 1, max: 100_000_000 }, |c| &mut c.stream.limits.items,
            "Items that the events of one partition name, and the catalog has. At the limit items that no window and nobody's past refers to any more make room for others; where there are none, events on items that the catalog does not know are dropped and counted. Further items are not put into the catalog."),
        key("limits.coarse_counts_per_user", Whole { min: 16, max: 65_536 }, |c| &mut c.stream.limits.coarse_counts_per_user,
            "Counts behind the newest events of what a user did, and as many behind those of what the user was shown. At the limit the oldest are dropped."),
        key("limits.acted_items", Whole { min: 16, max: 65_536 }, |c| &mut c.stream.limits.acted_items,
            "Items that a user has acted on by events of one type, besides those of the newest events. They are what stays out of the user's lists; at the limit those of longest ago are forgotten."),
        key("limits.lasting_items", Whole { min: 16, max: 65_536 }, |c| &mut c.stream.limits.lasting_items,
            "The same for each type of `limits.lasting_event_types`."),
        key("limits.lasting_event_types", SomeTypes, |c| &mut c.lasting_event_types,
            "The event types after which an item is remembered by `limits.lasting_items`.")
            .otherwise("purchase, dislike and hide, those that are among `stream.event_types`"),
        key("limits.recent_events", Whole { min: 16, max: 1 << 28 }, |c| &mut c.stream.limits.recent_events,
            "Events of one partition that popularity keeps raw. At the limit, `as_of` reaches less far back."),
        key("limits.event_ids", Whole { min: 16, max: 1 << 28 }, |c| &mut c.stream.limits.event_ids,
            "Remembered event ids of one partition. At the limit, the older half is forgotten early."),
        key("limits.postings_per_item", Whole { min: 0, max: 65_536 }, |c| &mut c.stream.limits.postings_per_item,
            "For each item of one partition, how many of the newest events that say what somebody did with it are found by the item, 12 bytes each: who acted on it lately, and what else in that visit. At the limit the oldest are forgotten. 0: none, and nothing that needs them is known."),
        key("limits.postings", Whole { min: 1024, max: 1 << 30 }, |c| &mut c.stream.limits.postings,
            "The same of all items of one partition together. At the limit the oldest of one item after the other are forgotten."),

        key("telemetry.log_format", LOG_FORMATS, |c| &mut c.telemetry.log_format,
            "How log lines are written."),
        key("telemetry.log", LOG_FILTER, |c| &mut c.telemetry.log,
            "What is logged: a level, and others for parts of the program by the path of their module."),
    ]
}
