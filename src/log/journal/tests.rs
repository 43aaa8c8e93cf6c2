//! A writer that panics.

use std::thread;
use std::time::Duration;

use super::*;

/// For what comes at once.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_writer_that_panics_is_told_to_those_who_append_and_ends_those_who_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let settings =
        JournalSettings { dir: dir.path().join("journal"), partitions: 1, ..JournalSettings::default() };
    // What the writer asks for as it begins to write.
    let clock: Clock = Arc::new(|| match thread::current().name() {
        Some("journal") => panic!("as a test may"),
        _ => 0,
    });
    let log = JournalLog::open(settings, clock).expect("a journal");
    let mut reader =
        log.reader(Topic::Clicks, &Positions::from([(Partition(0), Offset::ZERO)])).expect("a reader");
    let record = || NewRecord { key: b"key".to_vec(), value: Some(b"value".to_vec()), headers: Vec::new() };
    let refused = async {
        loop {
            match log.append(Topic::Clicks, vec![record()]).await {
                // Those whose records it had as it panicked hear of it sooner than why is known.
                Err(LogError::Unavailable(_)) => tokio::task::yield_now().await,
                Err(LogError::Fatal(why)) => return why,
                other => panic!("it can't be written: {other:?}"),
            }
        }
    };
    let why = tokio::time::timeout(PATIENCE, refused).await.expect("it is told");
    assert!(why.contains("has panicked"), "{why}");
    let read = reader.poll(PATIENCE, 10, &mut |_| panic!("nothing was written"));
    assert!(matches!(&read, Err(LogError::Fatal(why)) if why.contains("has panicked")), "{read:?}");
}
