use std::fs;

use reqwest::Method;
use serde_json::json;

use super::{Page, Script, token_of};
use crate::harness::{Answer, Home, PATIENCE, Router, World, fake, worker};

/// What each answers to, and what it would change.
const ROUTES: [(&str, &str); 27] = [
    ("GET", "/api/overview"),
    ("GET", "/api/events"),
    ("GET", "/api/requests"),
    ("GET", "/api/openapi.json"),
    ("GET", "/api/settings"),
    ("PATCH", "/api/settings"),
    ("GET", "/api/keys"),
    ("POST", "/api/keys"),
    ("DELETE", "/api/keys/x"),
    ("GET", "/api/attachment"),
    ("POST", "/api/attachment"),
    ("DELETE", "/api/attachment"),
    ("POST", "/api/link"),
    ("POST", "/api/refresh"),
    ("POST", "/api/profiles/other/use"),
    ("PATCH", "/api/profiles/other"),
    ("DELETE", "/api/profiles/other"),
    ("POST", "/api/profiles/other/restore"),
    ("POST", "/api/profiles/other/usage"),
    ("GET", "/api/profiles/other/sign-out"),
    ("POST", "/api/profiles/other/sign-out"),
    ("POST", "/api/live/save"),
    ("POST", "/api/sign-ins"),
    ("POST", "/api/api-keys"),
    ("POST", "/api/window"),
    ("PUT", "/api/desktop/starts-at-login"),
    ("GET", "/api/no-such-path"),
];

fn body_of(path: &str) -> serde_json::Value {
    match path {
        "/api/keys" => json!({"name": "k"}),
        "/api/api-keys" => json!({"key": "sk-x"}),
        "/api/sign-ins" => json!({"way": "paste"}),
        "/api/desktop/starts-at-login" => json!({"enabled": true}),
        "/api/settings" => json!({"auto_refresh_enabled": true}),
        _ => json!({"name": "renamed"}),
    }
}

fn method(text: &str) -> Method {
    text.parse().unwrap()
}

#[tokio::test]
async fn without_the_right_secrets_nothing_is_told_and_nothing_changes() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let page = Page::open(&script).await;
    let (token, cookie, key) = (&script.token, &page.cookie, &page.key);
    let before = world.home.list();
    let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
    let cookie_of = |cookie: &str| ("cookie", cookie.to_owned());
    let key_of = |key: &str| ("x-codex-router-page", key.to_owned());
    let attempts = [
        vec![],
        vec![bearer("")],
        vec![bearer(key)],
        vec![bearer(&token[1..])],
        vec![("authorization", format!("Basic {token}"))],
        vec![("x-api-key", token.clone())],
        vec![cookie_of(cookie)],
        vec![key_of(key)],
        vec![cookie_of(cookie), key_of("x")],
        vec![cookie_of("codex_router=x"), key_of(key)],
        vec![cookie_of(&format!("other_{cookie}")), key_of(key)],
        vec![cookie_of(&format!("codex_router={token}")), key_of(token)],
        // Whoever brings a token is judged by it.
        vec![bearer("x"), cookie_of(cookie), key_of(key)],
    ];
    for (verb, path) in ROUTES {
        for attempt in &attempts {
            let request = world
                .router
                .client
                .request(method(verb), world.router.url(path));
            let request = attempt.iter().fold(request, |request, (name, value)| {
                request.header(*name, value)
            });
            let answer = Answer::to(request.json(&body_of(path))).await;
            assert_eq!(answer.error(401), "control_auth_required", "{verb} {path}");
            assert!(!answer.text().contains("acct-"), "{}", answer.text());
        }
    }
    assert_eq!(world.home.list(), before);
    assert!(!world.home.path("config.toml").exists());
}

#[tokio::test]
async fn a_page_of_another_origin_gets_nothing_even_with_every_secret() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let before = world.home.list();
    let link = script.link().await;
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost:1"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("host", "evil.example"),
        ("host", "127.0.0.1.evil.example:9876"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
    ] {
        for (verb, path) in ROUTES {
            let request = script.ask(method(verb), path).header(name, value);
            Answer::to(request.json(&body_of(path))).await.error(403);
        }
        let session = world.router.post("/api/session", &json!({"link": link}));
        Answer::to(session.header(name, value)).await.error(403);
        Answer::to(world.router.get("/").header(name, value))
            .await
            .error(403);
    }
    assert_eq!(world.home.list(), before);
    // Nothing of that has spent the link.
    let session = world.router.post("/api/session", &json!({"link": link}));
    assert_eq!(Answer::to(session).await.status, 200);
}

#[tokio::test]
async fn a_link_opens_one_session_once() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let link = script.link().await;
    let open = || world.router.post("/api/session", &json!({"link": link}));
    let first = Answer::to(open()).await;
    assert_eq!(first.status, 200);
    assert!(!first.text().contains(&link));
    for link in [&link, "", &script.token] {
        let open = world.router.post("/api/session", &json!({"link": link}));
        assert_eq!(Answer::to(open).await.error(403), "link_not_valid");
    }
    // A form of another page could send this, if it were taken.
    let plain = world.router.client.post(world.router.url("/api/session"));
    Answer::to(plain.body(json!({"link": link}).to_string()))
        .await
        .error(415);
}

#[tokio::test]
async fn two_tabs_share_a_session_and_a_second_link_ends_neither() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let page = Page::open(&script).await;
    let overview = async |page: &Page| Answer::to(page.ask(Method::GET, "/api/overview")).await;
    assert_eq!(overview(&page).await.status, 200);
    let link = script.link().await;
    let again = world.router.post("/api/session", &json!({"link": link}));
    let again = Answer::to(again.header("cookie", &page.cookie)).await;
    let second = Page {
        router: &world.router,
        cookie: page.cookie.clone(),
        key: again.json()["page_key"].as_str().unwrap().to_owned(),
    };
    for page in [&page, &second] {
        assert_eq!(overview(page).await.status, 200);
    }
    let used = second.ask(Method::POST, "/api/profiles/other/use");
    assert_eq!(Answer::to(used).await.json()["current"], "other");
    assert_eq!(overview(&page).await.json()["current"], "other");
}

#[tokio::test]
async fn the_token_is_the_persons_alone_new_at_each_start_and_gone_after_a_clean_end() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let mut router = Router::start(&home, &fake);
        #[cfg(unix)]
        for file in ["router/control.token", "router/address"] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(home.path(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        let address = fs::read_to_string(home.path("router/address")).unwrap();
        assert_eq!(address.trim(), router.url(""));
        tokens.push(token_of(&home));
        router.terminate();
        assert!(router.ended(PATIENCE).success());
        for file in ["router/control.token", "router/address"] {
            assert!(!home.path(file).exists(), "{file}");
        }
    }
    assert_ne!(tokens[0], tokens[1]);
}

#[tokio::test]
async fn a_router_that_ends_leaves_the_files_of_the_one_after_it() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let mut first = Router::start(&home, &fake);
    let old = token_of(&home);
    let second = Router::start(&home, &fake);
    first.terminate();
    assert!(first.ended(PATIENCE).success());
    assert_ne!(token_of(&home), old);
    let overview = Script::at(&home, &second).get("/api/overview").await;
    assert_eq!(overview.json()["address"], second.url(""));
    let stale = second.get("/api/overview").bearer_auth(old);
    Answer::to(stale).await.error(401);
}

#[tokio::test]
async fn the_page_may_load_nothing_from_elsewhere_and_a_program_gets_plain_text() {
    let world = World::two_accounts();
    let page = Answer::to(world.router.get("/").header("accept", "text/html,*/*")).await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").unwrap();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(rule), "{rule}: {policy}");
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let etag = page.header("etag").unwrap();
    let again = world.router.get("/").header("accept", "text/html");
    let again = Answer::to(again.header("if-none-match", etag)).await;
    assert_eq!((again.status, again.bytes.len()), (304, 0));

    let curl = Answer::to(world.router.get("/").header("accept", "*/*")).await;
    assert!(curl.text().contains("/v1"), "{}", curl.text());
    Answer::to(world.router.get("/page/../../Cargo.toml"))
        .await
        .error(404);
}
