//! What the kernel says of another process.

use std::fs;

/// Linux counts processor time in hundredths of a second for every program.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of a process and of the children it has now, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let own = stat_ticks(pid);
    let children = children(pid).into_iter().map(stat_ticks).sum::<f64>();
    (own + children) / TICKS_PER_SECOND
}

/// Resident memory in KiB.
pub(crate) fn rss_kib(pid: u32) -> u64 {
    of_status(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// The most that it ever was.
pub(crate) fn peak_kib(pid: u32) -> u64 {
    of_status(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// How often its threads went to sleep, and so were woken.
pub(crate) fn wakeups(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    threads
        .map(|thread| thread.path().join("status").display().to_string())
        .map(|status| of_status(&status, "voluntary_ctxt_switches:"))
        .sum()
}

fn of_status(path: &str, name: &str) -> u64 {
    let status = fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

fn stat_ticks(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold blanks; the counted fields follow it.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = |index: usize| {
        fields
            .split(' ')
            .nth(index)
            .and_then(|text| text.parse::<f64>().ok())
    };
    ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)
}

fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let list = fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}
