//! Who may use whom: the rooms of `src/`, from the top of the house to its ground.

/// The floors, from the top. A room uses the floors below its own; those on one floor are strangers.
const FLOORS: [&[&str]; 11] = [
    &["main"],
    &["cli"],
    &["app"],
    &["config"],
    &["tuning"],
    &["serving", "http", "ingest", "models", "evaluation"],
    &["snapshot"],
    &["state"],
    &["codec"],
    &["log"],
    &["engine"],
];
/// What stands beside the floors, and what each uses itself. Every floor but the engine's may use it.
const BESIDE: [(&str, &[&str]); 17] = [
    ("allocator", &[]),
    ("background", &[]),
    ("bugs", &[]),
    ("clock", &[]),
    ("config::document", &["config::mistake"]),
    ("config::mistake", &[]),
    ("config::rules", &["config::document", "config::mistake", "engine"]),
    ("data_folder", &["background"]),
    ("files", &["engine"]),
    ("generate", &["engine"]),
    ("health", &["engine", "log"]),
    ("lib", &[]),
    ("network", &[]),
    ("proto", &[]),
    ("simulation", &[]),
    ("tasks", &[]),
    ("telemetry", &["clock", "engine"]),
];
/// What only these may use, whatever their floor.
const ONLY: [(&str, &[&str]); 3] = [
    ("proto", &["cli", "serving", "codec"]),
    ("log::kafka", &["cli", "app", "config", "log"]),
    ("log::journal", &["cli", "app", "config", "log"]),
];
/// What the engine may use besides the standard library.
const ENGINE_CRATES: [&str; 9] = [
    "ndarray",
    "serde",
    "thiserror",
    "hashbrown",
    "foldhash",
    "xxhash_rust",
    "chrono",
    "bytes",
    "compact_str",
];
/// What of those it may not: files, clocks, threads, the environment and the network.
const ENGINE_BANNED: [&str; 11] = [
    "std::fs",
    "std::io",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::env",
    "std::thread",
    "std::net",
    "std::process",
    "std::os",
    "chrono::Local",
    "chrono::Utc::now",
];

/// The room that a module belongs to: the longest name that fits.
pub fn room(module: &[String]) -> Option<&'static str> {
    let rooms = FLOORS.into_iter().flatten().copied().chain(BESIDE.iter().map(|(room, _)| *room));
    rooms.filter(|room| is_in(module, room)).max_by_key(|room| room.len())
}

fn is_in(module: &[String], room: &str) -> bool {
    let mut parts = module.iter();
    room.split("::").all(|part| parts.next().is_some_and(|own| own == part))
}

/// The rule that breaks when a file of a room uses what is defined in a module, if one does.
pub fn forbidden(from: &str, module: &[String]) -> Option<String> {
    let Some(to) = room(module) else { return Some("it is in no room".to_owned()) };
    let closed = ONLY.iter().find(|(what, allowed)| is_in(module, what) && !allowed.contains(&from));
    if from == to {
        return None;
    } else if let Some((_, allowed)) = closed {
        return Some(format!("only {} use it", allowed.join(", ")));
    } else if let Some((_, allowed)) = BESIDE.iter().find(|(room, _)| *room == from) {
        let all = if allowed.is_empty() { "nothing of ours".to_owned() } else { allowed.join(", ") };
        return (!allowed.contains(&to)).then(|| format!("it stands beside the floors and uses {all}"));
    } else if from == "engine" {
        return Some("it uses nothing of ours".to_owned());
    }
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    let (own, other) = (floor(from)?, floor(to)?);
    match own.cmp(&other) {
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Equal => Some(format!("{from} and {to} are strangers on one floor")),
        std::cmp::Ordering::Greater => Some(format!("{to} is on a floor above {from}")),
    }
}

/// The rule that breaks when the engine uses another's crate, if one does.
pub fn forbidden_to_engine(path: &[String], crates: &[String]) -> Option<&'static str> {
    let name = path.join("::");
    let banned = ENGINE_BANNED.iter().any(|banned| {
        let glob = name.strip_suffix('*').is_some_and(|prefix| banned.starts_with(prefix));
        glob || name == *banned || name.starts_with(&format!("{banned}::"))
    });
    let foreign = crates.contains(&path[0]) && !ENGINE_CRATES.contains(&path[0].as_str());
    (banned || foreign).then_some("it decides only; time, randomness, files and the network are arguments")
}
