//! What the system knows of this process, by the names that every Prometheus client uses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// On Linux memory, time on the processor and open files; elsewhere only the time of its start.
#[derive(Debug)]
pub(super) struct ProcessCollector {
    started: SystemTime,
}

impl ProcessCollector {
    /// Of a process that starts now, or did a moment ago.
    pub(super) fn new() -> Self {
        Self {
            started: SystemTime::now(),
        }
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut put = |name: &str, help: &str, unit: Option<Unit>, metric: &dyn EncodeMetric| {
            let encoder =
                encoder.encode_descriptor(name, help, unit.as_ref(), metric.metric_type())?;
            metric.encode(encoder)
        };
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let started = ConstGauge::new(started.as_secs_f64());
        put(
            "process_start_time",
            "When it was set up",
            Some(Unit::Seconds),
            &started,
        )?;
        if let Some(bytes) = resident_bytes() {
            let help = "Memory in use";
            put(
                "process_resident_memory",
                help,
                Some(Unit::Bytes),
                &ConstGauge::new(bytes),
            )?;
        }
        if let Some(time) = processor_time() {
            let time = ConstCounter::new(time.as_secs_f64());
            put(
                "process_cpu",
                "Time on the processor",
                Some(Unit::Seconds),
                &time,
            )?;
        }
        if let Some(files) = open_files() {
            put(
                "process_open_fds",
                "Open files",
                None,
                &ConstGauge::new(files),
            )?;
        }
        Ok(())
    }
}

/// Resident memory. *Source:* proc(5), `/proc/pid/status`.
#[cfg(target_os = "linux")]
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = resident.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// In user and in system mode together. *Source:* proc(5), `/proc/pid/stat`, fields 14 and 15, in
/// `USER_HZ`, which is 100 on all that Linux runs on but Alpha.
#[cfg(target_os = "linux")]
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may hold anything, but is followed by the last bracket.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = fields.split(' ').skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 10))
}

/// *Source:* proc(5), `/proc/pid/fd`.
#[cfg(target_os = "linux")]
fn open_files() -> Option<u64> {
    // One of them is the folder itself.
    let open = std::fs::read_dir("/proc/self/fd")
        .ok()?
        .count()
        .checked_sub(1)?;
    open.try_into().ok()
}

#[cfg(not(target_os = "linux"))]
fn resident_bytes() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn processor_time() -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
fn open_files() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_files_and_time() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        assert!(open_files().unwrap() >= 3);
        assert!(processor_time().unwrap() < Duration::from_hours(1));
    }
}
