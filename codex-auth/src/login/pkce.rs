//! The random values of a sign-in: code verifier (RFC 7636), state (RFC 6749, section 10.12) and
//! the name of the sign-in itself.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::SignInError;

/// Proves to the token endpoint that whoever redeems a code is who asked for it.
#[derive(Debug, Clone)]
pub(super) struct CodeVerifier(SecretString);

/// Ties the issuer's answer to the question that was asked.
#[derive(Debug, Clone)]
pub(super) struct State(SecretString);

impl CodeVerifier {
    /// As long as that of Codex (wire reference 4.1).
    pub(super) fn random() -> Result<Self, SignInError> {
        random::<64>().map(Self::new)
    }

    /// One that the issuer made, for a device.
    pub(super) fn new(verifier: String) -> Self {
        Self(verifier.into())
    }

    /// The code challenge of the method `S256`.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.expose()))
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl State {
    pub(super) fn random() -> Result<Self, SignInError> {
        random::<32>().map(|state| Self(state.into()))
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether `given` is this state, in a time that does not tell how much of it was right.
    pub(super) fn is(&self, given: &str) -> bool {
        self.expose().as_bytes().ct_eq(given.as_bytes()).into()
    }
}

/// A name for one sign-in, as Codex writes it to `login_owner_id`.
pub(super) fn owner_id() -> Result<String, SignInError> {
    random::<32>()
}

fn random<const BYTES: usize>() -> Result<String, SignInError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(SignInError::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let verifier = CodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert_eq!(
            verifier.challenge(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn random_values_have_the_length_of_codex_and_are_never_the_same() {
        let (one, other) = (
            CodeVerifier::random().unwrap(),
            CodeVerifier::random().unwrap(),
        );
        assert_eq!(one.expose().len(), 86);
        assert_ne!(one.expose(), other.expose());
        assert_eq!(State::random().unwrap().expose().len(), 43);
        assert_eq!(owner_id().unwrap().len(), 43);
    }

    #[test]
    fn a_state_is_itself_and_nothing_shorter_longer_or_other() {
        let state = State(SecretString::from("abc"));
        assert!(state.is("abc"));
        for other in ["", "ab", "abcd", "abd"] {
            assert!(!state.is(other), "{other}");
        }
    }

    #[test]
    fn neither_can_print() {
        let shown = format!(
            "{:?} {:?}",
            CodeVerifier::new("planted".into()),
            State("planted".into())
        );
        assert!(!shown.contains("planted"), "{shown}");
    }
}
