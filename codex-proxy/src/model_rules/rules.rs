use std::{fmt, sync::Arc};

use codex_auth::{CredentialError, ProfileRef};
use futures_util::future::BoxFuture;

use crate::ApiError;

/// What a person has said about models.
pub trait ModelRules: fmt::Debug + Send + Sync + 'static {
    /// The rules at this moment; none, as a rule. Asked for each request that names no profile,
    /// and so quick.
    fn rules(&self) -> BoxFuture<'_, Option<Arc<dyn ModelTable>>>;
}

/// Which profile serves which model.
pub trait ModelTable: Send + Sync {
    /// The rule that counts for a model; nothing where the current profile serves it.
    fn rule_for(&self, model: &str) -> Option<Ruled>;
}

/// Left in a request's extensions: the profile that a rule has serve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruled {
    /// That profile, which need not exist: then the request fails.
    pub profile: ProfileRef,
    /// The rule, for the person who is to change it.
    pub rule: Arc<str>,
}

impl Ruled {
    /// The error of a request whose profile cannot serve, with the rule that wants it to.
    pub(crate) fn unavailable(&self, error: &CredentialError) -> ApiError {
        let mut error = ApiError::from(error);
        error.message = format!(
            "{} (the model rule {} binds this request to it: `codex-router config get model_rules`)",
            error.message, self.rule
        );
        error
    }
}
