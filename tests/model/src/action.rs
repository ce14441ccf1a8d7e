//! What can happen next, in every order.

use crate::{
    codex::CodexTask,
    disk::{Account, Place},
    router::{Step, Task},
    setup::Setup,
    state::{Generation, Phase, State, TOKENS},
};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    RouterRefreshes(u8, Place),
    RouterSwitches(u8, Account),
    /// A router takes the next step of what it does.
    RouterWorks(u8),
    RouterIsAnswered(u8),
    RouterHearsNothing(u8),
    RouterDies(u8),
    RouterStarts(u8),
    /// A router resolves what is noted about this token.
    RouterRecovers(u8, Generation),
    RouterSettlesSwitch(u8),
    RouterAdoptsLive(u8),
    RouterPublishes(u8),
    CodexStarts(u8),
    CodexWantsToRefresh(u8),
    CodexSends(u8),
    CodexIsAnswered(u8),
    CodexWrites(u8),
    CodexIsCut(u8),
    CodexSignsOut(u8),
    CodexSignsIn(u8),
    /// The access token of this generation comes nearer to its end.
    TimePasses(Generation),
    /// A request whose sender is gone reaches the issuer.
    StrayArrives(Generation),
}

impl State {
    pub(crate) fn possible(&self, setup: &Setup, actions: &mut Vec<Action>) {
        for router in [0, 1] {
            self.possible_for_router(setup, router, actions);
        }
        for codex in 0..setup.codexes {
            self.possible_for_codex(codex, actions);
        }
        for token in tokens() {
            if self.may_age(setup, token) {
                actions.push(Action::TimePasses(token));
            }
            if self.issuer.strays[usize::from(token)] > 0 {
                actions.push(Action::StrayArrives(token));
            }
        }
    }

    fn possible_for_router(&self, setup: &Setup, router: u8, actions: &mut Vec<Action>) {
        if self.routers[usize::from(router)].down {
            actions.push(Action::RouterStarts(router));
            return;
        }
        match self.task(router) {
            Task::Idle => self.possible_beginnings(setup, router, actions),
            Task::Refresh(refresh) if refresh.step == Step::Sent => {
                actions.push(Action::RouterIsAnswered(router));
            }
            _ => actions.push(Action::RouterWorks(router)),
        }
        let waits = |step| matches!(step, Step::Sent | Step::Taken | Step::Denied);
        if let Task::Refresh(refresh) = self.task(router)
            && waits(refresh.step)
            && self.left.lost_answers > 0
        {
            actions.push(Action::RouterHearsNothing(router));
        }
        if self.left.crashes > 0 && self.task(router) != Task::Idle {
            actions.push(Action::RouterDies(router));
        }
    }

    fn possible_beginnings(&self, setup: &Setup, router: u8, actions: &mut Vec<Action>) {
        if self.left.refreshes > 0 {
            actions.push(Action::RouterRefreshes(router, Place::Profile));
            if setup.copy {
                actions.push(Action::RouterRefreshes(router, Place::Copy));
            }
        }
        if self.left.switches > 0 {
            actions.push(Action::RouterSwitches(router, Account::Ours));
            actions.push(Action::RouterSwitches(router, Account::Other));
        }
        // Both routers would do the same, in one step.
        if router == 0 || self.routers[0].down {
            actions.push(Action::RouterAdoptsLive(router));
            actions.push(Action::RouterPublishes(router));
            if self.disk.switch.is_some() && self.disk.profiles_lock.is_none() {
                actions.push(Action::RouterSettlesSwitch(router));
            }
        }
        for token in tokens() {
            let index = usize::from(token);
            if (self.disk.rescue[index] || self.disk.intent[index] > 0)
                && self.disk.refresh_lock[index].is_none()
            {
                actions.push(Action::RouterRecovers(router, token));
            }
        }
    }

    fn possible_for_codex(&self, codex: u8, actions: &mut Vec<Action>) {
        let login = self.left.logins > 0;
        match self.codexes[usize::from(codex)].task {
            CodexTask::Off => {
                actions.push(Action::CodexStarts(codex));
                if login {
                    actions.push(Action::CodexSignsOut(codex));
                }
            }
            CodexTask::Running => actions.push(Action::CodexWantsToRefresh(codex)),
            CodexTask::Decided => actions.push(Action::CodexSends(codex)),
            CodexTask::Sent => actions.push(Action::CodexIsAnswered(codex)),
            CodexTask::Received => actions.push(Action::CodexWrites(codex)),
            CodexTask::Refused => {}
            CodexTask::SigningIn => actions.push(Action::CodexSignsIn(codex)),
        }
        let waits = matches!(
            self.codexes[usize::from(codex)].task,
            CodexTask::Sent | CodexTask::Received
        );
        if waits && self.left.codex_cuts > 0 {
            actions.push(Action::CodexIsCut(codex));
        }
    }

    /// Older tokens come to their end first.
    fn may_age(&self, setup: &Setup, token: Generation) -> bool {
        let phase = self.phase(token);
        let in_order = token == 0 || self.phase(token - 1) > phase;
        let renewed_in_time = !setup.ahead_of_codex || token < self.issuer.newest;
        // What begins ahead of the window, with half an hour left or more, ends ahead of it.
        let awake = setup.sleeps || !self.is_exchanging(token);
        // Longer is waited for Codex than it takes.
        let waited = setup.sleeps || !self.codex_refreshes(token);
        self.left.ticks > 0
            && token <= self.issuer.newest
            && in_order
            && match phase {
                Phase::Early => renewed_in_time && awake,
                Phase::Late => waited,
                Phase::Gone => false,
            }
    }

    /// Whether it could happen, and did.
    pub(crate) fn happens(&mut self, setup: &Setup, action: Action) -> bool {
        match action {
            Action::RouterRefreshes(router, place) => {
                self.left.refreshes -= 1;
                self.begin_refresh(setup, router, place);
                true
            }
            Action::RouterSwitches(router, to) => {
                self.left.switches -= 1;
                self.begin_switch(router, to);
                true
            }
            Action::RouterWorks(router) => self.work(setup, router),
            Action::RouterIsAnswered(router) => self.answer(router),
            Action::RouterHearsNothing(router) => {
                self.left.lost_answers -= 1;
                self.lose_answer(router)
            }
            Action::RouterDies(router) => {
                self.left.crashes -= 1;
                self.crash(router);
                true
            }
            Action::RouterStarts(router) => {
                self.routers[usize::from(router)].down = false;
                true
            }
            Action::RouterRecovers(router, token) => self.begin_recovery(router, token),
            Action::RouterSettlesSwitch(_) => {
                self.settle_switch();
                true
            }
            Action::RouterAdoptsLive(_) => self.watch(setup),
            Action::RouterPublishes(_) => self.publish_aside(setup),
            action => self.happens_outside(setup, action),
        }
    }

    fn happens_outside(&mut self, setup: &Setup, action: Action) -> bool {
        match action {
            Action::CodexStarts(codex) => self.codex_starts(codex),
            Action::CodexWantsToRefresh(codex) => self.codex_wants_to_refresh(setup, codex),
            Action::CodexSends(codex) => self.codex_sends(codex),
            Action::CodexIsAnswered(codex) => self.codex_is_answered(codex),
            Action::CodexWrites(codex) => self.codex_writes(codex),
            Action::CodexIsCut(codex) => {
                self.left.codex_cuts -= 1;
                self.codex_is_cut(codex)
            }
            Action::CodexSignsOut(codex) => {
                self.left.logins -= 1;
                self.codex_signs_out(codex)
            }
            Action::CodexSignsIn(codex) => self.codex_signs_in(codex),
            Action::TimePasses(token) => {
                self.left.ticks -= 1;
                let phase = &mut self.phases[usize::from(token)];
                *phase = match phase {
                    Phase::Early => Phase::Late,
                    _ => Phase::Gone,
                };
                true
            }
            Action::StrayArrives(token) => {
                self.issuer.take_stray(token);
                true
            }
            _ => false,
        }
    }
}

pub(crate) fn tokens() -> impl Iterator<Item = Generation> {
    (0..).take(TOKENS)
}
