//! How large a world is explored, and what may go wrong in it.

use std::env;

use crate::history::Window;

/// Which of our processes, how much of everything, and which losses are admitted.
///
/// Every number is a budget for the whole history, so that the world is finite.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a thing that may happen or not"
)]
pub struct Setup {
    /// Codex processes, 2 at most. Routers are always two.
    pub codexes: u8,
    /// Whether a second profile holds the same token under another identity.
    pub copy: bool,
    /// Whether the first Codex runs from the beginning.
    pub codex_runs: bool,
    /// Whether the live file holds the other account at first.
    pub other_is_live: bool,
    /// Refreshes that routers begin, for whatever reason.
    pub refreshes: u8,
    /// Switches of the current profile.
    pub switches: u8,
    /// Times that a token comes nearer to its expiry: into Codex's window, and beyond.
    pub ticks: u8,
    /// Refreshes that Codex processes begin.
    pub codex_refreshes: u8,
    /// Routers killed.
    pub crashes: u8,
    /// Answers to a router that get lost, or come too late.
    pub lost_answers: u8,
    /// Codex processes killed, and answers to them lost.
    pub codex_cuts: u8,
    /// Whether somebody runs `codex login`.
    pub codex_login: bool,
    /// Whether upstream answers 401, upon which Codex refreshes ahead of its window.
    pub unauthorized: bool,
    /// Whether routers renew every token before Codex's window: only spent ones get so old.
    pub ahead_of_codex: bool,
    /// Whether the computer may sleep in the middle of an exchange.
    pub sleeps: bool,
    /// What the time stamps in the files say.
    pub stamps: Stamps,
    /// The losses that are admitted: any other is a defect.
    pub admitted: &'static [Window],
    /// What is taken out of the protocol, to see that it is missed.
    pub mutant: Option<Mutant>,
}

/// Whether time stamps tell the newer copy of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stamps {
    /// The later token looks newer.
    #[default]
    Honest,
    /// It looks older: the issuer gives shorter lives from now on, or a clock was wrong.
    Reversed,
}

/// A protocol that lacks something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Spent tokens are not remembered.
    NoLedger,
    /// Only spent tokens are remembered, and not which ones we hold.
    NoOrigin,
    /// A newer copy is taken over where it is missed, and nothing is remembered of the old one.
    BareAdoption,
    /// The token read before the lock is posted.
    NoReadUnderLock,
    /// The lock is that of the identity, not that of the token.
    LockByIdentity,
    /// No intent is noted, so that nobody knows of an earlier attempt.
    NoIntent,
    /// The answer is not noted before it is put in place.
    NoRescue,
    /// The live file is written before the profile.
    LiveFirst,
    /// Other copies are written after the live file.
    CopiesLast,
    /// That a token is spent is remembered after its successor was written.
    LedgerLast,
    /// A switch replaces the live file without another look.
    BlindSwitch,
    /// A switch does not save the live login back.
    NoSaveBack,
    /// Routers post in Codex's window as at any time.
    NoWaitForCodex,
    /// What is published replaces whatever is live.
    BlindPublish,
    /// A token is posted while the answer that brought it is still being written.
    Overtaking,
    /// Copies that hold the spent token keep it.
    NoCopies,
}

impl Setup {
    /// The same, with more of everything if that was asked for: `CODEX_ROUTER_LONG=1` in the
    /// environment.
    #[must_use]
    pub fn enlarged(mut self) -> Self {
        if env::var_os("CODEX_ROUTER_LONG").is_some_and(|value| value == "1") {
            self.refreshes += 1;
            self.switches += 1;
        }
        self
    }

    /// The same without this part of the protocol.
    #[must_use]
    pub fn without(mut self, mutant: Mutant) -> Self {
        self.mutant = Some(mutant);
        self
    }

    pub(crate) fn lacks(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}
