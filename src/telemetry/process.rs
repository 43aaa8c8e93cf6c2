//! What the system tells of the process, under the names by which all processes tell it.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Metrics of a process; what the system does not tell is 0.
#[derive(Debug, Default)]
pub struct ProcessMetrics {
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    virtual_memory: Gauge,
    started: Gauge<f64, AtomicU64>,
    open_fds: Gauge,
    max_fds: Gauge,
}

/// What `/proc/self/stat` has of interest.
#[derive(Debug, PartialEq)]
struct Stat {
    /// Processor time, and when the process began after the system did; in ticks.
    cpu: u64,
    start: u64,
    /// In bytes and in pages.
    virtual_memory: u64,
    resident: u64,
}

impl ProcessMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Total user and system CPU time spent in seconds";
        registry.register_with_unit("process_cpu", help, Unit::Seconds, self.cpu.clone());
        let help = "Resident memory size";
        registry.register_with_unit("process_resident_memory", help, Unit::Bytes, self.resident.clone());
        let help = "Virtual memory size";
        registry.register_with_unit("process_virtual_memory", help, Unit::Bytes, self.virtual_memory.clone());
        let help = "Start time of the process since the Unix epoch";
        registry.register_with_unit("process_start_time", help, Unit::Seconds, self.started.clone());
        registry.register("process_open_fds", "Number of open file descriptors", self.open_fds.clone());
        registry.register("process_max_fds", "Maximum number of open file descriptors", self.max_fds.clone());
    }

    /// Asks the system.
    pub fn measure(&self) {
        let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        if let Some(stat) = stat(&read("/proc/self/stat")) {
            let seconds = |ticks: u64| ticks as f64 / clock_ticks_per_second().max(1) as f64;
            self.cpu.inner().store(seconds(stat.cpu).to_bits(), Ordering::Relaxed);
            self.resident.set(whole(stat.resident.saturating_mul(page_size() as u64)));
            self.virtual_memory.set(whole(stat.virtual_memory));
            let booted = booted(&read("/proc/stat")).unwrap_or(0);
            self.started.set(booted as f64 + seconds(stat.start));
        }
        // The one that reads the folder counts itself.
        let open = fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count().saturating_sub(1));
        self.open_fds.set(whole(open as u64));
        self.max_fds.set(getrlimit(Resource::Nofile).current.map_or(i64::MAX, whole));
    }
}

/// See proc_pid_stat(5). The second field is the program's name, which may hold anything but comes to an end.
fn stat(text: &str) -> Option<Stat> {
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    // The first one here is the third of the manual.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        cpu: field(14)?.saturating_add(field(15)?),
        start: field(22)?,
        virtual_memory: field(23)?,
        resident: field(24)?,
    })
}

/// When the system was started, in seconds since the epoch. See proc_stat(5).
fn booted(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_shifts_no_field() {
        let text =
            "42 (head) water) S 1 42 42 0 -1 4194560 900 0 1 0 250 50 0 0 20 0 9 0 7700 1048576 256 1844 1 1";
        let expected = Stat { cpu: 300, start: 7700, virtual_memory: 1_048_576, resident: 256 };
        assert_eq!(stat(text), Some(expected));
        assert_eq!(stat("42 (headwater) S 1"), None);
        assert_eq!(stat(""), None);
        assert_eq!(booted("cpu 1 2\nbtime 1700000000\nprocesses 3\n"), Some(1_700_000_000));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_of_this_process() {
        let process = ProcessMetrics::default();
        process.measure();
        assert!(process.resident.get() > 1_000_000 && process.virtual_memory.get() > process.resident.get());
        assert!(process.open_fds.get() > 2 && process.max_fds.get() >= process.open_fds.get());
        let since = crate::clock::wall_clock() as f64 / 1e3 - process.started.get();
        assert!((-60.0..86_400.0).contains(&since), "it says that it was started {since} s ago");
    }
}
