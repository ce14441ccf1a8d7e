use codex_auth::ProfileRef;
use http::{HeaderMap, header::AUTHORIZATION};

use super::{RouteReason, X_CODEX_PROFILE};
use crate::ApiError;

/// The profile that a request asks for by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) profile: ProfileRef,
    pub(super) reason: RouteReason,
}

impl Wish {
    /// Reads the wish of a request and takes the router's own header off it.
    pub(super) fn take(headers: &mut HeaderMap) -> Result<Option<Self>, ApiError> {
        if let Some(name) = headers.remove(X_CODEX_PROFILE) {
            // hyper hands over raw bytes; profile names are UTF-8.
            let name = std::str::from_utf8(name.as_bytes())
                .map_err(|_| unreadable())?
                .trim();
            return Ok(Some(Self::new(name, RouteReason::Header)));
        }
        let bearer = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let named = bearer.and_then(|value| value.strip_prefix("Bearer profile:"));
        Ok(named.map(|name| Self::new(name.trim(), RouteReason::Key)))
    }

    fn new(name: &str, reason: RouteReason) -> Self {
        Self {
            profile: ProfileRef::new(name),
            reason,
        }
    }
}

fn unreadable() -> ApiError {
    ApiError::invalid_request(
        "invalid_header",
        "the header `x-codex-profile` is not UTF-8",
    )
    .with_param("x-codex-profile")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn wish(headers: &[(&'static str, &'static str)]) -> Option<(String, RouteReason)> {
        let mut map: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        let wish = Wish::take(&mut map).unwrap()?;
        assert!(
            !map.contains_key(X_CODEX_PROFILE),
            "ours never goes upstream"
        );
        Some((wish.profile.to_string(), wish.reason))
    }

    #[test]
    fn the_header_goes_before_the_bearer_and_any_other_bearer_is_no_wish() {
        let key = ("authorization", "Bearer profile:home");
        let header = ("x-codex-profile", " work ");
        assert_eq!(
            wish(&[key, header]),
            Some(("work".into(), RouteReason::Header))
        );
        assert_eq!(wish(&[key]), Some(("home".into(), RouteReason::Key)));
        assert_eq!(wish(&[("authorization", "Bearer unused")]), None);
        assert_eq!(wish(&[]), None);
    }
}
