//! By which items a list is asked for.

use super::super::contender::Question;

/// The newest items of the visit, oldest first, or of those before where it begins.
pub(super) fn newest<'a>(question: &Question<'a>, at_most: usize) -> &'a [u32] {
    let items = if question.so_far.is_empty() { question.before } else { question.so_far };
    &items[items.len().saturating_sub(at_most)..]
}

/// What remains of 1 after so long, both in ms.
pub(super) fn remains(age: i64, half_life: Option<i64>) -> f64 {
    half_life.map_or(1.0, |half| 0.5_f64.powf(age.max(0) as f64 / half as f64))
}
