//! A database, an issuer, and replicas between them.

use std::{
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use codex_auth::{
    AuthDotJson, CredentialError, CredentialProvider as _, Credentials, Issuer, LoginReason,
    ProfileRef, RouteHint, refresh::TokenEndpoint,
};
use codex_profiles::postgres::{PostgresLogins, PostgresSettings};
use codex_router_tests::cluster::Cluster;
use fake_openai::{Account, FakeOpenAi};
use http::{HeaderMap, header::AUTHORIZATION};
use serde_json::{Value, json};

/// Long enough for a busy machine's loopback; a sixth of it is what may pass before a post.
const ANSWER_LIMIT: Duration = Duration::from_secs(6);
/// Whatever is waited for comes long before.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database with tables, and an issuer.
pub(crate) struct World {
    pub(crate) fake: FakeOpenAi,
    pub(crate) database: Cluster,
}

impl World {
    /// With no tables yet.
    pub(crate) fn bare() -> Self {
        let database = Cluster::start().unwrap();
        Self {
            fake: FakeOpenAi::builder().start_on_own_thread().unwrap(),
            database: database.expect("PostgreSQL is installed: scripts/setup test"),
        }
    }

    pub(crate) async fn new() -> Self {
        let world = Self::bare();
        world.replica().await.migrate().await.unwrap();
        world
    }

    pub(crate) fn account(&self, user: &str) -> Account {
        self.fake.account(user, &format!("acct-{user}"))
    }

    /// Stores a login that was just signed in with.
    pub(crate) async fn put(&self, profile: &str) -> AuthDotJson {
        let login = self.fake.auth_json(&self.account(profile));
        self.put_login(profile, &login).await
    }

    pub(crate) async fn put_login(&self, profile: &str, login: &Value) -> AuthDotJson {
        let login = AuthDotJson::parse(login.to_string().as_bytes()).unwrap();
        let replica = self.replica().await;
        replica.put(&named(profile), &login).await.unwrap();
        login
    }

    /// A login that is due for refresh: one that does not say when it ends, and is nine days old.
    pub(crate) fn due(&self, user: &str) -> Value {
        let mut login = self.fake.auth_json(&self.account(user));
        let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(9 * 24);
        login["tokens"]["access_token"] = format!("opaque-of-{user}").into();
        login["last_refresh"] = at.to_string().into();
        login
    }

    pub(crate) fn settings(&self) -> PostgresSettings {
        let settings = PostgresSettings::parse(&self.database.address()).unwrap();
        settings.with_default_profile(named("work"))
    }

    pub(crate) fn endpoint(&self) -> TokenEndpoint {
        let issuer = Issuer::new(self.fake.issuer_url());
        TokenEndpoint::new(reqwest::Client::new(), issuer).with_answer_limit(ANSWER_LIMIT)
    }

    /// One more replica, in this process.
    pub(crate) async fn replica(&self) -> PostgresLogins {
        self.settings().connect(self.endpoint()).await.unwrap()
    }

    pub(crate) fn orders(&self, profiles: &[&str]) -> Value {
        json!({"address": self.database.address(), "issuer": self.fake.issuer_url(),
            "answer_limit_ms": ANSWER_LIMIT.as_millis(), "acts": 1, "profiles": profiles})
    }

    /// One row's column.
    pub(crate) fn ask(&self, statement: &str) -> String {
        self.database.query(statement).unwrap()
    }

    /// How often the issuer was asked, and that it never saw a token twice.
    pub(crate) fn posts(&self) -> usize {
        assert_eq!(self.fake.reuse_count(), 0, "a token was used twice");
        self.fake.refreshes().len()
    }
}

pub(crate) fn named(profile: &str) -> ProfileRef {
    ProfileRef::new(profile)
}

pub(crate) async fn ask(replica: &PostgresLogins) -> Result<Credentials, CredentialError> {
    replica.credentials(&RouteHint::default()).await
}

pub(crate) fn bearer(credentials: &Credentials) -> String {
    let mut headers = HeaderMap::new();
    credentials.apply(&mut headers);
    headers[AUTHORIZATION].to_str().unwrap()["Bearer ".len()..].to_owned()
}

pub(crate) fn reason_of(error: &CredentialError) -> LoginReason {
    match error {
        CredentialError::LoginRequired { reason, .. } => *reason,
        other => panic!("{other}"),
    }
}

/// Asks again and again, until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A replica in a process of its own.
pub(crate) struct Process(Option<Child>);

impl Process {
    pub(crate) fn start(orders: &Value) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postgres-replica"));
        command.arg(orders.to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(Some(command.spawn().unwrap()))
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(mut self) -> Output {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait_with_output().unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(mut self) -> Output {
        let child = self.0.take().unwrap();
        let waiting = tokio::task::spawn_blocking(|| child.wait_with_output());
        let output = tokio::time::timeout(2 * PATIENCE, waiting).await;
        output.expect("a replica hangs").unwrap().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
