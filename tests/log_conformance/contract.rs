//! What every log keeps.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use headwater::log::{LogError, NewRecord, Offset, Partition, Topic, partition_of};

use super::support::*;

pub fn records_arrive_in_the_order_of_their_offsets_each_once(place: &dyn Location) {
    let log = place.open();
    let mut sent = HashMap::new();
    for call in 0..10 {
        let records: Vec<_> =
            (0..50).map(|n| record(&format!("user-{}", n % 37), &format!("{call}/{n}"))).collect();
        let places = append(&log, Topic::Clicks, records.clone());
        assert_eq!(places.len(), records.len());
        for (at, record) in places.into_iter().zip(records) {
            assert_eq!(at.0, partition_of(&record.key, PARTITIONS), "the partition of the key");
            assert!(sent.insert(at, record).is_none(), "{at:?} was given out twice");
        }
    }
    let read = everything(&log, Topic::Clicks);
    assert_eq!(read.len(), sent.len());
    let mut next = [Offset::ZERO; PARTITIONS as usize];
    for record in read {
        let next = &mut next[record.partition.index()];
        assert_eq!(record.offset, *next, "partition {} is dense and in order", record.partition);
        next.advance(record.offset);
        let sent = sent.remove(&record.place()).expect("sent, and read once");
        assert_eq!((record.key, record.value), (Some(sent.key), sent.value));
        assert!(record.timestamp.is_some_and(|at| at > 1_600_000_000_000), "{:?}", record.timestamp);
    }
    assert!(next.iter().all(|next| *next > Offset::ZERO), "every partition was used: {next:?}");
}

pub fn a_reader_starts_at_exactly_the_offset_it_is_told(place: &dyn Location) {
    let log = place.open();
    for n in 0..20 {
        append(&log, Topic::Clicks, vec![record("u", &n.to_string())]);
    }
    let partition = partition_of(b"u", PARTITIONS);
    for start in [0, 7, 19] {
        let mut reader = log.reader(Topic::Clicks, &at(partition, start)).expect("a reader");
        assert_eq!(reader.position(partition), Some(Offset(start)));
        let texts: Vec<_> = take(reader.as_mut(), 20 - start as usize).iter().map(Owned::text).collect();
        let expected: Vec<_> = (start..20).map(|n| n.to_string()).collect();
        assert_eq!(texts, expected);
        assert_eq!(reader.position(partition), Some(Offset(20)));
        assert_eq!(reader.position(Partition((partition.0 + 1) % PARTITIONS)), None, "not its own");
    }
}

pub fn two_readers_do_not_take_records_from_each_other(place: &dyn Location) {
    let log = place.open();
    append(&log, Topic::Clicks, (0..100).map(|n| record(&format!("u{n}"), "x")).collect());
    let from = beginning(&log, Topic::Clicks);
    let mut readers = [(); 2].map(|()| log.reader(Topic::Clicks, &from).expect("a reader"));
    for reader in &mut readers {
        assert_eq!(take(reader.as_mut(), 100).len(), 100);
    }
}

pub fn an_offset_that_is_not_there_yet_is_refused(place: &dyn Location) {
    let log = place.open();
    append(&log, Topic::Clicks, vec![record("u", "1"), record("u", "2")]);
    let partition = partition_of(b"u", PARTITIONS);
    assert!(log.reader(Topic::Clicks, &at(partition, 2)).is_ok(), "the end is a place to start");
    match log.reader(Topic::Clicks, &at(partition, 3)).map(drop) {
        Err(LogError::OutOfRange { partition: told, asked, bounds, .. }) => {
            assert_eq!((told, asked, bounds.low, bounds.high), (partition, Offset(3), Offset(0), Offset(2)));
        }
        other => panic!("expected out of range, got {other:?}"),
    }
}

pub fn a_reader_follows_what_is_appended_later(place: &dyn Location) {
    let log = place.open();
    let mut reader = log.reader(Topic::Clicks, &beginning(&log, Topic::Clicks)).expect("a reader");
    let mut taken = Vec::new();
    assert_eq!(poll(reader.as_mut(), Duration::from_millis(10), 10, &mut taken).expect("polls"), 0);
    for n in 0..5 {
        let writer = Arc::clone(&log);
        let writer = thread::spawn(move || append(&writer, Topic::Clicks, vec![record("u", &n.to_string())]));
        // One poll may wait for longer than the record may take: the reader must be woken.
        let start = Instant::now();
        while taken.len() <= n {
            poll(reader.as_mut(), DEADLINE * 2, 10, &mut taken).expect("polls");
            assert!(start.elapsed() < DEADLINE, "the reader was woken");
        }
        let places = writer.join().expect("the append is acknowledged");
        assert_eq!((taken[n].place(), taken[n].text()), (places[0], n.to_string()));
    }
}

pub fn a_poll_hands_over_no_more_than_it_is_asked_for(place: &dyn Location) {
    let log = place.open();
    append(&log, Topic::Clicks, (0..50).map(|n| record(&format!("u{n}"), "x")).collect());
    let mut reader = log.reader(Topic::Clicks, &beginning(&log, Topic::Clicks)).expect("a reader");
    let mut taken = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    while taken.len() < 50 {
        assert!(Instant::now() < deadline, "{} records came", taken.len());
        let before = taken.len();
        poll(reader.as_mut(), Duration::from_millis(100), 7, &mut taken).expect("polls");
        assert!(taken.len() - before <= 7);
    }
    let places: HashSet<_> = taken.iter().map(Owned::place).collect();
    assert_eq!(places.len(), 50, "nothing twice");
}

pub fn a_record_comes_back_as_it_was(place: &dyn Location) {
    let log = place.open();
    let headers = vec![
        ("content-type".to_owned(), Some(b"application/json".to_vec())),
        ("twice".to_owned(), Some(b"1".to_vec())),
        ("twice".to_owned(), Some(vec![0, 255])),
        ("null".to_owned(), None),
        ("empty".to_owned(), Some(Vec::new())),
    ];
    let sent = [
        NewRecord { key: b"u".to_vec(), value: Some(vec![0, 1, 255]), headers },
        NewRecord { key: b"u".to_vec(), value: None, headers: Vec::new() },
        NewRecord { key: b"u".to_vec(), value: Some(Vec::new()), headers: Vec::new() },
        NewRecord { key: Vec::new(), value: Some(b"no key".to_vec()), headers: Vec::new() },
        NewRecord { key: vec![0, 200, 255], value: Some(vec![7; 500_000]), headers: Vec::new() },
    ];
    let places = append(&log, Topic::Clicks, sent.to_vec());
    assert_eq!(places[3].0, partition_of(b"", PARTITIONS));
    let read: HashMap<_, _> =
        everything(&log, Topic::Clicks).into_iter().map(|record| (record.place(), record)).collect();
    for (at, sent) in places.iter().zip(sent) {
        let read = &read[at];
        assert_eq!(read.key, Some(sent.key));
        assert_eq!(read.value, sent.value);
        assert_eq!(read.headers, sent.headers);
    }
}

pub fn concurrent_appends_are_all_there_once(place: &dyn Location) {
    let log = place.open();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let calls: Vec<_> = (0..400)
        .map(|call| {
            let records =
                (0..=call % 3).map(|n| record(&format!("u{}", call * 7 % 50), &format!("{call}/{n}")));
            (call, runtime.spawn(log.append(Topic::Clicks, records.collect())))
        })
        .collect();
    let mut expected = HashMap::new();
    for (call, answer) in calls {
        let places = runtime.block_on(answer).expect("no panic").expect("acknowledged");
        for (n, at) in places.into_iter().enumerate() {
            assert!(expected.insert(at, format!("{call}/{n}")).is_none(), "{at:?} was given out twice");
        }
    }
    let read: HashMap<_, _> =
        everything(&log, Topic::Clicks).iter().map(|record| (record.place(), record.text())).collect();
    assert_eq!(read, expected);
}

pub fn records_of_one_call_keep_their_order(place: &dyn Location) {
    let log = place.open();
    let places = append(&log, Topic::Clicks, (0..500).map(|n| record("u", &n.to_string())).collect());
    assert!(
        places.windows(2).all(|pair| pair[0].1.next() == pair[1].1),
        "offsets rise in the order of the call"
    );
    let texts: Vec<_> = everything(&log, Topic::Clicks).iter().map(Owned::text).collect();
    assert_eq!(texts, (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(append(&log, Topic::Clicks, Vec::new()), []);
}

pub fn reopening_keeps_everything(place: &dyn Location) {
    let log = place.open();
    for n in 0..30 {
        append(&log, Topic::Clicks, vec![record(&format!("u{}", n % 5), &n.to_string())]);
    }
    let bounds = |log: &Arc<dyn headwater::log::Log>| {
        Partition::all(PARTITIONS).map(|p| log.bounds(Topic::Clicks, p).expect("bounds")).collect::<Vec<_>>()
    };
    let before = (bounds(&log), everything(&log, Topic::Clicks));
    drop(log);
    let log = place.open();
    let mut after = (bounds(&log), everything(&log, Topic::Clicks));
    let mut expected = before;
    for records in [&mut expected.1, &mut after.1] {
        records.sort_by_key(Owned::place);
    }
    assert_eq!(after, expected);
    let partition = partition_of(b"u0", PARTITIONS);
    let next = after.0[partition.index()].high;
    assert_eq!(append(&log, Topic::Clicks, vec![record("u0", "more")]), [(partition, next)]);
}

pub fn the_newest_record_of_an_item_stays(place: &dyn Location) {
    let log = place.open();
    let mut expected = BTreeMap::new();
    for round in 0..20 {
        let mut records = Vec::new();
        for item in 0..10 {
            let (key, value) = (format!("item-{item}"), format!("{item} v{round}"));
            records.push(record(&key, &value));
            expected.insert(key.into_bytes(), value);
        }
        // Twice in one call: the later one counts.
        records.push(record("item-3", &format!("3 again {round}")));
        expected.insert(b"item-3".to_vec(), format!("3 again {round}"));
        append(&log, Topic::Items, records);
    }
    append(&log, Topic::Items, vec![NewRecord { key: b"item-7".to_vec(), value: None, headers: Vec::new() }]);
    expected.remove(b"item-7".as_slice());
    let mut catalog = BTreeMap::new();
    for record in everything(&log, Topic::Items) {
        let key = record.key.clone().expect("a key");
        match record.value {
            Some(_) => catalog.insert(key, record.text()),
            None => catalog.remove(&key),
        };
    }
    assert_eq!(catalog, expected);
}

pub fn positions_reach_the_end(place: &dyn Location) {
    let log = place.open();
    let mut reader = log.reader(Topic::Items, &beginning(&log, Topic::Items)).expect("a reader");
    assert_eq!(drain(&log, Topic::Items, reader.as_mut()), []);
    for n in 0..40 {
        append(&log, Topic::Items, vec![record(&format!("i{}", n % 8), "x")]);
    }
    drain(&log, Topic::Items, reader.as_mut());
    for partition in Partition::all(PARTITIONS) {
        let high = log.bounds(Topic::Items, partition).expect("bounds").high;
        assert_eq!(reader.position(partition), Some(high));
    }
}

pub fn topics_are_apart(place: &dyn Location) {
    let log = place.open();
    let names: HashSet<_> =
        [Topic::Clicks, Topic::Items, Topic::DeadLetters].map(|topic| log.name(topic).to_owned()).into();
    assert_eq!(names.len(), 3);
    append(&log, Topic::Clicks, vec![record("u", "click")]);
    append(&log, Topic::DeadLetters, vec![record("u", "letter")]);
    let texts = |topic| everything(&log, topic).iter().map(Owned::text).collect::<Vec<_>>();
    assert_eq!(texts(Topic::Clicks), ["click"]);
    assert_eq!(texts(Topic::DeadLetters), ["letter"]);
    assert_eq!(texts(Topic::Items), [""; 0]);
}

pub fn a_paused_partition_hands_over_nothing_while_the_others_go_on(place: &dyn Location) {
    let log = place.open();
    let (mut keys, partition) = ((0..).map(|n| format!("u{n}")), partition_of(b"u0", PARTITIONS));
    let other = keys.find(|key| partition_of(key.as_bytes(), PARTITIONS) != partition).expect("a key");
    let batch = |round: usize| {
        let records = (0..20).flat_map(|n| ["u0", &other].map(|key| record(key, &format!("{round}/{n}"))));
        append(&log, Topic::Clicks, records.collect());
    };
    batch(0);
    let mut reader = log.reader(Topic::Clicks, &beginning(&log, Topic::Clicks)).expect("a reader");
    let mut taken = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    while !taken.iter().any(|record: &Owned| record.partition == partition) {
        assert!(Instant::now() < deadline, "{} records came", taken.len());
        poll(reader.as_mut(), Duration::from_millis(100), 1, &mut taken).expect("polls");
    }
    let stands = reader.position(partition).expect("its own");
    reader.pause(partition).expect("paused");
    reader.pause(partition).expect("it is already");
    batch(1);
    let ours = |taken: &[Owned]| taken.iter().filter(|record| record.partition == partition).count() as u64;
    while taken.iter().filter(|record| record.partition != partition).count() < 40 {
        assert!(Instant::now() < deadline, "{} records came", taken.len());
        poll(reader.as_mut(), Duration::from_millis(100), 7, &mut taken).expect("polls");
    }
    // It has had every chance to hand over more.
    poll(reader.as_mut(), Duration::from_millis(300), 100, &mut taken).expect("polls");
    assert_eq!(Offset(ours(&taken)), stands, "none came after the pause");
    assert_eq!(reader.position(partition), Some(stands));
    let places: HashSet<_> = taken.iter().map(Owned::place).collect();
    assert_eq!(places.len(), taken.len(), "nothing twice");
    for last in Partition::all(PARTITIONS).filter(|other| *other != partition) {
        reader.pause(last).expect("paused");
    }
    assert_eq!(poll(reader.as_mut(), Duration::from_millis(50), 10, &mut taken).expect("polls"), 0);
}
