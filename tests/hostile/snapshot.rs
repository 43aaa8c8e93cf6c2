//! Snapshots: damaged files, files that lie but are sealed as if they did not, and sections that lie.

use std::sync::Arc;

use headwater::engine::config::{StateLimits, StreamConfig};
use headwater::engine::facts::state::PartitionState;
use headwater::log::{Offset, Partition};
use headwater::snapshot::format::{Decoded, Header, decode, decode_header, encode};

use super::engine_harness::streams::{START, config, items, user};
use super::engine_harness::{Click, Engine, model, query};
use super::runner::Target;

/// What an input is: a file as it is, a file that gets right checksums, or sections that get a file.
const AS_IT_IS: u8 = 0;
const RESEALED: u8 = 1;
const SECTIONS: u8 = 2;
/// The magic, the format and the header's length.
const HEADER_AT: usize = 8 + 2 + 4;
/// Length and checksum of the content, and the end's magic.
const TRAILER: usize = 8 + 4 + 8;

const WORDS: &[&[u8]] = &[
    b"HWSNAP\r\n",
    b"HWSNAPEN",
    b"\x02\x00",
    b"\x05items\x01\x00",
    b"event_type ",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00\x00\x00\x00\x10",
    b"\x28\xb5\x2f\xfd",
    b"\x02\x00u1",
    b"\x02\x00i1",
    b"\x00\x00",
];

pub fn target() -> Target {
    let config = Arc::new(tight());
    let states = [0, 3, 120].map(|clicks| grown(&config, clicks).states.remove(0));
    let files: Vec<Vec<u8>> = states
        .iter()
        .map(|state| encode(&header(), &state.to_sections()).expect("packed").concat())
        .collect();
    let originals: Vec<Vec<Vec<u8>>> = states.iter().map(PartitionState::to_sections).collect();
    let with = |choice: u8, bytes: &[u8]| [&[choice], bytes].concat();
    let mut seeds = Vec::new();
    for (file, plain) in files.iter().zip(&originals) {
        seeds.extend([with(AS_IT_IS, file), with(RESEALED, file), with(SECTIONS, &joined(plain))]);
    }
    Target {
        name: "snapshots",
        seeds,
        words: WORDS,
        rounds: 15_000,
        may_hold: (512, 1 << 20),
        check: Box::new(move |input| check(input, &config, &originals)),
    }
}

fn tight() -> StreamConfig {
    StreamConfig { limits: StateLimits { users: 4, ..StateLimits::default() }, ..config() }
}

fn header() -> Header {
    Header {
        topic: "clicks".into(),
        partition: Partition(0),
        partitions: 1,
        next_offset: Offset(42),
        written_at: 1,
        stream: tight().facts_text(),
    }
}

fn grown(config: &Arc<StreamConfig>, clicks: usize) -> Engine {
    let mut engine = Engine::new((**config).clone(), &items(), model(config), 1);
    feed(&mut engine, clicks);
    engine
}

fn feed(engine: &mut Engine, clicks: usize) {
    for place in 0..clicks {
        engine.apply(&Click {
            id: Some(format!("e{place}")),
            user: user(place % 5),
            item: format!("i{}", place % 23),
            kind: (place % 8) as u8,
            ts: START + place as i64 * 20_000,
            logged: None,
            session: None,
            categories: vec![format!("c{}", place % 7)],
        });
    }
}

/// Each section behind its length.
fn joined(sections: &[Vec<u8>]) -> Vec<u8> {
    sections
        .iter()
        .flat_map(|section| [&(section.len() as u32).to_le_bytes(), section.as_slice()].concat())
        .collect()
}

fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut sections = Vec::new();
    for _ in 0..6 {
        let (length, rest) = bytes
            .split_first_chunk()
            .map_or((0, bytes), |(length, rest)| (u32::from_le_bytes(*length), rest));
        let (section, rest) = rest.split_at((length as usize).min(rest.len()));
        sections.push(section.to_vec());
        bytes = rest;
    }
    sections
}

/// Makes every checksum around the sections right, and the length at the end.
fn seal(file: &mut [u8]) {
    let Some(end) = file.len().checked_sub(TRAILER) else { return };
    let (body, trailer) = file.split_at_mut(end);
    if let Some(length) = body.get(HEADER_AT - 4..HEADER_AT) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        let header_end = HEADER_AT.saturating_add(length);
        if let Some(checksum) = body.get(HEADER_AT..header_end).map(crc32c::crc32c)
            && let Some(place) = body.get_mut(header_end..header_end + 4)
        {
            place.copy_from_slice(&checksum.to_le_bytes());
        }
    }
    trailer[..8].copy_from_slice(&(body.len() as u64).to_le_bytes());
    trailer[8..12].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    trailer[12..].copy_from_slice(b"HWSNAPEN");
}

fn check(input: &[u8], config: &Arc<StreamConfig>, originals: &[Vec<Vec<u8>>]) -> String {
    let (choice, bytes) = input.split_first().unwrap_or((&0, &[]));
    let mut file = bytes.to_vec();
    match choice % 3 {
        RESEALED => seal(&mut file),
        SECTIONS => file = encode(&header(), &split(bytes)).expect("packed").concat(),
        _ => {}
    }
    let told = decode_header(&file);
    let Decoded { header: read, state, .. } = match decode(&file, Arc::clone(config)) {
        Ok(read) => read,
        Err(error) => {
            let message = error.to_string();
            assert!(message.split_whitespace().count() >= 3 && message.len() <= 512, "{message}");
            return message;
        }
    };
    assert_eq!(told.ok().as_ref(), Some(&read), "the header alone says something else");
    let plain = state.to_sections();
    if *choice % 3 == AS_IT_IS {
        assert!(read == header() && originals.contains(&plain), "damage was taken for another state");
    }
    sound(config, state, &plain);
    "read".to_owned()
}

/// A state that was read is one like any other: written and read again it is the same, and it can be
/// fed and asked.
fn sound(config: &Arc<StreamConfig>, state: PartitionState, plain: &[Vec<u8>]) {
    let again = PartitionState::from_sections(Arc::clone(config), plain.iter().map(Vec::as_slice));
    assert!(again.expect("what we write we read").to_sections() == plain, "another state when read again");
    let mut engine = Engine::new((**config).clone(), &items(), model(config), 1);
    engine.states[0] = state;
    feed(&mut engine, 12);
    let t = engine.newest().max(engine.floor());
    let pools = engine.pools(t);
    for place in 0..3 {
        if let Ok(answer) = engine.ask(&pools, &user(place), &query(10, t)) {
            assert!(answer.items.iter().all(|ranked| ranked.score.is_finite()));
        }
        let _ = engine.report(&user(place), t);
    }
}
