//! Which profile serves which model, whatever is current.
//!
//! A list in `router/state.json`, such as `[{"model":"gpt-5*","profile":"personal"}]`: the first
//! rule whose pattern a request's model fits counts, for requests that name no profile themselves.

use std::{collections::HashSet, fmt, sync::Arc};

use codex_auth::ProfileRef;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    error::StoreError,
    memory::SettingReading,
    object::Object,
    profile::ProfileName,
    removed::is_mark,
    state::State,
    store::{ProfileStore, blocking},
};

/// How many rules there may be.
pub const MOST_MODEL_RULES: usize = 100;
/// As long as the names of models get, fine-tuned ones included.
const LONGEST_PATTERN_BYTES: usize = 128;

/// The name of a model, or a pattern: `*` stands for any text, none included.
///
/// ```
/// use codex_profiles::model_rules::ModelPattern;
///
/// let pattern = ModelPattern::parse("gpt-5*-codex")?;
/// assert!(pattern.fits("gpt-5.2-codex") && !pattern.fits("gpt-5.2"));
/// assert!(ModelPattern::parse("gpt 5").is_err());
/// # Ok::<(), codex_profiles::model_rules::ModelPatternError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelPattern(Arc<str>);

/// Why a text is no pattern for the names of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelPatternError {
    /// Nothing in it: `*` is every model.
    #[error("a model's name cannot be empty: `*` is every model")]
    Empty,
    /// Over 128 bytes.
    #[error("a model's name has at most 128 bytes")]
    TooLong,
    /// A space, or what cannot be shown.
    #[error("a model's name cannot hold spaces or control characters")]
    Character,
}

impl ModelPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A [`ModelPatternError`] naming the rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, ModelPatternError> {
        if text.is_empty() {
            return Err(ModelPatternError::Empty);
        }
        if text.len() > LONGEST_PATTERN_BYTES {
            return Err(ModelPatternError::TooLong);
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(ModelPatternError::Character);
        }
        Ok(Self(text.into()))
    }

    /// Whether this is a model's name, or one that the pattern stands for. Case counts.
    #[must_use]
    pub fn fits(&self, model: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else {
            return *self.0 == *model;
        };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let inner = model.strip_prefix(first);
        let Some(mut inner) = inner.and_then(|it| it.strip_suffix(last)) else {
            return false;
        };
        // Each piece at its first place leaves the most room for those behind it.
        middle.split('*').all(|piece| {
            let found = inner.split_once(piece);
            inner = found.map_or(inner, |(_, rest)| rest);
            found.is_some()
        })
    }

    /// The text it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRule {
    /// The models it is about.
    pub model: ModelPattern,
    /// Who serves them. A name that no profile has fails the request: no other profile steps in.
    pub profile: ProfileRef,
}

impl ModelRule {
    /// Only what is wrong with the models makes it no rule: one that names a profile wrongly must
    /// go on to keep its models from every other profile.
    fn read(fields: &Object) -> Option<Self> {
        let model: String = fields.read("model")?;
        let profile: String = fields.read("profile").unwrap_or_default();
        Some(Self {
            model: ModelPattern::parse(&model).ok()?,
            profile: ProfileRef::new(profile),
        })
    }

    fn write(&self, fields: &mut Object) {
        fields.set("model", self.model.as_str());
        fields.set("profile", self.profile.as_str());
    }
}

/// `gpt-5*` → `personal`.
impl fmt::Display for ModelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` → `{}`", self.model, self.profile)
    }
}

/// The rules in their order.
///
/// Read from JSON they are strict: a field that is not known, a name that is none, and models that
/// come twice are refused. A profile that was removed is called by its folder, `.removed-NAME-TIME`,
/// until it comes back; so it stays where other rules are changed. What `state.json` holds is read as far as it can be understood.
///
/// ```
/// use codex_profiles::ModelRules;
///
/// let rules = r#"[{"model":"gpt-5-mini","profile":"work"},{"model":"gpt-5*","profile":"home"}]"#;
/// let rules: ModelRules = serde_json::from_str(rules)?;
/// assert_eq!(rules.for_model("gpt-5-mini").unwrap().profile.as_str(), "work");
/// assert_eq!(rules.for_model("gpt-5.2").unwrap().profile.as_str(), "home");
/// assert_eq!(rules.for_model("gpt-6"), None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelRules(Vec<ModelRule>);

impl ModelRules {
    /// The first rule that a model's name fits.
    #[must_use]
    pub fn for_model(&self, model: &str) -> Option<&ModelRule> {
        self.0.iter().find(|rule| rule.model.fits(model))
    }

    /// The rules, the first one first.
    #[must_use]
    pub fn as_slice(&self) -> &[ModelRule] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for ModelRules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|rule| Strict {
            model: rule.model.to_string(),
            profile: rule.profile.to_string(),
        }))
    }
}

/// A rule as a person gives it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    model: String,
    profile: String,
}

impl<'de> Deserialize<'de> for ModelRules {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let given = Vec::<Strict>::deserialize(json)?;
        if given.len() > MOST_MODEL_RULES {
            let most = format!("there are at most {MOST_MODEL_RULES} rules");
            return Err(D::Error::custom(most));
        }
        let mut seen = HashSet::new();
        let mut rules = Vec::with_capacity(given.len());
        for rule in given {
            let model = ModelPattern::parse(&rule.model).map_err(D::Error::custom)?;
            if !is_mark(&rule.profile) {
                ProfileName::parse(&rule.profile).map_err(D::Error::custom)?;
            }
            if !seen.insert(rule.model) {
                return Err(D::Error::custom(format!("names `{model}` twice")));
            }
            let profile = ProfileRef::new(rule.profile);
            rules.push(ModelRule { model, profile });
        }
        Ok(Self(rules))
    }
}

impl State {
    /// Which profile serves which model; no rules, unless they are set.
    #[must_use]
    pub fn model_rules(&self) -> ModelRules {
        let objects = self.rule_objects();
        let rules = objects
            .iter()
            .filter_map(|it| ModelRule::read(it.as_ref()?));
        ModelRules(rules.take(MOST_MODEL_RULES).collect())
    }

    /// Sets which profile serves which model. A rule that was there keeps what else is said of it.
    pub fn set_model_rules(&mut self, rules: &ModelRules) {
        let known = self.rule_objects();
        let objects = rules.0.iter().map(|rule| {
            let same = |it: &&Object| ModelRule::read(it).as_ref() == Some(rule);
            let mut fields = known.iter().flatten().find(same).cloned();
            let fields = fields.get_or_insert_default();
            rule.write(fields);
            fields.clone()
        });
        let objects: Vec<_> = objects.collect();
        self.fields.set("model_rules", &objects);
    }

    /// A profile's rules stay its own under its new name. One that is gone keeps them: what it was
    /// to serve is not served by others.
    pub(crate) fn rename_in_model_rules(&mut self, from: &str, to: &str) {
        let Some(raw) = self.fields.read::<Vec<Box<RawValue>>>("model_rules") else {
            return;
        };
        let named = |fields: &Object| fields.read::<String>("profile").as_deref() == Some(from);
        let renamed = raw.into_iter().map(|raw| match object(&raw) {
            Some(mut fields) if named(&fields) => {
                fields.set("profile", to);
                to_raw_value(&fields).unwrap_or(raw)
            }
            _ => raw,
        });
        let renamed: Vec<_> = renamed.collect();
        self.fields.set("model_rules", &renamed);
    }

    /// Those that are objects, in their order.
    fn rule_objects(&self) -> Vec<Option<Object>> {
        let raw: Option<Vec<Box<RawValue>>> = self.fields.read("model_rules");
        raw.iter().flatten().map(|raw| object(raw)).collect()
    }
}

fn object(raw: &RawValue) -> Option<Object> {
    serde_json::from_str(raw.get()).ok()
}

impl ProfileStore {
    /// Which profile serves which model; nothing, unless there are rules. One `stat`; the settings
    /// are read only when they have changed.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the settings cannot be read at all.
    pub async fn model_rules(&self) -> Result<Option<Arc<ModelRules>>, StoreError> {
        let path = self.home().state_json();
        if let Some(known) = self.memory.model_rules.known(&path) {
            return Ok(known.value);
        }
        let store = self.clone();
        blocking(move || {
            let mut reading = SettingReading::begin(&path);
            let rules = State::load(store.home())?.model_rules();
            reading.value = (!rules.is_empty()).then(|| Arc::new(rules));
            store.memory.model_rules.keep(reading.clone());
            Ok(reading.value)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn fits(pattern: &str, model: &str) -> bool {
        ModelPattern::parse(pattern).unwrap().fits(model)
    }

    #[test]
    fn a_star_stands_for_any_text_and_all_else_for_itself() {
        for (pattern, model, expected) in [
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5.2", false),
            ("gpt-5*", "gpt-5", true),
            ("gpt-5*", "gpt-5.2-codex", true),
            ("gpt-5*", "xgpt-5", false),
            ("*", "", true),
            ("*-codex", "gpt-5-codex", true),
            ("*-codex", "gpt-5-codex-mini", false),
            ("gpt*5*codex", "gpt-5.2-codex", true),
            ("a*b*c", "abbcbc", true),
            ("a*a", "a", false),
            ("a*ab*b", "aab", false),
            ("GPT*", "gpt-5", false),
            ("gpt-5?", "gpt-51", false),
            ("gpt.5", "gpt-5", false),
        ] {
            assert_eq!(fits(pattern, model), expected, "{pattern} {model}");
        }
    }

    /// What the words say, in the simplest way there is.
    fn fits_by_the_book(pattern: &[u8], model: &[u8]) -> bool {
        match pattern.split_first() {
            None => model.is_empty(),
            Some((b'*', rest)) => {
                (0..=model.len()).any(|from| fits_by_the_book(rest, &model[from..]))
            }
            Some((c, rest)) => model
                .split_first()
                .is_some_and(|(first, model)| first == c && fits_by_the_book(rest, model)),
        }
    }

    proptest! {
        #[test]
        fn any_pattern_fits_what_it_says(pattern in "[ab*]{1,8}", model in "[ab]{0,10}") {
            let expected = fits_by_the_book(pattern.as_bytes(), model.as_bytes());
            prop_assert_eq!(fits(&pattern, &model), expected);
        }
    }

    fn strict(json: Value) -> Result<ModelRules, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_said() {
        let rule = |model: &str, profile: &str| json!({"model": model, "profile": profile});
        for (json, said) in [
            (json!([rule("", "a")]), "`*` is every model"),
            (json!([rule("a b", "a")]), "spaces"),
            (json!([rule(&"m".repeat(129), "a")]), "128 bytes"),
            (json!([rule("m", "../a")]), "`/`"),
            (json!([rule("m", "a"), rule("m", "b")]), "`m` twice"),
            (json!([{"model": "m"}]), "profile"),
            (
                json!([{"model": "m", "profile": "a", "x": 1}]),
                "unknown field",
            ),
            (json!({"m": "a"}), "sequence"),
        ] {
            let error = strict(json.clone()).unwrap_err();
            assert!(error.contains(said), "{json}: {error}");
        }
        let many: Vec<_> = (0..=MOST_MODEL_RULES)
            .map(|n| rule(&n.to_string(), "a"))
            .collect();
        assert!(strict(json!(many)).unwrap_err().contains("at most 100"));
    }

    fn state(json: &Value) -> State {
        State::parse(json.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_rule_with_a_wrong_name_still_keeps_its_models_from_others() {
        let state = state(&json!({"model_rules": [
            7, {"model": 1, "profile": "a"}, {"model": "", "profile": "a"},
            {"model": "one", "profile": "../x"}, {"model": "two"}, {"model": "*", "profile": "b"},
        ]}));
        let rules = state.model_rules();
        let profile = |model: &str| rules.for_model(model).unwrap().profile.to_string();
        assert_eq!(profile("one"), "../x");
        assert_eq!(profile("two"), "");
        assert_eq!(profile("three"), "b");
    }

    #[test]
    fn what_else_is_said_of_a_rule_survives_a_change_and_a_new_name() {
        let mut state = state(&json!({"model_rules": [
            {"model": "m", "note": 1.10, "profile": "a"}, "novel", {"model": "n", "profile": "b"},
        ]}));
        state.rename_in_model_rules("a", "c");
        let raw: Value = state.fields.read("model_rules").unwrap();
        assert_eq!(raw[0], json!({"model": "m", "note": 1.10, "profile": "c"}));
        assert_eq!(raw[1], "novel");
        let rules = json!([{"model": "new", "profile": "b"}, {"model": "m", "profile": "c"}]);
        state.set_model_rules(&strict(rules.clone()).unwrap());
        let raw: Value = state.fields.read("model_rules").unwrap();
        assert_eq!(raw[1]["note"], 1.10);
        assert_eq!(json!(state.model_rules()), rules);
    }
}
