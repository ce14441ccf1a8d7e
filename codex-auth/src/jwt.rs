//! The payload of a compact JWS (RFC 7515), read without checking its signature.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;

/// Why a token could not be read. Holds nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// Not three non-empty parts joined by dots.
    #[error("the token is not a compact JWS of three parts")]
    NotCompactJws,
    /// The payload is not base64url without padding.
    #[error("the token's payload is not base64url")]
    NotBase64,
    /// The payload is not a JSON object of the expected claims.
    #[error("the token's payload is not the JSON of its claims")]
    NotClaims,
}

/// Reads the claims of `token` **without verifying anything**: fit for display and for choosing
/// when to refresh, never for granting access.
///
/// # Errors
/// A [`JwtError`] naming the part that is off. *Source:* RFC 7519, section 7.2; Codex does the same
/// in `login/src/token_data.rs`.
pub fn decode_unverified<T: DeserializeOwned>(token: &str) -> Result<T, JwtError> {
    let payload = URL_SAFE_NO_PAD
        .decode(payload_part(token)?)
        .map_err(|_| JwtError::NotBase64)?;
    serde_json::from_slice(&payload).map_err(|_| JwtError::NotClaims)
}

fn payload_part(token: &str) -> Result<&str, JwtError> {
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None)
            if ![header, payload, signature].contains(&"") =>
        {
            Ok(payload)
        }
        _ => Err(JwtError::NotCompactJws),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn token_of(payload: &[u8]) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn the_payload_of_a_compact_jws_is_read() {
        let claims: Value = decode_unverified(&token_of(br#"{"exp":7}"#)).unwrap();
        assert_eq!(claims, json!({"exp": 7}));
    }

    #[test]
    fn each_part_that_is_off_is_named() {
        let read = |token: &str| decode_unverified::<Value>(token).unwrap_err();
        for token in ["", "a.b", "a..c", ".b.c", "a.b.", "a.b.c.d"] {
            assert_eq!(read(token), JwtError::NotCompactJws, "{token}");
        }
        assert_eq!(read("a.!!.c"), JwtError::NotBase64);
        assert_eq!(read(&token_of(b"not json")), JwtError::NotClaims);
    }

    proptest! {
        #[test]
        fn any_text_is_an_answer_and_never_a_panic(text in ".{0,80}") {
            let _ = decode_unverified::<Value>(&text);
        }
    }
}
