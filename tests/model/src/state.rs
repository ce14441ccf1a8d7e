//! Everything there is in the world at one moment.

use crate::{
    codex::{Codex, CodexTask},
    disk::{Disk, Live},
    history::History,
    issuer::Issuer,
    router::{Router, Step, Task},
    setup::Setup,
};

/// More tokens than any exploration gets to see.
pub(crate) const TOKENS: usize = 8;

/// A token by its number: the answer to token `n` is token `n + 1`.
pub(crate) type Generation = u8;

/// Something about every token.
pub(crate) type PerToken<T> = [T; TOKENS];

/// How near an access token is to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Phase {
    /// Ahead of Codex's window: only routers refresh.
    #[default]
    Early,
    /// Within five minutes of its expiry: Codex refreshes at its next request.
    Late,
    /// Expired, and some time has passed without anybody refreshing it.
    Gone,
}

/// What may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) refreshes: u8,
    pub(crate) switches: u8,
    pub(crate) ticks: u8,
    pub(crate) codex_refreshes: u8,
    pub(crate) crashes: u8,
    pub(crate) lost_answers: u8,
    pub(crate) codex_cuts: u8,
    pub(crate) logins: u8,
}

/// One moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) issuer: Issuer,
    pub(crate) disk: Disk,
    pub(crate) routers: [Router; 2],
    pub(crate) codexes: [Codex; 2],
    pub(crate) phases: PerToken<Phase>,
    pub(crate) left: Budget,
    pub(crate) history: History,
    /// So much time has passed that a token that was posted twice in vain may be posted again.
    pub(crate) rested: bool,
}

impl State {
    pub(crate) fn new(setup: &Setup) -> Self {
        let mut codexes = [Codex::default(); 2];
        if setup.codex_runs {
            codexes[0].task = CodexTask::Running;
        }
        Self {
            issuer: Issuer::default(),
            disk: Disk::new(setup),
            routers: [Router::default(); 2],
            codexes,
            phases: [Phase::default(); TOKENS],
            left: Budget {
                refreshes: setup.refreshes,
                switches: setup.switches,
                ticks: setup.ticks,
                codex_refreshes: setup.codex_refreshes,
                crashes: setup.crashes,
                lost_answers: setup.lost_answers,
                codex_cuts: setup.codex_cuts,
                logins: u8::from(setup.codex_login),
            },
            history: History::default(),
            rested: false,
        }
    }

    pub(crate) fn phase(&self, token: Generation) -> Phase {
        self.phases[usize::from(token)]
    }

    /// Whether the login is beyond help: revoked, or its newest token with nobody who keeps it or
    /// is still about to.
    pub(crate) fn is_lost(&self) -> bool {
        if self.history.signed_out {
            return false;
        }
        let newest = self.issuer.newest;
        self.issuer.revoked || !(self.disk.holds(newest) || self.is_about_to_be_kept(newest))
    }

    fn is_about_to_be_kept(&self, token: Generation) -> bool {
        let by_router = |router: &Router| match router.task {
            Task::Refresh(refresh) => refresh.has_answer() && refresh.token + 1 == token,
            _ => false,
        };
        self.routers.iter().any(by_router) || self.codexes.iter().any(|codex| codex.received(token))
    }

    /// Whether nobody is in the middle of anything.
    pub(crate) fn is_quiet(&self) -> bool {
        let idle = |router: &Router| router.task == Task::Idle;
        self.routers.iter().all(idle)
            && !self.codexes.into_iter().any(Codex::is_refreshing)
            && self.issuer.strays == [0; TOKENS]
    }

    /// Whether a router is between its decision to post this token and the end of its writing.
    pub(crate) fn is_exchanging(&self, token: Generation) -> bool {
        self.routers.iter().any(|router| match router.task {
            Task::Refresh(refresh) => {
                refresh.token == token && (Step::Note..=Step::Publish).contains(&refresh.step)
            }
            _ => false,
        })
    }

    /// Whether a Codex is refreshing this token.
    pub(crate) fn codex_refreshes(&self, token: Generation) -> bool {
        let same = |codex: &Codex| codex.is_refreshing() && codex.memory == token;
        self.codexes.iter().any(same)
    }

    /// Whether a Codex is refreshing the login that is live now.
    pub(crate) fn codex_refreshes_live(&self) -> bool {
        matches!(self.disk.live, Live::Ours(token) if self.codex_refreshes(token))
    }
}
