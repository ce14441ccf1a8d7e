use std::sync::Arc;

use codex_auth::{Backend, Credentials, ProfileRef, RouteHint, usage::Reading};
use http::Extensions;

/// Whose limits were read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageOwner {
    /// The profile that served.
    pub profile: ProfileRef,
    /// The fingerprint of its login's identity, where it is known.
    pub identity: Option<Arc<str>>,
}

/// Takes in what was read of limits.
///
/// It is called in the middle of requests, so it returns at once.
pub trait UsageSink: Send + Sync + 'static {
    /// Something was read.
    fn record(&self, owner: &UsageOwner, reading: &Reading);

    /// A request of this login was answered, whether or not the answer told of limits.
    fn served(&self, owner: &UsageOwner) {
        let _ = owner;
    }
}

impl<K: UsageSink + ?Sized> UsageSink for Arc<K> {
    fn record(&self, owner: &UsageOwner, reading: &Reading) {
        (**self).record(owner, reading);
    }

    fn served(&self, owner: &UsageOwner) {
        (**self).served(owner);
    }
}

impl UsageOwner {
    /// Whoever these credentials belong to, if its login has limits of this kind.
    pub(super) fn of_request(extensions: &Extensions) -> Option<Self> {
        let credentials = extensions.get::<Credentials>()?;
        let has_limits = credentials.backend() == Backend::ChatGpt;
        let hint = extensions.get::<RouteHint>();
        has_limits.then(|| Self {
            profile: credentials.profile().clone(),
            identity: hint.and_then(|hint| hint.identity.clone()),
        })
    }

    /// Whoever a request was routed to, if it was.
    pub(crate) fn of_hint(hint: &RouteHint) -> Option<Self> {
        Some(Self {
            profile: hint.profile.clone()?,
            identity: hint.identity.clone(),
        })
    }
}
