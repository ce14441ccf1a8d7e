use std::fmt;

use codex_auth::text::printable;

const MAX_CHARS: usize = 64;

/// What a person calls a key: any text of a line that can be shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyName(String);

/// That is no name for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a key has 1 to {MAX_CHARS} characters, with no control characters in it")]
pub struct KeyNameError;

impl KeyName {
    /// A name, without the space around it.
    ///
    /// # Errors
    /// [`KeyNameError`] when it is empty, too long, or cannot be shown.
    pub fn parse(text: &str) -> Result<Self, KeyNameError> {
        let name = text.trim();
        let shown = printable(name, MAX_CHARS);
        let fits = !name.is_empty() && shown == name;
        fits.then_some(Self(shown)).ok_or(KeyNameError)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
