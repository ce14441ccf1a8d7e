//! A refresh up to the issuer's answer.

use crate::{
    codex::Codex,
    disk::{Live, Place, Reason},
    history::{Event, Window},
    router::Task,
    setup::{Mutant, Setup},
    state::{Generation, Phase, State},
};

/// How often a token is posted without a long pause when no answer comes back.
const AT_ONCE: u8 = 2;

/// One refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Refresh {
    pub(crate) place: Place,
    /// The token that was read when the refresh was decided upon.
    pub(crate) token: Generation,
    pub(crate) step: Step,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Step {
    /// To take the lock of the token.
    Lock,
    /// To read everything again.
    Read,
    /// To bring a newer copy to its place.
    Adopt,
    /// To bring it to the live file.
    PublishAdopted,
    /// To note the intent.
    Note,
    /// To send the token.
    Send,
    /// To be answered.
    Sent,
    /// To note the answer.
    Taken,
    /// To remember that the token is spent.
    Ledger,
    /// To write the answer to the profile.
    Place,
    /// To write it to other copies.
    Copies,
    /// To write it to the live file.
    Publish,
    /// To forget the answer.
    ClearRescue,
    /// To forget the intent.
    ClearIntent,
    /// To find out who has used the token.
    Denied,
}

impl Refresh {
    pub(crate) fn new(place: Place, token: Generation) -> Self {
        let step = Step::Lock;
        Self { place, token, step }
    }

    /// Whether the answer is in the memory of this router, and will be written.
    pub(crate) fn has_answer(self) -> bool {
        (Step::Taken..=Step::Publish).contains(&self.step)
    }

    /// Which lock it takes.
    fn lock(self, setup: &Setup) -> usize {
        if setup.lacks(Mutant::LockByIdentity) {
            return self.place as usize;
        }
        usize::from(self.token)
    }
}

impl State {
    pub(crate) fn begin_refresh(&mut self, setup: &Setup, router: u8, place: Place) {
        let token = self.disk.newest(setup, place);
        self.set_task(router, Task::Refresh(Refresh::new(place, token)));
    }

    pub(crate) fn refresh(&mut self, setup: &Setup, router: u8, refresh: Refresh) -> bool {
        match refresh.step {
            Step::Lock => self.take_lock(setup, router, refresh),
            Step::Read => self.read_again(setup, router, refresh),
            Step::Adopt => self.adopt(setup, router, refresh),
            Step::PublishAdopted => self.publish_adopted(setup, router, refresh),
            Step::Note => {
                if !setup.lacks(Mutant::NoIntent) {
                    self.disk.intent[usize::from(refresh.token)] += 1;
                }
                self.go_on(router, refresh, Step::Send)
            }
            Step::Send => self.send(router, refresh),
            Step::Sent => false,
            Step::Denied => self.denied(setup, router, refresh),
            _ => self.land(setup, router, refresh),
        }
    }

    pub(crate) fn go_on(&mut self, router: u8, refresh: Refresh, step: Step) -> bool {
        self.set_task(router, Task::Refresh(Refresh { step, ..refresh }));
        true
    }

    fn take_lock(&mut self, setup: &Setup, router: u8, refresh: Refresh) -> bool {
        let lock = &mut self.disk.refresh_lock[refresh.lock(setup)];
        if lock.is_some() {
            return false;
        }
        *lock = Some(router);
        self.go_on(router, refresh, Step::Read)
    }

    fn read_again(&mut self, setup: &Setup, router: u8, refresh: Refresh) -> bool {
        let token = usize::from(refresh.token);
        if self.disk.rescue[token] {
            self.history.note(Event::Rescued);
            return self.go_on(router, refresh, Step::Ledger);
        }
        if self.is_still_landing(setup, refresh.token) {
            // Whoever is at it goes on; what a dead router left is landed instead.
            self.finish(router);
            self.begin_recovery(router, refresh.token - 1);
            return true;
        }
        let newest = self.disk.newest(setup, refresh.place);
        if newest != refresh.token && !setup.lacks(Mutant::NoReadUnderLock) {
            self.history.note(Event::RouterAdopted);
            return self.go_on(router, refresh, Step::Adopt);
        }
        if self.may_not_post(setup, refresh.token) {
            self.finish(router);
            return true;
        }
        if self.disk.read(refresh.place) != Some(refresh.token)
            && !setup.lacks(Mutant::NoReadUnderLock)
        {
            // An older copy would look newer than this one, once this one is spent.
            if self.disk.profiles_lock.is_some() {
                return false;
            }
            self.disk.adopt(setup, refresh.place, refresh.token);
        }
        self.go_on(router, refresh, Step::Note)
    }

    /// Whether the answer that brought this token is not everywhere yet: were the token spent now,
    /// the rest of that landing would write it over its successor.
    fn is_still_landing(&self, setup: &Setup, token: Generation) -> bool {
        token > 0 && self.disk.rescue[usize::from(token) - 1] && !setup.lacks(Mutant::Overtaking)
    }

    /// Whether this token is to be left alone; says so in the state, if it is for good.
    fn may_not_post(&mut self, setup: &Setup, token: Generation) -> bool {
        let index = usize::from(token);
        if self.disk.needs_login[index].is_some() {
            return true;
        }
        if self.disk.is_spent(setup, token) {
            self.give_up(token, Reason::Reused);
            return true;
        }
        if self.disk.intent[index] >= AT_ONCE && !self.rested {
            return true;
        }
        if self.is_left_to_codex(setup, token) {
            self.history.note(Event::LeftToCodex);
            return true;
        }
        false
    }

    fn is_left_to_codex(&self, setup: &Setup, token: Generation) -> bool {
        self.phase(token) == Phase::Late
            && self.disk.live == Live::Ours(token)
            && self.codexes.into_iter().any(Codex::is_running)
            && !setup.lacks(Mutant::NoWaitForCodex)
    }

    fn send(&mut self, router: u8, refresh: Refresh) -> bool {
        let token = usize::from(refresh.token);
        self.history.post(refresh.token);
        if self.history.codex_posts[token] > 0 {
            self.history.enter(Window::RouterAgainstCodex);
        }
        self.go_on(router, refresh, Step::Sent)
    }

    /// The token does not work: somebody else has used it, who may have written what came of it, or
    /// be about to. How long is waited is left open, by this step being taken sooner or later.
    fn denied(&mut self, setup: &Setup, router: u8, refresh: Refresh) -> bool {
        if self.disk.newest(setup, refresh.place) != refresh.token {
            self.history.note(Event::RouterAdopted);
            self.disk.intent[usize::from(refresh.token)] = 0;
            return self.go_on(router, refresh, Step::Adopt);
        }
        let is_first = self.disk.intent[usize::from(refresh.token)] <= 1;
        let reason = if is_first {
            Reason::Reused
        } else {
            Reason::OutcomeUnknown
        };
        self.give_up(refresh.token, reason);
        self.go_on(router, refresh, Step::ClearIntent)
    }

    fn give_up(&mut self, token: Generation, reason: Reason) {
        self.disk.needs_login[usize::from(token)] = Some(reason);
        self.history.note(match reason {
            Reason::Reused => Event::Reused,
            Reason::OutcomeUnknown => Event::OutcomeUnknown,
        });
    }

    fn adopt(&mut self, setup: &Setup, router: u8, refresh: Refresh) -> bool {
        let newest = self.disk.newest(setup, refresh.place);
        let own = self.disk.read(refresh.place);
        if own.is_some_and(|own| self.disk.is_newer(setup, newest, own)) {
            if self.disk.profiles_lock.is_some() {
                return false;
            }
            self.disk.adopt(setup, refresh.place, newest);
        }
        self.go_on(router, refresh, Step::PublishAdopted)
    }

    fn publish_adopted(&mut self, setup: &Setup, router: u8, refresh: Refresh) -> bool {
        let newest = self.disk.newest(setup, refresh.place);
        if let Live::Ours(live) = self.disk.live
            && self.disk.is_newer(setup, newest, live)
        {
            self.put_live(Live::Ours(newest));
        }
        // What was noted about a token that another has followed is of no use any more.
        if !self.disk.is_in_place(refresh.token) {
            self.disk.intent[usize::from(refresh.token)] = 0;
        }
        self.finish(router);
        true
    }
}
