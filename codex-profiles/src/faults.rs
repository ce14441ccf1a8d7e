//! The points at which a crash or a refusing disk is tried out. Without tests they are nothing.

use std::io;

#[cfg(any(test, feature = "failpoints"))]
pub(crate) use planned::Fault;
#[cfg(test)]
pub(crate) use planned::Meanwhile;

/// A point in a refresh, a switch, a rename or an attachment; `Before…` can fail, the others can only crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    not(feature = "postgres"),
    expect(
        dead_code,
        reason = "some are passed by the refreshes of a database alone"
    )
)]
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
    RenameNoted,
    FolderRenamed,
    ChoiceRenamed,
    FactsRenamed,
    AttachmentNoted,
    BeforeConfigWritten,
    ConfigWritten,
    BeforeIntentNoted,
    Landed,
}

/// What shall happen where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    #[cfg(any(test, feature = "failpoints"))]
    plan: planned::Plan,
}

#[cfg(not(any(test, feature = "failpoints")))]
impl Faults {
    /// Passes the point, unless a test has other plans.
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the tests' form has both"
    )]
    pub(crate) fn at(&self, _step: Step) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(any(test, feature = "failpoints"))]
mod planned {
    use std::{
        collections::HashMap,
        sync::{Arc, Mutex},
    };

    use super::{Faults, Step, io};
    use crate::memory::lock;

    pub(super) type Plan = Arc<Mutex<HashMap<Step, Fault>>>;

    /// What happens at a point.
    #[derive(Debug, Clone, Copy)]
    #[cfg_attr(
        not(feature = "failpoints"),
        expect(dead_code, reason = "aborts end all tests")
    )]
    pub(crate) enum Fault {
        /// The task ends: nothing after the point runs, locks are released.
        #[cfg(test)]
        Crash,
        /// The disk is full, every time until the plan changes.
        Full,
        /// Somebody else does something just then.
        #[cfg(test)]
        Meanwhile(Meanwhile),
        /// The whole process ends at once, as if it were killed.
        Abort,
    }

    /// What somebody else does.
    #[cfg(test)]
    #[derive(Clone, Copy)]
    pub(crate) struct Meanwhile(pub(crate) &'static (dyn Fn() + Send + Sync));

    #[cfg(test)]
    impl std::fmt::Debug for Meanwhile {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Meanwhile")
        }
    }

    impl Faults {
        /// Passes the point, unless a test has other plans.
        pub(crate) fn at(&self, step: Step) -> io::Result<()> {
            let fault = lock(&self.plan).get(&step).copied();
            match fault {
                // Unwinding runs no code but destructors, which release locks as the system would.
                #[cfg(test)]
                Some(Fault::Crash) => std::panic::resume_unwind(Box::new("crash")),
                #[cfg(test)]
                Some(Fault::Meanwhile(done)) => {
                    (done.0)();
                    Ok(())
                }
                Some(Fault::Full) => Err(io::ErrorKind::StorageFull.into()),
                Some(Fault::Abort) => std::process::abort(),
                None => Ok(()),
            }
        }

        pub(crate) fn plan(&self, step: Step, fault: Fault) {
            lock(&self.plan).insert(step, fault);
        }

        #[cfg(test)]
        pub(crate) fn clear(&self) {
            lock(&self.plan).clear();
        }
    }
}
