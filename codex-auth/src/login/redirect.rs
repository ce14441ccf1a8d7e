//! What the issuer sends back by way of the browser.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use super::{error::Denial, pkce::State};

/// Redeemed once, for tokens.
#[derive(Debug, Clone)]
pub(super) struct AuthorizationCode(SecretString);

/// The issuer's answer to the authorization request.
#[derive(Debug, Clone)]
pub(super) enum Redirect {
    Code(AuthorizationCode),
    Denied(Denial),
}

/// Why a query is no answer to this very request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotOurs {
    NoState,
    ForeignState,
    NoCode,
}

impl AuthorizationCode {
    pub(super) fn new(code: String) -> Self {
        Self(code.into())
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Redirect {
    /// Reads a query. Its state is looked at first: whoever does not know it may neither end the
    /// sign-in nor slip in a code.
    pub(super) fn read(query: &str, state: &State) -> Result<Self, NotOurs> {
        let given = parameter(query, "state").ok_or(NotOurs::NoState)?;
        if !state.is(&given) {
            return Err(NotOurs::ForeignState);
        }
        if let Some(error) = parameter(query, "error") {
            let description = parameter(query, "error_description");
            return Ok(Self::Denied(Denial::new(&error, description.as_deref())));
        }
        let code = parameter(query, "code").ok_or(NotOurs::NoCode)?;
        Ok(Self::Code(AuthorizationCode::new(code)))
    }
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoState | Self::ForeignState => "it belongs to another sign-in",
            Self::NoCode => "there is no authorization code in it",
        })
    }
}

/// The first value of a name that is not empty.
fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_with_the_state_of_the_question() {
        let state = State::random().unwrap();
        let ours = state.expose();
        let read = |query: &str| Redirect::read(query, &state);
        assert!(
            matches!(read(&format!("code=c&state={ours}")), Ok(Redirect::Code(code)) if code.expose() == "c")
        );
        for (query, problem) in [
            ("code=c", NotOurs::NoState),
            ("code=c&state=", NotOurs::NoState),
            ("code=c&state=guess", NotOurs::ForeignState),
            ("error=access_denied", NotOurs::NoState),
            ("error=access_denied&state=guess", NotOurs::ForeignState),
        ] {
            assert_eq!(read(query).unwrap_err(), problem, "{query}");
        }
        assert_eq!(read(&format!("state={ours}")).unwrap_err(), NotOurs::NoCode);
        let denied = read(&format!("error=access_denied&state={ours}"));
        assert!(matches!(denied, Ok(Redirect::Denied(Denial::AccessDenied))));
    }
}
