//! The issuer: a token works once, and using it twice ends the login.

use crate::state::{Generation, PerToken};

/// What it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    /// The next token.
    Rotated,
    /// The token was used before, or the login is revoked.
    Refused,
}

/// What it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Issuer {
    /// The only token that is good.
    pub(crate) newest: Generation,
    pub(crate) revoked: bool,
    /// Requests on their way whose sender is gone, or waits no more.
    pub(crate) strays: PerToken<u8>,
}

impl Issuer {
    /// Takes one request.
    pub(crate) fn take(&mut self, token: Generation) -> Answer {
        if token < self.newest {
            self.revoked = true;
        }
        if self.revoked {
            return Answer::Refused;
        }
        self.newest = token + 1;
        Answer::Rotated
    }

    pub(crate) fn take_stray(&mut self, token: Generation) {
        self.strays[usize::from(token)] -= 1;
        self.take(token);
    }
}
