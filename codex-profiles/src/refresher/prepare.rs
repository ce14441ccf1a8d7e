//! Everything that is looked at before a token is spent.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use codex_auth::{
    AuthDotJson, LoginReason,
    refresh::{CODEX_WINDOW, RefreshReason},
    secret::RefreshToken,
};
use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::{
    disk::Disk,
    error::StoreError,
    fs::{
        ReadError, atomic,
        lock::{FileLock, LockError},
    },
    journal::{RefreshIntent, RefreshJournal, Rescue},
    keep::was_spent,
    profile::Place,
    refresher::same_access,
    state::{NeedsLogin, State},
};

/// Longer than a refresh of another process can take.
const LOCK_LIMIT: Duration = Duration::from_mins(1);
/// How often the token may change while its lock is waited for.
const MAX_TRIES: usize = 5;
/// How far apart two refreshes on account of a 401 are at least, whichever process makes them. An
/// upstream that answers 401 to fresh tokens has another reason, and each of its answers would cost
/// a one-time token.
pub(crate) const RECOVERY_INTERVAL: SignedDuration = SignedDuration::from_mins(1);
/// How long a commit of Codex is waited for. One takes milliseconds, as a rule.
const CODEX_COMMIT_LIMIT: Duration = Duration::from_secs(3);
/// How long a refresh that Codex may have begun is waited for once the access token has ended. One
/// takes a second, as a rule.
const CODEX_GRACE: Duration = Duration::from_secs(3);
/// A refresh of ours that begins this long before Codex begins one has ended by then.
const HEAD_START: SignedDuration = SignedDuration::from_mins(1);
const CODEX_POLL: Duration = Duration::from_millis(50);

/// What the files say once the lock is had.
pub(super) enum Prepared {
    /// Somebody has refreshed it: this one serves.
    Have(Arc<AuthDotJson>),
    /// The token was refused before, for good.
    Refused { token: String, reason: LoginReason },
    /// It came for another one just now, and was refused by the upstream all the same.
    JustRecovered,
    /// It was posted and no answer came, more than once: it is not the time yet to try again.
    NotYet(Duration),
    /// A Codex that is running is about to spend the token, or does so already.
    LeftToCodex,
    /// The token may be spent.
    Spend(Spend),
}

/// The right to spend one token, and all that is known about it.
pub(super) struct Spend {
    pub(super) journal: RefreshJournal,
    pub(super) intent: RefreshIntent,
    pub(super) login: Arc<AuthDotJson>,
    pub(super) lock: Arc<FileLock>,
}

/// One look at a token under its lock.
enum Look {
    Done(Prepared),
    /// The place holds another token by now, which has a lock of its own.
    Moved(Arc<AuthDotJson>),
    /// It came for this one, whose refresh has not come to its end yet.
    Unfinished(RefreshJournal),
}

/// A refresh that is wanted.
pub(super) struct Wish {
    pub(super) place: Place,
    /// The login that whoever asks wants another one for.
    pub(super) held: Arc<AuthDotJson>,
    pub(super) reason: RefreshReason,
}

impl Disk {
    /// Takes the token's lock, reads everything again, and notes the intent if there is no way
    /// around spending the token.
    pub(super) fn prepare(&self, wish: &Wish) -> Result<Prepared, StoreError> {
        let mut login = wish.held.clone();
        for _ in 0..MAX_TRIES {
            match self.look(wish, &login)? {
                Look::Done(prepared) => return Ok(prepared),
                Look::Moved(newer) => login = newer,
                Look::Unfinished(journal) => self.finish(&journal)?,
            }
        }
        let path = self.path_of(&wish.place);
        Err(StoreError::Contended { path })
    }

    fn look(&self, wish: &Wish, login: &AuthDotJson) -> Result<Look, StoreError> {
        let token = fingerprint(login);
        let lock = FileLock::acquire(&self.home.refresh_lock(&token), 0o600, LOCK_LIMIT)?;
        let journal = RefreshJournal::new(self, &token);
        self.wait_for_codex_to_commit(login)?;
        let rescued = journal.rescue()?;
        if let Err(error) = self.settle(&journal) {
            // The answer of an earlier refresh is on disk, if not where it belongs.
            return match rescued {
                Rescue::Answer(answer) if answer.may_follow(login) => {
                    Ok(Look::Done(Prepared::Have(Arc::new(answer))))
                }
                _ => Err(error),
            };
        }
        if let Some(look) = self.look_elsewhere(wish, &token)? {
            return Ok(look);
        }
        // Copies may still be waiting for this token: once it is followed by the next, nobody would
        // know them by what they hold.
        if let Some(before) = self.journal_of_answer(&token)? {
            return Ok(Look::Unfinished(before));
        }
        if self.follow_ledger(&token)? {
            return Ok(Look::Moved(self.newest_at(&wish.place)?));
        }
        self.decide(wish, login, journal, lock).map(Look::Done)
    }

    /// A spent token whose successor lies in another copy of the same sign-in: a workspace that was
    /// restored, or missed when the others were renewed. Says whether anything followed.
    fn follow_ledger(&self, token: &str) -> Result<bool, StoreError> {
        let Some(last) = self.ledger()?.last_after(token) else {
            return Ok(false);
        };
        let profiles = self.names()?.into_iter().map(Place::Profile);
        let mut copies = profiles
            .chain([Place::Live])
            .filter_map(|place| self.login(&place).ok());
        let Some(copy) = copies.find(|copy| was_spent(copy, &last)) else {
            return Ok(false);
        };
        let renewed = self.renew_copies(&copy, token)?;
        Ok(self.publish_rotation(&copy, token)? || renewed)
    }

    /// Waits for whoever brings an answer to disk; one that has died is stood in for. Not to be
    /// called with another token's lock in hand.
    fn finish(&self, journal: &RefreshJournal) -> Result<(), StoreError> {
        let lock = self.home.refresh_lock(journal.token());
        let _lock = FileLock::acquire(&lock, 0o600, LOCK_LIMIT)?;
        self.settle(journal)
    }

    /// What the place and its copies hold, if it is not the token any more.
    fn look_elsewhere(&self, wish: &Wish, token: &str) -> Result<Option<Look>, StoreError> {
        let newest = self.newest_at(&wish.place)?;
        if !same_access(&newest, &wish.held) || newest.identity() != wish.held.identity() {
            self.adopt_for(&wish.place, &newest);
            return Ok(Some(Look::Done(Prepared::Have(newest))));
        }
        Ok((!was_spent(&newest, token)).then_some(Look::Moved(newest)))
    }

    fn decide(
        &self,
        wish: &Wish,
        login: &AuthDotJson,
        journal: RefreshJournal,
        lock: FileLock,
    ) -> Result<Prepared, StoreError> {
        let token = fingerprint(login);
        if let Some(reason) = State::load(&self.home)?.refusal_of(&token) {
            return Ok(Prepared::Refused { token, reason });
        }
        let ledger = self.ledger()?;
        if ledger.holds(&token) {
            return self.refuse(&wish.place, token, LoginReason::Reused);
        }
        let recovery = wish.reason == RefreshReason::UnauthorizedRecovery;
        if recovery && ledger.has_just_recovered(&token, RECOVERY_INTERVAL) {
            return Ok(Prepared::JustRecovered);
        }
        if is_too_young(wish.reason, login, ledger.age_of(login)) {
            return Ok(Prepared::Have(Arc::new(login.clone())));
        }
        let before = journal.intent()?;
        if let Some(pause) = before.as_ref().and_then(RefreshIntent::pause_left) {
            return Ok(Prepared::NotYet(pause));
        }
        let attempts = before.map_or(1, |intent| intent.attempts.saturating_add(1));
        if let Some(prepared) = self.leave_to_codex(wish, login)? {
            return Ok(prepared);
        }
        self.leave_shared_token_alone(&token)?;
        self.bring_home(&wish.place, login)?;
        self.probe(&wish.place, login)?;
        let intent = RefreshIntent::new(&wish.place, token, attempts);
        journal.begin(&intent, login)?;
        Ok(Prepared::Spend(Spend {
            journal,
            intent,
            login: Arc::new(login.clone()),
            lock: Arc::new(lock),
        }))
    }

    fn refuse(
        &self,
        place: &Place,
        token: String,
        reason: LoginReason,
    ) -> Result<Prepared, StoreError> {
        self.record_refusal(place, &token, reason)?;
        Ok(Prepared::Refused { token, reason })
    }

    /// Codex has its answer already while it holds this lock: what it writes is to be adopted.
    fn wait_for_codex_to_commit(&self, login: &AuthDotJson) -> Result<(), StoreError> {
        if !self.is_live(login) {
            return Ok(());
        }
        match FileLock::acquire(&self.home.codex_lock(), 0o644, CODEX_COMMIT_LIMIT) {
            // What it is about to write is the successor of this very token.
            Err(error @ LockError::Busy { .. }) => Err(error.into()),
            Err(error) => {
                warn!(%error, "whether Codex writes its login cannot be seen");
                Ok(())
            }
            Ok(_lock) => Ok(()),
        }
    }

    /// Codex holds no lock while it refreshes (wire reference 3.4), so where it may do so, what it
    /// writes is waited for: as long as the old access token serves, and then a little longer.
    fn leave_to_codex(
        &self,
        wish: &Wish,
        login: &AuthDotJson,
    ) -> Result<Option<Prepared>, StoreError> {
        let Some(left) = left_of(login).filter(|left| *left <= CODEX_WINDOW + HEAD_START) else {
            return Ok(None);
        };
        if !is_by_the_clock(wish.reason)
            || !self.is_live(login)
            || !self.neighbours.may_include_codex(&self.home)
        {
            return Ok(None);
        }
        if left.is_positive() {
            return Ok(Some(Prepared::LeftToCodex));
        }
        self.wait_for_codex_to_refresh(wish, &fingerprint(login))
    }

    fn wait_for_codex_to_refresh(
        &self,
        wish: &Wish,
        token: &str,
    ) -> Result<Option<Prepared>, StoreError> {
        let began = Instant::now();
        while began.elapsed() < CODEX_GRACE {
            thread::sleep(CODEX_POLL);
            match self.look_elsewhere(wish, token)? {
                Some(Look::Done(prepared)) => return Ok(Some(prepared)),
                Some(Look::Moved(login)) => return Ok(Some(Prepared::Have(login))),
                Some(Look::Unfinished(_)) | None => {}
            }
        }
        Ok(None)
    }

    /// Whether Codex has this very token too.
    fn is_live(&self, login: &AuthDotJson) -> bool {
        self.live()
            .is_ok_and(|live| live.refresh_token() == login.refresh_token())
    }

    /// Whether the answer could be written just now; else the token is not spent.
    fn probe(&self, place: &Place, login: &AuthDotJson) -> Result<(), StoreError> {
        let path = self.path_of(place);
        atomic::probe(&path, login.to_bytes().len()).map_err(StoreError::io(&path))
    }

    pub(super) fn record_refusal(
        &self,
        place: &Place,
        token: &str,
        reason: LoginReason,
    ) -> Result<(), StoreError> {
        let fact = NeedsLogin {
            reason,
            token_fingerprint: token.to_owned(),
            at: Timestamp::now(),
        };
        let label = place.reference();
        State::update(&self.home, |state| {
            state.set_needs_login(label.as_str(), Some(&fact));
        })
        .map(drop)
    }

    fn newest_at(&self, place: &Place) -> Result<Arc<AuthDotJson>, StoreError> {
        let newest = self.newest(place);
        newest.map_err(StoreError::unusable(&self.path_of(place)))
    }

    /// The newest copy of the login at a place, wherever it lies.
    pub(super) fn newest(&self, place: &Place) -> Result<Arc<AuthDotJson>, ReadError> {
        let mut newest = self.login(place)?;
        let copies = self.of_identity(&newest.identity()).unwrap_or_default();
        let copies = copies.into_iter().map(|(_, login)| login);
        for copy in copies.chain(self.live()) {
            if copy.identity() == newest.identity() && self.is_newer(&copy, &newest) {
                newest = copy;
            }
        }
        Ok(newest)
    }

    /// A copy that lies at its place, and is older, must not look newer once this token is spent.
    fn bring_home(&self, place: &Place, login: &AuthDotJson) -> Result<(), StoreError> {
        match place {
            Place::Profile(name) => self.adopt(name, login).map(drop),
            Place::Live => Ok(()),
        }
    }

    fn adopt_for(&self, place: &Place, login: &AuthDotJson) {
        let adopted = match place {
            Place::Profile(name) => self.adopt(name, login),
            Place::Live => self.publish_newer(login),
        };
        if let Err(error) = adopted {
            warn!(%error, "a newer copy of a login could not be adopted");
        }
    }
}

fn fingerprint(login: &AuthDotJson) -> String {
    let token = login.refresh_token().map(RefreshToken::fingerprint);
    token.unwrap_or_default()
}

/// Whether a token that seems to end soon came just now: our clock is wrong then, not the token, and
/// would ask for another one at every request.
pub(crate) fn is_too_young(
    reason: RefreshReason,
    login: &AuthDotJson,
    age: Option<SignedDuration>,
) -> bool {
    let lifetime = login.access_token_lifetime();
    is_by_the_clock(reason) && age.zip(lifetime).is_some_and(|(age, life)| age < life / 2)
}

/// Whether nothing but time asks for it.
fn is_by_the_clock(reason: RefreshReason) -> bool {
    matches!(
        reason,
        RefreshReason::ProactiveExpiry | RefreshReason::Scheduled
    )
}

fn left_of(login: &AuthDotJson) -> Option<SignedDuration> {
    let expires_at = login.access_token_expires_at()?;
    Some(expires_at.duration_since(Timestamp::now()))
}
