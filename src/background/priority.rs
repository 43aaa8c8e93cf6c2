//! What a thread matters beside others.

/// How much less a thread matters than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Niceness {
    /// A tenth as much: somebody waits for it.
    Less,
    /// As little as may be, a seventieth: nobody waits for it, and it holds no lock that others need.
    Least,
}

impl Niceness {
    /// From 0 to 19.
    fn level(self) -> i32 {
        match self {
            Self::Less => 10,
            Self::Least => 19,
        }
    }
}

/// How long such a thread may have a processor before another one can claim it, in ns: the least that there is.
///
/// Unless asked for less, Linux leaves a processor for some ms to whoever has it, however little that one matters
/// (EEVDF's slice, `base_slice_ns`): a request that comes meanwhile waits for as long. The shorter the slice, the
/// less it costs to yield, too.
#[cfg(target_os = "linux")]
const SLICE: u64 = 100_000;

/// The calling thread matters less than others from now on. Where that may not be, it takes its share of the time.
#[cfg(target_os = "linux")]
pub fn lower(niceness: Niceness) {
    let level = niceness.level();
    // Elsewhere it would be the priority of the whole process.
    let _ = rustix::process::setpriority_process(None, level);
    shorten_slice(level);
}

/// Nothing where a thread has no priority of its own.
#[cfg(not(target_os = "linux"))]
pub fn lower(_niceness: Niceness) {}

/// Since Linux 6.12; earlier ones take it and change nothing.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library that we use makes this call")]
fn shorten_slice(level: i32) {
    // SAFETY: all of its fields are numbers, for which 0 is a value.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    attributes.size = size_of_val(&attributes) as u32;
    attributes.sched_policy = libc::SCHED_OTHER as u32;
    attributes.sched_nice = level;
    attributes.sched_runtime = SLICE;
    let (this_thread, no_flags) = (0, 0);
    // SAFETY: the structure is alive, and as long as it says; the call changes this thread's schedule and no memory.
    unsafe {
        libc::syscall(libc::SYS_sched_setattr, this_thread, &raw const attributes, no_flags);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_lowered_has_its_niceness_and_no_other_thread_has() {
        let own = || rustix::process::getpriority_process(None).expect("one's own priority can be read");
        let before = own();
        let lowered = std::thread::spawn(move || {
            lower(Niceness::Less);
            own()
        });
        assert_eq!(lowered.join().expect("it ends in order"), 10);
        assert_eq!(own(), before);
    }

    #[test]
    fn a_thread_that_is_lowered_has_a_short_slice() {
        let slice = std::thread::spawn(|| {
            lower(Niceness::Least);
            std::fs::read_to_string("/proc/thread-self/sched").unwrap_or_default()
        });
        let told = slice.join().expect("it ends in order");
        // Where the kernel tells of it.
        if let Some(line) = told.lines().find(|line| line.starts_with("se.slice")) {
            assert!(line.ends_with(" 100000"), "{line}");
        }
    }
}
