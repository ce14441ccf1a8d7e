//! The points at which a crash or a refusing disk is tried out. Without tests they are nothing.

use std::io;

/// A point in a refresh or a switch; `Before…` can fail, the others can only crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    RescueReserved,
    IntentNoted,
    Answered,
    BeforeAnswerNoted,
    AnswerNoted,
    BeforeProfileWritten,
    ProfileWritten,
    CopiesWritten,
    BeforeLiveWritten,
    LiveWritten,
    SpentRecorded,
    RescueRemoved,
    SwitchNoted,
    SavedBack,
    Published,
    CurrentWritten,
}

/// What shall happen where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    #[cfg(test)]
    plan: std::sync::Arc<std::sync::Mutex<std::collections::HashMap<Step, Fault>>>,
}

/// What happens at a point.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The process ends: nothing after the point runs, locks are released.
    Crash,
    /// The disk is full, every time until the plan changes.
    Full,
}

impl Faults {
    /// Passes the point, unless a test has other plans.
    #[cfg(not(test))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the tests' form has both"
    )]
    pub(crate) fn at(&self, _step: Step) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn at(&self, step: Step) -> io::Result<()> {
        let fault = self.plan.lock().unwrap().get(&step).copied();
        match fault {
            // Unwinding runs no code but destructors, which release locks as the system would.
            Some(Fault::Crash) => std::panic::resume_unwind(Box::new("crash")),
            Some(Fault::Full) => Err(io::ErrorKind::StorageFull.into()),
            None => Ok(()),
        }
    }

    #[cfg(test)]
    pub(crate) fn plan(&self, step: Step, fault: Fault) {
        self.plan.lock().unwrap().insert(step, fault);
    }

    #[cfg(test)]
    pub(crate) fn clear(&self) {
        self.plan.lock().unwrap().clear();
    }
}
