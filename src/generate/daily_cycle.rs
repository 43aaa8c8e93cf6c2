//! The daily cycle: when in a day people are here.
//!
//! Activity is a weight per hour (UTC). Drawing evenly from the activity since the epoch and
//! mapping it back to time gives quiet nights and busy evenings, in integers only.

const HOUR_MS: u64 = 3_600_000;

/// How busy each hour of a day is.
const WEIGHTS: [u64; 24] =
    [18, 11, 7, 5, 5, 9, 20, 38, 52, 55, 53, 55, 62, 60, 54, 52, 56, 64, 76, 88, 96, 92, 68, 38];

/// Activity per day.
const DAY: u64 = {
    let (mut sum, mut hour) = (0, 0);
    while hour < WEIGHTS.len() {
        sum += WEIGHTS[hour] * HOUR_MS;
        hour += 1;
    }
    sum
};

/// The activity between the epoch and an instant (ms since then).
pub(super) fn activity_until(ms: u64) -> u64 {
    let mut rest = ms % (24 * HOUR_MS);
    let mut activity = ms / (24 * HOUR_MS) * DAY;
    for weight in WEIGHTS {
        let here = rest.min(HOUR_MS);
        activity += here * weight;
        rest -= here;
    }
    activity
}

/// The instant (ms since the epoch) until which there was that much activity.
pub(super) fn instant_of(activity: u64) -> u64 {
    let mut rest = activity % DAY;
    let mut ms = activity / DAY * 24 * HOUR_MS;
    for weight in WEIGHTS {
        if rest < weight * HOUR_MS {
            return ms + rest / weight;
        }
        rest -= weight * HOUR_MS;
        ms += HOUR_MS;
    }
    ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_and_its_activity_are_each_others_inverse() {
        for ms in (0..3 * 24 * HOUR_MS).step_by(61_001).chain([1_767_571_200_000, 253_402_300_799_999]) {
            assert_eq!(instant_of(activity_until(ms)), ms);
        }
    }

    #[test]
    fn the_evening_has_more_activity_than_the_night() {
        let during = |from: u64, to: u64| activity_until(to * HOUR_MS) - activity_until(from * HOUR_MS);
        assert!(during(18, 22) > 8 * during(2, 6));
    }
}
