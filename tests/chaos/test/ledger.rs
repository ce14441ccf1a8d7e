//! What the issuer's records say about one login.

use std::collections::{HashMap, HashSet};

use fake_openai::{Refresh, RefreshOutcome};
use jiff::{SignedDuration, Timestamp};

/// How long, at most, a process on a busy machine takes from the issuer's answer to the disk.
const WINDOW: SignedDuration = SignedDuration::from_secs(1);

/// A stretch of time in which one answer may have been cut off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    from: Timestamp,
    to: Timestamp,
}

impl Cut {
    pub(crate) fn at(moment: Timestamp) -> Self {
        Self::between(moment - WINDOW, moment + WINDOW)
    }

    pub(crate) fn between(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to }
    }

    fn covers(self, moment: Timestamp) -> bool {
        self.from <= moment && moment <= self.to
    }
}

/// All refreshes so far.
pub(crate) struct Ledger {
    rotations: HashMap<String, Refresh>,
    reused: HashSet<String>,
}

/// The last state of one login.
pub(crate) struct Chain {
    pub(crate) newest: String,
    pub(crate) revoked: bool,
    /// When its newest token was issued, unless that was at sign-in.
    pub(crate) issued_at: Option<Timestamp>,
}

impl Ledger {
    pub(crate) fn of(refreshes: Vec<Refresh>) -> Self {
        let reused = refreshes
            .iter()
            .filter(|refresh| refresh.outcome == RefreshOutcome::Reused);
        let reused = reused.map(|refresh| refresh.token.clone()).collect();
        let rotated = |refresh: &Refresh| refresh.outcome == RefreshOutcome::Rotated;
        let rotations = refreshes.into_iter().filter(rotated);
        let rotations = rotations
            .map(|refresh| (refresh.token.clone(), refresh))
            .collect();
        Self { rotations, reused }
    }

    /// Follows a login from its first token to its last.
    pub(crate) fn follow(&self, first: &str) -> Chain {
        let mut chain = Chain {
            newest: first.to_owned(),
            revoked: false,
            issued_at: None,
        };
        let mut reused_late = false;
        while let Some(rotation) = self.rotations.get(&chain.newest) {
            reused_late |= chain.revoked;
            chain.revoked |= self.reused.contains(&chain.newest);
            let issued = rotation.issued.as_ref().expect("a rotation issues tokens");
            chain.newest.clone_from(&issued.refresh_token);
            chain.issued_at = Some(rotation.at);
        }
        // Nothing explains that a token was posted again whose successor was in use already.
        chain.issued_at = chain.issued_at.filter(|_| !reused_late);
        chain
    }
}

/// The cut that explains the loss of a login whose last tokens were issued at this time. It is
/// used up.
pub(crate) fn explain(cuts: &mut Vec<Cut>, issued_at: Option<Timestamp>) -> bool {
    let covers = |cut: &Cut| issued_at.is_some_and(|at| cut.covers(at));
    match cuts.iter().position(covers) {
        Some(position) => {
            cuts.swap_remove(position);
            true
        }
        None => false,
    }
}
