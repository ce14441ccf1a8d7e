//! What `router/state.json` says, and whether it can be done.

use super::{
    Check, Finding, Look, Settings,
    words::{counted, listed, name, quoted},
};
use crate::{keys::StoredKey, object::Object, profile::ProfileName, state::State};

/// Where names of profiles are chosen.
const ON_THE_PAGE: &str = "choose others in the settings of the page: `codex-router open`";

impl Look<'_> {
    pub(super) fn state_file(&self) -> Vec<Finding> {
        let path = self.path(&self.home().state_json());
        vec![match &self.settings {
            Settings::Missing => Finding::ok(
                Check::StateFile,
                "Nothing is set; everything is as by default.",
            ),
            Settings::Understood(_) => {
                Finding::ok(Check::StateFile, format!("{path} can be understood."))
            }
            Settings::Broken { had_keys: true } => Finding::problem(
                Check::StateFile,
                format!(
                    "{path} is no JSON: every setting is as by default, and since there were client \
                     keys in it, no client is let in."
                ),
                "mend it with a text editor; or begin anew with `codex-router key create NAME`, \
                 which keeps it aside",
            ),
            Settings::Broken { had_keys: false } => Finding::problem(
                Check::StateFile,
                format!("{path} is no JSON: every setting is as by default."),
                format!(
                    "mend it with a text editor, or remove it: `rm {}`",
                    self.argument(&self.home().state_json())
                ),
            ),
            Settings::Unreadable(error) => Finding::problem(
                Check::StateFile,
                format!("{path} cannot be used: {error}."),
                format!(
                    "`chmod 600 {}`; or remove what is in its place",
                    self.argument(&self.home().state_json())
                ),
            ),
        }]
    }

    pub(super) fn client_keys(&self) -> Vec<Finding> {
        let state = self.state();
        let keys = state.client_keys();
        let mut found: Vec<Finding> = nobody_is_let_in(&state).into_iter().collect();
        if keys.iter().any(Option::is_none) {
            found.push(Finding::warning(
                Check::ClientKeys,
                "A client key in state.json cannot be understood, and lets nobody in.",
                "mend it with a text editor, or remove it there",
            ));
        }
        found.extend(keys.iter().flatten().filter_map(|key| self.bound(key)));
        if found.is_empty() {
            let message = match keys.len() {
                0 => "No client of this machine needs a key.".to_owned(),
                some => format!(
                    "Every client has to present one of {}.",
                    counted(some, "key")
                ),
            };
            found.push(Finding::ok(Check::ClientKeys, message));
        }
        found
    }

    /// What is wrong with the profile that a key is bound to.
    fn bound(&self, key: &StoredKey) -> Option<Finding> {
        let profile = key.profile()?;
        let what = match self.known(profile) {
            None => "which does not exist".to_owned(),
            Some(known) => {
                let login = self.disk.profile(known).ok()?;
                let now = login.identity().fingerprint();
                key.identity().filter(|bound| *bound != now)?;
                "which holds another login by now".to_owned()
            }
        };
        let message = format!(
            "The client key {} is bound to the profile {}, {what}: it is refused.",
            name(key.name()),
            name(profile)
        );
        let remedy = format!(
            "`codex-router key revoke {}`, and make another one",
            quoted(key.name())
        );
        Some(Finding::problem(Check::ClientKeys, message, remedy))
    }

    pub(super) fn fallback(&self) -> Vec<Finding> {
        let Some(fallback) = self.state().fallback() else {
            let message = "No other profile serves when a limit is reached.";
            return vec![Finding::ok(Check::Fallback, message)];
        };
        let names = fallback.profiles.iter().map(ProfileName::as_str);
        vec![self.named_profiles(
            Check::Fallback,
            &names.collect::<Vec<_>>(),
            "When a limit is reached, ",
        )]
    }

    pub(super) fn model_rules(&self) -> Vec<Finding> {
        let rules: Vec<Object> = self.state().fields.read("model_rules").unwrap_or_default();
        let names = rules.iter().filter_map(|rule| rule.read("profile"));
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            let message = "No model has a profile of its own.";
            return vec![Finding::ok(Check::ModelRules, message)];
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        vec![self.named_profiles(Check::ModelRules, &names, "For some models, ")]
    }

    /// Whether the profiles exist that a setting names.
    fn named_profiles(&self, check: Check, names: &[&str], when: &str) -> Finding {
        let mut missing: Vec<String> = names
            .iter()
            .filter(|name| self.known(name).is_none())
            .map(|text| name(text))
            .collect();
        missing.dedup();
        if missing.is_empty() {
            let mut known: Vec<String> = names.iter().map(|text| name(text)).collect();
            known.dedup();
            let verb = if known.len() == 1 { "serves" } else { "serve" };
            return Finding::ok(check, format!("{when}{} {verb}.", listed(&known)));
        }
        let message = format!(
            "{when}{} should serve, and does not exist.",
            listed(&missing)
        );
        Finding::warning(check, message, ON_THE_PAGE)
    }
}

fn nobody_is_let_in(state: &State) -> Option<Finding> {
    let (message, remedy) = if state.lost_client_keys() {
        (
            "There were client keys in settings that broke: no client is let in.",
            "`codex-router key create NAME`",
        )
    } else if state.requires_client_key() && state.client_keys().is_empty() {
        (
            "`client_keys` in state.json cannot be understood: no client is let in.",
            "mend it with a text editor",
        )
    } else {
        return None;
    };
    Some(Finding::problem(Check::ClientKeys, message, remedy))
}
