//! The two texts that metrics are told in: OpenMetrics, which the client library writes, and Prometheus' own.
//!
//! Both have the same series. They differ in what a counter is called where it is described (OpenMetrics leaves out
//! `_total`), in the types' names, and in that the former has units and an end.

use std::fmt::Write;

/// A format of metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' text, 0.0.4: what everybody reads.
    #[default]
    Text,
    /// OpenMetrics, 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// OpenMetrics as Prometheus' text.
pub(super) fn text_of(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // What a metric is for comes before its type, on which depends what it is called.
    let mut help = None;
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), words) => help = Some((name, words.unwrap_or_default())),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", kind),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    _ => ("", kind),
                };
                if let Some((_, help)) = help.take().filter(|(of, _)| *of == name) {
                    let _ = writeln!(text, "# HELP {name}{suffix} {help}");
                }
                let _ = writeln!(text, "# TYPE {name}{suffix} {kind}");
            }
            (Some("#"), ..) => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::{Registry, Unit};

    use super::*;

    #[test]
    fn each_kind_of_metric_is_described_as_prometheus_does() {
        let mut registry = Registry::default();
        let (counter, gauge, histogram) =
            (Counter::<u64>::default(), Gauge::<i64>::default(), Histogram::new([0.5]));
        counter.inc_by(7);
        gauge.set(-2);
        histogram.observe(0.25);
        registry.register("events", "All of them", counter);
        registry.register_with_unit("heap", "In all", Unit::Bytes, gauge);
        registry.register_with_unit("wait", "For what", Unit::Seconds, histogram);
        registry.register("build", "Which one", Info::new([("version", "1")]));
        let mut open_metrics = String::new();
        encode(&mut open_metrics, &registry).expect("a text");
        let expected = "\
# HELP events_total All of them.
# TYPE events_total counter
events_total 7
# HELP heap_bytes In all.
# TYPE heap_bytes gauge
heap_bytes -2
# HELP wait_seconds For what.
# TYPE wait_seconds histogram
wait_seconds_sum 0.25
wait_seconds_count 1
wait_seconds_bucket{le=\"0.5\"} 1
wait_seconds_bucket{le=\"+Inf\"} 1
# HELP build_info Which one.
# TYPE build_info gauge
build_info{version=\"1\"} 1
";
        assert_eq!(text_of(&open_metrics), expected, "{open_metrics}");
    }
}
