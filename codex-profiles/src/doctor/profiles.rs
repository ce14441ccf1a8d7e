//! The saved logins, and which of them serves.

use codex_auth::AuthDotJson;
use jiff::Timestamp;

use super::{
    Check, Finding, Look,
    words::{name, quoted},
};
use crate::{
    disk::FolderName,
    error::StoreError,
    profile::{Condition, Profile, ProfileName},
    report::{LoginState, ProfileReport},
};

impl Look<'_> {
    pub(super) fn profiles(&self) -> Vec<Finding> {
        let folders = match self.disk.folders() {
            Ok(folders) => folders,
            Err(error) => return vec![self.no_folders(&error)],
        };
        if folders.is_empty() {
            let message = "There are no profiles yet: `codex-router login` makes one.";
            return vec![Finding::info(Check::Profile, message)];
        }
        let folders = folders.into_iter();
        folders.map(|folder| self.profile(folder)).collect()
    }

    fn no_folders(&self, error: &StoreError) -> Finding {
        let message = format!("The profiles cannot be listed: {error}.");
        let profiles = self.argument(&self.home().profiles());
        Finding::problem(Check::Profile, message, format!("`chmod 700 {profiles}`"))
    }

    fn profile(&self, folder: FolderName) -> Finding {
        let profile = match folder {
            Ok(name) => self.read(name),
            Err((text, error)) => Profile::misnamed(&text, error),
        };
        let shown = name(profile.label.as_str());
        let login = format!("`codex-router login {}`", quoted(profile.label.as_str()));
        let report = ProfileReport::new(&profile, &self.state());
        match (&profile.condition, &report.reason) {
            (Condition::NeedsLogin(reason), _) => Finding::problem(
                Check::Profile,
                format!("{shown} must sign in again: {reason}."),
                login,
            ),
            (Condition::Unreadable(error), _) => Finding::problem(
                Check::Profile,
                format!("{shown} cannot serve: {error}."),
                self.mend(&profile, &report, &login),
            ),
            (_, Some(reason)) => {
                let message = format!("{shown} may have ended: {reason}.");
                Finding::warning(Check::Profile, message, login)
            }
            (Condition::Expired, None) => {
                let message = format!("{shown} is refreshed by its next request.");
                Finding::info(Check::Profile, message)
            }
            (Condition::Ok, None) => Finding::ok(Check::Profile, format!("{shown} can serve.")),
        }
    }

    fn mend(&self, profile: &Profile, report: &ProfileReport, login: &str) -> String {
        let action = report.action.unwrap_or("restore the file");
        match &profile.name {
            Some(name) => format!(
                "{action}: {}, or {login}",
                self.path(&self.home().auth_json_of(name))
            ),
            None => format!("{action} in {}", self.path(&self.home().profiles())),
        }
    }

    fn read(&self, name: ProfileName) -> Profile {
        let login = self.disk.profile(&name);
        Profile {
            label: name.reference(),
            current: false,
            condition: match &login {
                Ok(login) => Condition::of(login, &self.state(), Timestamp::now()),
                Err(error) => Condition::Unreadable(error.clone()),
            },
            name: Some(name),
            login: login.ok(),
        }
    }

    pub(super) fn current_profile(&self) -> Vec<Finding> {
        vec![match self.disk.current() {
            Err(error) => Finding::problem(
                Check::CurrentProfile,
                format!("Which profile is current is not known: {error}."),
                self.choose(),
            ),
            Ok(None) if self.names.is_empty() => {
                Finding::info(Check::CurrentProfile, "There is no profile to choose.")
            }
            Ok(None) => self.nothing_chosen(),
            Ok(Some(chosen)) => self.chosen(&chosen),
        }]
    }

    fn chosen(&self, chosen: &ProfileName) -> Finding {
        let login = self.disk.profile(chosen);
        if login.is_ok_and(|login| self.disk.codex_refuses(&login)) {
            let message = format!(
                "{} is the current profile, and Codex is held to another workspace by \
                 `forced_chatgpt_workspace_id` in its config.toml: a Codex that starts with this \
                 login logs out of it.",
                name(chosen.as_str())
            );
            let remedy = "choose a profile of that workspace: `codex-router use NAME`";
            return Finding::warning(Check::CurrentProfile, message, remedy);
        }
        if self.disk.is_taken(chosen) {
            let message = format!("{} is the current profile.", name(chosen.as_str()));
            return Finding::ok(Check::CurrentProfile, message);
        }
        let message = format!(
            "{} was chosen, and there is no such profile.",
            name(chosen.as_str())
        );
        Finding::problem(Check::CurrentProfile, message, self.choose())
    }

    fn nothing_chosen(&self) -> Finding {
        let message = "No profile is chosen";
        match self.disk.live() {
            Ok(_) => Finding::info(
                Check::CurrentProfile,
                format!("{message}: the login that Codex uses serves."),
            ),
            Err(_) => Finding::problem(
                Check::CurrentProfile,
                format!("{message}, and Codex has no login: nothing can serve."),
                self.choose(),
            ),
        }
    }

    /// A command that chooses a profile that can serve.
    fn choose(&self) -> String {
        let can_serve = |name: &&ProfileName| {
            let login = self.disk.profile(name);
            login.is_ok_and(|login| self.serves(&login))
        };
        match self.names.iter().find(can_serve) {
            Some(name) => format!("`codex-router use {}`", quoted(name.as_str())),
            None => "`codex-router login`, then `codex-router use NAME`".to_owned(),
        }
    }

    fn serves(&self, login: &AuthDotJson) -> bool {
        let condition = Condition::of(login, &self.state(), Timestamp::now());
        matches!(
            LoginState::of(&condition),
            LoginState::Ok | LoginState::Expired
        )
    }
}
