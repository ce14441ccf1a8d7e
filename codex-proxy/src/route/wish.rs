use codex_auth::ProfileRef;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header::AUTHORIZATION};

use super::{RouteReason, X_CODEX_PROFILE};
use crate::{ApiError, gate::KeyHolder};

/// The profile that a request asks for by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) profile: ProfileRef,
    pub(super) reason: RouteReason,
}

impl Wish {
    /// Reads the wish of a request and takes the router's own header off it.
    pub(super) fn take(headers: &mut HeaderMap) -> Result<Option<Self>, ApiError> {
        if let Some(name) = only(headers, &X_CODEX_PROFILE)? {
            headers.remove(X_CODEX_PROFILE);
            return Ok(Some(Self::new(name.trim(), RouteReason::Header)));
        }
        let bearer = only(headers, &AUTHORIZATION)?.and_then(|value| bearer(&value));
        let named = bearer
            .as_deref()
            .and_then(|token| token.strip_prefix("profile:"));
        Ok(named.map(|name| Self::new(name.trim(), RouteReason::Key)))
    }

    /// Whether a request names its profile in any of these ways, or tries to.
    pub(super) fn is_in<B>(request: &Request<B>) -> bool {
        let headers = request.headers();
        let holder = request.extensions().get::<KeyHolder>();
        let names = |value: &HeaderValue| {
            // Not UTF-8 is no key of ours either; it is told so where it is read.
            let text = std::str::from_utf8(value.as_bytes()).ok();
            text.is_none_or(|text| bearer(text).is_some_and(|it| it.starts_with("profile:")))
        };
        holder.is_some_and(|holder| holder.profile.is_some())
            || headers.contains_key(X_CODEX_PROFILE)
            || headers.get_all(AUTHORIZATION).iter().any(names)
    }

    /// The profile that a key is bound to, of which nothing in the request can lead away.
    pub(super) fn of_key(profile: ProfileRef, named: Option<Self>) -> Result<Self, ApiError> {
        if named.is_some_and(|named| named.profile != profile) {
            let message =
                "the client key is bound to another profile than the one that is asked for";
            return Err(ApiError::invalid_request("profile_not_allowed", message)
                .with_status(StatusCode::FORBIDDEN)
                .with_param(X_CODEX_PROFILE.as_str()));
        }
        let reason = RouteReason::Key;
        Ok(Self { profile, reason })
    }

    fn new(name: &str, reason: RouteReason) -> Self {
        Self {
            profile: ProfileRef::new(name),
            reason,
        }
    }
}

/// The one value of a header. Of two, neither can be the client's choice.
fn only(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        // hyper hands over raw bytes; profile names are UTF-8.
        (Some(value), None) => match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(invalid(name, "is not UTF-8")),
        },
        _ => Err(invalid(name, "comes twice")),
    }
}

/// The token behind the scheme, which is written in any case (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.trim().split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim().to_owned())
}

fn invalid(name: &HeaderName, what: &str) -> ApiError {
    let message = format!("the header `{name}` {what}");
    ApiError::invalid_request("invalid_header", message).with_param(name.as_str())
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn the_scheme_of_a_bearer_is_written_in_any_case() {
        for value in ["bearer profile:home", "BEARER  profile: home"] {
            assert_eq!(
                wish(&[("authorization", value)]),
                Some(("home".into(), RouteReason::Key))
            );
        }
    }

    #[test]
    fn two_wishes_are_none_that_could_be_granted() {
        for name in ["x-codex-profile", "authorization"] {
            let mut map = HeaderMap::new();
            for value in ["Bearer profile:home", "Bearer profile:work"] {
                map.append(name, HeaderValue::from_static(value));
            }
            let error = Wish::take(&mut map).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(name));
        }
    }
}
