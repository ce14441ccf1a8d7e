//! What an undisturbed router makes of whatever was left behind.

use crate::{
    action::tokens,
    disk::{Live, Place},
    router::{Refresh, Step, Task},
    setup::Setup,
    state::{Phase, State, TOKENS},
};

/// More steps than any refresh has.
const PATIENCE: usize = 64;

impl State {
    /// Whether, from a moment in which nobody does anything, one router that is started and left
    /// alone gets to a living login everywhere, or to a state that says why there is none.
    pub(crate) fn heals_or_says_why(&self, setup: &Setup) -> bool {
        let mut state = self.clone();
        state.routers[0].down = false;
        // Nobody else refreshes any more, and everybody has waited long enough.
        state.phases = [Phase::Gone; TOKENS];
        state.rested = true;
        state.settle_switch();
        for token in tokens() {
            if state.begin_recovery(0, token) {
                state.run_alone(setup);
            }
        }
        let refreshed = (0..2).all(|_| {
            state.watch(setup);
            state.publish_aside(setup);
            state.begin_refresh(setup, 0, Place::Profile);
            state.run_alone(setup)
        });
        refreshed && state.is_explained(setup)
    }

    fn is_explained(&self, setup: &Setup) -> bool {
        let held = self.disk.newest(setup, Place::Profile);
        if self.disk.needs_login[usize::from(held)].is_some() {
            return true;
        }
        let live_too = match self.disk.live {
            Live::Ours(live) => live == held,
            _ => true,
        };
        !self.issuer.revoked && held == self.issuer.newest && self.disk.profile == held && live_too
    }

    /// Resolves what is noted about a token, if anything is.
    pub(crate) fn begin_recovery(&mut self, router: u8, token: u8) -> bool {
        let index = usize::from(token);
        if !self.disk.rescue[index] {
            if self.disk.intent[index] == 0 || self.disk.is_in_place(token) {
                return false;
            }
            // Another token has followed this one.
            self.disk.intent[index] = 0;
            return true;
        }
        if self.disk.refresh_lock[index].is_some() {
            return false;
        }
        self.disk.refresh_lock[index] = Some(router);
        let refresh = Refresh {
            step: Step::Read,
            ..Refresh::new(Place::Profile, token)
        };
        self.set_task(router, Task::Refresh(refresh));
        true
    }

    fn run_alone(&mut self, setup: &Setup) -> bool {
        for _ in 0..PATIENCE {
            if self.task(0) == Task::Idle {
                return true;
            }
            let _ = self.answer(0) || self.work(setup, 0);
        }
        false
    }
}
