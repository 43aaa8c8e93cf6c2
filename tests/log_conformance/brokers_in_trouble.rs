//! Errors that brokers give for a moment while they start or leaders move. A real broker gives them
//! when it pleases, so they come from librdkafka's own mock brokers, which give them when told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater::log::kafka::{KafkaLog, KafkaSettings};
use headwater::log::{Log, LogError, Partition, Positions, Topic};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::support::*;

type Brokers = MockCluster<'static, DefaultProducerContext>;

fn brokers() -> (Brokers, Arc<dyn Log>) {
    let brokers = MockCluster::new(1).expect("brokers");
    let settings = KafkaSettings {
        brokers: brokers.bootstrap_servers(),
        create_topics: false,
        partitions: PARTITIONS,
        ..KafkaSettings::default()
    };
    let partitions = i32::try_from(PARTITIONS).expect("a number");
    for topic in [Topic::Clicks, Topic::Items, Topic::DeadLetters] {
        brokers.create_topic(settings.name(topic), partitions, 1).expect("a topic");
    }
    leaders_move(&brokers);
    let log = KafkaLog::open(settings).expect("the brokers are there");
    (brokers, Arc::new(log))
}

/// The next questions for offsets are refused.
fn leaders_move(brokers: &Brokers) {
    let not_leader = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    brokers.request_errors(RDKafkaApiKey::ListOffsets, &[not_leader; 5]);
}

fn texts(taken: &[Owned]) -> Vec<String> {
    let mut texts: Vec<_> = taken.iter().map(Owned::text).collect();
    texts.sort_unstable();
    texts
}

#[test]
fn a_question_that_meets_a_leader_that_moves_is_asked_again() {
    let (brokers, log) = brokers();
    append(&log, Topic::Clicks, (0..9).map(|n| record(&format!("u{n}"), &n.to_string())).collect());
    leaders_move(&brokers);
    let highs = Partition::all(PARTITIONS)
        .map(|partition| log.bounds(Topic::Clicks, partition).expect("bounds").high.0);
    assert_eq!(highs.sum::<u64>(), 9);
    leaders_move(&brokers);
    let from = Positions::beginning(PARTITIONS);
    let mut reader = log.reader(Topic::Clicks, &from).expect("a reader");
    assert_eq!(texts(&take(reader.as_mut(), 9)), ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[test]
fn reading_goes_on_after_offsets_were_not_valid_for_a_moment() {
    let (brokers, log) = brokers();
    let records = |from: u64, to| (from..to).map(|n| record(&format!("u{n}"), &format!("{n:03}"))).collect();
    append(&log, Topic::Clicks, records(0, 50));
    let mut reader = log.reader(Topic::Clicks, &beginning(&log, Topic::Clicks)).expect("a reader");
    let mut taken = take(reader.as_mut(), 50);
    for round in 1..=4 {
        leaders_move(&brokers);
        let mut told = 0;
        let deadline = Instant::now() + DEADLINE;
        append(&log, Topic::Clicks, records(round * 50, round * 50 + 50));
        while told == 0 || taken.len() < 50 + round as usize * 50 {
            assert!(Instant::now() < deadline, "{} records came, {told} errors", taken.len());
            if told == 0 {
                // One that meets the end of a partition is not seen, so one is not always enough.
                let out_of_range = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
                brokers.request_errors(RDKafkaApiKey::Fetch, &[out_of_range]);
            }
            match poll(reader.as_mut(), Duration::from_millis(100), 7, &mut taken) {
                Ok(_) => {}
                Err(LogError::Unavailable(_)) => told += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(texts(&taken), (0..50 + round * 50).map(|n| format!("{n:03}")).collect::<Vec<_>>());
    }
}

#[test]
fn partitions_are_paused_and_readers_closed_in_quick_succession() {
    let (_brokers, log) = brokers();
    append(&log, Topic::Clicks, (0..40).map(|n| record(&format!("u{n}"), &n.to_string())).collect());
    for _ in 0..20 {
        let mut reader = log.reader(Topic::Clicks, &beginning(&log, Topic::Clicks)).expect("a reader");
        assert_eq!(take(reader.as_mut(), 40).len(), 40);
        for partition in Partition::all(PARTITIONS) {
            reader.pause(partition).expect("paused");
        }
    }
}
