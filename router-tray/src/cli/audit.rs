use std::io::{self, Write as _};

use codex_profiles::{ProfileStore, audit::AuditEntry};
use jiff::tz::TimeZone;
use serde_json::json;

use super::{exit::Failure, list::columns};

/// `audit`: what was done to the logins, a line each, the oldest first.
pub(crate) async fn audit(
    store: &ProfileStore,
    json: bool,
    last: Option<usize>,
) -> Result<(), Failure> {
    let log = store.audit_log().await?;
    let left_out = last.map_or(0, |last| log.entries.len().saturating_sub(last));
    let entries = &log.entries[left_out..];
    let mut out = io::stdout().lock();
    if json {
        let told = json!({"entries": entries, "unreadable": log.unreadable});
        serde_json::to_writer_pretty(&mut out, &told).map_err(io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    let rows: Vec<[String; 4]> = entries.iter().map(row).collect();
    for line in columns(&rows) {
        writeln!(out, "{line}")?;
    }
    if log.unreadable > 0 {
        writeln!(out, "\n{} lines cannot be read.", log.unreadable)?;
    }
    Ok(())
}

fn row(entry: &AuditEntry) -> [String; 4] {
    let at = entry.at.to_zoned(TimeZone::system());
    [
        at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        entry.action.as_str().replace('_', " "),
        what(entry),
        format!("{} ({})", entry.by, entry.pid),
    ]
}

fn what(entry: &AuditEntry) -> String {
    let mut what = entry.profile.clone().unwrap_or_default();
    if let Some(to) = &entry.to {
        what.extend([" → ", to]);
    }
    for more in [&entry.key, &entry.detail].into_iter().flatten() {
        if !what.is_empty() {
            what += ": ";
        }
        what += more;
    }
    what
}
