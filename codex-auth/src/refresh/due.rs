//! When a refresh is due.

use jiff::{SignedDuration, Timestamp};

use crate::auth_json::AuthDotJson;

/// Codex refreshes its own login this long before expiry (wire reference 3.2).
pub const CODEX_WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// The earliest that is worth it, and the latest that keeps clear of [`CODEX_WINDOW`].
const LONGEST_LEAD: SignedDuration = SignedDuration::from_hours(24);
const SHORTEST_LEAD: SignedDuration = SignedDuration::from_mins(30);
/// How old a login without a readable expiry may grow (wire reference 3.2).
const UNREADABLE_AGE: SignedDuration = SignedDuration::from_hours(8 * 24);

/// How long an access token still serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Nothing to do.
    Fresh,
    /// It serves still; refresh it aside, before Codex does.
    Due,
    /// Minutes are left, or none: refresh before the next request.
    Expiring,
}

impl Freshness {
    /// Judges `login` at the time `now`. A login without tokens is always fresh.
    #[must_use]
    pub fn of(login: &AuthDotJson, now: Timestamp) -> Self {
        if login.access_token().is_none() {
            return Self::Fresh;
        }
        match login.access_token_expires_at() {
            Some(expires_at) => Self::by_expiry(login, expires_at.duration_since(now)),
            None => Self::by_age(login, now),
        }
    }

    /// From when on it is [`Due`](Self::Due); `None` where nothing says so.
    #[must_use]
    pub fn due_at(login: &AuthDotJson) -> Option<Timestamp> {
        login.access_token()?;
        match login.access_token_expires_at() {
            Some(expires_at) => expires_at
                .checked_sub(lead(login.access_token_lifetime()))
                .ok(),
            None => login.last_refresh()?.checked_add(UNREADABLE_AGE).ok(),
        }
    }

    fn by_expiry(login: &AuthDotJson, left: SignedDuration) -> Self {
        let lead = lead(login.access_token_lifetime());
        if left <= CODEX_WINDOW.min(lead) {
            Self::Expiring
        } else if left <= lead {
            Self::Due
        } else {
            Self::Fresh
        }
    }

    fn by_age(login: &AuthDotJson, now: Timestamp) -> Self {
        match login.last_refresh() {
            Some(at) if now.duration_since(at) > UNREADABLE_AGE => Self::Due,
            _ => Self::Fresh,
        }
    }
}

/// A fifth of the token's life or a day, whichever is less, but half an hour at least; and never
/// more than half its life, so that a short-lived token is not refreshed at every request.
fn lead(lifetime: Option<SignedDuration>) -> SignedDuration {
    let Some(lifetime) = lifetime else {
        return LONGEST_LEAD;
    };
    (lifetime / 5)
        .min(LONGEST_LEAD)
        .max(SHORTEST_LEAD)
        .min(lifetime / 2)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn judged(life_seconds: i64, left_seconds: i64) -> Freshness {
        let expires = NOW + left_seconds;
        let claims = json!({"exp": expires, "iat": expires - life_seconds}).to_string();
        let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let file = json!({"tokens": {"access_token": token, "refresh_token": "rt"}}).to_string();
        let login = AuthDotJson::parse(file.as_bytes()).unwrap();
        Freshness::of(&login, Timestamp::from_second(NOW).unwrap())
    }

    #[test]
    fn a_ten_day_token_is_due_in_its_last_day() {
        assert_eq!(judged(864_000, 90_000), Freshness::Fresh);
        assert_eq!(judged(864_000, 86_000), Freshness::Due);
        assert_eq!(judged(864_000, 299), Freshness::Expiring);
        assert_eq!(judged(864_000, -5), Freshness::Expiring);
    }

    #[test]
    fn an_hours_token_is_due_in_its_last_half_hour() {
        assert_eq!(judged(3_600, 1_900), Freshness::Fresh);
        assert_eq!(judged(3_600, 1_700), Freshness::Due);
    }

    #[test]
    fn a_token_of_seconds_is_used_for_half_its_life() {
        assert_eq!(judged(10, 9), Freshness::Fresh);
        assert_eq!(judged(10, 5), Freshness::Expiring);
    }

    #[test]
    fn a_login_without_a_readable_expiry_goes_by_its_age() {
        let judged = |days: i64| {
            let at = Timestamp::from_second(NOW - days * 86_400)
                .unwrap()
                .to_string();
            let file =
                json!({"tokens": {"access_token": "opaque"}, "last_refresh": at}).to_string();
            let login = AuthDotJson::parse(file.as_bytes()).unwrap();
            Freshness::of(&login, Timestamp::from_second(NOW).unwrap())
        };
        assert_eq!(judged(7), Freshness::Fresh);
        assert_eq!(judged(9), Freshness::Due);
    }

    #[test]
    fn a_key_never_grows_old() {
        let login = AuthDotJson::parse(br#"{"OPENAI_API_KEY":"sk-1"}"#).unwrap();
        assert_eq!(Freshness::of(&login, Timestamp::MAX), Freshness::Fresh);
    }
}
