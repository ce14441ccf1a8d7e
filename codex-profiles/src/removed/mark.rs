//! The names of hidden folders: whose profile it was, and since when it is removed.

use jiff::Timestamp;

use crate::profile::ProfileName;

/// Which removed profile is meant, such as `work-1763942400000000000`: a profile that is in the list
/// is never one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedId {
    pub(super) name: ProfileName,
    pub(super) mark: String,
}

impl RemovedId {
    /// Reads what [`as_str`](Self::as_str) gave.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mark = format!("{REMOVED}{text}");
        let (name, _) = parse_mark(&mark)?;
        Some(Self { name, mark })
    }

    /// The name that the profile had.
    #[must_use]
    pub fn name(&self) -> &ProfileName {
        &self.name
    }

    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.mark.strip_prefix(REMOVED).unwrap_or(&self.mark)
    }
}

/// Whether this is the name of a removed profile's folder, which settings call it by.
pub(crate) fn is_mark(text: &str) -> bool {
    parse_mark(text).is_some()
}

pub(super) fn parse_mark(mark: &str) -> Option<(ProfileName, i128)> {
    let (name, at) = mark.strip_prefix(REMOVED)?.rsplit_once('-')?;
    Some((ProfileName::parse(name).ok()?, at.parse().ok()?))
}

pub(super) fn new_mark(name: &ProfileName) -> String {
    removed_prefix(name) + &Timestamp::now().as_nanosecond().to_string()
}

/// Hidden, so never listed; name and time of removal follow.
pub(super) const REMOVED: &str = ".removed-";

pub(super) fn removed_prefix(name: &ProfileName) -> String {
    format!("{REMOVED}{name}-")
}
