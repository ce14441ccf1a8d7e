//! Who serves in the place of the current profile when that cannot, and how often in a day.
//!
//! Off until a person sets it, in `router/state.json`. What was used of it today is counted in
//! `router/fallback.json`: before a request is sent, under a lock, so that the count survives a
//! restart and is one for every router of this home. A day is one of UTC, for the same reason.

use std::{collections::HashSet, sync::Arc, time::Duration};

use codex_auth::ProfileRef;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tracing::warn;

use crate::{
    error::StoreError,
    fs::{ReadError, atomic, lock::FileLock, read},
    home::CodexHome,
    memory::SettingReading,
    object::Object,
    profile::ProfileName,
    state::State,
    store::{ProfileStore, blocking},
    upkeep::Notice,
};

/// How many requests a day may fall back, unless it is set.
pub const DEFAULT_DAILY_REQUESTS: u64 = 200;

const VERSION: u32 = 1;
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// Who serves in the place of the current profile when its limit is reached.
///
/// Read from JSON it is strict: a field that is not known, a name that is none, and a name that
/// comes twice are refused. What `state.json` holds is read as far as it can be understood.
///
/// ```
/// use codex_profiles::Fallback;
///
/// let fallback: Fallback = serde_json::from_str(r#"{"profiles":["key"]}"#)?;
/// assert_eq!((fallback.daily_requests, fallback.daily_tokens), (200, None));
/// assert!(serde_json::from_str::<Fallback>(r#"{"profiles":["../key"]}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// The profiles to ask, in this order.
    #[serde(serialize_with = "as_texts", deserialize_with = "distinct_names")]
    pub profiles: Vec<ProfileName>,
    /// Whether they also serve when the current profile must log in again.
    #[serde(default)]
    pub on_needs_login: bool,
    /// How many requests they may be sent in a day, all of them together; with 0 none.
    #[serde(default = "default_daily_requests")]
    pub daily_requests: u64,
    /// How many tokens those of them that are API keys may use in a day before no more is sent;
    /// `None` sets no bound.
    #[serde(default)]
    pub daily_tokens: Option<u64>,
}

impl Fallback {
    fn read(fields: &Object) -> Option<Self> {
        let names: Vec<String> = fields.read("profiles")?;
        let names = names
            .iter()
            .filter_map(|name| ProfileName::parse(name).ok());
        let profiles: Vec<_> = names.collect();
        (!profiles.is_empty()).then(|| Self {
            profiles,
            on_needs_login: fields.read("on_needs_login").unwrap_or_default(),
            daily_requests: fields
                .read("daily_requests")
                .unwrap_or(DEFAULT_DAILY_REQUESTS),
            daily_tokens: fields.read("daily_tokens"),
        })
    }

    fn write(&self, fields: &mut Object) {
        let names: Vec<&str> = self.profiles.iter().map(ProfileName::as_str).collect();
        fields.set("profiles", &names);
        fields.set("on_needs_login", &self.on_needs_login);
        fields.set("daily_requests", &self.daily_requests);
        fields.set("daily_tokens", &self.daily_tokens);
    }

    fn allows(&self, used: &Used) -> bool {
        let tokens_left = self.daily_tokens.is_none_or(|most| used.tokens < most);
        used.requests < self.daily_requests && tokens_left
    }
}

fn default_daily_requests() -> u64 {
    DEFAULT_DAILY_REQUESTS
}

fn as_texts<S: Serializer>(names: &[ProfileName], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(ProfileName::as_str))
}

fn distinct_names<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<ProfileName>, D::Error> {
    let texts = Vec::<String>::deserialize(json)?;
    if texts.is_empty() {
        return Err(D::Error::custom("names no profile: null turns it off"));
    }
    let mut seen = HashSet::new();
    let mut names = Vec::with_capacity(texts.len());
    for text in &texts {
        let name = ProfileName::parse(text).map_err(D::Error::custom)?;
        if !seen.insert(text) {
            return Err(D::Error::custom(format!("names `{name}` twice")));
        }
        names.push(name);
    }
    Ok(names)
}

impl State {
    /// Who serves in the place of the current profile; nobody, unless it is set.
    #[must_use]
    pub fn fallback(&self) -> Option<Fallback> {
        Fallback::read(&self.fields.read("fallback")?)
    }

    /// Sets who serves in the place of the current profile, or nobody.
    pub fn set_fallback(&mut self, fallback: Option<&Fallback>) {
        let Some(fallback) = fallback else {
            return self.fields.set("fallback", &None::<()>);
        };
        let mut fields: Object = self.fields.read("fallback").unwrap_or_default();
        fallback.write(&mut fields);
        self.fields.set("fallback", &fields);
    }

    /// A profile keeps its place in the list under its new name; one that is gone leaves it.
    pub(crate) fn rename_in_fallback(&mut self, from: &str, to: Option<&str>) {
        let Some(mut fields) = self.fields.read::<Object>("fallback") else {
            return;
        };
        let Some(names) = fields.read::<Vec<String>>("profiles") else {
            return;
        };
        if !names.iter().any(|name| name == from) {
            return;
        }
        let names = names.into_iter().filter_map(|name| {
            let same = name != from;
            if same {
                Some(name)
            } else {
                to.map(str::to_owned)
            }
        });
        fields.set("profiles", &names.collect::<Vec<_>>());
        self.fields.set("fallback", &fields);
    }
}

impl ProfileStore {
    /// Who serves in the place of the current profile; nobody, unless it is set. One `stat`; the
    /// settings are read only when they have changed.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the settings cannot be read at all.
    pub async fn fallback(&self) -> Result<Option<Arc<Fallback>>, StoreError> {
        let path = self.home().state_json();
        if let Some(known) = self.memory.fallback.known(&path) {
            return Ok(known.value);
        }
        let store = self.clone();
        blocking(move || {
            let mut reading = SettingReading::begin(&path);
            reading.value = State::load(store.home())?.fallback().map(Arc::new);
            store.memory.fallback.keep(reading.clone());
            Ok(reading.value)
        })
        .await
    }

    /// Takes one request off what may fall back today; false when nothing is left.
    ///
    /// # Errors
    /// A [`StoreError`]: it could not be counted, and so must not be sent.
    pub async fn take_fallback(&self) -> Result<bool, StoreError> {
        let home = self.home().clone();
        blocking(move || {
            let Some(fallback) = State::load(&home)?.fallback() else {
                return Ok(false);
            };
            Used::change(&home, today(), |used| {
                let allowed = fallback.allows(used);
                used.requests += u64::from(allowed);
                allowed
            })
        })
        .await
    }

    /// Counts tokens that an API key has used in the place of the current profile.
    ///
    /// # Errors
    /// A [`StoreError`]: they were not counted.
    pub async fn count_fallback_tokens(&self, tokens: u64) -> Result<(), StoreError> {
        let home = self.home().clone();
        let count = move || {
            Used::change(&home, today(), |used| {
                used.tokens = used.tokens.saturating_add(tokens);
            })
        };
        blocking(count).await
    }

    /// Tells whoever listens that a request was served by another than the current profile.
    pub fn tell_fallback_used(&self, from: ProfileRef, to: ProfileRef) {
        self.notices.tell(Notice::FallbackUsed { from, to });
    }
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// What was used on one day.
#[derive(Debug, Default)]
struct Used {
    requests: u64,
    tokens: u64,
    /// The whole file, with what a newer version put there.
    fields: Object,
}

impl Used {
    /// Changes the count of a day, while no other program of ours does.
    fn change<T>(
        home: &CodexHome,
        day: Date,
        change: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, StoreError> {
        let _lock = FileLock::acquire(&home.fallback_lock(), 0o600, LOCK_LIMIT)?;
        let path = home.fallback_json();
        let mut used = Self::load(home, day)?;
        let before = (used.requests, used.tokens);
        let changed = change(&mut used);
        if before != (used.requests, used.tokens) {
            let written = atomic::write(&path, &used.noted(day));
            written.map_err(StoreError::io(&path))?;
        }
        Ok(changed)
    }

    fn load(home: &CodexHome, day: Date) -> Result<Self, StoreError> {
        let path = home.fallback_json();
        let bytes = match read::bytes(&path) {
            Ok(bytes) => bytes,
            Err(ReadError::Missing) => return Ok(Self::default()),
            Err(error) => return Err(StoreError::unusable(&path)(error)),
        };
        let Ok(fields) = serde_json::from_slice::<Object>(&bytes) else {
            let mark = format!("broken-{}", Timestamp::now().as_nanosecond());
            let aside = atomic::set_aside(&path, &mark).map_err(StoreError::io(&path))?;
            warn!(aside = %aside.display(), "the count of fallbacks was no JSON and begins anew");
            return Ok(Self::default());
        };
        Ok(Self::of_day(fields, day))
    }

    fn of_day(fields: Object, day: Date) -> Self {
        let counted = fields.read::<Date>("day") == Some(day);
        let count = |name| fields.read(name).filter(|_| counted).unwrap_or_default();
        Self {
            requests: count("requests"),
            tokens: count("tokens"),
            fields,
        }
    }

    /// The file's new content.
    fn noted(&mut self, day: Date) -> Vec<u8> {
        let version: u32 = self.fields.read("version").unwrap_or(VERSION);
        self.fields.set("version", &version);
        self.fields.set("day", &day);
        self.fields.set("requests", &self.requests);
        self.fields.set("tokens", &self.tokens);
        serde_json::to_vec_pretty(&self.fields).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(json: serde_json::Value) -> Result<Fallback, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    fn key() -> Fallback {
        parse(json!({"profiles": ["key"], "daily_requests": 2})).unwrap()
    }

    fn state(json: &str) -> State {
        State {
            fields: serde_json::from_str(json).unwrap(),
        }
    }

    async fn store_with(fallback: &Fallback) -> (tempfile::TempDir, ProfileStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = ProfileStore::open(CodexHome::at(folder.path())).unwrap();
        let fallback = fallback.clone();
        let set = move |state: &mut State| state.set_fallback(Some(&fallback));
        store.update_state(set).await.unwrap();
        (folder, store)
    }

    #[test]
    fn what_a_person_sets_is_taken_strictly() {
        for (json, wrong) in [
            (json!({"profiles": []}), "names no profile"),
            (json!({"profiles": ["a", "a"]}), "twice"),
            (json!({"profiles": ["../a"]}), "cannot hold"),
            (
                json!({"profiles": ["a"], "daily_request": 1}),
                "unknown field",
            ),
            (json!({"profiles": ["a"], "daily_requests": -1}), "invalid"),
            (json!({"on_needs_login": true}), "missing field"),
        ] {
            let error = parse(json.clone()).unwrap_err();
            assert!(error.contains(wrong), "{json}: {error}");
        }
    }

    #[test]
    fn what_is_on_disk_is_read_as_far_as_it_can_be_understood() {
        assert_eq!(state("{}").fallback(), None);
        assert_eq!(state(r#"{"fallback":null}"#).fallback(), None);
        assert_eq!(
            state(r#"{"fallback":{"profiles":["../a"]}}"#).fallback(),
            None
        );
        let read = state(r#"{"fallback":{"profiles":["..","key"],"daily_requests":"many","x":1}}"#);
        let expected = parse(json!({"profiles": ["key"]})).unwrap();
        assert_eq!(read.fallback(), Some(expected));
    }

    #[test]
    fn fields_of_a_newer_version_survive_a_change() {
        let mut state = state(r#"{"fallback":{"profiles":["old"],"novel":1.10}}"#);
        state.set_fallback(Some(&key()));
        let text = serde_json::to_string(&state.fields).unwrap();
        assert!(text.contains("1.10"), "{text}");
        assert_eq!(state.fallback(), Some(key()));
        state.set_fallback(None);
        assert_eq!(state.fallback(), None);
    }

    #[test]
    fn a_profile_keeps_its_place_under_its_new_name_and_leaves_when_it_is_gone() {
        let mut state = state(r#"{"fallback":{"profiles":["a","key","b"]}}"#);
        let names = |state: &State| {
            let fallback = state.fallback()?;
            Some(
                fallback
                    .profiles
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>(),
            )
        };
        state.rename_profile("key", "paid");
        assert_eq!(names(&state).unwrap(), ["a", "paid", "b"]);
        state.rename_in_fallback("paid", None);
        assert_eq!(names(&state).unwrap(), ["a", "b"]);
        state.rename_in_fallback("a", None);
        state.rename_in_fallback("b", None);
        assert_eq!(names(&state), None);
    }

    #[tokio::test]
    async fn a_day_has_so_many_requests_whoever_asks() {
        let (_folder, store) = store_with(&key()).await;
        let other = ProfileStore::open(store.home().clone()).unwrap();
        assert!(store.take_fallback().await.unwrap());
        assert!(other.take_fallback().await.unwrap());
        assert!(!store.take_fallback().await.unwrap());
        let anew = ProfileStore::open(store.home().clone()).unwrap();
        assert!(!anew.take_fallback().await.unwrap(), "after a restart too");
    }

    #[tokio::test]
    async fn routers_that_count_at_the_same_time_lose_nothing() {
        let many = Fallback {
            daily_requests: 20,
            ..key()
        };
        let (_folder, store) = store_with(&many).await;
        let tries = (0..30).map(|_| {
            let store = ProfileStore::open(store.home().clone()).unwrap();
            tokio::spawn(async move { store.take_fallback().await.unwrap() })
        });
        let mut taken = 0;
        for one in tries.collect::<Vec<_>>() {
            taken += u32::from(one.await.unwrap());
        }
        assert_eq!(taken, 20);
    }

    #[tokio::test]
    async fn zero_is_never_and_tokens_have_a_bound_of_their_own() {
        let never = Fallback {
            daily_requests: 0,
            ..key()
        };
        let (_folder, store) = store_with(&never).await;
        assert!(!store.take_fallback().await.unwrap());

        let tokens = Fallback {
            daily_tokens: Some(10),
            ..key()
        };
        let (_folder, store) = store_with(&tokens).await;
        assert!(store.take_fallback().await.unwrap());
        store.count_fallback_tokens(10).await.unwrap();
        assert!(!store.take_fallback().await.unwrap());
    }

    #[test]
    fn the_next_day_counts_from_nothing_and_keeps_what_it_does_not_know() {
        let folder = tempfile::tempdir().unwrap();
        let home = CodexHome::at(folder.path());
        let day: Date = "2026-11-23".parse().unwrap();
        let file = br#"{"day":"2026-11-23","requests":5,"tokens":7,"novel":1.10}"#;
        atomic::write(&home.fallback_json(), file).unwrap();
        let seen = Used::change(&home, day, |used| (used.requests, used.tokens));
        assert_eq!(seen.unwrap(), (5, 7));
        Used::change(&home, day.tomorrow().unwrap(), |used| used.requests += 1).unwrap();
        let text = String::from_utf8(read::bytes(&home.fallback_json()).unwrap()).unwrap();
        assert!(
            text.contains("1.10") && text.contains("2026-11-24"),
            "{text}"
        );
        let seen = Used::load(&home, day.tomorrow().unwrap()).unwrap();
        assert_eq!((seen.requests, seen.tokens), (1, 0));
    }

    #[tokio::test]
    async fn a_count_that_cannot_be_kept_allows_nothing() {
        let (_folder, store) = store_with(&key()).await;
        std::fs::create_dir(store.home().fallback_json()).unwrap();
        assert!(store.take_fallback().await.is_err());
    }

    #[tokio::test]
    async fn a_change_of_the_settings_counts_at_once() {
        let (_folder, store) = store_with(&key()).await;
        assert_eq!(store.fallback().await.unwrap().as_deref(), Some(&key()));
        store
            .update_state(|state| state.set_fallback(None))
            .await
            .unwrap();
        assert_eq!(store.fallback().await.unwrap(), None);
    }
}
