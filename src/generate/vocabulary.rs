//! The words of the catalog: categories, title parts and personas.
//!
//! Order matters: ids of generated items come from it, and pinned hashes in tests notice a change.

/// A category, and what a title in it is made of.
pub(super) struct Category {
    pub(super) name: &'static str,
    /// Categories that its items may have too.
    pub(super) kin: [&'static str; 3],
    /// Joins a subject and a place.
    pub(super) joint: &'static str,
    /// Plural and in lower case, so that each fits into every title.
    pub(super) subjects: [&'static str; 8],
}

/// A kind of person: what they come for, and how much of it.
pub(super) struct Persona {
    pub(super) name: &'static str,
    pub(super) tastes: [(&'static str, u64); 3],
}

const fn category(
    name: &'static str,
    kin: [&'static str; 3],
    joint: &'static str,
    subjects: [&'static str; 8],
) -> Category {
    Category { name, kin, joint, subjects }
}

#[rustfmt::skip]
pub(super) const CATEGORIES: [Category; 20] = [
    category("travel", ["nature", "photography", "history"], "through",
        ["slow trains", "night ferries", "mountain huts", "empty roads", "small harbours", "border towns", "long walks", "borrowed vans"]),
    category("science", ["space", "nature", "technology"], "from",
        ["clever crows", "tiny fossils", "patient experiments", "strange crystals", "deep-sea vents", "useful mistakes", "old equations", "sleeping seeds"]),
    category("cooking", ["gardening", "travel", "health"], "from",
        ["sourdough loaves", "one-pot suppers", "winter soups", "street dumplings", "slow stews", "summer salads", "grandmothers' pies", "honest noodles"]),
    category("football", ["running", "health", "history"], "in",
        ["late goals", "muddy derbies", "penalty shoot-outs", "forgotten captains", "away days", "Sunday leagues", "brave keepers", "free kicks"]),
    category("jazz", ["classical", "film", "history"], "from",
        ["midnight trios", "blue notes", "basement sessions", "brushed drums", "lost recordings", "slow ballads", "big bands", "walking bass lines"]),
    category("film", ["theatre", "books", "photography"], "from",
        ["quiet thrillers", "silent comedies", "long takes", "road movies", "first features", "lost reels", "courtroom dramas", "ghost stories"]),
    category("history", ["books", "architecture", "theatre"], "of",
        ["old maps", "salt roads", "forgotten queens", "river empires", "stolen letters", "market towns", "failed treaties", "stubborn monks"]),
    category("gardening", ["nature", "cooking", "design"], "in",
        ["wild borders", "balcony tomatoes", "climbing roses", "winter gardens", "kitchen plots", "old orchards", "shady corners", "patient hedges"]),
    category("technology", ["science", "design", "space"], "in",
        ["small computers", "repairable phones", "friendly algorithms", "open maps", "kind robots", "old keyboards", "quiet servers", "paper batteries"]),
    category("space", ["science", "technology", "photography"], "over",
        ["wandering comets", "cold moons", "young stars", "radio telescopes", "meteor showers", "northern lights", "borrowed orbits", "lonely probes"]),
    category("books", ["history", "theatre", "film"], "from",
        ["short novels", "second-hand paperbacks", "unsent letters", "island stories", "translated poems", "reading rooms", "unlikely heroes", "first chapters"]),
    category("cycling", ["travel", "health", "technology"], "across",
        ["gravel climbs", "steel frames", "cobbled classics", "commuter bikes", "long descents", "night rides", "folding bicycles", "windy plains"]),
    category("photography", ["travel", "design", "nature"], "in",
        ["foggy mornings", "street portraits", "empty cinemas", "long exposures", "wedding crowds", "rainy windows", "film cameras", "rooftop views"]),
    category("theatre", ["film", "books", "history"], "in",
        ["one-woman shows", "open-air stages", "sudden monologues", "puppet kings", "understudies", "late rehearsals", "village pageants", "radio plays"]),
    category("architecture", ["design", "history", "photography"], "of",
        ["wooden towers", "brick vaults", "tiny houses", "covered markets", "spiral stairs", "floating schools", "concrete churches", "roof gardens"]),
    category("design", ["architecture", "technology", "photography"], "from",
        ["good chairs", "honest posters", "railway signs", "paper lamps", "everyday tools", "bold alphabets", "woven patterns", "small kitchens"]),
    category("nature", ["travel", "science", "gardening"], "of",
        ["returning wolves", "salt marshes", "urban foxes", "ancient oaks", "migrating cranes", "hidden meadows", "river otters", "singing dunes"]),
    category("health", ["running", "cooking", "science"], "in",
        ["better mornings", "cold swims", "short naps", "deep breaths", "strong backs", "quiet hours", "long friendships", "screenless evenings"]),
    category("running", ["health", "nature", "travel"], "through",
        ["first marathons", "hill repeats", "forest loops", "coastal trails", "slow miles", "barefoot runners", "city relays", "winter runs"]),
    category("classical", ["jazz", "theatre", "history"], "from",
        ["string quartets", "unfinished symphonies", "church organs", "piano sketches", "village choirs", "rediscovered operas", "solo cellos", "summer concerts"]),
];

pub(super) const PLACES: [&str; 24] = [
    "Norway",
    "Lisbon",
    "Kyoto",
    "the Alps",
    "Patagonia",
    "Naples",
    "Glasgow",
    "Havana",
    "Tallinn",
    "Marrakesh",
    "Vienna",
    "the Hebrides",
    "Sicily",
    "Oaxaca",
    "Hanoi",
    "Georgia",
    "Buenos Aires",
    "Lapland",
    "Dublin",
    "Istanbul",
    "Nairobi",
    "Montreal",
    "the Baltic",
    "Kerala",
];

/// Titles without a place: before the subject, and after it.
pub(super) const FRAMES: [(&str, &str); 12] = [
    ("A short history of ", ""),
    ("The secret life of ", ""),
    ("In praise of ", ""),
    ("What we learned from ", ""),
    ("", ", explained"),
    ("A beginner's guide to ", ""),
    ("The trouble with ", ""),
    ("", " after dark"),
    ("Letters about ", ""),
    ("The people behind ", ""),
    ("A year of ", ""),
    ("", " for a rainy day"),
];

pub(super) const LANGUAGES: [(&str, u64); 5] = [("en", 70), ("de", 10), ("fr", 8), ("es", 8), ("pt", 4)];

pub(super) const FORMATS: [(&str, u64); 5] =
    [("article", 50), ("film", 15), ("podcast", 15), ("photo essay", 10), ("book", 10)];

/// Where a visit begins; what follows on the same item happens on [`ITEM_SURFACE`].
pub(super) const SURFACES: [(&str, u64); 4] = [("home", 55), ("search", 20), ("category", 15), ("mail", 10)];

pub(super) const ITEM_SURFACE: &str = "item";

const fn persona(name: &'static str, tastes: [(&'static str, u64); 3]) -> Persona {
    Persona { name, tastes }
}

pub(super) const PERSONAS: [Persona; 12] = [
    persona("night-train dreamer", [("travel", 6), ("photography", 3), ("jazz", 2)]),
    persona("stargazer", [("space", 6), ("science", 4), ("technology", 2)]),
    persona("sunday cook", [("cooking", 6), ("gardening", 3), ("health", 2)]),
    persona("terrace regular", [("football", 7), ("running", 2), ("history", 2)]),
    persona("record collector", [("jazz", 5), ("classical", 4), ("film", 2)]),
    persona("matinee critic", [("film", 5), ("theatre", 4), ("books", 3)]),
    persona("archive browser", [("history", 6), ("books", 4), ("architecture", 2)]),
    persona("allotment keeper", [("gardening", 5), ("nature", 4), ("cooking", 2)]),
    persona("tinkerer", [("technology", 5), ("design", 3), ("cycling", 3)]),
    persona("early riser", [("running", 5), ("health", 4), ("nature", 2)]),
    persona("long-distance rider", [("cycling", 6), ("travel", 3), ("health", 1)]),
    persona("draughtsman", [("architecture", 5), ("design", 5), ("photography", 2)]),
];

/// The index of a category in [`CATEGORIES`].
pub(super) fn category_index(name: &str) -> Option<usize> {
    CATEGORIES.iter().position(|category| category.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_that_is_referred_to_exists() {
        for category in &CATEGORIES {
            for kin in category.kin {
                assert!(category_index(kin).is_some(), "{}: {kin}", category.name);
                assert_ne!(kin, category.name);
            }
        }
        for persona in &PERSONAS {
            for (taste, weight) in persona.tastes {
                assert!(category_index(taste).is_some(), "{}: {taste}", persona.name);
                assert!(weight > 0, "{}: {taste}", persona.name);
            }
        }
    }

    #[test]
    fn every_category_is_somebodys_taste() {
        for category in &CATEGORIES {
            let fans =
                PERSONAS.iter().filter(|persona| persona.tastes.iter().any(|taste| taste.0 == category.name));
            assert!(fans.count() > 0, "{}", category.name);
        }
    }

    #[test]
    fn shares_add_up_to_a_hundred() {
        for shares in [&LANGUAGES[..], &FORMATS[..], &SURFACES[..]] {
            assert_eq!(shares.iter().map(|share| share.1).sum::<u64>(), 100);
        }
    }
}
