//! How models follow their folder.

use std::fs;
use std::path::Path;

use super::*;

const GOOD: &str = "weights.interest = 1";
const BETTER: &str = "weights.interest = 2";
const BAD: &str = "weights.interest = 99\nweights.recency = 'x'";

fn watch(files: &[(&str, &str)]) -> (tempfile::TempDir, ModelWatcher) {
    let dir = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| write(&dir, name, text));
    let watcher = ModelWatcher::new(dir.path(), "default", &StreamConfig::default()).unwrap();
    (dir, watcher)
}

fn write(dir: &tempfile::TempDir, name: &str, text: &str) {
    fs::write(dir.path().join(name), text).unwrap();
}

/// What a reload told, in short.
fn reload(watcher: &mut ModelWatcher) -> Vec<String> {
    let events = watcher.reload();
    let short = |event| match event {
        ModelEvent::Loaded { name, version } => {
            let current = watcher.current();
            assert_eq!(current.get(&name).map(|model| model.version.as_str()), Some(version.as_str()));
            format!("loaded {name}")
        }
        ModelEvent::Refused { name, error } => {
            let keys: Vec<_> = error.mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
            format!("refused {name}: {}", keys.join(", "))
        }
        ModelEvent::Removed { name } => format!("removed {name}"),
        event => other(&event),
    };
    events.into_iter().map(short).collect()
}

fn other(event: &ModelEvent) -> String {
    match event {
        ModelEvent::Loaded { name, .. } => format!("loaded {name}"),
        ModelEvent::Refused { name, .. } => format!("refused {name}"),
        ModelEvent::Removed { name } => format!("removed {name}"),
        ModelEvent::Unreadable { .. } => "unreadable".to_owned(),
        ModelEvent::BuiltIn { .. } => "built in".to_owned(),
        ModelEvent::Resumed { .. } => "resumed".to_owned(),
        ModelEvent::KeptUnusable { .. } => "kept unusable".to_owned(),
        ModelEvent::NotKept { .. } => "not kept".to_owned(),
    }
}

/// Starts on the folder `models` of a folder, where a start before may have kept what it had.
fn start(dir: &tempfile::TempDir) -> Result<(ModelWatcher, Vec<String>), String> {
    start_with(dir, true)
}

fn start_with(dir: &tempfile::TempDir, is_configured: bool) -> Result<(ModelWatcher, Vec<String>), String> {
    let settings = ModelsSettings { dir: dir.path().join("models"), ..ModelsSettings::default() };
    let last_good = LastGood::in_folder(dir.path());
    let started = ModelWatcher::start(&settings, is_configured, &StreamConfig::default(), last_good);
    let short =
        |(watcher, events): (ModelWatcher, Vec<ModelEvent>)| (watcher, events.iter().map(other).collect());
    started.map(short).map_err(|error| error.to_string())
}

#[test]
fn a_start_goes_on_with_what_served_last_where_files_are_refused_or_gone_and_takes_the_others() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("models")).unwrap();
    for (name, text) in [("default", GOOD), ("a", GOOD), ("b", GOOD)] {
        write(&dir, &format!("models/{name}.toml"), text);
    }
    let (watcher, events) = start(&dir).unwrap();
    assert_eq!((events, watcher.not_served().len()), (Vec::new(), 0));
    drop(watcher);
    write(&dir, "models/default.toml", BAD);
    write(&dir, "models/a.toml", BETTER);
    write(&dir, "models/new.toml", BAD);
    fs::remove_file(dir.path().join("models/b.toml")).unwrap();
    let told = ["resumed", "loaded a", "refused default", "refused new", "removed b"];
    for told in [&told[..], &["resumed", "refused default", "refused new"]] {
        let (mut watcher, events) = start(&dir).unwrap();
        assert_eq!(events, told);
        assert_eq!(reload(&mut watcher), NOTHING);
        let weights = ["default", "a", "b", "new"].map(|name| weight(&watcher, name));
        assert_eq!(weights, [Some(1.0), Some(2.0), None, None]);
        assert_eq!(watcher.not_served().keys().collect::<Vec<_>>(), ["default", "new"]);
    }
    // The default model's file may be gone, too, and then the whole folder.
    fs::remove_file(dir.path().join("models/default.toml")).unwrap();
    fs::remove_file(dir.path().join("models/new.toml")).unwrap();
    let (watcher, events) = start(&dir).unwrap();
    assert_eq!(events, ["resumed", "refused default"]);
    assert_eq!(watcher.not_served().keys().collect::<Vec<_>>(), ["default"]);
    fs::remove_dir_all(dir.path().join("models")).unwrap();
    let (watcher, events) = start(&dir).unwrap();
    assert_eq!(
        (events, weight(&watcher, "a")),
        (vec!["resumed".to_owned(), "unreadable".to_owned()], Some(2.0))
    );
    // What is kept is checked before it is believed.
    fs::write(dir.path().join("models.json"), "{}").unwrap();
    let error = start(&dir).unwrap_err();
    assert!(error.contains("models.json: is damaged: missing field"), "{error}");
}

#[test]
fn what_is_damaged_of_what_was_kept_refuses_no_start_that_nobody_has_given_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "models.json", "{");
    let error = start_with(&dir, true).unwrap_err();
    assert!(error.contains("models.json") && error.contains("is damaged"), "{error}");
    let (mut watcher, events) = start_with(&dir, false).unwrap();
    assert_eq!(events, ["kept unusable"]);
    assert_eq!(weight(&watcher, "default"), Some(0.48));
    let reason = watcher.not_served().values().next().unwrap();
    assert!(reason.contains("models.json can't be used, the built-in model serves: "), "{reason}");
    // It is left for whoever wants to know, until there is something to keep.
    assert_eq!(fs::read_to_string(dir.path().join("models.json")).unwrap(), "{");
    fs::create_dir(dir.path().join("models")).unwrap();
    write(&dir, "models/default.toml", BETTER);
    assert_eq!(reload(&mut watcher), ["loaded default"]);
    assert_eq!(watcher.not_served().len(), 0);
    let (_, events) = start_with(&dir, false).unwrap();
    assert_eq!(events, NOTHING);
    // One that has mistakes is refused all the same.
    write(&dir, "models.json", "{");
    write(&dir, "models/default.toml", BAD);
    assert!(start_with(&dir, false).is_err());
}

#[test]
fn the_built_in_model_is_not_kept_for_a_folder_that_has_mistakes_once_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (mut watcher, events) = start(&dir).unwrap();
    assert_eq!(events, ["built in"]);
    assert_eq!(watcher.not_served().len(), 1);
    assert_eq!(reload(&mut watcher), NOTHING);
    fs::create_dir(dir.path().join("models")).unwrap();
    write(&dir, "models/default.toml", BAD);
    assert_eq!(reload(&mut watcher), ["refused default: weights.interest, weights.recency"]);
    assert_eq!(watcher.not_served().keys().collect::<Vec<_>>(), ["default"]);
    assert!(start(&dir).unwrap_err().contains("`weights.interest` is 99"));
    write(&dir, "models/default.toml", GOOD);
    assert_eq!(reload(&mut watcher), ["loaded default"]);
    assert!(watcher.not_served().is_empty());
}

#[test]
fn what_can_not_be_kept_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("models")).unwrap();
    write(&dir, "models/default.toml", GOOD);
    fs::create_dir(dir.path().join("models.json.partial")).unwrap();
    let (mut watcher, events) = start(&dir).unwrap();
    assert_eq!(events, ["not kept"]);
    assert_eq!(reload(&mut watcher), NOTHING);
    fs::remove_dir(dir.path().join("models.json.partial")).unwrap();
    assert_eq!(reload(&mut watcher), NOTHING);
    write(&dir, "models/default.toml", BAD);
    assert_eq!(start(&dir).unwrap().1, ["resumed", "refused default"]);
}

fn weight(watcher: &ModelWatcher, name: &str) -> Option<f64> {
    watcher.current().get(name).map(|model| model.weights()[0])
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_valid_change_is_swapped_in_and_nothing_else_moves() {
    let (dir, mut watcher) = watch(&[("default.toml", GOOD), ("b.toml", GOOD)]);
    let before = watcher.current();
    assert_eq!(reload(&mut watcher), NOTHING);
    assert!(Arc::ptr_eq(&before, &watcher.current()));
    write(&dir, "default.toml", BETTER);
    assert_eq!(reload(&mut watcher), ["loaded default"]);
    assert_eq!((weight(&watcher, ""), weight(&watcher, "b")), (Some(2.0), Some(1.0)));
    // Whoever holds the old set goes on with it.
    assert_eq!(before.get("").unwrap().weights()[0], 1.0);
    assert!(Arc::ptr_eq(before.get("b").unwrap(), watcher.current().get("b").unwrap()));
    assert_eq!(reload(&mut watcher), NOTHING);
}

#[test]
fn an_invalid_change_is_refused_once_and_the_old_model_goes_on() {
    let (dir, mut watcher) = watch(&[("default.toml", GOOD)]);
    let before = watcher.current();
    write(&dir, "default.toml", BAD);
    let events = watcher.reload();
    let [ModelEvent::Refused { name, error }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(name, "default");
    assert_eq!(
        error.to_string().replace(&dir.path().display().to_string(), "DIR"),
        "model `default` can't be used: 2 mistakes\n  \
         DIR/default.toml:1: `weights.interest` is 99, expected a number from -10 to 10\n  \
         DIR/default.toml:2: `weights.recency` is \"x\", expected a number from -10 to 10"
    );
    assert!(Arc::ptr_eq(&before, &watcher.current()));
    assert_eq!(reload(&mut watcher), NOTHING);
    write(&dir, "default.toml", "weights.interest = 98");
    assert_eq!(reload(&mut watcher), ["refused default: weights.interest"]);
    write(&dir, "default.toml", BETTER);
    assert_eq!(reload(&mut watcher), ["loaded default"]);
    assert_eq!(weight(&watcher, "default"), Some(2.0));
}

#[test]
fn going_back_to_the_old_content_ends_a_refusal() {
    let (dir, mut watcher) = watch(&[("default.toml", GOOD)]);
    write(&dir, "default.toml", BAD);
    assert_eq!(reload(&mut watcher), ["refused default: weights.interest, weights.recency"]);
    write(&dir, "default.toml", GOOD);
    assert_eq!(reload(&mut watcher), ["loaded default"]);
}

#[test]
fn one_reload_tells_of_every_file() {
    let (dir, mut watcher) = watch(&[("default.toml", GOOD), ("a.toml", GOOD)]);
    write(&dir, "default.toml", BETTER);
    write(&dir, "a.toml", BAD);
    write(&dir, "new.toml", GOOD);
    write(&dir, "New One.toml", GOOD);
    assert_eq!(
        reload(&mut watcher),
        ["refused New One: ", "refused a: weights.interest, weights.recency", "loaded default", "loaded new"]
    );
    assert_eq!((weight(&watcher, "a"), weight(&watcher, "new")), (Some(1.0), Some(1.0)));
    assert_eq!(reload(&mut watcher), NOTHING);
}

#[test]
fn a_file_renamed_over_another_is_noticed() {
    let (dir, mut watcher) = watch(&[("default.toml", GOOD)]);
    write(&dir, ".default.toml.swp", BETTER);
    assert_eq!(reload(&mut watcher), NOTHING);
    fs::rename(dir.path().join(".default.toml.swp"), dir.path().join("default.toml")).unwrap();
    assert_eq!(reload(&mut watcher), ["loaded default"]);
}

#[cfg(unix)]
#[test]
fn a_swapped_link_is_noticed() {
    use std::os::unix::fs::symlink;
    // The way Kubernetes mounts a config map.
    let dir = tempfile::tempdir().unwrap();
    for (version, text) in [("v1", GOOD), ("v2", BETTER)] {
        fs::create_dir(dir.path().join(version)).unwrap();
        fs::write(dir.path().join(version).join("default.toml"), text).unwrap();
    }
    symlink("v1", dir.path().join("..data")).unwrap();
    symlink("..data/default.toml", dir.path().join("default.toml")).unwrap();
    let mut watcher = ModelWatcher::new(dir.path(), "default", &StreamConfig::default()).unwrap();
    symlink("v2", dir.path().join("..data_tmp")).unwrap();
    fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    assert_eq!(reload(&mut watcher), ["loaded default"]);
    assert_eq!(weight(&watcher, ""), Some(2.0));
}

#[test]
fn a_deleted_file_takes_its_model_with_it_at_the_second_look() {
    let (dir, mut watcher) = watch(&[("default.toml", GOOD), ("b.toml", GOOD)]);
    let file = dir.path().join("b.toml");
    fs::remove_file(&file).unwrap();
    assert_eq!(reload(&mut watcher), NOTHING);
    assert_eq!(weight(&watcher, "b"), Some(1.0));
    write(&dir, "b.toml", GOOD);
    assert_eq!(reload(&mut watcher), NOTHING);
    fs::remove_file(&file).unwrap();
    assert_eq!(reload(&mut watcher), NOTHING);
    assert_eq!(reload(&mut watcher), ["removed b"]);
    assert_eq!(weight(&watcher, "b"), None);
    assert_eq!(reload(&mut watcher), NOTHING);
    write(&dir, "b.toml", GOOD);
    assert_eq!(reload(&mut watcher), ["loaded b"]);
}

#[test]
fn the_default_model_stays_when_its_file_is_deleted() {
    let (dir, mut watcher) = watch(&[("default.toml", GOOD)]);
    fs::remove_file(dir.path().join("default.toml")).unwrap();
    assert_eq!(reload(&mut watcher), NOTHING);
    let events = watcher.reload();
    let [ModelEvent::Refused { error, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert!(
        error.to_string().ends_with(
            "default.toml: the file of the default model is gone; the model goes on until a new file comes"
        ),
        "{error}"
    );
    assert_eq!(weight(&watcher, "default"), Some(1.0));
    assert_eq!(reload(&mut watcher), NOTHING);
    write(&dir, "default.toml", GOOD);
    assert_eq!(reload(&mut watcher), ["loaded default"]);
}

#[test]
fn a_file_that_an_editor_has_just_emptied_waits_for_the_next_look() {
    let (dir, mut watcher) = watch(&[("default.toml", GOOD)]);
    write(&dir, "default.toml", "");
    assert_eq!(reload(&mut watcher), NOTHING);
    assert_eq!(weight(&watcher, ""), Some(1.0));
    write(&dir, "default.toml", BETTER);
    assert_eq!(reload(&mut watcher), ["loaded default"]);
    write(&dir, "default.toml", "");
    assert_eq!(reload(&mut watcher), NOTHING);
    assert_eq!(reload(&mut watcher), ["loaded default"]);
    assert_eq!(weight(&watcher, ""), Some(0.6));
}

#[test]
fn a_folder_that_goes_away_is_told_once_and_changes_nothing() {
    let (dir, mut watcher) = watch(&[("default.toml", GOOD), ("b.toml", GOOD)]);
    let moved = dir.path().with_extension("moved");
    fs::rename(dir.path(), &moved).unwrap();
    assert_eq!(reload(&mut watcher), ["unreadable"]);
    assert_eq!(reload(&mut watcher), NOTHING);
    assert_eq!(weight(&watcher, "b"), Some(1.0));
    fs::rename(&moved, dir.path()).unwrap();
    assert_eq!(reload(&mut watcher), NOTHING);
}

#[test]
fn a_folder_that_comes_later_replaces_the_built_in_model() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("models");
    let mut watcher = ModelWatcher::new(&dir, "default", &StreamConfig::default()).unwrap();
    assert_eq!(reload(&mut watcher), NOTHING);
    fs::create_dir(&dir).unwrap();
    assert_eq!(reload(&mut watcher), NOTHING);
    assert_eq!(weight(&watcher, "default"), Some(0.48));
    fs::write(dir.join("default.toml"), BETTER).unwrap();
    assert_eq!(reload(&mut watcher), ["loaded default"]);
}

#[test]
fn no_more_models_are_loaded_than_the_bound() {
    let (dir, mut watcher) = watch(&[("default.toml", GOOD)]);
    for place in 0..MAX_MODELS {
        write(&dir, &format!("m{place:02}.toml"), GOOD);
    }
    let told = reload(&mut watcher);
    assert_eq!(told.iter().filter(|line| line.starts_with("loaded")).count(), MAX_MODELS - 1);
    assert_eq!(told.last().map(String::as_str), Some("refused m63: "));
    assert_eq!(watcher.current().len(), MAX_MODELS);
    assert!(watcher.current().get("m63").is_none());
}

#[test]
fn a_watcher_starts_only_on_valid_models() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "default.toml", BAD);
    let error = ModelWatcher::new(dir.path(), "default", &StreamConfig::default()).unwrap_err();
    assert_eq!(error.mistakes.len(), 2);
    assert!(ModelWatcher::new(Path::new("/nowhere"), "other", &StreamConfig::default()).is_err());
}
