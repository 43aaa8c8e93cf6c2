//! What is left of a snapshot whose partition was given up while it was written.

use std::fs;

use super::*;
use crate::engine::config::StreamConfig;
use crate::engine::events::event::EventDraft;
use crate::log::journal::{JournalLog, JournalSettings};
use crate::snapshot::{Location, S3Settings};

const PARTITION: Partition = Partition(0);

/// Writes a snapshot of one event and gives its partition up when it has been taken.
async fn write_given_up(fails: bool) {
    let home = tempfile::tempdir().expect("a folder");
    let (journal, snapshots) = (home.path().join("journal"), home.path().join("snapshots"));
    let clock: Clock = Arc::new(|| 0);
    let settings = JournalSettings { dir: journal, partitions: 1, ..JournalSettings::default() };
    let log = Arc::new(JournalLog::open(settings, Arc::clone(&clock)).expect("a journal"));
    let config = Arc::new(StreamConfig::default());
    let location = Location::Folder(snapshots.clone());
    let store = SnapshotStore::open(&location, &S3Settings::default(), "clicks", 1, Arc::clone(&config), 1);
    let writer = Writer {
        store: store.expect("a folder"),
        log,
        metrics: Arc::new(Metrics::new()),
        covered: Covered::default(),
        room: Arc::default(),
        clock: Arc::clone(&clock),
    };
    if fails {
        fs::write(snapshots.join("clicks"), "no folder").expect("a file");
    }

    let state = State::empty(Arc::clone(&config), 1);
    let draft = EventDraft {
        user_id: Some("u1".into()),
        item_id: Some("i1".into()),
        kind: Some("click".into()),
        ts: Some(1_700_000_000_000),
        ..EventDraft::default()
    };
    let event = draft.check(&config.event_types).expect("an event");
    state.apply(PARTITION, Offset::ZERO, None, &event).expect("it is applied");
    writer.cover(&[PARTITION]);
    let job = take(&state, PARTITION, &writer.covered, writer.room.lend().expect("nobody has it"), &clock);
    writer.uncover(PARTITION);
    assert_eq!(writer.write(job.expect("it has moved on")).await.is_err(), fails);
    assert_eq!(writer.room.kept(), 0);
    assert!(writer.covered.lock().get(PARTITION).is_none());
}

#[tokio::test]
async fn no_memory_is_kept() {
    write_given_up(false).await;
}

#[tokio::test]
async fn no_memory_is_kept_if_it_fails() {
    write_given_up(true).await;
}
