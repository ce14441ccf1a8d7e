use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use codex_auth::{AuthDotJson, CredentialError};

use super::same_access;

/// How many refreshes ended in which way, since the program began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefreshCounts {
    /// The issuer answered with new tokens, which are on disk.
    pub refreshed: u64,
    /// Another program had refreshed the login: its tokens were taken.
    pub adopted: u64,
    /// Only signing in again helps.
    pub refused: u64,
    /// It is tried again: the issuer could not be reached, or Codex is about to refresh.
    pub postponed: u64,
    /// The files could not be read or written.
    pub failed: u64,
}

impl RefreshCounts {
    /// Each with its name.
    #[must_use]
    pub fn by_result(self) -> [(&'static str, u64); 5] {
        [
            ("refreshed", self.refreshed),
            ("adopted", self.adopted),
            ("refused", self.refused),
            ("postponed", self.postponed),
            ("failed", self.failed),
        ]
    }
}

/// The same while it is counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: [AtomicU64; 5],
}

/// How a refresh ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Refreshed,
    Adopted,
    Refused,
    Postponed,
    Failed,
}

impl Outcome {
    /// `spent` says whether a token was posted. Without that, and with the login that was held
    /// before, nothing happened.
    pub(super) fn of(
        done: &Result<Arc<AuthDotJson>, CredentialError>,
        held: &AuthDotJson,
        spent: bool,
    ) -> Option<Self> {
        match done {
            Ok(_) if spent => Some(Self::Refreshed),
            Ok(login) => (!same_access(login, held)).then_some(Self::Adopted),
            Err(CredentialError::LoginRequired { .. }) => Some(Self::Refused),
            Err(CredentialError::Unavailable { .. }) => Some(Self::Postponed),
            Err(_) => Some(Self::Failed),
        }
    }
}

impl Tally {
    pub(super) fn note(&self, outcome: Outcome) {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> RefreshCounts {
        let [refreshed, adopted, refused, postponed, failed] =
            [0, 1, 2, 3, 4].map(|at: usize| self.counts[at].load(Ordering::Relaxed));
        RefreshCounts {
            refreshed,
            adopted,
            refused,
            postponed,
            failed,
        }
    }
}
