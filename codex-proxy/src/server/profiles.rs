//! The profile store as the table that the route layer asks.

use codex_auth::{CredentialError, ProfileRef};
use codex_profiles::{ProfileStore, RouteSource};

use crate::route::{ChosenProfile, ProfileTable, RouteReason};

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
            default_reason,
        })
    }
}
