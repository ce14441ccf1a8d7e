//! `usage`: how much of its limits each profile has used, as OpenAI says now.

use std::io;

use codex_auth::{
    CredentialError,
    usage::{Credits, Usage, UsageWindow},
};
use codex_profiles::{CodexHome, ProfileName, ProfileStore};
use codex_proxy::usage::{UsageError, UsagePoll};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{client, exit::Failure, list::columns, out, text};
use crate::serving;

/// `usage [NAME] [--json]`.
pub(crate) async fn usage(home: &CodexHome, name: Option<&str>, json: bool) -> Result<(), Failure> {
    let store = client::store(home)?;
    let poll = UsagePoll::new(store.clone(), client::http_client()?, serving::targets()?);
    let done = match name {
        Some(name) => of_one(&poll, name, json).await,
        None => of_all(&store, &poll, json).await,
    };
    // The answer of the issuer is the only copy of new tokens.
    store.finish_refreshes().await;
    store.keep_usage().await;
    done
}

async fn of_one(poll: &UsagePoll, name: &str, json: bool) -> Result<(), Failure> {
    let name = ProfileName::parse(name).map_err(Failure::usage)?;
    let usage = match poll.poll_now(&name).await {
        Ok(usage) => Some(usage),
        Err(UsageError::NoQuota) => None,
        Err(error) => return Err(failure(&name, error)),
    };
    let mut stdout = io::stdout().lock();
    if json {
        return print(&mut stdout, &usage);
    }
    let lines = match &usage {
        Some(usage) => columns(&with_head(rows(name.as_str(), usage, Timestamp::now()))),
        None => vec![format!("`{name}` is an API key, which has no such limits.")],
    };
    say(&mut stdout, &lines)
}

async fn of_all(store: &ProfileStore, poll: &UsagePoll, json: bool) -> Result<(), Failure> {
    let asked = poll.poll_all().await?;
    let report = store.report().await?;
    let known = |name: &ProfileName| {
        let mut profiles = report.profiles.iter();
        profiles.find(|it| it.name == name.as_str())?.usage.clone()
    };
    let entries: Vec<Entry> = asked
        .iter()
        .map(|(name, asked)| Entry::new(name, asked, known(name)))
        .collect();
    let mut stdout = io::stdout().lock();
    if json {
        print(&mut stdout, &Entries { profiles: &entries })?;
    } else {
        table(&mut stdout, &entries, &report.codex_home)?;
    }
    drop(stdout);
    outcome(asked)
}

/// What is printed of all profiles.
#[derive(Serialize)]
struct Entries<'a> {
    profiles: &'a [Entry],
}

/// One profile: what was answered; else what was known before, and why there is nothing newer.
#[derive(Serialize)]
struct Entry {
    name: String,
    usage: Option<Usage>,
    error: Option<String>,
}

impl Entry {
    fn new(name: &ProfileName, asked: &Result<Usage, UsageError>, known: Option<Usage>) -> Self {
        let (usage, error) = match asked {
            Ok(usage) => (Some(usage.clone()), None),
            Err(UsageError::NoQuota) => (None, None),
            Err(error) => (known, Some(error.to_string())),
        };
        Self {
            name: name.to_string(),
            usage,
            error,
        }
    }
}

fn table(
    out: &mut impl io::Write,
    entries: &[Entry],
    home: &std::path::Path,
) -> Result<(), Failure> {
    let now = Timestamp::now();
    if entries.is_empty() {
        let folder = text::path(&home.join("profiles"));
        return say(out, &[format!("No profiles in {folder}.")]);
    }
    let rows = entries.iter().flat_map(|entry| match &entry.usage {
        Some(usage) => rows(&entry.name, usage, now),
        None => vec![row(&entry.name, "-", "", "", "")],
    });
    say(out, &columns(&with_head(rows)))
}

fn with_head(rows: impl IntoIterator<Item = [String; 5]>) -> Vec<[String; 5]> {
    let head = ["PROFILE", "LIMIT", "USED", "RESETS IN", "READ"].map(str::to_owned);
    std::iter::once(head).chain(rows).collect()
}

/// A row for each window, and one for credits.
fn rows(name: &str, usage: &Usage, now: Timestamp) -> Vec<[String; 5]> {
    let mut rows: Vec<_> = usage
        .windows
        .iter()
        .map(|window| of_window(name, window, now))
        .collect();
    if let Some(credits) = usage.credits.as_ref().and_then(words) {
        rows.push(row(name, "credits", &credits, "", &age(usage.read_at, now)));
    }
    if rows.is_empty() {
        rows.push(row(name, "none", "", "", &age(usage.read_at, now)));
    }
    rows
}

fn of_window(name: &str, window: &UsageWindow, now: Timestamp) -> [String; 5] {
    let resets = window.resets_at.filter(|reset| *reset > now);
    let resets = resets.map(|reset| span(reset.duration_since(now)));
    row(
        name,
        &window.name,
        &used(window),
        &resets.unwrap_or_else(|| "?".to_owned()),
        &age(window.read_at, now),
    )
}

fn row(name: &str, limit: &str, used: &str, resets: &str, read: &str) -> [String; 5] {
    [name, limit, used, resets, read].map(text::fact)
}

fn words(credits: &Credits) -> Option<String> {
    match credits {
        Credits {
            unlimited: true, ..
        } => Some("unlimited".to_owned()),
        Credits {
            has_credits: true,
            balance,
            ..
        } => Some(match balance {
            Some(balance) => format!("{balance} left"),
            None => "some left".to_owned(),
        }),
        _ => None,
    }
}

/// The window that ends first, for a table of other things: `5h 42%, resets in 1h 5m`.
pub(crate) fn binding(usage: &Usage) -> String {
    let now = Timestamp::now();
    let Some(window) = usage.binding_window() else {
        return String::new();
    };
    let resets = window.resets_at.filter(|reset| *reset > now);
    let resets = resets.map(|reset| format!(", resets in {}", span(reset.duration_since(now))));
    let text = format!(
        "{} {}{}",
        window.name,
        used(window),
        resets.unwrap_or_default()
    );
    text::fact(&text)
}

fn used(window: &UsageWindow) -> String {
    match window.used_percent {
        // Rounded down: a limit is not reached before it is.
        Some(percent) => format!("{}%", percent.floor()),
        None => "?".to_owned(),
    }
}

fn age(read_at: Timestamp, now: Timestamp) -> String {
    let age = now.duration_since(read_at);
    if age < SignedDuration::from_secs(5) {
        return "now".to_owned();
    }
    format!("{} ago", span(age))
}

/// The two largest units: `6d 4h`, `1h 5m`, `40s`.
fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

fn print(out: &mut impl io::Write, value: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

fn say(out: &mut impl io::Write, lines: &[String]) -> Result<(), Failure> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Says what is not known, and why. It has failed if a login that serves could not be asked for,
/// or if nothing was read since every login has ended.
fn outcome(asked: Vec<(ProfileName, Result<Usage, UsageError>)>) -> Result<(), Failure> {
    let is_read = asked.iter().any(|(_, asked)| asked.is_ok());
    let failed = asked
        .into_iter()
        .filter_map(|(name, asked)| Some((name, asked.err()?)))
        .filter(|(_, error)| !matches!(error, UsageError::NoQuota));
    let (mut ended, mut unknown): (Vec<_>, Vec<_>) =
        failed.partition(|(_, error)| error.needs_login());
    let worst = unknown
        .pop()
        .or_else(|| if is_read { None } else { ended.pop() });
    for (name, error) in unknown.into_iter().chain(ended) {
        out::complain(&failure(&name, error).to_string());
    }
    worst.map_or(Ok(()), |(name, error)| Err(failure(&name, error)))
}

fn failure(name: &ProfileName, error: UsageError) -> Failure {
    match error {
        UsageError::Login(CredentialError::UnknownProfile(_)) => {
            codex_profiles::StoreError::UnknownProfile(name.clone()).into()
        }
        error if error.needs_login() => {
            let word = text::word(name);
            Failure::needs_login(format!("{error}: `codex-router login {word}`"))
        }
        error => Failure::because(format!("the quota of `{name}` is not known: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use codex_auth::usage::UsageSource;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_400_000 + second).unwrap()
    }

    fn usage(windows: Vec<UsageWindow>, credits: Option<Credits>) -> Usage {
        Usage {
            windows,
            credits,
            binding: Some("5h".to_owned()),
            source: UsageSource::Poll,
            read_at: at(0),
        }
    }

    fn window(used_percent: Option<f64>, resets: Option<i64>) -> UsageWindow {
        UsageWindow {
            name: "5h".to_owned(),
            duration_seconds: Some(18_000),
            used_percent,
            resets_at: resets.map(at),
            read_at: at(0),
        }
    }

    fn row_of(window: UsageWindow, now: i64) -> String {
        rows("work", &usage(vec![window], None), at(now))
            .remove(0)
            .join("|")
    }

    #[test]
    fn a_row_says_what_is_known_and_how_old_it_is() {
        let known = window(Some(99.6), Some(3900));
        assert_eq!(row_of(known.clone(), 1), "work|5h|99%|1h 4m|now");
        assert_eq!(row_of(known, 600), "work|5h|99%|55m|10m ago");
        assert_eq!(row_of(window(None, Some(60)), 90), "work|5h|?|?|1m ago");
        assert_eq!(row_of(window(None, None), 200_000), "work|5h|?|?|2d 7h ago");
    }

    #[test]
    fn credits_are_shown_where_there_are_any() {
        let credits = |has_credits, unlimited, balance: Option<&str>| {
            words(&Credits {
                has_credits,
                unlimited,
                balance: balance.map(str::to_owned),
            })
        };
        assert_eq!(credits(false, false, Some("0")), None);
        assert_eq!(credits(true, true, None).as_deref(), Some("unlimited"));
        assert_eq!(
            credits(true, false, Some("9.5")).as_deref(),
            Some("9.5 left")
        );
        let none = rows("work", &usage(Vec::new(), None), at(0));
        assert_eq!(none[0].join("|"), "work|none|||now");
    }
}
