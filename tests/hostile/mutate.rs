//! Turns inputs into others that are nearly right: most of what matters is reached by a valid input
//! with something wrong in it.

use rand::Rng;
use rand::rngs::SmallRng;

/// No input is made longer than this.
const LONGEST: usize = 1 << 16;
/// Numbers at the edges of what types and limits can hold.
const EDGES: [u64; 18] = [
    0,
    1,
    15,
    16,
    17,
    64,
    127,
    128,
    255,
    256,
    257,
    65_535,
    i32::MAX as u64,
    u32::MAX as u64,
    1 << 60,
    i64::MAX as u64,
    i64::MIN as u64,
    u64::MAX,
];

/// Changes an input one to six times. `words` are what its language is made of, `others` what parts
/// can be taken from.
pub fn mutate(bytes: &mut Vec<u8>, words: &[&[u8]], others: &[Vec<u8>], random: &mut SmallRng) {
    for _ in 0..random.random_range(1..=6) {
        once(bytes, words, others, random);
    }
    bytes.truncate(LONGEST);
}

fn once(bytes: &mut Vec<u8>, words: &[&[u8]], others: &[Vec<u8>], random: &mut SmallRng) {
    let at = random.random_range(0..=bytes.len());
    let part = part(bytes.len(), random);
    match random.random_range(0..13) {
        0 => flip(bytes, random),
        1 => overwrite(bytes, at, &[random.random()]),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(part)),
        4 => {
            let copied = bytes[part].to_vec();
            insert(bytes, at, &copied);
        }
        5 => {
            // Deep nesting and long runs.
            let short: Vec<u8> = bytes[part].iter().copied().take(12).collect();
            let many = short.repeat(random.random_range(2..400));
            insert(bytes, at, &many);
        }
        6 | 7 if !words.is_empty() => {
            let word = words[random.random_range(0..words.len())];
            if random.random() { insert(bytes, at, word) } else { drop(bytes.splice(part, word.to_vec())) }
        }
        8 => {
            let edge = EDGES[random.random_range(0..EDGES.len())].to_le_bytes();
            let width = [1, 2, 4, 8][random.random_range(0..4)];
            overwrite(bytes, at, &edge[..width]);
        }
        9 => written_number(bytes, at, random),
        10 if !others.is_empty() => {
            let other = &others[random.random_range(0..others.len())];
            let piece = other[self::part(other.len(), random)].to_vec();
            if random.random() { insert(bytes, at, &piece) } else { overwrite(bytes, at, &piece) }
        }
        11 => {
            let noise: Vec<u8> = (0..random.random_range(1..9)).map(|_| random.random()).collect();
            insert(bytes, at, &noise);
        }
        _ => flip(bytes, random),
    }
}

/// A part that is mostly short.
fn part(length: usize, random: &mut SmallRng) -> std::ops::Range<usize> {
    let start = random.random_range(0..=length);
    let most = if random.random_ratio(1, 4) { length } else { 24 };
    start..(start + random.random_range(0..=most)).min(length)
}

fn flip(bytes: &mut [u8], random: &mut SmallRng) {
    if !bytes.is_empty() {
        let at = random.random_range(0..bytes.len());
        bytes[at] ^= 1 << random.random_range(0..8);
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    drop(bytes.splice(at..at, piece.iter().copied()));
}

fn overwrite(bytes: &mut [u8], at: usize, piece: &[u8]) {
    bytes[at..].iter_mut().zip(piece).for_each(|(byte, new)| *byte = *new);
}

/// Puts another number in the place of the next one that is written in digits.
fn written_number(bytes: &mut Vec<u8>, from: usize, random: &mut SmallRng) {
    let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit).map(|offset| from + offset) else {
        return;
    };
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let edge = EDGES[random.random_range(0..EDGES.len())];
    let number = match random.random_range(0..6) {
        0 => (edge as i64).to_string(),
        1 => format!("{edge}e{}", random.random_range(-400..400)),
        2 => format!("{edge}.{edge}"),
        3 => "9".repeat(random.random_range(1..400)),
        4 => random.random_range(0..2000).to_string(),
        _ => edge.to_string(),
    };
    drop(bytes.splice(start..start + digits, number.into_bytes()));
}
