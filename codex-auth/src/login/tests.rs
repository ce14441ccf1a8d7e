//! Whole sign-ins against the fake issuer.

use std::time::Duration;

use fake_openai::{Account, FakeOpenAi, Fault};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};

use super::*;
use crate::{AuthMode, Issuer};

fn issuer(fake: &FakeOpenAi) -> Issuer {
    Issuer::new(fake.issuer_url())
}

async fn started(fake: &FakeOpenAi, options: SignInOptions) -> BrowserSignIn {
    let options = options.with_ports([0]);
    let started = BrowserSignIn::start(reqwest::Client::new(), issuer(fake), options).await;
    started.unwrap()
}

/// What a browser does: it follows the redirects and shows the page at their end.
async fn browse(url: &str) -> (u16, String) {
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Where the issuer sends the browser.
async fn redirect_of(url: &str) -> String {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let answer = client.build().unwrap().get(url).send().await.unwrap();
    answer.headers()["location"].to_str().unwrap().to_owned()
}

struct Waiting {
    url: String,
    port: u16,
    paste: PasteBox,
    result: JoinHandle<Result<SignedIn, SignInError>>,
}

async fn waiting(fake: &FakeOpenAi, options: SignInOptions) -> Waiting {
    let sign_in = started(fake, options).await;
    Waiting {
        url: sign_in.authorize_url().to_owned(),
        port: sign_in.port().unwrap(),
        paste: sign_in.paste_box(),
        result: tokio::spawn(sign_in.wait()),
    }
}

impl Waiting {
    fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    async fn result(self) -> Result<SignedIn, SignInError> {
        self.result.await.unwrap()
    }
}

#[tokio::test]
async fn a_browser_brings_a_login_as_codex_writes_it() {
    let fake = FakeOpenAi::start().await;
    fake.set_browser_user(&Account::new("user-1", "acct-1").email("ada@work.example"));
    let waiting = waiting(&fake, SignInOptions::default()).await;
    let (status, page) = browse(&waiting.url).await;
    assert_eq!(status, 200);
    assert!(page.contains("Signed in"), "{page}");
    let login = waiting.result().await.unwrap().login;
    assert_eq!(login.mode(), AuthMode::ChatGpt);
    assert_eq!(
        login.display_claims().email.unwrap().as_str(),
        "ada@work.example"
    );
    let file: serde_json::Value = serde_json::from_slice(&login.to_bytes()).unwrap();
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let mut expected = ["auth_mode", "OPENAI_API_KEY", "tokens", "last_refresh"];
    expected.sort_unstable();
    assert_eq!(keys(&file), expected);
    assert_eq!(file["OPENAI_API_KEY"], serde_json::Value::Null);
    assert_eq!(file["tokens"]["account_id"], "acct-1");
    assert_eq!(
        file["tokens"]["oauth_provenance"]["issuer"],
        fake.issuer_url()
    );
    assert_eq!(file["tokens"]["login_owner_id"].as_str().unwrap().len(), 43);
    assert!(!page.contains(file["tokens"]["id_token"].as_str().unwrap()));
}

#[tokio::test]
async fn strangers_and_slow_clients_neither_end_nor_delay_a_sign_in() {
    let fake = FakeOpenAi::start().await;
    let waiting = waiting(&fake, SignInOptions::default()).await;
    // A browser that connects ahead of need, and one that never ends its headers.
    let _idle = TcpStream::connect(("127.0.0.1", waiting.port))
        .await
        .unwrap();
    let mut slow = TcpStream::connect(("127.0.0.1", waiting.port))
        .await
        .unwrap();
    slow.write_all(b"GET /auth/callback HTTP/1.1\r\nHost: loc")
        .await
        .unwrap();
    for (path, status) in [
        ("/auth/callback?code=c&state=guess", 400),
        ("/auth/callback?error=access_denied&state=guess", 400),
        ("/auth/callback", 400),
        ("/success", 404),
        ("/", 404),
    ] {
        assert_eq!(browse(&waiting.at(path)).await.0, status, "{path}");
    }
    assert_eq!(browse(&waiting.url).await.0, 200);
    // Neither is waited for once the browser was told.
    let done = tokio::time::timeout(Duration::from_secs(1), waiting.result()).await;
    assert!(done.unwrap().is_ok());
}

#[tokio::test]
async fn a_foreign_host_name_is_refused_and_headers_have_a_limit() {
    let fake = FakeOpenAi::start().await;
    let waiting = waiting(&fake, SignInOptions::default()).await;
    let client = reqwest::Client::new();
    let foreign = client
        .get(waiting.at("/cancel"))
        .header("host", "evil.example");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    let page = client
        .get(waiting.at("/cancel"))
        .header("sec-fetch-site", "cross-site");
    assert_eq!(page.send().await.unwrap().status(), 404);
    let mut huge = TcpStream::connect(("127.0.0.1", waiting.port))
        .await
        .unwrap();
    let line = format!(
        "GET /cancel HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(64 << 10)
    );
    // It may hang up before all of it is written.
    let _ = huge.write_all(line.as_bytes()).await;
    let mut answer = String::new();
    let _ = huge.read_to_string(&mut answer).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!waiting.result.is_finished());
}

#[tokio::test]
async fn a_program_that_wants_the_port_can_cancel() {
    let fake = FakeOpenAi::start().await;
    let waiting = waiting(&fake, SignInOptions::default()).await;
    let (status, page) = browse(&waiting.at("/cancel")).await;
    assert_eq!(status, 200);
    assert!(page.contains("Login cancelled"), "{page}");
    let port = waiting.port;
    assert!(matches!(
        waiting.result().await,
        Err(SignInError::Cancelled)
    ));
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn dropping_the_wait_frees_the_port_at_once() {
    let fake = FakeOpenAi::start().await;
    let sign_in = started(&fake, SignInOptions::default()).await;
    let port = sign_in.port().unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(1), sign_in.wait()).await;
    assert!(given_up.is_err());
    assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok());
}

#[tokio::test]
async fn a_sign_in_can_be_cancelled_until_its_code_is_sent_and_not_after() {
    let fake = FakeOpenAi::start().await;
    let sign_in = started(&fake, SignInOptions::default()).await;
    let cancelled = sign_in.wait_unless(async {}).await;
    assert!(matches!(cancelled, Err(SignInError::Cancelled)));
    assert!(fake.requests().is_empty());

    fake.fault(Fault::refresh_delayed(Duration::from_millis(300)));
    let sign_in = started(&fake, SignInOptions::default()).await;
    let (url, port) = (sign_in.authorize_url().to_owned(), sign_in.port().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let result = tokio::spawn(sign_in.wait_unless(async { drop(stopped.await) }));
    let browser = tokio::spawn(async move { browse(&url).await });
    while fake.requests_to("/oauth/token").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Nobody listens to that any more.
    let _ = stop.send(());
    let (status, page) = browse(&format!("http://127.0.0.1:{port}/cancel")).await;
    assert_eq!(status, 409);
    assert!(page.contains("Too late"), "{page}");
    assert!(result.await.unwrap().is_ok());
    assert!(browser.await.unwrap().1.contains("Signed in"));
}

#[tokio::test]
async fn a_refusal_is_shown_in_the_browser_and_told_to_the_caller() {
    let fake = FakeOpenAi::start().await;
    fake.deny_next_sign_in();
    let waiting = waiting(&fake, SignInOptions::default()).await;
    let (status, page) = browse(&waiting.url).await;
    assert_eq!(status, 200);
    assert!(
        page.contains("Not signed in") && page.contains("declined"),
        "{page}"
    );
    let result = waiting.result().await;
    assert!(matches!(
        result,
        Err(SignInError::Denied(Denial::AccessDenied))
    ));
}

#[tokio::test]
async fn nobody_in_the_browser_is_a_time_limit() {
    let fake = FakeOpenAi::start().await;
    let limit = Duration::from_millis(5);
    let sign_in = started(&fake, SignInOptions::default().with_time_limit(limit)).await;
    assert!(matches!(
        sign_in.wait().await,
        Err(SignInError::TimedOut { .. })
    ));
}

#[tokio::test]
async fn a_paste_counts_while_the_browser_is_waited_for() {
    let fake = FakeOpenAi::start().await;
    let waiting = waiting(&fake, SignInOptions::default()).await;
    let redirect = redirect_of(&waiting.url).await;
    assert_eq!(waiting.paste.submit(&redirect), Ok(()));
    assert!(waiting.result().await.is_ok());
}

#[tokio::test]
async fn pasting_alone_binds_no_port() {
    let fake = FakeOpenAi::start().await;
    let sign_in = BrowserSignIn::by_pasting(
        reqwest::Client::new(),
        issuer(&fake),
        SignInOptions::default(),
    );
    let sign_in = sign_in.unwrap();
    assert_eq!(sign_in.port(), None);
    let redirect = redirect_of(sign_in.authorize_url()).await;
    assert!(
        redirect.starts_with("http://127.0.0.1:1455/auth/callback?"),
        "{redirect}"
    );
    sign_in.paste_box().submit(&redirect).unwrap();
    assert!(sign_in.wait().await.is_ok());
}

#[tokio::test]
async fn a_workspace_that_is_not_allowed_brings_no_login() {
    let fake = FakeOpenAi::start().await;
    fake.set_browser_user(&Account::new("user-1", "acct-1"));
    let options = SignInOptions::default().with_allowed_workspaces(["acct-2"]);
    let refused = waiting(&fake, options).await;
    assert!(browse(&refused.url).await.1.contains("acct-1"));
    assert!(matches!(
        refused.result().await,
        Err(SignInError::WrongWorkspace { .. })
    ));
    let options = SignInOptions::default().with_allowed_workspaces(["acct-2", "acct-1"]);
    let allowed = waiting(&fake, options).await;
    browse(&allowed.url).await;
    assert!(allowed.result().await.is_ok());
}

#[tokio::test]
async fn an_api_key_is_exchanged_only_when_asked_for_and_its_failure_costs_nothing() {
    let fake = FakeOpenAi::start().await;
    let without = waiting(&fake, SignInOptions::default()).await;
    browse(&without.url).await;
    assert!(!without.result().await.unwrap().has_openai_key);
    assert_eq!(fake.requests_to("/oauth/token").len(), 1);

    let options = SignInOptions::default().with_openai_key(true);
    let with = waiting(&fake, options.clone()).await;
    browse(&with.url).await;
    let signed_in = with.result().await.unwrap();
    assert!(signed_in.has_openai_key);
    assert_eq!(signed_in.login.mode(), AuthMode::ChatGpt);
    let file: serde_json::Value = serde_json::from_slice(&signed_in.login.to_bytes()).unwrap();
    assert!(file["OPENAI_API_KEY"].as_str().unwrap().starts_with("sk-"));
}

#[tokio::test]
async fn a_code_that_the_issuer_does_not_take_is_told_with_its_word() {
    let fake = FakeOpenAi::start().await;
    let waiting = waiting(&fake, SignInOptions::default()).await;
    let fault = Fault::status(400).path("/oauth/token");
    fake.fault(fault.json(serde_json::json!({"error": "invalid_grant"})));
    browse(&waiting.url).await;
    let error = waiting.result().await.unwrap_err().to_string();
    assert!(
        error.contains("400") && error.contains("invalid_grant"),
        "{error}"
    );
}

#[tokio::test]
async fn a_device_brings_a_login_once_its_code_is_entered() {
    let fake = FakeOpenAi::start().await;
    let options = SignInOptions::default();
    let started = DeviceSignIn::start(reqwest::Client::new(), issuer(&fake), options).await;
    let sign_in = started.unwrap();
    assert_eq!(
        sign_in.verification_url(),
        format!("{}/codex/device", fake.issuer_url())
    );
    let ada = Account::new("user-1", "acct-1");
    assert!(fake.approve_device(sign_in.user_code(), &ada));
    let login = sign_in.wait().await.unwrap().login;
    assert_eq!(login.display_claims().account_id.as_deref(), Some("acct-1"));
}

#[tokio::test]
async fn a_device_outlasts_a_wait_and_is_told_when_codes_are_disabled() {
    let fake = FakeOpenAi::start().await;
    let start = || {
        let options = SignInOptions::default().with_time_limit(Duration::from_millis(5));
        DeviceSignIn::start(reqwest::Client::new(), issuer(&fake), options)
    };
    let waiting = start().await.unwrap();
    assert!(matches!(
        waiting.wait().await,
        Err(SignInError::TimedOut { .. })
    ));
    fake.fault(Fault::status(404).path("/deviceauth/usercode"));
    assert!(matches!(
        start().await,
        Err(SignInError::DeviceCodesDisabled)
    ));
}

#[tokio::test]
async fn nothing_of_a_sign_in_can_print() {
    let fake = FakeOpenAi::start().await;
    let sign_in = started(&fake, SignInOptions::default()).await;
    let shown = format!("{sign_in:?}");
    let url = sign_in.authorize_url();
    let state = url
        .split("state=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    assert!(!shown.contains(state) && !shown.contains(url), "{shown}");
}
