//! The files of the home, each replaced as a whole, and our locks.

use std::cmp::Ordering;

use crate::{
    setup::{Mutant, Setup, Stamps},
    state::{Generation, PerToken, TOKENS},
};

/// Which of the two accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Account {
    /// The one whose login is shared and refreshed.
    Ours,
    /// Another one, which stands still.
    Other,
}

/// What `auth.json` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Live {
    /// No file.
    Missing,
    /// Our login.
    Ours(Generation),
    /// The other account's.
    Other,
    /// What `codex login` wrote: in no profile.
    Stranger,
}

/// A file that a router can be asked to refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// The profile of our login.
    Profile,
    /// A second one with the same token, whose identity reads differently.
    Copy,
}

/// Why a token is not posted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    Reused,
    OutcomeUnknown,
}

/// What is known of a token, from old to new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Spent,
    Held,
    Unseen,
}

/// All files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Disk {
    pub(crate) profile: Generation,
    pub(crate) copy: Option<Generation>,
    pub(crate) live: Live,
    pub(crate) current: Account,
    /// Whether a stranger's login was kept as a profile.
    pub(crate) stranger_kept: bool,
    /// Whether the answer to this token is noted.
    pub(crate) rescue: PerToken<bool>,
    /// How often this token was posted without its outcome being noted.
    pub(crate) intent: PerToken<u8>,
    /// Tokens known to be spent, or to have been followed by another.
    pub(crate) ledger: PerToken<bool>,
    /// Tokens that a router has received or found: any other came from outside, and later.
    pub(crate) known: PerToken<bool>,
    pub(crate) needs_login: PerToken<Option<Reason>>,
    pub(crate) switch: Option<Account>,
    /// Who holds the lock of this token, or of this identity.
    pub(crate) refresh_lock: PerToken<Option<u8>>,
    /// Who holds the lock of the profiles.
    pub(crate) profiles_lock: Option<u8>,
}

impl Disk {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            profile: 0,
            copy: setup.copy.then_some(0),
            live: if setup.other_is_live {
                Live::Other
            } else {
                Live::Ours(0)
            },
            current: if setup.other_is_live {
                Account::Other
            } else {
                Account::Ours
            },
            stranger_kept: false,
            rescue: [false; TOKENS],
            intent: [0; TOKENS],
            ledger: [false; TOKENS],
            known: [true, false, false, false, false, false, false, false],
            needs_login: [None; TOKENS],
            switch: None,
            refresh_lock: [None; TOKENS],
            profiles_lock: None,
        }
    }

    /// Whether a file holds this token.
    pub(crate) fn holds(&self, token: Generation) -> bool {
        let rescued = token > 0 && self.rescue[usize::from(token) - 1];
        self.is_in_place(token) || rescued
    }

    /// The same, without what only the journal holds.
    pub(crate) fn is_in_place(&self, token: Generation) -> bool {
        self.profile == token || self.copy == Some(token) || self.live == Live::Ours(token)
    }

    pub(crate) fn is_spent(&self, setup: &Setup, token: Generation) -> bool {
        !setup.lacks(Mutant::NoLedger) && self.ledger[usize::from(token)]
    }

    /// A spent token is older than one that we hold, and that is older than one never seen before,
    /// which somebody else has received since. Only between two of a kind the time stamps say.
    pub(crate) fn is_newer(&self, setup: &Setup, one: Generation, other: Generation) -> bool {
        let kinds = (self.kind(setup, one), self.kind(setup, other));
        match (kinds.0.cmp(&kinds.1), setup.stamps) {
            (Ordering::Greater, _) => true,
            (Ordering::Less, _) => false,
            (Ordering::Equal, Stamps::Honest) => one > other,
            (Ordering::Equal, Stamps::Reversed) => one < other,
        }
    }

    fn kind(&self, setup: &Setup, token: Generation) -> Kind {
        let is_known = self.known[usize::from(token)]
            || setup.lacks(Mutant::NoLedger)
            || setup.lacks(Mutant::NoOrigin);
        match (self.is_spent(setup, token), is_known) {
            (true, _) => Kind::Spent,
            (false, true) => Kind::Held,
            (false, false) => Kind::Unseen,
        }
    }

    /// Remembers that a token was followed by another one.
    pub(crate) fn record(&mut self, spent: Generation, next: Generation) {
        self.ledger[usize::from(spent)] = true;
        self.known[usize::from(next)] = true;
    }

    /// Brings a newer copy to its place, and to every other that holds what it follows.
    pub(crate) fn adopt(&mut self, setup: &Setup, place: Place, newest: Generation) {
        let Some(old) = self.read(place) else {
            return;
        };
        if setup.lacks(Mutant::BareAdoption) {
            self.write(place, newest);
            self.known[usize::from(newest)] = true;
            return;
        }
        for place in [Place::Profile, Place::Copy] {
            if self.read(place) == Some(old) {
                self.write(place, newest);
            }
        }
        self.record(old, newest);
    }

    /// The newest copy of the login at a place.
    pub(crate) fn newest(&self, setup: &Setup, place: Place) -> Generation {
        match (place, self.live) {
            (Place::Copy, _) => self.copy.unwrap_or(self.profile),
            (Place::Profile, Live::Ours(live)) if self.is_newer(setup, live, self.profile) => live,
            (Place::Profile, _) => self.profile,
        }
    }

    pub(crate) fn write(&mut self, place: Place, token: Generation) {
        match place {
            Place::Profile => self.profile = token,
            Place::Copy => self.copy = Some(token),
        }
    }

    pub(crate) fn read(&self, place: Place) -> Option<Generation> {
        match place {
            Place::Profile => Some(self.profile),
            Place::Copy => self.copy,
        }
    }

    /// What a process held is free when it ends.
    pub(crate) fn release(&mut self, router: u8) {
        for lock in &mut self.refresh_lock {
            if *lock == Some(router) {
                *lock = None;
            }
        }
        if self.profiles_lock == Some(router) {
            self.profiles_lock = None;
        }
    }
}
