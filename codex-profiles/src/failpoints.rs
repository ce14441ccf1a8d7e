//! For tests of whole processes, behind the feature `failpoints`: dying, or finding the disk full, at
//! a named step of a refresh, a switch or a rename. A program that is meant to be used never enables it.

use std::fmt;

use crate::{
    CodexHome, ProfileStore, StoreError,
    disk::Disk,
    faults::{Fault, Step},
};

/// A step at which something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailPoint(Step);

/// What goes wrong there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The process ends at once: nothing is cleaned up.
    Abort,
    /// The disk is full, every time; only for steps whose name begins with `Before`.
    DiskFull,
}

impl FailPoint {
    /// All of them, in the order in which a refresh, then a switch and then a rename passes them.
    pub const ALL: [Self; 20] = [
        Self(Step::RescueReserved),
        Self(Step::IntentNoted),
        Self(Step::Answered),
        Self(Step::BeforeAnswerNoted),
        Self(Step::AnswerNoted),
        Self(Step::SpentRecorded),
        Self(Step::BeforeProfileWritten),
        Self(Step::ProfileWritten),
        Self(Step::CopiesWritten),
        Self(Step::BeforeLiveWritten),
        Self(Step::LiveWritten),
        Self(Step::RescueRemoved),
        Self(Step::SwitchNoted),
        Self(Step::SavedBack),
        Self(Step::Published),
        Self(Step::CurrentWritten),
        Self(Step::RenameNoted),
        Self(Step::FolderRenamed),
        Self(Step::ChoiceRenamed),
        Self(Step::FactsRenamed),
    ];

    /// Those of a refresh whose login is in a database, in their order.
    #[cfg(feature = "postgres")]
    pub const DATABASE: [Self; 5] = [
        Self(Step::BeforeIntentNoted),
        Self(Step::IntentNoted),
        Self(Step::Answered),
        Self(Step::AnswerNoted),
        Self(Step::Landed),
    ];

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = Self::ALL.into_iter();
        #[cfg(feature = "postgres")]
        let all = all.chain(Self::DATABASE);
        let mut all = all;
        all.find(|point| point.to_string() == name)
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn plan_abort(self, faults: &crate::faults::Faults) {
        faults.plan(self.0, Fault::Abort);
    }

    /// Whether a crash here loses the issuer's answer: it is in memory alone.
    #[must_use]
    pub fn loses_an_answer(self) -> bool {
        matches!(self.0, Step::Answered | Step::BeforeAnswerNoted)
    }

    /// Whether something can fail here without the process ending.
    #[must_use]
    pub fn can_fail(self) -> bool {
        self.to_string().starts_with("Before")
    }
}

impl fmt::Display for FailPoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

impl ProfileStore {
    /// As [`open`](Self::open), but something goes wrong at this step, from recovery on.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_failing(
        home: CodexHome,
        point: FailPoint,
        failure: Failure,
    ) -> Result<Self, StoreError> {
        let disk = Disk::new(home);
        let fault = match failure {
            Failure::Abort => Fault::Abort,
            Failure::DiskFull => Fault::Full,
        };
        disk.faults.plan(point.0, fault);
        Self::open_on(disk)
    }
}
