//! A refresh from the issuer's answer on, by the router that got it or by one that found it noted.

use crate::{
    disk::{Live, Place},
    history::Event,
    router::{Refresh, Step},
    setup::{Mutant, Setup},
    state::{Generation, State},
};

impl State {
    pub(crate) fn land(&mut self, setup: &Setup, router: u8, refresh: Refresh) -> bool {
        let token = usize::from(refresh.token);
        let written = match refresh.step {
            Step::Taken => {
                self.disk.rescue[token] = !setup.lacks(Mutant::NoRescue);
                true
            }
            Step::Ledger => {
                self.disk.record(refresh.token, refresh.token + 1);
                true
            }
            Step::Place => self.replace(setup, refresh.place, refresh.token),
            Step::Copies => self.renew_copies(setup, refresh),
            Step::Publish => {
                self.publish(setup, refresh.token);
                true
            }
            Step::ClearRescue => {
                self.disk.rescue[token] = false;
                true
            }
            _ => {
                self.disk.intent[token] = 0;
                self.finish(router);
                return true;
            }
        };
        written && self.go_on(router, refresh, next(setup, refresh.step))
    }

    /// Writes the answer where its token still lies, or an older one.
    fn replace(&mut self, setup: &Setup, place: Place, spent: Generation) -> bool {
        if self.disk.profiles_lock.is_some() {
            return false;
        }
        let answer = spent + 1;
        let is_due = |own| own == spent || self.disk.is_newer(setup, answer, own);
        if !self.is_followed(setup, answer) && self.disk.read(place).is_some_and(is_due) {
            self.disk.write(place, answer);
        }
        true
    }

    /// Whether the answer itself was spent meanwhile: then it has no business in any file.
    fn is_followed(&self, setup: &Setup, answer: Generation) -> bool {
        self.disk.is_spent(setup, answer)
    }

    fn renew_copies(&mut self, setup: &Setup, refresh: Refresh) -> bool {
        if setup.lacks(Mutant::NoCopies) {
            return true;
        }
        let other = match refresh.place {
            Place::Profile => Place::Copy,
            Place::Copy => Place::Profile,
        };
        if self.disk.read(other) != Some(refresh.token) {
            return true;
        }
        self.history.note(Event::CopyRenewed);
        self.replace(setup, other, refresh.token)
    }

    fn publish(&mut self, setup: &Setup, spent: Generation) {
        let answer = spent + 1;
        match self.disk.live {
            _ if self.is_followed(setup, answer) => {}
            Live::Ours(live)
                if live == spent
                    || self.disk.is_newer(setup, answer, live)
                    || setup.lacks(Mutant::BlindPublish) =>
            {
                self.put_live(Live::Ours(answer));
            }
            Live::Other | Live::Stranger | Live::Missing if setup.lacks(Mutant::BlindPublish) => {
                self.put_live(Live::Ours(answer));
            }
            _ => {}
        }
    }
}

fn next(setup: &Setup, step: Step) -> Step {
    let position = |order: &[Step]| order.iter().position(|other| *other == step);
    let order = order(setup);
    let next = position(order).and_then(|at| order.get(at + 1));
    next.copied().unwrap_or(Step::ClearIntent)
}

/// In which order an answer is written. The ledger comes before every file, or a spent copy looks
/// newer by its time stamps; the live file comes last, or a switch publishes a spent copy after it.
fn order(setup: &Setup) -> &'static [Step] {
    use Step::{ClearRescue, Copies, Ledger, Place, Publish, Taken};
    match setup.mutant {
        Some(Mutant::LiveFirst) => &[Taken, Ledger, Publish, Place, Copies, ClearRescue],
        Some(Mutant::CopiesLast) => &[Taken, Ledger, Place, Publish, Copies, ClearRescue],
        Some(Mutant::LedgerLast) => &[Taken, Place, Copies, Publish, Ledger, ClearRescue],
        _ => &[Taken, Ledger, Place, Copies, Publish, ClearRescue],
    }
}
