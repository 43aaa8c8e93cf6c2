//! Bugs of the kind that loses or doubles events, planted where they could be made, so that the
//! simulation can show that it would find them. Outside of unit tests none is ever there.

/// A bug that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A snapshot says that it covers a record which its state has not seen.
    CommitFirst,
    /// The remembered event ids are not restored.
    ForgetIds,
    /// What decides when items are next given back is not restored.
    ForgetCompactions,
    /// The postings are not restored, but made anew of what is kept of users.
    ForgetPostings,
    /// A snapshot counts as written before it is on disk.
    ForgetSync,
    /// An older state is restored with the position of a newer one.
    OlderState,
    /// An event that is too late is dropped, and dropped again.
    LateTwice,
    /// A dead letter counts as acknowledged before the log has it.
    AcknowledgeFirst,
    /// The journal acknowledges, and shows to readers, what is not synced yet.
    AcknowledgeUnsynced,
}

#[cfg(test)]
std::thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in this thread, or none.
#[cfg(test)]
pub(crate) fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Work for another thread, with the bug that is planted in this one.
#[cfg(test)]
pub(crate) fn carried<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    /// The thread may go on to the work of others, after a panic too.
    struct Taken;
    impl Drop for Taken {
        fn drop(&mut self) {
            plant(None);
        }
    }
    let bug = PLANTED.get();
    move || {
        plant(bug);
        let _taken = Taken;
        work()
    }
}

/// Work for another thread.
#[cfg(not(test))]
pub(crate) fn carried<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    work
}

/// Whether a bug is planted.
#[cfg(test)]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether a bug is planted: never.
#[cfg(not(test))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_goes_with_the_work_to_another_thread_and_does_not_stay_there() {
        let elsewhere = |work: Box<dyn FnOnce() + Send>| std::thread::spawn(work).join().expect("it is done");
        plant(Some(Bug::ForgetSync));
        let work = carried(|| assert!(planted(Bug::ForgetSync)));
        elsewhere(Box::new(move || {
            work();
            assert!(!planted(Bug::ForgetSync));
        }));
        plant(None);
    }
}
