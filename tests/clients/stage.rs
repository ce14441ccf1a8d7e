//! What a client is put in front of: the fake, and the router between them.

use std::net::SocketAddr;
use std::path::Path;

use fake_openai::{Account, FakeOpenAi, RecordedRequest};

use crate::harness::{Home, Router};

/// The key of the API-key profile, and of whoever talks to the fake directly.
pub(crate) const KEY: &str = "sk-stage";

/// What answers the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The fake's own public API, without a router: the control.
    Direct,
    /// The router, with a ChatGPT login as the current profile.
    ChatGpt,
    /// The router, with an API key as the current profile.
    ApiKey,
}

/// A fake and, unless the client talks to it directly, a router in front of it.
///
/// The profiles are `work` and `other`, both ChatGPT logins, and `api-key`.
pub(crate) struct Stage {
    pub(crate) fake: FakeOpenAi,
    backend: Backend,
    router: Option<(Router, Home)>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some((router, _)) = self.router.as_ref().filter(|_| std::thread::panicking()) {
            eprintln!("The router said:\n{}", router.printed());
        }
    }
}

impl Stage {
    pub(crate) fn new(backend: Backend) -> Self {
        Self::with(backend, FakeOpenAi::builder())
    }

    pub(crate) fn with(backend: Backend, fake: fake_openai::Builder) -> Self {
        let fake = fake.start_on_own_thread().unwrap();
        fake.register_api_key(KEY);
        let router = match backend {
            Backend::Direct => None,
            Backend::ChatGpt => Some(served(&fake, "work")),
            Backend::ApiKey => Some(served(&fake, "api-key")),
        };
        Self {
            fake,
            backend,
            router,
        }
    }

    /// Where a client is to call.
    pub(crate) fn address(&self) -> SocketAddr {
        let router = self.router.as_ref();
        router.map_or(self.fake.address(), |(router, _)| router.address())
    }

    /// The key that a client has: a good one for the fake, none for the router.
    pub(crate) fn client_key(&self) -> &'static str {
        match self.backend {
            Backend::Direct => KEY,
            _ => "unused",
        }
    }

    /// Makes this profile the current one, as a user does.
    pub(crate) fn choose(&self, profile: &str) {
        let (_, home) = self.router.as_ref().unwrap();
        let used = home.run(&["use", profile]);
        assert_eq!(used.code, Some(0), "{used:?}");
    }

    /// Makes a client key, without which nobody is served from then on.
    pub(crate) fn create_key(&self, name: &str) -> String {
        let (_, home) = self.router.as_ref().unwrap();
        let made = home.run(&["key", "create", name]);
        assert_eq!(made.code, Some(0), "{made:?}");
        made.stdout.trim_end().to_owned()
    }

    /// Lets another home know that there are keys.
    pub(crate) fn share_keys(&self, other: &Path) {
        let (_, home) = self.router.as_ref().unwrap();
        std::fs::create_dir_all(other.join("router")).unwrap();
        let state = home.path("router/state.json");
        std::fs::copy(state, other.join("router/state.json")).unwrap();
    }

    /// The shell command that makes this profile the current one.
    pub(crate) fn switching_command(&self, profile: &str) -> String {
        let (_, home) = self.router.as_ref().unwrap();
        let use_profile = home.command(&["use", profile]);
        let words = std::iter::once(use_profile.get_program()).chain(use_profile.get_args());
        let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
        let home = home.path("");
        format!("CODEX_HOME={} {}", home.display(), words.join(" "))
    }

    /// Fails unless there were requests, and all came with the login the stage began with.
    pub(crate) fn served_as_it_should(&self) {
        match self.backend {
            Backend::ChatGpt => self.served_by("acct-work"),
            Backend::Direct | Backend::ApiKey => self.served_by_the_key(),
        }
    }

    /// Fails unless there were requests, and all came with the login of this ChatGPT account.
    pub(crate) fn served_by(&self, account: &str) {
        for request in self.requests() {
            let named = request.header("chatgpt-account-id");
            assert_eq!(named, Some(account), "{request:?}");
            assert_eq!(request.account.as_deref(), Some(account), "{request:?}");
            assert!(request.path.starts_with("/backend-api/"), "{request:?}");
        }
    }

    fn served_by_the_key(&self) {
        for request in self.requests() {
            assert_eq!(request.bearer(), Some(KEY), "{request:?}");
            assert_eq!(request.header("chatgpt-account-id"), None, "{request:?}");
            assert!(request.path.starts_with("/v1/"), "{request:?}");
        }
    }

    /// Those that were made for somebody: the quota is asked for each profile, with its own login.
    fn requests(&self) -> Vec<RecordedRequest> {
        let mut requests = self.fake.requests();
        requests.retain(|request| request.path != "/backend-api/wham/usage");
        assert!(!requests.is_empty(), "the fake was not asked at all");
        requests
    }

    /// The one model call there was.
    pub(crate) fn model_call(&self) -> RecordedRequest {
        let mut calls = self.fake.model_calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.remove(0)
    }
}

/// A router that serves this profile.
fn served(fake: &FakeOpenAi, current: &str) -> (Router, Home) {
    let login = |user, account| fake.auth_json(&Account::new(user, account));
    let home = Home::with(&[
        ("work", login("user-work", "acct-work")),
        ("other", login("user-other", "acct-other")),
        ("api-key", fake.api_key_auth_json(KEY)),
    ]);
    if current != "work" {
        assert_eq!(home.run(&["use", current]).code, Some(0));
    }
    (Router::start(&home, fake), home)
}
