//! What only the journal promises: its folder, its bounds, its refusals.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use headwater::log::journal::{JournalLog, JournalSettings};
use headwater::log::{Log, LogError, NewRecord, Offset, Topic, partition_of};

use super::support::*;

const DAY: i64 = 24 * 60 * 60 * 1000;
const START: i64 = 1_700_000_000_000;

/// A folder with a journal, and a clock that stands until it is moved.
pub struct JournalPlace {
    dir: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    retention: Duration,
    retention_bytes: u64,
}

impl JournalPlace {
    pub fn new() -> Self {
        let retention = Duration::from_secs(7 * 24 * 60 * 60);
        let dir = tempfile::tempdir().expect("a folder");
        Self { dir, clock: Arc::new(AtomicI64::new(START)), retention, retention_bytes: 1 << 30 }
    }

    fn settings(&self) -> JournalSettings {
        JournalSettings {
            dir: self.dir.path().join("journal"),
            partitions: PARTITIONS,
            retention: self.retention,
            retention_bytes: self.retention_bytes,
            ..JournalSettings::default()
        }
    }

    fn try_open(&self, settings: JournalSettings) -> Result<JournalLog, LogError> {
        let clock = Arc::clone(&self.clock);
        JournalLog::open(settings, Arc::new(move || clock.load(Ordering::SeqCst)))
    }

    fn pass(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Location for JournalPlace {
    fn open(&self) -> Arc<dyn Log> {
        Arc::new(self.try_open(self.settings()).expect("the journal opens"))
    }
}

/// Waits until retention has been looked at. Any append lets the journal do that afterwards; the
/// next one waits for it.
fn settle(log: &Arc<dyn Log>) {
    for _ in 0..2 {
        append(log, Topic::Items, vec![record("settle", "settle")]);
    }
}

#[test]
fn a_second_open_is_refused_and_says_why() {
    let place = JournalPlace::new();
    let first = place.open();
    let error = place.try_open(place.settings()).map(drop).expect_err("locked").to_string();
    assert!(error.contains("is in use by another process") && error.contains("journal"), "{error}");
    drop(first);
    place.open();
}

#[test]
fn another_number_of_partitions_is_refused_and_says_what_to_do() {
    let place = JournalPlace::new();
    drop(place.open());
    let settings = JournalSettings { partitions: 5, ..place.settings() };
    let error = place.try_open(settings).map(drop).expect_err("refused").to_string();
    assert!(
        error.contains("was made with 4 partitions, the configuration says 5: set it back to 4"),
        "{error}"
    );
    place.open();
}

#[test]
fn a_folder_that_can_not_be_made_is_named() {
    let place = JournalPlace::new();
    let file = place.dir.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let settings = JournalSettings { dir: file.join("journal"), ..place.settings() };
    let error = place.try_open(settings).map(drop).expect_err("refused").to_string();
    assert!(error.contains(&file.join("journal").display().to_string()), "{error}");
}

#[test]
fn a_record_is_stamped_by_the_clock() {
    let place = JournalPlace::new();
    let log = place.open();
    append(&log, Topic::Clicks, vec![record("u", "1")]);
    place.pass(1234);
    append(&log, Topic::Clicks, vec![record("u", "2")]);
    let times: Vec<_> = everything(&log, Topic::Clicks).iter().map(|record| record.timestamp).collect();
    assert_eq!(times, [Some(START), Some(START + 1234)]);
}

#[test]
fn what_is_older_than_retention_goes_and_is_not_skipped_silently() {
    let place = JournalPlace::new();
    let log = place.open();
    let partition = partition_of(b"u", PARTITIONS);
    let mut slow = log.reader(Topic::Clicks, &at(partition, 0)).expect("a reader");
    for day in 0..20 {
        append(&log, Topic::Clicks, vec![record("u", &day.to_string())]);
        append(&log, Topic::Items, vec![record("i", &day.to_string())]);
        place.pass(DAY);
    }
    append(&log, Topic::Clicks, vec![record("u", "20")]);
    append(&log, Topic::Clicks, vec![record("u", "21")]);
    settle(&log);
    let bounds = log.bounds(Topic::Clicks, partition).expect("bounds");
    assert_eq!(bounds.high, Offset(22));
    assert!((12..=14).contains(&bounds.low.0), "seven days are kept: {bounds:?}");

    for refused in [
        slow.poll(Duration::ZERO, 10, &mut |_| {}).map(drop),
        log.reader(Topic::Clicks, &at(partition, 0)).map(drop),
    ] {
        match refused {
            Err(LogError::OutOfRange { asked: Offset::ZERO, bounds: told, .. }) => assert_eq!(told, bounds),
            other => panic!("expected out of range, got {other:?}"),
        }
    }
    let texts =
        |log: &Arc<dyn Log>, topic| everything(log, topic).iter().map(Owned::text).collect::<Vec<_>>();
    let expected: Vec<_> = (bounds.low.0..22).map(|n| n.to_string()).collect();
    assert_eq!(texts(&log, Topic::Clicks), expected);
    assert_eq!(texts(&log, Topic::Items), ["19", "settle"], "items are kept for ever");

    drop((log, slow));
    let log = place.open();
    assert_eq!(log.bounds(Topic::Clicks, partition).expect("bounds"), bounds);
    assert_eq!(texts(&log, Topic::Clicks), expected);
}

#[test]
fn what_is_gone_stays_counted_even_if_nothing_is_left() {
    let place = JournalPlace::new();
    let log = place.open();
    let partition = partition_of(b"u", PARTITIONS);
    append(&log, Topic::Clicks, vec![record("u", "1"), record("u", "2")]);
    place.pass(30 * DAY);
    settle(&log);
    let empty = log.bounds(Topic::Clicks, partition).expect("bounds");
    assert_eq!((empty.low, empty.high), (Offset(2), Offset(2)));
    drop(log);
    let log = place.open();
    assert_eq!(log.bounds(Topic::Clicks, partition).expect("bounds"), empty);
    assert_eq!(append(&log, Topic::Clicks, vec![record("u", "3")]), [(partition, Offset(2))]);
}

#[test]
fn the_folder_stays_bounded_however_much_is_written() {
    const LIMIT: u64 = 16 << 20;
    // fjall's own write-ahead journals, and tables that these still refer to.
    const WRITE_AHEAD: u64 = 256 << 20;
    let mut place = JournalPlace::new();
    place.retention_bytes = LIMIT;
    let log = place.open();
    // Nothing to compress.
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    let value: Vec<u8> = (0..16_384)
        .map(|_| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise as u8
        })
        .collect();
    let (mut written, mut most) = (0, 0);
    while written < 20 * LIMIT {
        let keys = (0..64).map(|n| format!("u{n}").into_bytes());
        let records = keys.map(|key| NewRecord { key, value: Some(value.clone()), headers: Vec::new() });
        append(&log, Topic::Clicks, records.collect());
        written += 64 * value.len() as u64;
        most = most.max(on_disk(place.dir.path()));
    }
    assert!(most < LIMIT + LIMIT / 4 + WRITE_AHEAD, "{most} bytes on disk at most");
    settle(&log);
    let kept = |log: &Arc<dyn Log>| everything(log, Topic::Clicks).len() as u64 * value.len() as u64;
    assert!((LIMIT * 3 / 4..=LIMIT).contains(&kept(&log)), "{} bytes can be read", kept(&log));
    drop(log);
    let log = place.open();
    assert!((LIMIT * 3 / 4..=LIMIT).contains(&kept(&log)), "{} bytes can be read", kept(&log));
    let tables = on_disk(&place.dir.path().join("journal/keyspaces"));
    assert!(tables < 2 * LIMIT, "{tables} bytes in tables");
}

/// The bytes that a folder takes on disk.
fn on_disk(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    // Files may go while we look.
    let Ok(metadata) = path.symlink_metadata() else { return 0 };
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    metadata.blocks() * 512 + entries.map(|entry| on_disk(&entry.path())).sum::<u64>()
}

#[test]
fn an_older_record_of_an_item_is_gone_at_once() {
    let place = JournalPlace::new();
    let log = place.open();
    for round in 0..10 {
        append(&log, Topic::Items, vec![record("a", &round.to_string()), record("b", &round.to_string())]);
    }
    let mut texts: Vec<_> = everything(&log, Topic::Items).iter().map(Owned::text).collect();
    texts.sort();
    assert_eq!(texts, ["9", "9"]);
}

#[test]
fn a_deletion_stays_for_a_day_and_is_dropped_on_the_next_open() {
    let place = JournalPlace::new();
    let log = place.open();
    let partition = partition_of(b"i", PARTITIONS);
    let deletion = || NewRecord { key: b"i".to_vec(), value: None, headers: Vec::new() };
    append(&log, Topic::Items, vec![record("i", "1")]);
    append(&log, Topic::Items, vec![deletion()]);
    let values =
        |log: &Arc<dyn Log>| everything(log, Topic::Items).into_iter().map(|r| r.value).collect::<Vec<_>>();
    drop(log);
    place.pass(DAY - 1);
    let log = place.open();
    assert_eq!(values(&log), [None], "a reader that knows the item must meet its end");
    drop(log);
    place.pass(1);
    let log = place.open();
    assert_eq!(values(&log), []);
    assert_eq!(
        log.bounds(Topic::Items, partition).expect("bounds").high,
        Offset(2),
        "offsets are not given out again"
    );
    drop(log);
    let log = place.open();
    assert_eq!(append(&log, Topic::Items, vec![record("i", "2")]), [(partition, Offset(2))]);
}

#[test]
fn what_is_too_large_is_refused_and_the_next_append_works() {
    let place = JournalPlace::new();
    let log = place.open();
    let large = NewRecord { key: vec![b'k'; 40_000], value: None, headers: Vec::new() };
    let refused = try_append(&log, Topic::Clicks, vec![large]);
    assert!(
        matches!(&refused, Err(LogError::Refused(message)) if message.contains("40000 bytes")),
        "{refused:?}"
    );
    append(&log, Topic::Clicks, vec![record("u", "1")]);
}

#[test]
fn a_call_that_is_larger_than_the_queue_goes_through() {
    let place = JournalPlace::new();
    let log = place.open();
    let value = vec![7; 1 << 20];
    let records =
        (0..40).map(|n| NewRecord { key: vec![n], value: Some(value.clone()), headers: Vec::new() });
    assert_eq!(append(&log, Topic::Clicks, records.collect()).len(), 40);
}

#[test]
fn after_a_failed_write_appends_are_refused_and_nothing_acknowledged_is_lost() {
    const CHILD: &str = "HEADWATER_TEST_JOURNAL_DIR";
    let name = "journal::after_a_failed_write_appends_are_refused_and_nothing_acknowledged_is_lost";
    if let Some(dir) = std::env::var_os(CHILD) {
        return write_until_it_fails(PathBuf::from(dir));
    }
    let place = JournalPlace::new();
    let binary = std::env::current_exe().expect("this binary");
    // A file may not grow past 64 MiB, which fails a write as a full disk would.
    let script = r#"trap "" XFSZ; ulimit -f 131072; exec "$0" --exact "$1" --nocapture"#;
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(binary)
        .arg(name)
        .env(CHILD, place.settings().dir)
        .output()
        .expect("the child runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let acknowledged = text.lines().find_map(|line| line.split("acknowledged ").nth(1)).expect("it told");
    let acknowledged: usize = acknowledged.trim().parse().expect("a number");
    let log = place.open();
    let texts: Vec<_> = everything(&log, Topic::Clicks).iter().map(Owned::text).collect();
    assert!(
        acknowledged > 0 && texts.len() >= acknowledged,
        "{acknowledged} acknowledged, {} kept",
        texts.len()
    );
}

fn write_until_it_fails(dir: PathBuf) {
    let place = JournalPlace::new();
    let settings = JournalSettings { dir, ..place.settings() };
    let log: Arc<dyn Log> = Arc::new(place.try_open(settings).expect("the journal opens"));
    let mut acknowledged = 0;
    let failure = loop {
        // Some 40 MB at once: the store's write-ahead journal can't be closed in time.
        let records = (0..10_000).map(|n| record(&format!("u{n}"), &"x".repeat(4000))).collect();
        match try_append(&log, Topic::Clicks, records) {
            Ok(places) => acknowledged += places.len(),
            Err(error) => break error.to_string(),
        }
        assert!(acknowledged < 100_000, "no write failed");
    };
    assert!(failure.contains("takes no more records") && failure.contains("check the disk"), "{failure}");
    let again = try_append(&log, Topic::Items, vec![record("i", "1")]).map_err(|error| error.to_string());
    assert_eq!(again, Err(failure));
    assert_eq!(everything(&log, Topic::Clicks).len(), acknowledged, "readers go on, with what is durable");
    println!("acknowledged {acknowledged}");
}
