//! Bringing the issuer's answer to disk, come what may.

use std::{sync::Arc, thread, time::Duration};

use codex_auth::{AuthDotJson, LoginReason, refresh::RefreshReason};
use tracing::{error, warn};

use crate::{
    audit::{Action, Actor, Auditor, Deed, FINISHED},
    disk::Disk,
    error::StoreError,
    faults::Step,
    fs::lock::FileLock,
    journal::{RefreshIntent, RefreshJournal, Rescue},
    keep::{Age, was_spent},
    ledger::Spent,
    profile::Place,
};

/// A disk that refuses once may take it a moment later.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(250),
];

/// An answer that is nowhere on disk yet: the only copy of a living login.
#[derive(Debug, Clone)]
pub(crate) struct Unlanded {
    pub(crate) journal: RefreshJournal,
    pub(crate) place: Place,
    /// The fingerprint of the token that was spent for it.
    pub(crate) spent: String,
    /// Why it was spent, where this is known.
    pub(crate) reason: Option<RefreshReason>,
    pub(crate) login: Arc<AuthDotJson>,
    /// Held until the answer is on disk: another process would post the spent token again.
    pub(crate) _lock: Arc<FileLock>,
}

impl Disk {
    /// Brings an answer to disk: into the rescue file, which has room whatever happens; the spent
    /// token into the ledger, before any file says otherwise; then into the profile, its copies and
    /// the live file. Once one of them holds it, the login may serve; the journal is cleared when
    /// all do.
    pub(crate) fn land(&self, answer: &Unlanded) -> Result<(), StoreError> {
        let noted = persistently(|| answer.journal.note_answer(&answer.login));
        let recorded =
            persistently(|| self.spend(&answer.spent, Some(&answer.login), answer.reason));
        match persistently(|| self.put_in_place(&answer.place, &answer.login, &answer.spent)) {
            Ok(()) => {
                // Until the token is known as spent, the journal says so.
                if let Err(error) = recorded.and_then(|()| answer.journal.clear()) {
                    warn!(%error, "a refresh that is done could not be noted as such yet");
                }
                Ok(())
            }
            Err(error) => self.land_elsewhere(answer, noted.is_ok(), error),
        }
    }

    /// Notes a token as spent, unless the answer to it brought no other: it is good still then.
    fn spend(
        &self,
        spent: &str,
        answer: Option<&AuthDotJson>,
        reason: Option<RefreshReason>,
    ) -> Result<(), StoreError> {
        if !answer.is_some_and(|login| was_spent(login, spent)) {
            self.record_spent(Spent::new(spent, answer, reason))?;
        }
        self.passed(Step::SpentRecorded)
    }

    fn land_elsewhere(
        &self,
        answer: &Unlanded,
        noted: bool,
        error: StoreError,
    ) -> Result<(), StoreError> {
        let profile = answer.place.reference();
        let published = self.publish_rotation(&answer.login, &answer.spent);
        if !noted && !published.unwrap_or(false) {
            error!(%profile, %error, "refreshed tokens are in memory alone: free some disk space");
            return Err(error);
        }
        warn!(%profile, %error, "refreshed tokens could not be written to their profile yet");
        Ok(())
    }

    /// Writes a rotated login to its profile, to the copies of it, and to the live file.
    pub(crate) fn put_in_place(
        &self,
        place: &Place,
        login: &AuthDotJson,
        spent: &str,
    ) -> Result<(), StoreError> {
        if let Place::Profile(name) = place {
            let lock = self.lock_profiles()?;
            self.keep_rotation(&lock, name, login, spent)?;
        }
        self.passed(Step::ProfileWritten)?;
        // Before the live file: a switch may make any of them the live login next.
        if let Err(error) = self.renew_copies(login, spent) {
            // Each follows when it is refreshed itself: the ledger says what came for its token.
            warn!(%error, "a copy of a refreshed profile still holds its old token");
        }
        self.passed(Step::CopiesWritten)?;
        let published = self.publish_rotation(login, spent);
        self.passed(Step::LiveWritten)?;
        match (place, published) {
            // Nobody else has it: the live login changed hands, or was logged out of, meanwhile.
            (Place::Live, Ok(false)) => self.keep_if_nowhere(login),
            (Place::Live, published) => published.map(drop),
            (Place::Profile(_), Ok(_)) => Ok(()),
            (Place::Profile(_), Err(error)) => {
                // It is tried again whenever somebody asks for this login.
                warn!(%error, "refreshed tokens could not be published to the live login");
                Ok(())
            }
        }
    }

    fn keep_if_nowhere(&self, login: &AuthDotJson) -> Result<(), StoreError> {
        let lock = self.lock_profiles()?;
        match self.live() {
            Ok(live)
                if live.identity() == login.identity()
                    && matches!(self.age(login, &live), Age::Same | Age::Older) =>
            {
                Ok(())
            }
            _ => self.keep(&lock, login, None).map(drop),
        }
    }

    /// Resolves what a refresh that did not come to its end left behind. Posts nothing. Only for
    /// whoever holds the identity's lock.
    pub(crate) fn settle(&self, journal: &RefreshJournal) -> Result<(), StoreError> {
        let intent = journal.intent()?;
        match (journal.rescue()?, intent) {
            (Rescue::Answer(answer), Some(intent)) => {
                let token = &intent.token_fingerprint;
                self.spend(token, Some(&answer), None)?;
                self.put_in_place(&intent.place(), &answer, token)?;
                self.note_recovered(&intent.place());
                // Another account's answer went to a place of its own, and is followed by nothing
                // here: the crash came before that was recorded.
                if !was_spent(&answer, token) {
                    self.give_up_if_held(Some(intent))?;
                }
            }
            (Rescue::Answer(answer), None) => {
                self.keep(&self.lock_profiles()?, &answer, None)?;
            }
            (Rescue::Broken, intent) => {
                self.give_up_if_held(intent)?;
                journal.set_rescue_aside()?;
            }
            (Rescue::Nothing, Some(intent))
                if self.holds(&intent.token_fingerprint)
                    && !self.ledger()?.holds(&intent.token_fingerprint) =>
            {
                return Ok(());
            }
            // The token has been followed by another: the refresh came through, or Codex's did.
            (Rescue::Nothing, _) => {}
        }
        journal.clear()
    }

    /// Whoever began it has written no line: it does so when the journal is clear.
    fn note_recovered(&self, place: &Place) {
        let deed = Deed::new(Action::Refresh).with_profile(place.reference().as_str());
        let deed = deed.with_detail(FINISHED);
        Auditor::of(&self.home, Actor::Keeper).note(deed);
    }

    /// Records that a token whose answer was begun to be noted is spent, so that it is not posted
    /// again, where nothing has followed it.
    fn give_up_if_held(&self, intent: Option<RefreshIntent>) -> Result<(), StoreError> {
        let Some(intent) = intent else { return Ok(()) };
        let (place, token) = (intent.place(), &intent.token_fingerprint);
        if !self.holds(token) {
            return Ok(());
        }
        self.record_refusal(&place, token, LoginReason::OutcomeUnknown)
    }

    /// Whether the token is still in some copy, or may be: a profile may have been renamed since.
    fn holds(&self, token_fingerprint: &str) -> bool {
        let names = self.names();
        let unknown = names.is_err();
        let places = names.unwrap_or_default().into_iter().map(Place::Profile);
        let mut places = places.chain([Place::Live]);
        unknown
            || places.any(|place| match self.login(&place) {
                Ok(login) => was_spent(&login, token_fingerprint),
                Err(error) => error.may_hold_a_login(),
            })
    }

    fn passed(&self, step: Step) -> Result<(), StoreError> {
        let at = self.home.root();
        self.faults.at(step).map_err(StoreError::io(at))
    }
}

fn persistently(mut work: impl FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
    let mut done = Ok(());
    for pause in PAUSES {
        thread::sleep(pause);
        done = work();
        if done.is_ok() {
            break;
        }
    }
    done
}
