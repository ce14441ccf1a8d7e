//! The login that Codex itself uses, and its copies.

use std::sync::Arc;

use codex_auth::{AuthDotJson, AuthJsonError};
use jiff::Timestamp;

use super::{
    Check, Finding, Look,
    words::{name, quoted},
};
use crate::{
    fs::ReadError,
    keep::Age,
    live::CredentialStoreMode,
    profile::{Condition, ProfileName},
};

impl Look<'_> {
    pub(super) fn live_login(&self) -> Vec<Finding> {
        let place = self.place();
        vec![match self.disk.live() {
            Ok(login) => self.live_condition(&login, &place),
            Err(ReadError::Missing | ReadError::Content(AuthJsonError::NoLogin)) => Finding::info(
                Check::LiveLogin,
                format!("Codex keeps its login {place}, and nobody is logged in there."),
            ),
            Err(ReadError::LiveUnknown(unknown)) => Finding::warning(
                Check::LiveLogin,
                format!("Which login Codex uses is not known: {unknown}."),
                unknown.action(),
            ),
            Err(error) => Finding::problem(
                Check::LiveLogin,
                format!("The login of Codex, {place}, cannot be used: {error}."),
                "`codex-router use NAME` puts a profile in its place, and keeps what is there aside",
            ),
        }]
    }

    fn live_condition(&self, login: &AuthDotJson, place: &str) -> Finding {
        match Condition::of(login, &self.state(), Timestamp::now()) {
            Condition::NeedsLogin(reason) => Finding::problem(
                Check::LiveLogin,
                format!("The login of Codex, {place}, must sign in again: {reason}."),
                "`codex-router login`, or choose another one: `codex-router use NAME`",
            ),
            _ => Finding::ok(
                Check::LiveLogin,
                format!("Codex keeps its login {place}, and it can serve."),
            ),
        }
    }

    fn place(&self) -> String {
        let file = self.path(&self.home().auth_json());
        match self.disk.live_mode() {
            CredentialStoreMode::File => format!("in {file} (store `file`)"),
            CredentialStoreMode::Keyring => "in the system's keyring (store `keyring`)".to_owned(),
            CredentialStoreMode::Auto => {
                format!("in the system's keyring or {file} (store `auto`)")
            }
            mode => format!("elsewhere (store `{}`)", mode.as_str()),
        }
    }

    pub(super) fn copies(&self) -> Vec<Finding> {
        let Ok(live) = self.disk.live() else {
            let message = "Codex has no login that could differ from a profile.";
            return vec![Finding::info(Check::Copies, message)];
        };
        let copies = self.disk.of_identity(&live.identity()).unwrap_or_default();
        let mut found = self.out_of_step(&live, &copies);
        found.extend(self.of_another(&copies));
        if copies.is_empty() {
            found.push(Finding::warning(
                Check::Copies,
                "The login that Codex uses is in no profile.",
                "`codex-router save`",
            ));
        } else if found.is_empty() {
            let message = "The login that Codex uses and its profile are the same.";
            found.push(Finding::ok(Check::Copies, message));
        }
        found
    }

    fn out_of_step(
        &self,
        live: &AuthDotJson,
        copies: &[(ProfileName, Arc<AuthDotJson>)],
    ) -> Vec<Finding> {
        let found = copies.iter().filter_map(|(profile, copy)| {
            let how = match self.disk.age(live, copy) {
                Age::Same => return None,
                Age::Newer => "newer than its profile",
                Age::Older => "older than its profile",
                Age::Unclear => "another one than that of its profile",
            };
            let message = format!(
                "The login that Codex uses is {how} {}; a router that runs brings them in step.",
                name(profile.as_str())
            );
            let remedy = format!("`codex-router use {}`", quoted(profile.as_str()));
            Some(Finding::warning(Check::Copies, message, remedy))
        });
        found.collect()
    }

    /// Codex by itself uses another login than clients of the router.
    fn of_another(&self, copies: &[(ProfileName, Arc<AuthDotJson>)]) -> Option<Finding> {
        let current = self.disk.current().ok()??;
        let is_other = copies.iter().all(|(name, _)| *name != current);
        let exists = self.disk.is_taken(&current);
        let (other, _) = copies.first().filter(|_| is_other && exists)?;
        let message = format!(
            "Codex itself uses the login of {}, although {} is current.",
            name(other.as_str()),
            name(current.as_str())
        );
        let remedy = format!("`codex-router use {}`", quoted(current.as_str()));
        Some(Finding::warning(Check::Copies, message, remedy))
    }
}
