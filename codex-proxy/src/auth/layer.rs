use tower::Layer;

use super::CodexAuth;

/// How much of a body is kept for a second try, in bytes: as much as the server accepts at all.
pub const DEFAULT_REPLAY_LIMIT_BYTES: usize = 64 << 20;

/// Puts the logins of a [`CredentialProvider`](codex_auth::CredentialProvider) into requests; see
/// the [module](super).
#[derive(Debug, Clone)]
pub struct CodexAuthLayer<P> {
    provider: P,
    replay_limit_bytes: usize,
}

impl<P> CodexAuthLayer<P> {
    /// A layer over `provider`; an `Arc` of a provider is a provider too.
    pub fn new(provider: P) -> Self {
        Self {
            provider,
            replay_limit_bytes: DEFAULT_REPLAY_LIMIT_BYTES,
        }
    }

    /// Keeps at most this much of a body for a second try.
    #[must_use]
    pub fn with_replay_limit(self, bytes: usize) -> Self {
        Self {
            replay_limit_bytes: bytes,
            ..self
        }
    }
}

impl<S, P: Clone> Layer<S> for CodexAuthLayer<P> {
    type Service = CodexAuth<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        CodexAuth::new(inner, self.provider.clone(), self.replay_limit_bytes)
    }
}
