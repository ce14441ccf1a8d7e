//! A switch: save the live login back, publish the target, note the choice.

use crate::{
    disk::{Account, Live, Place},
    history::Event,
    router::Task,
    setup::{Mutant, Setup},
    state::State,
};

/// One switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Switch {
    pub(crate) to: Account,
    pub(crate) step: SwitchStep,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SwitchStep {
    /// To take the lock, and to resolve a switch that was cut short.
    Lock,
    /// To note the intent.
    Note,
    /// To save the live login back.
    SaveBack,
    /// To publish the target, if the live file is still what was saved back.
    Publish { saved: Live },
    /// To note the choice.
    Choose,
    /// To forget the intent.
    Clear,
}

impl State {
    pub(crate) fn begin_switch(&mut self, router: u8, to: Account) {
        let step = SwitchStep::Lock;
        self.set_task(router, Task::Switch(Switch { to, step }));
    }

    pub(crate) fn switch(&mut self, setup: &Setup, router: u8, switch: Switch) -> bool {
        let next = match switch.step {
            SwitchStep::Lock => {
                if self.disk.profiles_lock.is_some() {
                    return false;
                }
                self.disk.profiles_lock = Some(router);
                self.settle_switch();
                SwitchStep::Note
            }
            SwitchStep::Note => {
                self.disk.switch = Some(switch.to);
                SwitchStep::SaveBack
            }
            SwitchStep::SaveBack => {
                self.save_back(setup);
                let saved = self.disk.live;
                SwitchStep::Publish { saved }
            }
            SwitchStep::Publish { saved } => self.publish_target(setup, switch.to, saved),
            SwitchStep::Choose => {
                self.disk.current = switch.to;
                SwitchStep::Clear
            }
            SwitchStep::Clear => {
                self.disk.switch = None;
                self.finish(router);
                return true;
            }
        };
        self.set_task(
            router,
            Task::Switch(Switch {
                step: next,
                ..switch
            }),
        );
        true
    }

    fn save_back(&mut self, setup: &Setup) {
        if setup.lacks(Mutant::NoSaveBack) {
            return;
        }
        match self.disk.live {
            Live::Ours(live) if self.disk.is_newer(setup, live, self.disk.profile) => {
                self.disk.adopt(setup, Place::Profile, live);
                self.history.note(Event::SavedBack);
            }
            Live::Stranger => {
                self.disk.stranger_kept = true;
                self.history.note(Event::StrangerKept);
            }
            _ => {}
        }
    }

    fn publish_target(&mut self, setup: &Setup, to: Account, saved: Live) -> SwitchStep {
        if self.disk.live != saved && !setup.lacks(Mutant::BlindSwitch) {
            self.history.note(Event::SwitchTriedAgain);
            return SwitchStep::SaveBack;
        }
        self.put_live(match to {
            Account::Ours => Live::Ours(self.disk.profile),
            Account::Other => Live::Other,
        });
        SwitchStep::Choose
    }

    /// Finishes a switch that was cut short after its target was published; else forgets it.
    pub(crate) fn settle_switch(&mut self) {
        let Some(to) = self.disk.switch.take() else {
            return;
        };
        let published = match to {
            Account::Ours => matches!(self.disk.live, Live::Ours(_)),
            Account::Other => self.disk.live == Live::Other,
        };
        if published {
            self.disk.current = to;
        }
        self.history.note(if published {
            Event::SwitchFinished
        } else {
            Event::SwitchForgotten
        });
    }
}
