//! Unsigned tokens in the form of a compact JWS.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A compact JWS of these claims. Its signature is a word, not a signature: nobody checks it, but
/// the real clients want the part to be there.
pub(super) fn mint(claims: &Value) -> String {
    let header = json!({"alg": "RS256", "kid": "fake", "typ": "JWT"});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.{}",
        part(&header),
        part(claims),
        URL_SAFE_NO_PAD.encode("unsigned")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_three_parts_and_its_claims_in_the_middle() {
        let token = mint(&json!({"exp": 7}));
        let parts: Vec<_> = token.split('.').collect();
        assert_eq!(parts.len(), 3);
        let payload = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&payload).unwrap(),
            json!({"exp": 7})
        );
        assert!(!parts[2].is_empty());
    }
}
