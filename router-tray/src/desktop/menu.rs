//! What the tray shows: a pure function of the state of the router.

use std::ops::Range;

use codex_auth::{
    claims::Email,
    text::printable,
    usage::{Usage, UsageWindow},
};
use codex_profiles::report::{LiveReport, LoginState, ProfileReport};
use codex_proxy::control::{AttachmentView, Overview};
use jiff::{Timestamp, Zoned};
use router_tray::icon::Health;

use super::words::{Words, filled};

/// From here on a limit is nearly used up, in percent.
const NEAR: f64 = 80.0;
const WHOLE: f64 = 100.0;
/// What fits into a menu beside a plan and two limits.
const LONGEST_NAME: usize = 40;
/// A reading that is younger needs no time beside it.
const FRESH_SECONDS: i64 = 60 * 60;
const BETWEEN: &str = " · ";

/// Everything that the tray shows at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Menu {
    pub(crate) health: Health,
    pub(crate) tooltip: String,
    pub(crate) entries: Vec<Entry>,
}

/// One line of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Separator,
    /// Only to be read.
    Text(String),
    /// Something to be done.
    Button {
        action: Action,
        text: String,
    },
    /// Something that is so or not.
    Check {
        action: Action,
        text: String,
        checked: bool,
        enabled: bool,
    },
}

impl Entry {
    /// Whether one can become the other without leaving its place.
    fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Separator, Self::Separator) | (Self::Text(_), Self::Text(_)) => true,
            _ => self.action().is_some() && self.action() == other.action(),
        }
    }

    /// What a click on it asks for.
    pub(crate) fn action(&self) -> Option<&Action> {
        match self {
            Self::Button { action, .. } | Self::Check { action, .. } => Some(action),
            _ => None,
        }
    }
}

/// The entries that change their place, or come, or go: those of `old` and what is there in their
/// stead in `new`. All others stay where they are.
pub(crate) fn changed(old: &[Entry], new: &[Entry]) -> (Range<usize>, Range<usize>) {
    let same = |(old, new): &(&Entry, &Entry)| old.is_same_as(new);
    let before = old.iter().zip(new).take_while(same).count();
    let (rest, new_rest) = (&old[before..], &new[before..]);
    let pairs = rest.iter().rev().zip(new_rest.iter().rev());
    let after = pairs.take_while(same).count();
    (before..old.len() - after, before..new.len() - after)
}

/// What a click asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Use(String),
    Save,
    Open,
    Add,
    Refresh,
    Attach,
    StartAtLogin,
    Quit,
}

impl Action {
    /// The name of the entry, by which a click is told.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Use(name) => format!("profile:{name}"),
            Self::Save => "save".to_owned(),
            Self::Open => "open".to_owned(),
            Self::Add => "add".to_owned(),
            Self::Refresh => "refresh".to_owned(),
            Self::Attach => "attach".to_owned(),
            Self::StartAtLogin => "start-at-login".to_owned(),
            Self::Quit => "quit".to_owned(),
        }
    }
}

impl Menu {
    /// The menu of a router in this state.
    pub(crate) fn new(overview: &Overview, now: &Zoned, words: &Words) -> Self {
        let view = View {
            overview,
            now,
            words,
        };
        Self {
            health: view.health(),
            tooltip: view.tooltip(),
            entries: view.entries(),
        }
    }

    /// What is left when the profiles cannot be read.
    pub(crate) fn unknown(words: &Words) -> Self {
        Self {
            health: Health::NeedsLogin,
            tooltip: words.unreadable.to_owned(),
            entries: vec![
                Entry::Text(words.unreadable.to_owned()),
                button(Action::Open, words.open),
                button(Action::Quit, words.quit),
            ],
        }
    }

    /// The same while the streams under way come to their end.
    pub(crate) fn stopping(words: &Words) -> Self {
        Self {
            health: Health::Stopped,
            tooltip: words.stopping.to_owned(),
            entries: vec![Entry::Text(words.stopping.to_owned())],
        }
    }
}

struct View<'a> {
    overview: &'a Overview,
    now: &'a Zoned,
    words: &'a Words,
}

impl View<'_> {
    fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<_> = self.head().into_iter().map(Entry::Text).collect();
        entries.push(Entry::Separator);
        entries.extend(self.profiles());
        if self.live_is_unsaved() {
            entries.push(button(Action::Save, self.words.save_login));
        }
        if !self.overview.logins.profiles.is_empty() || self.live_is_unsaved() {
            entries.push(Entry::Separator);
        }
        entries.push(button(Action::Refresh, self.words.refresh));
        entries.push(button(Action::Add, self.words.add));
        entries.push(Entry::Separator);
        entries.extend(self.switches());
        entries.push(Entry::Separator);
        entries.push(button(Action::Open, self.words.open));
        entries.push(button(Action::Quit, self.words.quit));
        entries
    }

    /// Who serves, and the limit that ends first.
    fn head(&self) -> Vec<String> {
        match self.current() {
            Some(profile) => vec![self.shown(profile), self.state_of(profile)],
            None => vec![self.without_choice().to_owned()],
        }
    }

    fn without_choice(&self) -> &'static str {
        let logins = &self.overview.logins;
        match (&logins.live.identity, logins.profiles.is_empty()) {
            (Some(_), _) => self.words.live_login,
            (None, true) => self.words.no_login,
            (None, false) => self.words.nothing_chosen,
        }
    }

    fn state_of(&self, profile: &ProfileReport) -> String {
        if let Some(trouble) = self.trouble(profile) {
            return capitalized(trouble);
        }
        if is_key(profile) {
            return self.words.api_key.to_owned();
        }
        let binding = profile.usage.as_ref().and_then(binding);
        binding.map_or_else(
            || self.words.no_reading.to_owned(),
            |window| self.limit(window),
        )
    }

    /// `5h limit: 42% used · resets 16:05 · read 14:02`
    fn limit(&self, window: &UsageWindow) -> String {
        let name = self.words.window(&window.name);
        let used = self.used(window);
        let is_reached = used.is_some_and(|percent| percent >= WHOLE);
        let said = if is_reached {
            filled(self.words.reached, &[name])
        } else {
            filled(self.words.used, &[name, &percent(used)])
        };
        let resets = self.resets(window);
        let read = filled(self.words.read_at, &[&self.clock(window.read_at)]);
        joined([Some(said), resets, Some(read)])
    }

    fn profiles(&self) -> impl Iterator<Item = Entry> {
        self.overview.logins.profiles.iter().map(|profile| {
            let (plan, limits) = (self.plan(profile), self.limits(profile));
            let trouble = self.trouble(profile).map(str::to_owned);
            Entry::Check {
                action: Action::Use(profile.name.clone()),
                text: joined([Some(self.shown(profile)), plan, limits, trouble]),
                checked: profile.current,
                enabled: true,
            }
        })
    }

    /// What a profile is called; with its name, where that is not clear.
    fn shown(&self, profile: &ProfileReport) -> String {
        let called = called(profile);
        let profiles = &self.overview.logins.profiles;
        let is_shared = profiles
            .iter()
            .any(|other| other.name != profile.name && self::called(other) == called);
        let shown = shortened(called);
        if is_shared {
            format!("{shown} ({})", shortened(&profile.name))
        } else {
            shown
        }
    }

    fn plan(&self, profile: &ProfileReport) -> Option<String> {
        if is_key(profile) {
            return Some(self.words.api_key.to_owned());
        }
        let plan = profile.plan.as_ref()?.as_str();
        Some(capitalized(&printable(plan, LONGEST_NAME)))
    }

    /// `5h 42% · weekly 7%`, and what else is nearly used up.
    fn limits(&self, profile: &ProfileReport) -> Option<String> {
        let usage = profile.usage.as_ref().filter(|_| !is_key(profile))?;
        let is_main = |window: &UsageWindow| matches!(window.name.as_str(), "5h" | "weekly");
        let shown = usage.windows.iter().filter(|window| {
            is_main(window) || self.used(window).is_some_and(|percent| percent >= NEAR)
        });
        let limits: Vec<_> = shown.map(|window| self.short_limit(window)).collect();
        let old = (self.now.timestamp().as_second() - usage.read_at.as_second() > FRESH_SECONDS)
            .then(|| filled(self.words.read_at, &[&self.clock(usage.read_at)]));
        let limits = (!limits.is_empty()).then(|| limits.join(BETWEEN))?;
        Some(joined([Some(limits), old]))
    }

    fn short_limit(&self, window: &UsageWindow) -> String {
        let used = self.used(window);
        let name = shortened(self.words.window(&window.name));
        let is_reached = used.is_some_and(|percent| percent >= WHOLE);
        let resets = is_reached.then(|| self.resets(window)).flatten();
        joined([Some(format!("{name} {}", percent(used))), resets])
    }

    fn trouble(&self, profile: &ProfileReport) -> Option<&'static str> {
        match profile.state {
            LoginState::NeedsLogin => Some(self.words.log_in_again),
            LoginState::Unreadable => Some(self.words.unreadable),
            _ => None,
        }
    }

    fn switches(&self) -> Vec<Entry> {
        let attach = Entry::Check {
            action: Action::Attach,
            text: self.words.attach.to_owned(),
            checked: self.overview.attachment == AttachmentView::Attached,
            enabled: self.overview.attachment != AttachmentView::Foreign,
        };
        let desktop = self.overview.desktop.as_ref();
        let starts = desktop.and_then(|desktop| desktop.starts_at_login);
        let starts = starts.map(|starts| Entry::Check {
            action: Action::StartAtLogin,
            text: self.words.starts_at_login.to_owned(),
            checked: starts,
            enabled: true,
        });
        [attach].into_iter().chain(starts).collect()
    }

    fn tooltip(&self) -> String {
        let name = joined(self.head().into_iter().map(Some));
        format!("Codex Router{BETWEEN}{name}")
    }

    fn health(&self) -> Health {
        let state = self
            .current()
            .map_or_else(|| self.overview.logins.live.state, |profile| profile.state);
        match state {
            LoginState::NeedsLogin | LoginState::Unreadable | LoginState::None => {
                Health::NeedsLogin
            }
            _ => self.limit_health(),
        }
    }

    fn limit_health(&self) -> Health {
        let usage = self.serving().and_then(|profile| profile.usage.as_ref());
        let used = usage.and_then(binding).and_then(|window| self.used(window));
        match used {
            Some(WHOLE..) => Health::LimitReached,
            Some(NEAR..) => Health::LimitNear,
            _ => Health::Fine,
        }
    }

    fn current(&self) -> Option<&ProfileReport> {
        let mut profiles = self.overview.logins.profiles.iter();
        profiles.find(|profile| profile.current)
    }

    /// The current profile, else that of the live login.
    fn serving(&self) -> Option<&ProfileReport> {
        let logins = &self.overview.logins;
        let of_live = || {
            let name = logins.live.profile.as_ref()?;
            logins.profiles.iter().find(|profile| profile.name == *name)
        };
        self.current().or_else(of_live)
    }

    fn live_is_unsaved(&self) -> bool {
        let LiveReport {
            identity, profile, ..
        } = &self.overview.logins.live;
        identity.is_some() && profile.is_none()
    }

    /// How much is used: of a window that has begun anew since, nobody knows.
    fn used(&self, window: &UsageWindow) -> Option<f64> {
        let is_over = window
            .resets_at
            .is_some_and(|at| at <= self.now.timestamp());
        window.used_percent.filter(|_| !is_over)
    }

    fn resets(&self, window: &UsageWindow) -> Option<String> {
        let at = window.resets_at.filter(|at| *at > self.now.timestamp())?;
        Some(filled(self.words.resets, &[&self.clock(at)]))
    }

    fn clock(&self, at: Timestamp) -> String {
        let at = at.to_zoned(self.now.time_zone().clone());
        self.words.clock(&at, self.now)
    }
}

/// The window that ends first; without one that is known to, the first there is.
fn binding(usage: &Usage) -> Option<&UsageWindow> {
    let name = usage.binding.as_deref();
    let bound = usage
        .windows
        .iter()
        .find(|window| Some(window.name.as_str()) == name);
    bound.or(usage.windows.first())
}

fn is_key(profile: &ProfileReport) -> bool {
    profile.auth_mode == Some("apikey")
}

/// The label, else the e-mail address, else the name.
fn called(profile: &ProfileReport) -> &str {
    let email = profile.email.as_ref().map(Email::as_str);
    profile.label.as_deref().or(email).unwrap_or(&profile.name)
}

fn button(action: Action, text: &str) -> Entry {
    Entry::Button {
        action,
        text: text.to_owned(),
    }
}

/// Whole percent, rounded down: what is not used up is not shown as 100%.
fn percent(used: Option<f64>) -> String {
    used.map_or_else(|| "?".to_owned(), |used| format!("{:.0}%", used.floor()))
}

fn joined(parts: impl IntoIterator<Item = Option<String>>) -> String {
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    parts.join(BETWEEN)
}

/// As much as fits, and nothing that steers.
fn shortened(name: &str) -> String {
    let mut short = printable(name, LONGEST_NAME + 1);
    if let Some((cut, _)) = short.char_indices().nth(LONGEST_NAME) {
        short.truncate(cut);
        short.push('…');
    }
    short
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
pub(in crate::desktop) mod tests;
