//! The contract of a log, run against every implementation: a real Kafka and the journal.

mod sandbox;

#[path = "log_conformance/brokers_in_trouble.rs"]
mod brokers_in_trouble;
#[path = "log_conformance/contract.rs"]
mod contract;
#[path = "log_conformance/journal.rs"]
mod journal;
#[path = "log_conformance/kafka.rs"]
mod kafka;
#[path = "log_conformance/support.rs"]
mod support;

/// Runs each test of the contract in a place that is made for it.
macro_rules! conformance {
    ($($test:ident)*) => {
        mod on_kafka {
            $(#[test] fn $test() { super::contract::$test(&super::kafka::KafkaPlace::new()); })*
        }
        mod on_journal {
            $(#[test] fn $test() { super::contract::$test(&super::journal::JournalPlace::new()); })*
        }
    };
}

conformance! {
    records_arrive_in_the_order_of_their_offsets_each_once
    a_reader_starts_at_exactly_the_offset_it_is_told
    two_readers_do_not_take_records_from_each_other
    an_offset_that_is_not_there_yet_is_refused
    a_reader_follows_what_is_appended_later
    a_poll_hands_over_no_more_than_it_is_asked_for
    a_record_comes_back_as_it_was
    concurrent_appends_are_all_there_once
    records_of_one_call_keep_their_order
    reopening_keeps_everything
    the_newest_record_of_an_item_stays
    positions_reach_the_end
    a_paused_partition_hands_over_nothing_while_the_others_go_on
    topics_are_apart
}
