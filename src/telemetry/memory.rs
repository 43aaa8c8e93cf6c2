//! How much memory the process has.

/// Bytes of memory that are the process's own or that it shares; 0 where the system does not tell.
pub fn resident_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    kibibytes(&status).unwrap_or(0).saturating_mul(1024)
}

/// See proc_pid_status(5).
fn kibibytes(status: &str) -> Option<u64> {
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    resident.trim().strip_suffix("kB")?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_in_kibibytes() {
        assert_eq!(
            kibibytes("Name:\theadwater\nVmHWM:\t  9 kB\nVmRSS:\t   48212 kB\nRssAnon: 7 kB\n"),
            Some(48_212)
        );
        assert_eq!(kibibytes("Name:\tkthreadd\n"), None);
        assert!(!cfg!(target_os = "linux") || resident_memory() > 1_000_000);
    }
}
