//! `router/state.json`: settings, and the durable facts that are about no file of their own.

use std::{io, time::Duration};

use codex_auth::{LoginReason, text::printable};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    attach::Record,
    error::StoreError,
    fs::{ReadError, atomic, lock::FileLock, read},
    home::CodexHome,
    object::Object,
};

/// The longest label.
pub const MAX_LABEL_CHARS: usize = 120;

const VERSION: u32 = 1;
const DEFAULT_LISTEN: &str = "127.0.0.1:9876";
/// The quota page changes slowly, and asking for it is a request like any other.
const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_mins(10);
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// The content of `state.json`. Fields unknown to this version survive every change.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub(crate) fields: Object,
}

/// What is kept about one profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileFacts {
    /// What a person calls it.
    pub label: Option<String>,
    /// The colour it is shown in.
    pub color: Option<String>,
    /// Why its login ended, if the issuer said so: of that one token, which the file may hold no
    /// longer. [`Profile::condition`](crate::Profile) compares the two.
    pub needs_login: Option<NeedsLogin>,
    /// That Codex may have signed it out, of that one token.
    pub signed_out: Option<SignedOut>,
}

/// The live login with this token went away, and not by a switch of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedOut {
    /// SHA-256 of the refresh token, in hexadecimal.
    pub token_fingerprint: String,
    /// When it was noticed.
    pub at: Timestamp,
}

/// A final refusal by the issuer, of one very token: it ends when the file holds another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedsLogin {
    /// Why.
    pub reason: LoginReason,
    /// SHA-256 of the refresh token that was refused, in hexadecimal.
    pub token_fingerprint: String,
    /// When.
    pub at: Timestamp,
}

impl State {
    /// The format's version.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.fields.read("version").unwrap_or(VERSION)
    }

    /// The address the server binds.
    #[must_use]
    pub fn listen(&self) -> String {
        let listen = self.fields.read("listen");
        listen.unwrap_or_else(|| DEFAULT_LISTEN.to_owned())
    }

    /// Sets the address the server binds from its next start on.
    pub fn set_listen(&mut self, address: &str) {
        self.fields.set("listen", address);
    }

    /// The names, besides those of loopback, that requests may be addressed to.
    #[must_use]
    pub fn allowed_hosts(&self) -> Vec<String> {
        self.fields.read("allowed_hosts").unwrap_or_default()
    }

    /// How chat completions show the reasoning of models: a word for the server, if one is set.
    #[must_use]
    pub fn reasoning_format(&self) -> Option<String> {
        self.fields.read("reasoning_format")
    }

    /// Sets how chat completions show the reasoning of models from the server's next start on.
    pub fn set_reasoning_format(&mut self, format: &str) {
        self.fields.set("reasoning_format", format);
    }

    /// How often the quota is asked for, 600 s unless set.
    #[must_use]
    pub fn refresh_interval(&self) -> Duration {
        let seconds = self.fields.read("refresh_interval_seconds");
        seconds.map_or(DEFAULT_REFRESH_INTERVAL, Duration::from_secs)
    }

    /// Sets how often the quota is asked for, in whole seconds.
    pub fn set_refresh_interval(&mut self, interval: Duration) {
        self.fields
            .set("refresh_interval_seconds", &interval.as_secs());
    }

    /// Whether idle logins are kept alive, and the quota is asked for, without being told to.
    #[must_use]
    pub fn auto_refresh_enabled(&self) -> bool {
        self.fields.read("auto_refresh_enabled").unwrap_or(true)
    }

    /// Sets whether anything is refreshed without being told to.
    pub fn set_auto_refresh_enabled(&mut self, enabled: bool) {
        self.fields.set("auto_refresh_enabled", &enabled);
    }

    /// What is kept about the profile of this label.
    #[must_use]
    pub fn profile(&self, label: &str) -> ProfileFacts {
        let facts = self.facts(label);
        ProfileFacts {
            label: facts.read("label"),
            color: facts.read("color"),
            needs_login: facts.read("needs_login"),
            signed_out: facts.read("signed_out"),
        }
    }

    /// Sets what a person calls a profile, or takes it back. What cannot be shown is left out, and
    /// what is longer than [`MAX_LABEL_CHARS`] is cut.
    pub fn set_label(&mut self, profile: &str, label: Option<&str>) {
        let label = label.map(|label| printable(label, MAX_LABEL_CHARS));
        let label = label.filter(|label| !label.trim().is_empty());
        self.change(profile, |facts| facts.set("label", &label));
    }

    /// Sets the colour a profile is shown in, or takes it back.
    pub fn set_color(&mut self, profile: &str, color: Option<&str>) {
        self.change(profile, |facts| facts.set("color", &color));
    }

    pub(crate) fn set_needs_login(&mut self, profile: &str, fact: Option<&NeedsLogin>) {
        self.change(profile, |facts| facts.set("needs_login", &fact));
    }

    pub(crate) fn set_signed_out(&mut self, profile: &str, fact: &SignedOut) {
        self.change(profile, |facts| facts.set("signed_out", fact));
    }

    /// That a login was not removed but replaced by an import, under the mark of its folder.
    pub(crate) fn set_replaced(&mut self, mark: &str) {
        self.change(mark, |facts| facts.set("replaced", &true));
    }

    pub(crate) fn was_replaced(&self, mark: &str) -> bool {
        self.facts(mark).read("replaced").unwrap_or(false)
    }

    /// Whose login was live when that was looked at last, by the fingerprint of its identity.
    pub(crate) fn live_identity(&self) -> Option<String> {
        self.fields.read("live_identity")
    }

    pub(crate) fn set_live_identity(&mut self, identity: Option<&str>) {
        self.fields.set("live_identity", &identity);
    }

    /// The refresh token that Codex had when its keyring was seen last, by its fingerprint.
    pub(crate) fn shared_token(&self) -> Option<String> {
        self.fields.read("shared_token")
    }

    pub(crate) fn set_shared_token(&mut self, token: Option<&str>) {
        self.fields.set("shared_token", &token);
    }

    /// What is remembered of an attachment of Codex.
    pub(crate) fn attached(&self) -> Option<Record> {
        self.fields.read("attached")
    }

    pub(crate) fn set_attached(&mut self, record: Option<&Record>) {
        self.fields.set("attached", &record);
    }

    /// Why a token was refused for good, whichever profile it was tried for.
    pub(crate) fn refusal_of(&self, token_fingerprint: &str) -> Option<LoginReason> {
        let profiles: Object = self.fields.read("profiles")?;
        profiles
            .names()
            .filter_map(|name| profiles.read::<Object>(name)?.read("needs_login"))
            .find(|fact: &NeedsLogin| fact.token_fingerprint == token_fingerprint)
            .map(|fact| fact.reason)
    }

    /// Forgets what is kept about a profile.
    pub(crate) fn forget_profile(&mut self, name: &str) {
        let mut profiles: Object = self.fields.read("profiles").unwrap_or_default();
        if profiles.remove(name).is_some() {
            self.fields.set("profiles", &profiles);
        }
        self.rename_in_fallback(name, None);
    }

    /// Moves what is kept about a profile to its new name.
    pub(crate) fn rename_profile(&mut self, from: &str, to: &str) {
        let mut profiles: Object = self.fields.read("profiles").unwrap_or_default();
        if let Some(facts) = profiles.remove(from) {
            profiles.set(to, &facts);
            self.fields.set("profiles", &profiles);
        }
        self.rename_in_fallback(from, Some(to));
        self.rename_profile_of_keys(from, to);
        self.rename_in_model_rules(from, to);
    }

    fn facts(&self, label: &str) -> Object {
        let profiles: Option<Object> = self.fields.read("profiles");
        profiles
            .and_then(|profiles| profiles.read(label))
            .unwrap_or_default()
    }

    fn change(&mut self, label: &str, change: impl FnOnce(&mut Object)) {
        let mut profiles: Object = self.fields.read("profiles").unwrap_or_default();
        let mut facts: Object = profiles.read(label).unwrap_or_default();
        change(&mut facts);
        profiles.set(label, &facts);
        self.fields.set("profiles", &profiles);
    }

    /// The file's content now; without a file, or with a broken one, everything is as by default.
    pub(crate) fn load(home: &CodexHome) -> Result<Self, StoreError> {
        let path = home.state_json();
        match read::bytes(&path) {
            Ok(bytes) => Ok(Self::parse(&bytes).unwrap_or_default()),
            Err(ReadError::Missing) => Ok(Self::default()),
            Err(error) => Err(StoreError::unusable(&path)(error)),
        }
    }

    /// Reads, changes and writes the file, while nobody else of us does.
    pub(crate) fn update(
        home: &CodexHome,
        change: impl FnOnce(&mut Self),
    ) -> Result<Self, StoreError> {
        let _lock = FileLock::acquire(&home.state_lock(), 0o600, LOCK_LIMIT)?;
        let mut state = Self::load_or_set_aside(home)?;
        change(&mut state);
        state
            .write(home)
            .map_err(StoreError::io(&home.state_json()))?;
        Ok(state)
    }

    fn load_or_set_aside(home: &CodexHome) -> Result<Self, StoreError> {
        let path = home.state_json();
        let mut state = Self::default();
        let broken = match read::bytes(&path) {
            Ok(bytes) => {
                if let Some(state) = Self::parse(&bytes) {
                    return Ok(state);
                }
                if Self::mentions_client_keys(&bytes) {
                    state.set_lost_client_keys();
                }
                "it is no JSON object".to_owned()
            }
            Err(ReadError::Missing) => return Ok(Self::default()),
            Err(error @ ReadError::Content(_)) => error.to_string(),
            Err(error) => return Err(StoreError::unusable(&path)(error)),
        };
        let mark = format!("broken-{}", Timestamp::now().as_nanosecond());
        let aside = atomic::set_aside(&path, &mark).map_err(StoreError::io(&path))?;
        warn!(path = %path.display(), aside = %aside.display(), %broken, "settings were set aside");
        Ok(state)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let fields = serde_json::from_slice(bytes).ok()?;
        Some(Self { fields })
    }

    /// Whether there were keys in settings that cannot be understood any more.
    pub(crate) fn mentions_client_keys(bytes: &[u8]) -> bool {
        String::from_utf8_lossy(bytes).contains("\"client_keys\"")
    }

    fn write(&mut self, home: &CodexHome) -> io::Result<()> {
        self.fields.set("version", &self.version());
        let bytes = serde_json::to_vec_pretty(&self.fields)?;
        atomic::write(&home.state_json(), &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with(state: &str) -> (tempfile::TempDir, CodexHome) {
        let folder = tempfile::tempdir().unwrap();
        let home = CodexHome::at(folder.path());
        atomic::write(&home.state_json(), state.as_bytes()).unwrap();
        (folder, home)
    }

    #[test]
    fn without_a_file_everything_is_as_documented() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::load(&CodexHome::at(folder.path())).unwrap();
        assert_eq!(state.version(), 1);
        assert_eq!(state.listen(), "127.0.0.1:9876");
        assert_eq!(state.refresh_interval(), Duration::from_mins(10));
        assert!(state.auto_refresh_enabled());
        assert_eq!(state.profile("work"), ProfileFacts::default());
    }

    #[test]
    fn fields_of_a_newer_version_survive_at_every_depth() {
        let (_folder, home) = home_with(
            r#"{"version":2,"novel":1.10,"profiles":{"work":{"mood":"好","label":"W"},"x":{"y":1e400}}}"#,
        );
        State::update(&home, |state| state.set_color("work", Some("red"))).unwrap();

        let text = String::from_utf8(read::bytes(&home.state_json()).unwrap()).unwrap();
        for kept in [
            "1.10",
            "\"mood\":\"好\"",
            "1e400",
            "\"label\":\"W\"",
            "\"color\":\"red\"",
        ] {
            assert!(text.contains(kept), "{kept} is gone from {text}");
        }
        assert_eq!(State::load(&home).unwrap().version(), 2);
    }

    #[test]
    fn a_label_holds_nothing_that_cannot_be_shown_and_has_an_end() {
        let mut state = State::default();
        let mut labelled = |text: &str| {
            state.set_label("work", Some(text));
            state.profile("work").label
        };
        let label = labelled("\u{1b}[31m\u{202e}evil\u{9b}2J\n");
        assert_eq!(label.as_deref(), Some("[31mevil2J"));
        assert_eq!(labelled(&"团".repeat(500)), Some("团".repeat(120)));
        assert_eq!(labelled("\u{202e}"), None);
    }

    #[test]
    fn a_broken_file_is_set_aside_and_not_lost() {
        let (_folder, home) = home_with("{\"listen\": precious");
        assert_eq!(State::load(&home).unwrap().listen(), DEFAULT_LISTEN);

        State::update(&home, |state| state.set_listen("127.0.0.1:1")).unwrap();

        assert_eq!(State::load(&home).unwrap().listen(), "127.0.0.1:1");
        let aside = std::fs::read_dir(home.router())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().contains("state.json.broken-"))
            .unwrap();
        assert_eq!(read::bytes(&aside).unwrap(), b"{\"listen\": precious");
    }

    #[test]
    fn writers_at_the_same_time_do_not_undo_each_other() {
        let (_folder, home) = home_with("{}");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let home = &home;
                scope.spawn(move || {
                    State::update(home, |state| state.set_label(&format!("p{n}"), Some("x")))
                });
            }
        });
        let state = State::load(&home).unwrap();
        assert!((0..8).all(|n| state.profile(&format!("p{n}")).label.is_some()));
    }
}
