//! The profile store as what the layers ask for profiles and keys, and as the keeper of quotas.

use codex_auth::{AuthMode, CredentialError, ProfileRef, usage::Reading};
use codex_profiles::{Condition, Profile, ProfileStore, RouteSource, keys};

use crate::{
    BoxError,
    gate::{Admission, ClientKeys, KeyHolder},
    route::{ChosenProfile, ProfileTable, RouteReason},
    usage::{UsageOwner, UsageSink},
};

impl ProfileTable for ProfileStore {
    async fn choose(&self, wanted: Option<&ProfileRef>) -> Result<ChosenProfile, CredentialError> {
        let route = self.route(wanted).await?;
        let default_reason = match route.source {
            RouteSource::LiveLogin => RouteReason::LiveLogin,
            _ => RouteReason::Current,
        };
        Ok(ChosenProfile {
            profile: route.profile,
            backend: route.backend,
            identity: Some(route.identity),
            default_reason,
        })
    }

    /// Those with a login that serves, or that the next request refreshes; with no profile at all,
    /// the live login.
    async fn ready(&self) -> Vec<ProfileRef> {
        let profiles = self.list().await.unwrap_or_default();
        let ready: Vec<_> = profiles
            .iter()
            .filter(|profile| can_serve(profile))
            .collect();
        if !ready.is_empty() || !profiles.is_empty() {
            return ready
                .into_iter()
                .map(|profile| profile.label.clone())
                .collect();
        }
        let live = self.choose(None).await;
        live.map(|chosen| vec![chosen.profile]).unwrap_or_default()
    }
}

impl ClientKeys for ProfileStore {
    async fn admit(&self, presented: Option<&str>) -> Result<Admission, BoxError> {
        let admission = Self::admit(self, presented).await?;
        Ok(match admission {
            keys::Admission::Open => Admission::Open,
            keys::Admission::Known {
                name,
                profile,
                identity,
            } => Admission::Known(KeyHolder {
                name,
                identity,
                profile: profile.map(|profile| ProfileRef::new(&*profile)),
            }),
            _ => Admission::Refused,
        })
    }
}

/// Readings are kept by identity: what is told of a login that nobody knows is left.
impl UsageSink for ProfileStore {
    fn record(&self, owner: &UsageOwner, reading: &Reading) {
        if let Some(identity) = &owner.identity {
            self.record_usage(&owner.profile, identity, reading);
        }
    }

    fn served(&self, _: &UsageOwner) {
        self.note_request();
    }
}

fn can_serve(profile: &Profile) -> bool {
    let mode = profile.login.as_ref().map(|login| login.mode());
    let served = matches!(
        mode,
        Some(AuthMode::ApiKey | AuthMode::ChatGpt | AuthMode::ChatGptAuthTokens)
    );
    served && matches!(profile.condition, Condition::Ok | Condition::Expired)
}
