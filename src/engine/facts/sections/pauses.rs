//! Pauses while much is written.

/// Bytes between two pauses: some 0.6 ms of copying. Where others want the processor each pause may cost
/// a slice of its time, some ms: so they are few.
const EVERY: usize = 2 * 1024 * 1024;

/// Tells whoever lets a section be written when it may do something else for a moment, as to let others
/// run: to copy a large state takes long enough to hold up a request.
pub struct Pauses<'a> {
    pause: &'a mut dyn FnMut(),
    next: usize,
}

impl<'a> Pauses<'a> {
    /// Those of one section.
    pub(super) fn of(pause: &'a mut dyn FnMut()) -> Self {
        Self { pause, next: EVERY }
    }

    /// To be called after each fact, with the section so far.
    #[inline]
    pub fn after(&mut self, out: &[u8]) {
        if out.len() >= self.next {
            self.next = out.len() + EVERY;
            (self.pause)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_comes_every_so_many_bytes_whatever_the_steps() {
        let mut taken = 0;
        let mut pause = || taken += 1;
        let mut pauses = Pauses::of(&mut pause);
        let mut out = Vec::new();
        for step in [EVERY - 1, 1, 1, EVERY - 2, 1, 3 * EVERY, 0] {
            out.resize(out.len() + step, 0);
            pauses.after(&out);
        }
        assert_eq!(taken, 3);
    }
}
