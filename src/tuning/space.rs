//! The numbers of a model that may move, as a space to search: each of its points is a model file.
//!
//! What a model weighs 0 stays out, and what only that depends on stays as it is: a model without interests is tuned
//! among those. Lists don't change if all weights are multiplied by the same, so the interest's stays where it is and
//! the others move against it. Windows share what they had in sum: their shares move against each other (a softmax of
//! bounded logarithms), as a greater sum is what the weight says.

use toml::{Table, Value};

use super::file::ModelFile;
use super::key::{Scale, written};
use crate::engine::config::{DAY, HOUR, MINUTE, SECOND, StreamConfig, window_name};
use crate::engine::rank::features::FEATURES;
use crate::engine::rank::model::Model;
use crate::models::ModelError;

/// Less than this part of the largest share a window has never.
const LEAST_SHARE: f64 = 0.005;

const WEIGHT: Scale = Scale::Log { min: 0.001, max: 5.0 };
const PART: Scale = Scale::Log { min: 0.01, max: 10.0 };
const SHARE: Scale = Scale::Linear { min: 0.0, max: 1.0 };
const FADE: Scale = Scale::Log { min: 0.01, max: 1.0 };
const EVIDENCE: Scale = Scale::Log { min: 0.1, max: 1000.0 };
const DISTANCE: Scale = Scale::Log { min: 0.5, max: 50.0 };
const HALF_LIFE: Scale = Scale::Log { min: 10.0 * MINUTE as f64, max: 365.0 * DAY as f64 };
const VISIT_HALF_LIFE: Scale = Scale::Log { min: HOUR as f64, max: 365.0 * DAY as f64 };
const WINDOW: Scale = Scale::Log { min: LEAST_SHARE, max: 1.0 };

/// What an interest is made of, and the feature that stands for it.
const PARTS: [(&str, &str); 5] = [
    ("categories", "interest"),
    ("next", "next"),
    ("covisits", "covisits"),
    ("neighbours", "neighbours"),
    ("own", "own"),
];

/// What a coordinate stands for.
#[derive(Clone, Debug, PartialEq)]
enum Meaning {
    Number,
    /// In ms.
    Length,
    /// One of the windows of the list at the path but for its last name.
    Window,
}

/// One coordinate.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    path: Vec<String>,
    meaning: Meaning,
    scale: Scale,
    /// What the model has, on the scale.
    now: f64,
    /// The same as its file says it.
    said: f64,
}

/// The numbers of a model file that may move.
#[derive(Clone, Debug)]
pub struct Space<'a> {
    base: &'a ModelFile,
    stream: &'a StreamConfig,
    axes: Vec<Axis>,
    /// The lists of windows that move, and what each adds up to.
    windows: Vec<(&'static str, f64)>,
}

/// Why there is nothing to search.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSpace {
    /// A key that is to stay is not one that would move.
    #[error("`{key}` is no key that would move; those are {known}")]
    Unknown {
        /// The key.
        key: String,
        /// All that would.
        known: String,
    },
    /// Nothing is left.
    #[error("no number of the model is left that may move: each weighs 0 or is to stay")]
    Empty,
}

impl<'a> Space<'a> {
    /// The numbers of a model file that may move, but for those that are named by `keep`, by a key or the beginning of some.
    ///
    /// # Errors
    /// A name that is none, or nothing is left.
    pub fn new(base: &'a ModelFile, stream: &'a StreamConfig, keep: &[String]) -> Result<Self, NoSpace> {
        let mut axes = axes(base, stream);
        for key in keep {
            let stays = |axis: &Axis| {
                let name = axis.path.join(".");
                name.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            // A list of windows stays as a whole: what one has the others have not.
            let one = axes.iter().any(|axis| axis.meaning == Meaning::Window && axis.path.join(".") == *key);
            if one || !axes.iter().any(stays) {
                return Err(NoSpace::Unknown { key: key.clone(), known: keys(&axes).join(", ") });
            }
            axes.retain(|axis| !stays(axis));
        }
        if axes.is_empty() {
            return Err(NoSpace::Empty);
        }
        let model = base.model();
        let lists = [("interest", &model.interest_windows), ("popularity", &model.popularity_windows)];
        let moves =
            |list: &str| axes.iter().any(|axis| axis.meaning == Meaning::Window && axis.path[0] == list);
        let lists = lists.into_iter().filter(|(list, _)| moves(list));
        let windows = lists.map(|(list, shares)| (list, shares.iter().sum())).collect();
        Ok(Self { base, stream, axes, windows })
    }

    /// The keys that move, a list of windows as one.
    pub fn keys(&self) -> Vec<String> {
        keys(&self.axes)
    }

    /// The point of the model itself, or the nearest one to it within the bounds.
    pub fn start(&self) -> Vec<f64> {
        self.axes.iter().map(|axis| axis.scale.place(axis.now)).collect()
    }

    /// The model file of a point, by a name.
    ///
    /// # Errors
    /// None is known: every point is a model that can be read, as a test holds.
    pub fn model(&self, point: &[f64], name: &str) -> Result<ModelFile, ModelError> {
        let at = || self.axes.iter().zip(point).map(|(axis, place)| (axis, axis.scale.value(*place)));
        let single = at().filter(|(axis, _)| axis.meaning != Meaning::Window).map(|(axis, value)| {
            let value = match axis.meaning {
                // To the second: it is written so.
                Meaning::Length => window_name((value as i64 / SECOND).max(1) * SECOND).into(),
                _ => Value::Float(value),
            };
            (axis.path.clone(), value)
        });
        let lists = self.windows.iter().map(|(list, sum)| {
            let own =
                || at().filter(move |(axis, _)| axis.meaning == Meaning::Window && axis.path[0] == *list);
            let all: f64 = own().map(|(_, part)| part).sum();
            let share =
                |(axis, part): (&Axis, f64)| (axis.path[2].clone(), Value::Float(written(sum * part / all)));
            let shares: Table = own().map(share).collect();
            (vec![(*list).to_owned(), "windows".to_owned()], Value::Table(shares))
        });
        self.base.with(single.chain(lists), name, self.stream)
    }

    /// The values of a model by the keys that move, as a file writes them.
    pub fn values(&self, of: &ModelFile) -> Vec<(String, String)> {
        let all = axes(of, self.stream);
        let value = |axis: &Axis| {
            let found = all.iter().find(|known| known.path == axis.path);
            let value = found.map_or(axis.said, |found| found.said);
            match axis.meaning {
                Meaning::Length => window_name(value as i64),
                _ => value.to_string(),
            }
        };
        self.axes.iter().map(|axis| (axis.path.join("."), value(axis))).collect()
    }
}

fn keys(axes: &[Axis]) -> Vec<String> {
    let mut keys: Vec<String> = axes
        .iter()
        .map(|axis| match axis.meaning {
            Meaning::Window => axis.path[..2].join("."),
            _ => axis.path.join("."),
        })
        .collect();
    keys.dedup();
    keys
}

/// Everything of a model file that may move.
fn axes(file: &ModelFile, stream: &StreamConfig) -> Vec<Axis> {
    let model = file.model();
    let weight = |name: &str| {
        FEATURES
            .iter()
            .position(|feature| feature.name == name)
            .map_or(0.0, |feature| model.weights()[feature])
    };
    let (popularity, recency) = (weight("popularity"), weight("recency"));
    let related = model.asks_for_related();
    let interests = weight("interest") != 0.0;
    let parts: Vec<(&str, f64)> = PARTS
        .into_iter()
        .filter(|(_, feature)| weight(feature) != 0.0)
        .filter_map(|(part, _)| Some((part, file.number(&["interest", "parts", part])?)))
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    let mut found = Vec::new();
    let mut add = |path: &[&str], scale, said, meaning| {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        found.push(Axis { path, meaning, scale, now: said, said });
    };
    // What is weighed by itself and what is a part of an interest are the same feature: one of the two moves.
    if parts.is_empty() {
        for name in ["next", "covisits", "neighbours", "own"].into_iter().filter(|name| weight(name) > 0.0) {
            add(&["weights", name], PART, weight(name), Meaning::Number);
        }
    } else {
        for (part, now) in &parts {
            add(&["interest", "parts", part], PART, *now, Meaning::Number);
        }
    }
    for (name, now) in
        [("popularity", popularity), ("recency", recency)].into_iter().filter(|(_, now)| *now > 0.0)
    {
        add(&["weights", name], WEIGHT, now, Meaning::Number);
    }
    if interests {
        interest(model, &mut add);
        windows("interest", &model.interest_windows, &stream.interest_windows, &mut add);
    }
    if related {
        let related = &model.related;
        add(&["related", "fade"], FADE, related.fade, Meaning::Number);
        add(&["related", "new_visit"], SHARE, related.new_visit, Meaning::Number);
        add(&["related", "expected"], SHARE, related.expected, Meaning::Number);
        add(&["related", "evidence"], EVIDENCE, related.evidence, Meaning::Number);
        if model.asks_for_neighbours() {
            add(&["related", "near"], FADE, related.near, Meaning::Number);
            add(&["related", "beyond"], SHARE, related.beyond, Meaning::Number);
        }
        if let Some(half_life) = related.half_life {
            add(&["related", "half_life"], VISIT_HALF_LIFE, half_life as f64, Meaning::Length);
        }
    }
    if model.asks_for_own() {
        add(&["own", "evidence"], EVIDENCE, model.own.evidence, Meaning::Number);
        if let Some(half_life) = model.own.half_life {
            add(&["own", "half_life"], VISIT_HALF_LIFE, half_life as f64, Meaning::Length);
        }
    }
    if popularity != 0.0 {
        add(&["popularity", "evidence"], EVIDENCE, model.popularity_evidence, Meaning::Number);
        windows("popularity", &model.popularity_windows, &stream.popularity_windows, &mut add);
    }
    if recency != 0.0 {
        add(&["recency", "half_life"], HALF_LIFE, model.half_life as f64, Meaning::Length);
    }
    relative(&mut found);
    found
}

/// Windows lie on their scale by their part of the largest share of their list.
fn relative(axes: &mut [Axis]) {
    for list in ["interest", "popularity"] {
        let own = |axis: &&mut Axis| axis.meaning == Meaning::Window && axis.path[0] == list;
        let most = axes.iter_mut().filter(own).fold(0.0, |most, axis| axis.said.max(most));
        axes.iter_mut().filter(own).for_each(|axis| axis.now = axis.said / most);
    }
}

fn interest(model: &Model, add: &mut impl FnMut(&[&str], Scale, f64, Meaning)) {
    add(&["interest", "evidence"], EVIDENCE, model.evidence, Meaning::Number);
    add(&["interest", "rarity"], SHARE, model.rarity, Meaning::Number);
    add(&["interest", "dilution"], SHARE, model.dilution, Meaning::Number);
    add(&["interest", "recent", "weight"], SHARE, model.recent.weight, Meaning::Number);
    add(&["interest", "recent", "distance"], DISTANCE, model.recent.distance, Meaning::Number);
    add(&["interest", "recent", "evidence"], EVIDENCE, model.recent.evidence, Meaning::Number);
}

/// A single window has all there is to share.
fn windows(list: &str, shares: &[f64], lengths: &[i64], add: &mut impl FnMut(&[&str], Scale, f64, Meaning)) {
    if lengths.len() > 1 {
        for (length, share) in lengths.iter().zip(shares) {
            add(&[list, "windows", &window_name(*length)], WINDOW, *share, Meaning::Window);
        }
    }
}

#[cfg(test)]
mod tests;
