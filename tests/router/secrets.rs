//! No token, key, prompt or address is in what the router prints or answers, at any level.

use fake_openai::{Fault, Refresh};
use serde_json::{Value, json};

use crate::{
    harness::{
        Answer, Home, MODEL, Router, World, access_token, fake, refresh_token, worker, write,
    },
    traces::{self, Collector},
    websocket::Socket,
};

const PROMPT: &str = "planted-prompt-nobody-may-read";
const EMAIL: &str = "planted.person@work.example";
const KEY: &str = "sk-planted-key-of-the-test";
const CLIENT_KEY: &str = "sk-planted-by-the-client";

/// What must never be seen, and what it is.
fn secrets(logins: &[&Value], refreshes: &[Refresh]) -> Vec<(String, String)> {
    let mut secrets = vec![
        (PROMPT.to_owned(), "the prompt".to_owned()),
        (EMAIL.to_owned(), "the address".to_owned()),
        (KEY.to_owned(), "the API key".to_owned()),
        (
            CLIENT_KEY.to_owned(),
            "what the client sent as its key".to_owned(),
        ),
    ];
    for login in logins {
        for name in ["id_token", "access_token", "refresh_token"] {
            secrets.push((
                login["tokens"][name].as_str().unwrap().to_owned(),
                name.to_owned(),
            ));
        }
    }
    for issued in refreshes
        .iter()
        .filter_map(|refresh| refresh.issued.as_ref())
    {
        for token in [
            &issued.id_token,
            &issued.access_token,
            &issued.refresh_token,
        ] {
            secrets.push((token.clone(), "a token that was issued".to_owned()));
        }
    }
    secrets
}

/// The secret itself, any half of it, and the claims of a token.
#[track_caller]
fn assert_hides(text: &str, what: &str, secrets: &[(String, String)]) {
    for (secret, name) in secrets {
        let halves = secret.split_at(secret.len() / 2);
        let parts = secret.split('.').filter(|part| part.len() > 40);
        let telling = parts.chain(
            (secret.len() > 40)
                .then_some([halves.0, halves.1])
                .into_iter()
                .flatten(),
        );
        for part in telling.chain([secret.as_str()]) {
            // The header of every token is the same, and tells nothing.
            if let Some(at) = text
                .find(part)
                .filter(|_| !part.starts_with("eyJhbGciOiJSUzI1NiIs") || part == secret)
            {
                let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
                panic!(
                    "{name} is in {what}: {}",
                    &text[line..(at + part.len()).min(line + 600)]
                );
            }
        }
    }
}

/// The same over HTTP/2, which has a log of its own.
async fn over_http2(router: &Router) -> Answer {
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge();
    let request = client
        .build()
        .unwrap()
        .post(router.url("/v1/chat/completions"));
    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]});
    Answer::to(request.bearer_auth(CLIENT_KEY).json(&body)).await
}

fn planted(router: &Router, stream: bool) -> reqwest::RequestBuilder {
    let body = json!({"model": MODEL, "stream": stream, "input": PROMPT, "user": EMAIL,
        "messages": [{"role": "user", "content": PROMPT}]});
    router
        .post("/v1/chat/completions", &body)
        .bearer_auth(CLIENT_KEY)
}

/// Everything that can be asked for and go wrong, and all that was answered.
async fn everything(world: &World) -> Vec<Answer> {
    let router = &world.router;
    let mut answers = Vec::new();
    // A refresh, then success in every form.
    for request in [
        planted(router, false),
        planted(router, true),
        router.post("/v1/responses", &json!({"model": MODEL, "input": PROMPT})),
        planted(router, false).header("x-codex-profile", "key"),
        planted(router, false).header("cookie", format!("session={CLIENT_KEY}")),
        router.get(&format!("/v1/models?key={CLIENT_KEY}")),
        router.get("/readyz"),
    ] {
        answers.push(Answer::to(request).await);
    }
    let over_http2 = over_http2(router).await;
    assert_eq!(over_http2.said(), format!("You said: {PROMPT}"));
    answers.push(over_http2);
    for fault in [
        Fault::unauthorized().times(2),
        Fault::usage_limit_reached("plus", 60),
        Fault::cloudflare(),
        Fault::server_error(),
        Fault::refused(),
        Fault::cut_after(3),
        Fault::response_failed("server_error"),
    ] {
        world.fake.fault(fault);
        answers.push(Answer::to(planted(router, false)).await);
    }
    for (profile, path) in [
        ("nobody", "/v1/responses"),
        ("broken", "/v1/responses"),
        ("dead", "/v1/responses"),
    ] {
        let request = router.post(path, &json!({"model": MODEL, "input": PROMPT}));
        answers.push(Answer::to(request.header("x-codex-profile", profile)).await);
    }
    let cut = json!({"model": MODEL, "messages": PROMPT}).to_string();
    for body in [cut.clone(), cut[..cut.len() - 2].to_owned()] {
        let request = router
            .client
            .post(router.url("/v1/chat/completions"))
            .body(body);
        let request = request
            .bearer_auth(CLIENT_KEY)
            .header("content-type", "application/json");
        answers.push(Answer::to(request).await);
    }
    let path = format!("/v1/embeddings?key={CLIENT_KEY}");
    answers.push(
        Answer::to(
            router
                .post(&path, &json!({"input": PROMPT}))
                .bearer_auth(CLIENT_KEY),
        )
        .await,
    );
    answers
}

/// What is open to clients that are no OpenAI client: a WebSocket, the control API, the numbers.
async fn other_doors(world: &World) -> Vec<Answer> {
    let router = &world.router;
    let headers = [
        ("authorization", &*format!("Bearer {CLIENT_KEY}")),
        ("x-request-id", EMAIL),
    ];
    let mut socket = Socket::with(router, &headers).await.unwrap();
    assert_eq!(socket.ask(PROMPT).await, format!("You said: {PROMPT}"));
    world.fake.fault(Fault::response_failed("server_error"));
    socket.turn_to_any_end(PROMPT).await;
    let mut other = Socket::open(router, &headers).await.unwrap();
    assert_eq!(other.ask(PROMPT).await, format!("You said: {PROMPT}"));
    let token = std::fs::read_to_string(world.home.path("router/control.token")).unwrap();
    let named = |path: &str| {
        router
            .get(&format!("{path}?key={CLIENT_KEY}"))
            .bearer_auth(token.trim())
    };
    let mut answers = Vec::new();
    for request in [
        named("/api/overview"),
        named("/api/requests"),
        router.get("/api/overview").bearer_auth(CLIENT_KEY),
        router
            .post("/api/profiles/nobody/use", &json!({}))
            .bearer_auth(token.trim()),
        router
            .post("/api/api-keys", &json!({"name": "added", "key": KEY}))
            .bearer_auth(token.trim()),
        router.get(&format!("/{EMAIL}/{CLIENT_KEY}")),
        router.get("/metrics").bearer_auth(CLIENT_KEY),
    ] {
        answers.push(Answer::to(request).await);
    }
    answers
}

#[tokio::test]
async fn nothing_is_printed_or_answered_at_the_level_that_prints_most() {
    hides_all("text").await;
}

#[tokio::test]
async fn nothing_is_printed_as_json_either() {
    hides_all("json").await;
}

/// A router with secrets in all that it has.
fn with_secrets(environment: &[(&str, &str)]) -> (World, [Value; 2]) {
    let fake = fake();
    let account = worker().email(EMAIL);
    let work = fake.auth_json_expired(&account);
    let dead = fake.auth_json_expired(&fake.account("user-dead", "acct-dead").email(EMAIL));
    fake.revoke(refresh_token(&dead));
    let key = fake.api_key_auth_json(KEY);
    let home = Home::with(&[("work", work.clone()), ("dead", dead.clone()), ("key", key)]);
    write(&home.profile("broken"), &work.to_string()[..900]);
    let router = Router::start_with(&home, &fake, environment);
    (World { router, home, fake }, [work, dead])
}

#[tokio::test]
async fn nothing_is_in_the_traces_either() {
    let collector = Collector::start();
    let environment = traces::environment(&collector);
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, it)| (*name, &**it))
        .collect();
    let (mut world, [work, dead]) = with_secrets(&environment);
    everything(&world).await;
    other_doors(&world).await;
    let token = std::fs::read_to_string(world.home.path("router/control.token")).unwrap();
    world.router.terminate();
    world.router.ended(crate::harness::PATIENCE);
    let mut secrets = secrets(&[&work, &dead], &world.fake.refreshes());
    secrets.push((token.trim().to_owned(), "the control token".to_owned()));
    let sent = String::from_utf8_lossy(&collector.bytes()).into_owned();
    for name in [
        "GET /{id}/{id}",
        "GET /v1/models",
        "POST /v1/embeddings",
        "refresh",
    ] {
        assert!(sent.contains(name), "{name} is not traced");
    }
    assert_hides(&sent, "the traces", &secrets);
}

async fn hides_all(format: &str) {
    let environment = [
        ("CODEX_ROUTER_LOG", "trace"),
        ("CODEX_ROUTER_LOG_FORMAT", format),
    ];
    let (mut world, [work, dead]) = with_secrets(&environment);
    let mut answers = everything(&world).await;
    let others = other_doors(&world).await;
    let metrics = others.last().unwrap().text();
    assert!(metrics.contains("codex_router_requests_total"), "{metrics}");
    // The list of logins is where the person is shown the addresses.
    answers.extend(others.into_iter().filter(|answer| answer.status >= 400));
    let token = std::fs::read_to_string(world.home.path("router/control.token")).unwrap();
    world.router.terminate();
    world.router.ended(crate::harness::PATIENCE);

    let refreshes = world.fake.refreshes();
    assert!(
        refreshes.len() >= 2,
        "a refresh that worked and one that did not"
    );
    let mut secrets = secrets(&[&work, &dead], &refreshes);
    secrets.push((token.trim().to_owned(), "the control token".to_owned()));
    let printed = world.router.printed();
    assert_hides(&metrics, "the numbers", &secrets);
    for target in ["h2::", "codex_profiles::", "tower_http::"] {
        assert!(printed.contains(target), "{target} is silent");
    }
    assert_hides(&printed, "the log", &secrets);
    let errors = answers.iter().filter(|answer| answer.status >= 400);
    assert!(errors.clone().count() >= 10);
    for answer in errors {
        assert_hides(&answer.text(), "an error", &secrets);
    }
    for answer in &answers {
        assert_hides(
            &format!("{:?}", answer.headers),
            "the headers of an answer",
            &secrets,
        );
    }
}

#[tokio::test]
async fn nothing_secret_is_in_the_files_of_our_own() {
    let fake = fake();
    let work = fake.auth_json_expired(&worker().email(EMAIL));
    let dead = fake.auth_json_expired(&fake.account("user-dead", "acct-dead").email(EMAIL));
    fake.revoke(refresh_token(&dead));
    let world = World::with(fake, &[("work", work.clone()), ("dead", dead.clone())]);
    Answer::to(planted(&world.router, false)).await;
    Answer::to(planted(&world.router, false).header("x-codex-profile", "dead")).await;
    assert_eq!(world.home.run(&["use", "work"]).code, Some(0));
    let secrets = secrets(&[&work, &dead], &world.fake.refreshes());
    let state = std::fs::read_to_string(world.home.path("router/state.json")).unwrap();
    assert!(state.contains("revoked"), "{state}");
    assert_hides(&state, "state.json", &secrets);
    let left: Vec<_> = std::fs::read_dir(world.home.path("router/journal"))
        .unwrap()
        .collect();
    assert!(
        left.is_empty(),
        "a journal that is settled is gone: {left:?}"
    );
}

#[tokio::test]
async fn a_new_token_is_nowhere_but_in_the_two_files() {
    let fake = fake();
    let login = fake.auth_json_expired(&worker());
    let world = World::with(fake, &[("work", login.clone())]);
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    let issued = world.fake.refreshes()[0].issued.clone().unwrap();
    assert_ne!(issued.access_token, access_token(&login));
    let mut holders = Vec::new();
    let mut folders = vec![world.home.path("")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path)
                .is_ok_and(|text| text.contains(&issued.refresh_token))
            {
                holders.push(path);
            }
        }
    }
    holders.sort();
    assert_eq!(holders, [world.home.live(), world.home.profile("work")]);
}
