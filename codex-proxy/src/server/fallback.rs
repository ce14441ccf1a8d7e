//! The settings of a profile store as the rules that the fallback layer follows.

use std::sync::Arc;

use codex_auth::ProfileRef;
use codex_profiles::{Fallback, ProfileName, ProfileStore};
use futures_util::future::BoxFuture;

use crate::fallback::{FallbackPlan, FallbackRules};

impl FallbackRules for ProfileStore {
    fn plan(&self) -> BoxFuture<'_, Option<Arc<FallbackPlan>>> {
        Box::pin(async {
            let settings = self.fallback().await;
            let settings = settings.inspect_err(|error| tracing::warn!(%error, "no fallback"));
            settings.ok()?.map(|settings| Arc::new(plan_of(&settings)))
        })
    }

    /// What cannot be counted is not sent.
    fn take(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            let taken = self.take_fallback().await;
            taken.unwrap_or_else(|error| {
                tracing::warn!(%error, "no fallback, since it could not be counted");
                false
            })
        })
    }

    fn served(&self, from: &ProfileRef, to: &ProfileRef) {
        self.tell_fallback_used(from.clone(), to.clone());
    }

    fn spent(&self, tokens: u64) {
        let store = self.clone();
        // The answer is over, and waits for no disk.
        tokio::spawn(async move {
            if let Err(error) = store.count_fallback_tokens(tokens).await {
                tracing::warn!(%error, "tokens of a fallback were not counted");
            }
        });
    }
}

fn plan_of(settings: &Fallback) -> FallbackPlan {
    FallbackPlan {
        profiles: settings
            .profiles
            .iter()
            .map(ProfileName::reference)
            .collect(),
        on_needs_login: settings.on_needs_login,
    }
}
