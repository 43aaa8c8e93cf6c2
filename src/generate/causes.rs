//! Why people look at an item, by shares that are planted: so that whoever finds out what matters on a site can be told
//! whether it does.
//!
//! Each cause draws from a handful of items, evenly, so that a share of the looks is worth about the same whichever cause
//! has it.

use std::str::FromStr;

use serde::Serialize;

use super::random::Random;

/// What share of the looks each cause has: parts of their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Causes {
    /// It is of the category that the person likes most, and was there from the beginning.
    pub interest: u32,
    /// It is one of three that follow from the item before.
    pub related: u32,
    /// It is one of eight that everybody looks at for two hours.
    pub popular: u32,
    /// It is one of the eight newest.
    pub new: u32,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Interest,
    Related,
    Popular,
    New,
}

impl Causes {
    /// The most parts of one.
    const MAX: u32 = 1_000_000;

    fn parts(self) -> [(Cause, u32); 4] {
        [
            (Cause::Interest, self.interest),
            (Cause::Related, self.related),
            (Cause::Popular, self.popular),
            (Cause::New, self.new),
        ]
    }

    /// Whether there is any cause, and each has at most a million parts.
    pub(super) fn are_valid(self) -> bool {
        let parts = self.parts();
        parts.iter().any(|(_, part)| *part > 0) && parts.iter().all(|(_, part)| *part <= Self::MAX)
    }

    pub(super) fn draw(self, random: &mut Random) -> Cause {
        let parts = self.parts();
        let mut rest = random.below(parts.iter().map(|(_, part)| u64::from(*part)).sum());
        for (cause, part) in parts {
            if rest < u64::from(part) {
                return cause;
            }
            rest -= u64::from(part);
        }
        Cause::Popular
    }
}

impl FromStr for Causes {
    type Err = String;

    /// As in `interest=60,related=25,popular=10,new=5`; one that is left out has no part.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "expected parts such as interest=60,related=25,popular=10,new=5, whole numbers up to {}, one of them above 0",
                Self::MAX
            )
        };
        let mut causes = Self { interest: 0, related: 0, popular: 0, new: 0 };
        for piece in text.split(',') {
            let (name, part) = piece.split_once('=').ok_or_else(expected)?;
            let slot = match name.trim() {
                "interest" => &mut causes.interest,
                "related" => &mut causes.related,
                "popular" => &mut causes.popular,
                "new" => &mut causes.new,
                _ => return Err(expected()),
            };
            *slot = part.trim().parse().map_err(|_| expected())?;
        }
        causes.are_valid().then_some(causes).ok_or_else(expected)
    }
}

impl std::fmt::Display for Causes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { interest, related, popular, new } = self;
        write!(f, "interest={interest},related={related},popular={popular},new={new}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Stream;
    use super::*;

    #[test]
    fn each_cause_has_its_share() {
        let causes: Causes = "interest=50, related=30,new=20".parse().unwrap();
        assert_eq!(causes.to_string(), "interest=50,related=30,popular=0,new=20");
        let mut random = Random::new(1, Stream::Session, 1);
        let drawn: Vec<Cause> = (0..10_000).map(|_| causes.draw(&mut random)).collect();
        for (cause, part) in causes.parts() {
            let count = drawn.iter().filter(|drawn| **drawn == cause).count() as i64;
            assert!((count - 100 * i64::from(part)).abs() < 200, "{cause:?}: {count}");
        }
    }

    #[test]
    fn what_is_no_share_is_refused_with_what_is() {
        for wrong in
            ["", "interest", "interest=0", "interst=1", "interest=-1", "new=1000001", "interest=1,,new=1"]
        {
            assert!(
                wrong.parse::<Causes>().unwrap_err().starts_with("expected parts such as interest=60"),
                "{wrong}"
            );
        }
    }
}
