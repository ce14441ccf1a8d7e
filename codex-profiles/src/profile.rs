//! A saved login and its name.

use std::{fmt, sync::Arc};

use codex_auth::{
    AuthDotJson, LoginReason, ProfileRef,
    secret::{AccessToken, RefreshToken},
    text::printable,
};
use jiff::Timestamp;

use crate::{fs::ReadError, state::State};

/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// The label of the live login when it is no saved profile; no profile can have this name.
pub const LIVE: &str = "live";

/// The name of a saved login: one path component, parsed once, never a path.
///
/// ```
/// use codex_profiles::{ProfileName, ProfileNameError};
///
/// assert_eq!(ProfileName::parse("work")?.as_str(), "work");
/// assert_eq!(ProfileName::parse("../work"), Err(ProfileNameError::Separator));
/// # Ok::<(), ProfileNameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileName(Arc<str>);

/// Why a text is no profile name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileNameError {
    /// Nothing in it.
    #[error("a profile name cannot be empty")]
    Empty,
    /// Over 64 bytes.
    #[error("a profile name has at most 64 bytes")]
    TooLong,
    /// It would reach into another folder.
    #[error("a profile name cannot hold `/` or `\\`")]
    Separator,
    /// It would spoil a terminal or a log, or look like another name.
    #[error("a profile name cannot hold control characters")]
    ControlCharacter,
    /// A hidden folder, `..`, or something a command would take for an option.
    #[error("a profile name cannot begin with `.` or `-`")]
    LeadingDotOrDash,
    /// A folder whose name is not UTF-8.
    #[error("a profile name must be UTF-8")]
    NotUtf8,
    /// `live` names the live login itself.
    #[error("the name `live` is kept for the live login: rename the folder")]
    Reserved,
}

impl ProfileName {
    /// Reads a name.
    ///
    /// # Errors
    /// A [`ProfileNameError`] naming the rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, ProfileNameError> {
        if text.is_empty() {
            return Err(ProfileNameError::Empty);
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(ProfileNameError::TooLong);
        }
        if text.contains(['/', '\\']) {
            return Err(ProfileNameError::Separator);
        }
        if printable(text, MAX_NAME_BYTES) != text {
            return Err(ProfileNameError::ControlCharacter);
        }
        if text.starts_with(['.', '-']) {
            return Err(ProfileNameError::LeadingDotOrDash);
        }
        if text.eq_ignore_ascii_case(LIVE) {
            return Err(ProfileNameError::Reserved);
        }
        Ok(Self(Arc::from(text)))
    }

    /// The nearest valid name to a text such as an e-mail address, of which only the part before
    /// the `@` is taken: names appear in logs, and addresses must not.
    pub(crate) fn suggest(text: &str) -> Self {
        let text = text.split('@').next().unwrap_or_default();
        let mut safe: String = text
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || "._-+".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        safe.truncate(safe.floor_char_boundary(MAX_NAME_BYTES - 4));
        let safe = safe.trim_matches(['.', '-']);
        Self::parse(safe).unwrap_or_else(|_| Self(Arc::from("profile")))
    }

    /// This name with `-n` behind it.
    pub(crate) fn numbered(&self, n: usize) -> Self {
        Self(Arc::from(format!("{self}-{n}")))
    }

    /// The same for a name that a person gave, which may be as long as names can be.
    pub(crate) fn numbered_within_limit(&self, n: usize) -> Self {
        let behind = format!("-{n}");
        let room = self
            .0
            .floor_char_boundary(MAX_NAME_BYTES.saturating_sub(behind.len()));
        Self(Arc::from(format!("{}{behind}", &self.0[..room])))
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The label that requests and errors carry.
    #[must_use]
    pub fn reference(&self) -> ProfileRef {
        ProfileRef::new(&self.0)
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for ProfileName {
    type Err = ProfileNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// One folder of `profiles/`, whatever is in it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Profile {
    /// What it is called; for a folder with an impossible name, that name as far as it is text.
    pub label: ProfileRef,
    /// The parsed name, when it is one.
    pub name: Option<ProfileName>,
    /// Whether requests go to it by default.
    pub current: bool,
    /// Whether it can serve.
    pub condition: Condition,
    /// What is in the file, when it can be read.
    pub login: Option<Arc<AuthDotJson>>,
}

/// Whether a login can serve.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Condition {
    /// It serves.
    Ok,
    /// Its access token has ended; the next request refreshes it.
    Expired,
    /// The person must log in again.
    NeedsLogin(LoginReason),
    /// The file or folder is broken in the way the error says.
    Unreadable(ReadError),
}

impl Profile {
    /// A folder whose name no request could ask for.
    pub(crate) fn misnamed(text: &str, error: ProfileNameError) -> Self {
        Self {
            label: ProfileRef::new(text),
            name: None,
            current: false,
            condition: Condition::Unreadable(error.into()),
            login: None,
        }
    }
}

impl Condition {
    pub(crate) fn of(login: &AuthDotJson, state: &State, now: Timestamp) -> Self {
        let token = decisive_token(login);
        if let Some(reason) = token.as_deref().and_then(|token| state.refusal_of(token)) {
            return Self::NeedsLogin(reason);
        }
        match login.access_token_expires_at() {
            Some(at) if at <= now && login.refresh_token().is_none() => {
                Self::NeedsLogin(LoginReason::NoRefreshToken)
            }
            Some(at) if at <= now => Self::Expired,
            _ => Self::Ok,
        }
    }
}

/// The token that a login lives by, as its fingerprint: the refresh token, else the access token.
pub(crate) fn decisive_token(login: &AuthDotJson) -> Option<String> {
    let refresh = login.refresh_token().map(RefreshToken::fingerprint);
    refresh.or_else(|| login.access_token().map(AccessToken::fingerprint))
}

/// Where a login lies: what is refreshed, and what answers are labelled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Profile(ProfileName),
    /// The live login, when no profile has its identity.
    Live,
}

impl Place {
    pub(crate) fn reference(&self) -> ProfileRef {
        match self {
            Self::Profile(name) => name.reference(),
            Self::Live => ProfileRef::new(LIVE),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_cannot_leave_its_folder_or_pass_for_something_else() {
        use ProfileNameError as E;
        for (text, error) in [
            ("", E::Empty),
            ("..", E::LeadingDotOrDash),
            (".hidden", E::LeadingDotOrDash),
            ("-rf", E::LeadingDotOrDash),
            ("a/b", E::Separator),
            ("../../etc", E::Separator),
            ("a\\b", E::Separator),
            ("a\nb", E::ControlCharacter),
            ("a\0b", E::ControlCharacter),
            ("a\u{202e}b", E::ControlCharacter),
            ("Live", E::Reserved),
        ] {
            assert_eq!(ProfileName::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(ProfileName::parse(&"é".repeat(33)), Err(E::TooLong));
        assert!(ProfileName::parse(&"é".repeat(32)).is_ok());
        assert!(ProfileName::parse("团队 a@b.c").is_ok());
    }

    #[test]
    fn an_address_suggests_its_first_part_alone() {
        assert_eq!(ProfileName::suggest("ada.l@example.com").as_str(), "ada.l");
        assert_eq!(ProfileName::suggest("..a/b@x").as_str(), "a-b");
        assert_eq!(ProfileName::suggest("@").as_str(), "profile");
        assert_eq!(ProfileName::suggest("live@x").as_str(), "profile");
    }

    #[test]
    fn a_number_fits_behind_the_longest_name() {
        let longest = ProfileName::parse(&"é".repeat(32)).unwrap();
        let numbered = longest.numbered_within_limit(12);
        assert_eq!(numbered.as_str(), "é".repeat(30) + "-12");
        assert!(ProfileName::parse(numbered.as_str()).is_ok());
    }

    proptest! {
        #[test]
        fn a_suggestion_is_always_a_name_even_numbered(text in ".{0,120}") {
            let name = ProfileName::suggest(&text).numbered(99);
            prop_assert!(ProfileName::parse(name.as_str()).is_ok(), "{name}");
        }
    }
}
