use std::io::{self, Write as _};

use codex_profiles::{
    ProfileStore, Report,
    report::{LoginState, ProfileReport},
};

use super::{exit::Failure, text, usage};

/// `list`: a table for people, or the report as JSON.
pub(crate) async fn list(store: &ProfileStore, json: bool) -> Result<(), Failure> {
    let report = store.report().await?;
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    if report.profiles.is_empty() {
        writeln!(
            out,
            "No profiles in {}.",
            text::path(&report.codex_home.join("profiles"))
        )?;
    }
    let rows: Vec<[String; 5]> = report.profiles.iter().map(row).collect();
    for line in columns(&rows) {
        writeln!(out, "{line}")?;
    }
    if let Some(note) = live_note(&report) {
        writeln!(out, "\n{note}")?;
    }
    Ok(())
}

/// `current`: the name alone, for scripts.
pub(crate) async fn current(store: &ProfileStore) -> Result<(), Failure> {
    match store.current().await? {
        Some(name) => Ok(writeln!(io::stdout(), "{name}")?),
        None => Err(Failure::no_current_profile()),
    }
}

/// A line for each row, its columns under one another. What is in a cell may be somebody else's.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let shown = |row: &[String; N]| {
        row.each_ref()
            .map(|cell| text::shown(cell).replace('\n', " "))
    };
    let rows: Vec<[String; N]> = rows.iter().map(shown).collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| width(&row[column]));
        cells.max().unwrap_or(0)
    });
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, widest)| format!("{cell}{}", " ".repeat(widest - width(cell))));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn row(profile: &ProfileReport) -> [String; 5] {
    let mark = if profile.current { '*' } else { ' ' };
    let email = profile
        .email
        .as_ref()
        .map(|email| email.as_str().to_owned());
    let who = profile
        .label
        .clone()
        .or(email)
        .or(profile.auth_mode.map(str::to_owned));
    let plan = profile.plan.as_ref().map(|plan| plan.as_str().to_owned());
    [
        format!("{mark} {}", profile.name),
        text::fact(&who.unwrap_or_default()),
        text::fact(&plan.unwrap_or_default()),
        profile
            .usage
            .as_ref()
            .map(usage::binding)
            .unwrap_or_default(),
        state(profile),
    ]
}

fn state(profile: &ProfileReport) -> String {
    let word = match profile.state {
        LoginState::Ok => "ok",
        LoginState::Expired => "expired, refreshed at the next request",
        LoginState::NeedsLogin => "needs login",
        _ => "unreadable",
    };
    match (&profile.reason, profile.state) {
        (Some(reason), LoginState::NeedsLogin | LoginState::Unreadable) => {
            format!("{word}: {reason}")
        }
        _ => word.to_owned(),
    }
}

fn live_note(report: &Report) -> Option<String> {
    if report.live.state == LoginState::Unreadable
        && let (Some(reason), Some(action)) = (&report.live.reason, report.live.action)
    {
        return Some(format!(
            "The login that Codex uses itself: {reason}. What helps: {action}."
        ));
    }
    match (&report.live.identity, &report.live.profile) {
        (Some(_), None) => {
            Some("The login that Codex uses now is not saved: `codex-router save`".to_owned())
        }
        (None, _) if report.profiles.is_empty() => Some(next_steps(report)),
        _ => None,
    }
}

fn next_steps(report: &Report) -> String {
    format!(
        "No login in {} either. Sign in with `codex-router login`; or run `codex login`, then \
         `codex-router save`.",
        text::path(&report.live.place)
    )
}

/// Columns are counted in characters: good enough for names and addresses.
fn width(text: &str) -> usize {
    text.chars().count()
}
