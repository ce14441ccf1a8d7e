//! What a refresh or a switch that was cut short has left, and what becomes of it.

use super::{
    Check, Finding, Look,
    words::{ago, name, quoted},
};
use crate::{
    error::StoreError,
    journal::{RefreshIntent, RefreshJournal, Rescue, SwitchIntent},
    profile::{Place, ProfileName},
};

/// Any command settles what it finds when it opens the store; this one does nothing else.
const SETTLE: &str = "`codex-router list` settles it";

impl Look<'_> {
    pub(super) fn journal(&self) -> Vec<Finding> {
        let begun = self.disk.begun_refreshes().unwrap_or_default();
        let refreshes = begun.iter().map(|token| self.refresh_begun(token));
        let begun = self.switch_begun().into_iter().chain(self.rename_begun());
        let mut found: Vec<Finding> = begun.chain(refreshes).collect();
        if found.is_empty() {
            let message = "No switch, no rename and no refresh was cut short.";
            found.push(Finding::ok(Check::Journal, message));
        }
        found
    }

    fn switch_begun(&self) -> Option<Finding> {
        let intent = match self.disk.switch_intent() {
            Ok(intent) => intent?,
            Err(error) => return Some(unreadable(&error)),
        };
        let to = self.named(&intent.to);
        let begun = ago(intent.at);
        if self.is_held(&self.home().profiles_lock()) {
            let message = format!("A switch to {to} is under way.");
            return Some(Finding::info(Check::Journal, message));
        }
        let message = format!(
            "A switch to {to} was cut short {begun}; {}.",
            self.course_of(&intent)
        );
        Some(Finding::warning(Check::Journal, message, SETTLE))
    }

    fn rename_begun(&self) -> Option<Finding> {
        let intent = match self.disk.rename_intent() {
            Ok(intent) => intent?,
            Err(error) => return Some(unreadable(&error)),
        };
        let (from, to) = (self.named(&intent.from), self.named(&intent.to));
        let begun = ago(intent.at);
        if self.is_held(&self.home().profiles_lock()) {
            let message = format!("A rename of {from} to {to} is under way.");
            return Some(Finding::info(Check::Journal, message));
        }
        let message = format!("A rename of {from} to {to} was cut short {begun}.");
        Some(Finding::warning(Check::Journal, message, SETTLE))
    }

    fn course_of(&self, intent: &SwitchIntent) -> &'static str {
        let target = ProfileName::parse(&intent.to);
        match target.map(|target| self.disk.is_published(&target)) {
            Ok(Some(true)) => "its login is live already, so the next start finishes it",
            Ok(None) => "it waits for the keyring to open",
            _ => "its login is not live yet, so the next start undoes it",
        }
    }

    fn refresh_begun(&self, token: &str) -> Finding {
        let journal = RefreshJournal::new(&self.disk, token);
        let (intent, rescue) = match (journal.intent(), journal.rescue()) {
            (Ok(intent), Ok(rescue)) => (intent, rescue),
            (Err(error), _) | (_, Err(error)) => return unreadable(&error),
        };
        let place = intent.as_ref().map(RefreshIntent::place);
        let whose = match &place {
            Some(Place::Profile(profile)) => self.named(profile.as_str()),
            Some(Place::Live) => "the live login".to_owned(),
            None => "a login".to_owned(),
        };
        if self.is_held(&self.home().refresh_lock(token)) {
            let message = format!("A refresh of {whose} is under way.");
            return Finding::info(Check::Journal, message);
        }
        match rescue {
            Rescue::Answer(_) => Finding::warning(
                Check::Journal,
                format!(
                    "The new tokens of {whose} are saved and not in place yet; the next start puts \
                     them there."
                ),
                SETTLE,
            ),
            Rescue::Broken => Finding::warning(
                Check::Journal,
                format!(
                    "The answer to a refresh of {whose} cannot be understood; it is kept aside."
                ),
                sign_in_again(place.as_ref()),
            ),
            Rescue::Nothing => Finding::warning(
                Check::Journal,
                format!(
                    "The answer to a refresh of {whose} was lost. The next one tries the old token \
                     again, and says so if it was used up."
                ),
                sign_in_again(place.as_ref()),
            ),
        }
    }

    /// A name that a note brought along: of a profile that there is, or of none.
    fn named(&self, text: &str) -> String {
        match self.known(text) {
            Some(profile) => name(profile.as_str()),
            None => "a profile that is gone".to_owned(),
        }
    }
}

fn sign_in_again(place: Option<&Place>) -> String {
    let named = match place {
        Some(Place::Profile(profile)) => format!(" {}", quoted(profile.as_str())),
        _ => String::new(),
    };
    format!("if `codex-router list` says that it needs login: `codex-router login{named}`")
}

fn unreadable(error: &StoreError) -> Finding {
    let message = format!("A note about a switch or a refresh cannot be read: {error}.");
    Finding::problem(
        Check::Journal,
        message,
        "mend the permissions of `router/journal` in the home",
    )
}
