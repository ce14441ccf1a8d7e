//! Which login is to be refreshed next, and when.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use codex_auth::{AuthDotJson, refresh::Freshness};
use jiff::{SignedDuration, Timestamp};

use crate::profile::{Condition, Profile, ProfileName};

/// How much earlier than it must be an idle login is refreshed at most. Spreads logins that were
/// made on the same day.
const SPREAD: SignedDuration = SignedDuration::from_hours(6);

/// A profile and the time from which it is to be refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) name: ProfileName,
    pub(super) current: bool,
    pub(super) at: Timestamp,
}

/// What there is to refresh, the current profile first, then the most urgent. Of several profiles
/// that hold one login, one.
pub(super) fn plan(profiles: &[Profile]) -> Vec<Due> {
    let mut seen = Vec::new();
    let mut plan: Vec<Due> = Vec::new();
    for profile in profiles {
        let Some((due, identity)) = due(profile) else {
            continue;
        };
        match seen.iter().position(|known| *known == identity) {
            Some(place) if due.current => plan[place] = due,
            Some(_) => {}
            None => {
                seen.push(identity);
                plan.push(due);
            }
        }
    }
    plan.sort_by_key(|due| (!due.current, due.at));
    plan
}

fn due(profile: &Profile) -> Option<(Due, codex_auth::Identity)> {
    let (name, login) = (profile.name.clone()?, profile.login.as_ref()?);
    login.refresh_token()?;
    if !matches!(profile.condition, Condition::Ok | Condition::Expired) {
        return None;
    }
    let at = Freshness::due_at(login)?;
    let earlier = if profile.current {
        SignedDuration::ZERO
    } else {
        spread(login, at)
    };
    let due = Due {
        name,
        current: profile.current,
        at: at.checked_sub(earlier).unwrap_or(at),
    };
    Some((due, login.identity()))
}

/// Always the same for one generation of a login, so that a restart changes nothing; and never so
/// much that a fresh login is due.
fn spread(login: &AuthDotJson, due_at: Timestamp) -> SignedDuration {
    let written_at = login.access_token_issued_at().or(login.last_refresh());
    let wait = written_at.map_or(SignedDuration::ZERO, |at| due_at.duration_since(at));
    let most = SPREAD.min(wait / 4).max(SignedDuration::ZERO);
    let mut hasher = DefaultHasher::new();
    (
        login.identity().fingerprint(),
        login.access_token_issued_at(),
    )
        .hash(&mut hasher);
    let part = i32::try_from(hasher.finish() % 1000).unwrap_or(0);
    most * part / 1000
}
