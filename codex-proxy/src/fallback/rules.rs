use std::{fmt, sync::Arc};

use codex_auth::ProfileRef;
use futures_util::future::BoxFuture;

/// Who serves in the place of the current profile, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FallbackPlan {
    /// The profiles to ask, in this order.
    pub profiles: Vec<ProfileRef>,
    /// Whether they also serve when the current profile must log in again.
    pub on_needs_login: bool,
}

/// What a person has allowed.
pub trait FallbackRules: fmt::Debug + Send + Sync + 'static {
    /// Who serves in the place of the current profile; nobody, as a rule. Asked for each request
    /// that the current profile serves, and so quick.
    fn plan(&self) -> BoxFuture<'_, Option<Arc<FallbackPlan>>>;

    /// Takes one request off what is left of today; false when nothing is.
    fn take(&self) -> BoxFuture<'_, bool>;

    /// Another profile has served. Told once for each request, at the head of its answer.
    fn served(&self, from: &ProfileRef, to: &ProfileRef) {
        let _ = (from, to);
    }

    /// An API key has used this many tokens for it. Must not block.
    fn spent(&self, tokens: u64) {
        let _ = tokens;
    }
}
