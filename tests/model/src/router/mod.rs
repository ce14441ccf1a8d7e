//! A router process: what it is doing, and what its death leaves behind.

mod landing;
mod refresh;
mod switch;

use crate::{
    disk::{Live, Place},
    history::{Event, Window},
    issuer::Answer,
    setup::Setup,
    state::State,
};

pub(crate) use refresh::{Refresh, Step};
pub(crate) use switch::Switch;

/// One router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Router {
    pub(crate) down: bool,
    pub(crate) task: Task,
}

/// What it is in the middle of. A second task of the same process is as good as another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Task {
    #[default]
    Idle,
    Refresh(Refresh),
    Switch(Switch),
}

impl State {
    pub(crate) fn task(&self, router: u8) -> Task {
        self.routers[usize::from(router)].task
    }

    pub(crate) fn set_task(&mut self, router: u8, task: Task) {
        self.routers[usize::from(router)].task = task;
    }

    /// Takes the next step of its task, one write at most. Says whether it could.
    pub(crate) fn work(&mut self, setup: &Setup, router: u8) -> bool {
        match self.task(router) {
            Task::Idle => false,
            Task::Refresh(refresh) => self.refresh(setup, router, refresh),
            Task::Switch(switch) => self.switch(setup, router, switch),
        }
    }

    /// Ends its task, and lets go of its locks.
    pub(crate) fn finish(&mut self, router: u8) {
        self.disk.release(router);
        self.set_task(router, Task::Idle);
    }

    /// The issuer takes the request that the router waits for.
    pub(crate) fn answer(&mut self, router: u8) -> bool {
        let Task::Refresh(mut refresh) = self.task(router) else {
            return false;
        };
        if refresh.step != Step::Sent {
            return false;
        }
        refresh.step = match self.issuer.take(refresh.token) {
            Answer::Rotated => Step::Taken,
            Answer::Refused => Step::Denied,
        };
        if refresh.step == Step::Taken && self.history.posts[usize::from(refresh.token)] > 1 {
            self.history.note(Event::SecondAttemptTaken);
        }
        self.set_task(router, Task::Refresh(refresh));
        true
    }

    /// The router hears nothing: its request is still on its way, or the answer got lost.
    pub(crate) fn lose_answer(&mut self, router: u8) -> bool {
        let Task::Refresh(refresh) = self.task(router) else {
            return false;
        };
        if !self.forget_request(refresh) {
            return false;
        }
        self.finish(router);
        true
    }

    /// The router is killed: files stay, locks do not.
    pub(crate) fn crash(&mut self, router: u8) {
        if let Task::Refresh(refresh) = self.task(router) {
            self.forget_request(refresh);
            self.history.cut[usize::from(refresh.token)] |= refresh.step > Step::Sent;
        }
        self.finish(router);
        self.routers[usize::from(router)].down = true;
    }

    fn forget_request(&mut self, refresh: Refresh) -> bool {
        let token = usize::from(refresh.token);
        match refresh.step {
            Step::Sent => self.issuer.strays[token] += 1,
            Step::Taken => {}
            Step::Denied => {
                // Nothing was lost with it, but the next attempt has to find that out.
                self.history.unknown[token] = true;
                return true;
            }
            _ => return false,
        }
        self.history.lose_outcome(refresh.token);
        true
    }

    /// A router sees that Codex has refreshed, and takes it over into the profile.
    pub(crate) fn watch(&mut self, setup: &Setup) -> bool {
        let Live::Ours(live) = self.disk.live else {
            return false;
        };
        if self.disk.profiles_lock.is_some() || !self.disk.is_newer(setup, live, self.disk.profile)
        {
            return false;
        }
        self.disk.adopt(setup, Place::Profile, live);
        self.history.note(Event::RouterAdopted);
        true
    }

    /// A router sees that the profile is newer than the live file, and publishes it.
    pub(crate) fn publish_aside(&mut self, setup: &Setup) -> bool {
        let profile = self.disk.profile;
        match self.disk.live {
            Live::Ours(live) if self.disk.is_newer(setup, profile, live) => {
                self.put_live(Live::Ours(profile));
                true
            }
            _ => false,
        }
    }

    /// Replaces the live file, under Codex's lock.
    pub(crate) fn put_live(&mut self, live: Live) {
        if self.codex_refreshes_live() && self.disk.live != live {
            self.history.enter(match live {
                Live::Ours(_) => Window::PublishDuringCodexRefresh,
                _ => Window::SwitchDuringCodexRefresh,
            });
        }
        self.disk.live = live;
    }
}
