//! A Codex process, as the wire reference has it (sections 1.3, 1.4, 3 and 4.6): it holds no lock
//! while it refreshes, and keeps what is on disk when that has changed meanwhile.

use crate::{
    disk::Live,
    history::{Event, Window},
    issuer::Answer,
    setup::Setup,
    state::{Generation, Phase, State},
};

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Codex {
    pub(crate) task: CodexTask,
    /// The login that it has in memory.
    pub(crate) memory: Generation,
}

/// What it is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum CodexTask {
    #[default]
    Off,
    /// It has a login, and nothing to do.
    Running,
    /// It has found the file unchanged, and is going to post what it has in memory.
    Decided,
    Sent,
    Received,
    /// It was refused, and says that one must sign in again.
    Refused,
    /// `codex login` has revoked what it found, and waits for somebody to sign in.
    SigningIn,
}

impl Codex {
    pub(crate) fn is_running(self) -> bool {
        !matches!(self.task, CodexTask::Off | CodexTask::SigningIn)
    }

    pub(crate) fn is_refreshing(self) -> bool {
        use CodexTask::{Decided, Received, Sent};
        matches!(self.task, Decided | Sent | Received)
    }

    pub(crate) fn received(self, token: Generation) -> bool {
        self.task == CodexTask::Received && self.memory + 1 == token
    }
}

impl State {
    fn codex(&mut self, codex: u8) -> &mut Codex {
        &mut self.codexes[usize::from(codex)]
    }

    /// Starts, with the login that is live.
    pub(crate) fn codex_starts(&mut self, codex: u8) -> bool {
        let Live::Ours(memory) = self.disk.live else {
            return false;
        };
        let task = CodexTask::Running;
        *self.codex(codex) = Codex { task, memory };
        true
    }

    /// Wants to refresh, for which it reads the file again.
    pub(crate) fn codex_wants_to_refresh(&mut self, setup: &Setup, codex: u8) -> bool {
        let memory = self.codex(codex).memory;
        if self.phase(memory) == Phase::Early && !setup.unauthorized {
            return false;
        }
        match self.disk.live {
            Live::Ours(live) if live == memory => {
                if self.left.codex_refreshes == 0 {
                    return false;
                }
                self.left.codex_refreshes -= 1;
                self.codex(codex).task = CodexTask::Decided;
            }
            Live::Ours(live) => {
                self.codex(codex).memory = live;
                self.history.note(Event::CodexAdopted);
            }
            // It fails: somebody has signed in as somebody else.
            _ => return false,
        }
        true
    }

    pub(crate) fn codex_sends(&mut self, codex: u8) -> bool {
        let token = self.codex(codex).memory;
        self.codex(codex).task = CodexTask::Sent;
        let index = usize::from(token);
        if self.history.codex_posts[index] > 0 {
            self.history.enter(Window::CodexAgainstCodex);
        }
        if self.history.posts[index] > 0 {
            self.history.enter(if self.history.cut[index] {
                Window::NotRecoveredInTime
            } else {
                Window::RouterAgainstCodex
            });
        }
        self.history.codex_posts[index] += 1;
        true
    }

    pub(crate) fn codex_is_answered(&mut self, codex: u8) -> bool {
        let token = self.codex(codex).memory;
        self.codex(codex).task = match self.issuer.take(token) {
            Answer::Rotated => CodexTask::Received,
            Answer::Refused => CodexTask::Refused,
        };
        true
    }

    /// Takes `auth.lock`, reads again, and writes only if nobody else has written.
    pub(crate) fn codex_writes(&mut self, codex: u8) -> bool {
        let memory = self.codex(codex).memory;
        if self.disk.live == Live::Ours(memory) {
            self.disk.live = Live::Ours(memory + 1);
            self.codex(codex).memory = memory + 1;
        } else {
            self.history.note(Event::CodexThrewAway);
            if let Live::Ours(live) = self.disk.live {
                self.codex(codex).memory = live;
            }
        }
        self.codex(codex).task = CodexTask::Running;
        true
    }

    /// Is killed, or gets no answer; what it sent may arrive all the same.
    pub(crate) fn codex_is_cut(&mut self, codex: u8) -> bool {
        let Codex { task, memory } = *self.codex(codex);
        match task {
            CodexTask::Sent => self.issuer.strays[usize::from(memory)] += 1,
            CodexTask::Received => {}
            _ => return false,
        }
        self.history.enter(Window::CodexCut);
        self.codex(codex).task = CodexTask::Off;
        true
    }

    /// `codex login` begins: it revokes what it finds and removes the file.
    pub(crate) fn codex_signs_out(&mut self, codex: u8) -> bool {
        if let Live::Ours(_) = self.disk.live {
            self.issuer.revoked = true;
            self.history.signed_out = true;
        }
        self.disk.live = Live::Missing;
        self.codex(codex).task = CodexTask::SigningIn;
        true
    }

    /// `codex login` ends: somebody has signed in with an account of which nobody knew.
    pub(crate) fn codex_signs_in(&mut self, codex: u8) -> bool {
        self.disk.live = Live::Stranger;
        self.history.stranger = true;
        self.codex(codex).task = CodexTask::Off;
        true
    }
}
