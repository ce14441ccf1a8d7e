//! `/metrics` says in numbers what was served, to whoever may ask, and nothing about anybody.

mod exposition;

use fake_openai::Fault;
use serde_json::json;

use crate::{
    harness::{Answer, Home, PATIENCE, Router, World, fake, worker},
    websocket::Socket,
};
use exposition::Exposition;

async fn scrape(router: &Router) -> Exposition {
    let answer = Answer::to(router.get("/metrics")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    Exposition::parse(&answer.text())
}

/// The numbers once nothing is under way: a client has its answer before it is counted.
async fn settled(router: &Router) -> Exposition {
    for _ in 0..1000 {
        let numbers = scrape(router).await;
        if numbers.value("codex_router_requests_in_progress", &[]) == Some(0.0) {
            return numbers;
        }
        tokio::task::yield_now().await;
    }
    panic!("something never ends");
}

fn requests(numbers: &Exposition, labels: &[(&str, &str)]) -> u64 {
    numbers.count("codex_router_requests_total", labels)
}

fn errors(numbers: &Exposition, labels: &[(&str, &str)]) -> u64 {
    numbers.count("codex_router_errors_total", labels)
}

#[tokio::test]
async fn the_numbers_are_those_of_what_was_served() {
    let world = World::two_accounts();
    let router = &world.router;
    assert_eq!(Answer::to(router.say("one")).await.status, 200);
    assert_eq!(Answer::to(router.say_streaming("two")).await.status, 200);
    let other = router.say("three").header("x-codex-profile", "other");
    assert_eq!(Answer::to(other).await.status, 200);
    let mut socket = Socket::to(router).await;
    assert_eq!(socket.ask("four").await, "You said: four");
    assert_eq!(socket.ask("five").await, "You said: five");

    let numbers = settled(router).await;
    let work = ("profile", "work");
    let chat = ("route", "chat_completions");
    let current = ("reason", "current");
    assert_eq!(
        requests(&numbers, &[work, chat, ("status", "2xx"), current]),
        2
    );
    let by_header = [("profile", "other"), chat, ("reason", "header")];
    assert_eq!(requests(&numbers, &by_header), 1);
    let turns = [work, ("route", "websocket"), ("status", "2xx")];
    assert_eq!(requests(&numbers, &turns), 2);
    let handshake = [("route", "websocket"), ("status", "1xx")];
    assert_eq!(requests(&numbers, &handshake), 1);
    assert_eq!(errors(&numbers, &[]), 0);
    for (histogram, labels, count) in [
        ("time_to_first_byte_seconds", vec![work, chat], 2),
        ("request_duration_seconds", vec![work, chat], 2),
        ("added_latency_seconds", vec![chat], 3),
    ] {
        let name = format!("codex_router_{histogram}_count");
        assert_eq!(numbers.count(&name, &labels), count, "{histogram}");
    }
    // Three of them asked an upstream that answers at once.
    let added = numbers.value("codex_router_added_latency_seconds_sum", &[chat]);
    assert!(
        added.is_some_and(|added| added > 0.0 && added < 3.0),
        "{added:?}"
    );
    for kind in ["input", "output"] {
        let tokens = numbers.sum("codex_router_tokens_total", &[work, ("kind", kind)]);
        assert!(tokens >= 4.0, "{kind}: {tokens}");
    }
    assert_eq!(numbers.value("codex_router_websockets", &[]), Some(1.0));
    assert!(numbers.value("codex_router_connections", &[]) >= Some(1.0));
    let profiles = numbers.value("codex_router_profiles", &[("state", "ok")]);
    assert_eq!(profiles, Some(2.0));
    assert_eq!(
        numbers.value("codex_router_profile_current", &[work]),
        Some(1.0)
    );
    let version = ("version", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        numbers.value("codex_router_build_info", &[version]),
        Some(1.0)
    );
    assert!(numbers.value("process_start_time_seconds", &[]) > Some(1e9));
    #[cfg(target_os = "linux")]
    assert!(numbers.value("process_resident_memory_bytes", &[]) > Some(1e6));

    drop(socket);
    let closed = async {
        while scrape(router).await.value("codex_router_websockets", &[]) != Some(0.0) {
            tokio::task::yield_now().await;
        }
    };
    let closed = tokio::time::timeout(PATIENCE, closed).await;
    closed.expect("the socket is closed");
}

#[tokio::test]
async fn an_error_is_counted_by_whose_it_is() {
    let world = World::two_accounts();
    let router = &world.router;
    world.fake.fault(Fault::usage_limit_reached("plus", 60));
    assert_eq!(Answer::to(router.say("limit")).await.status, 429);
    world.fake.fault(Fault::cut_after(3));
    Answer::to(router.say_streaming("cut")).await;
    let nobody = router.say("nobody").header("x-codex-profile", "nobody");
    let nobody = Answer::to(nobody).await.status;
    let foreign = router
        .get("/v1/models")
        .header("origin", "https://evil.example");
    assert_eq!(Answer::to(foreign).await.status, 403);
    assert_eq!(Answer::to(router.get("/nowhere")).await.status, 404);

    let numbers = settled(router).await;
    let upstream = ("origin", "upstream");
    let chat = ("route", "chat_completions");
    assert_eq!(
        errors(
            &numbers,
            &[upstream, ("status", "429"), ("profile", "work")]
        ),
        1
    );
    let cut = [upstream, ("profile", "work"), chat];
    assert_eq!(errors(&numbers, &cut), 2, "the other was cut in its middle");
    let nobody = nobody.to_string();
    assert_eq!(
        errors(&numbers, &[("profile", ""), chat, ("status", &nobody)]),
        1
    );
    let refused = [("origin", "client"), ("route", "models"), ("status", "403")];
    assert_eq!(errors(&numbers, &refused), 1);
    let unknown = [("route", "unknown"), ("status", "4xx")];
    assert_eq!(requests(&numbers, &unknown), 1);
}

#[tokio::test]
async fn a_refresh_and_a_limit_show() {
    let fake = fake();
    let login = fake.auth_json_expired(&worker().email("ada@example.com"));
    let world = World::with(fake, &[("work", login)]);
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    let numbers = settled(&world.router).await;
    let refreshed = numbers.value("codex_router_refreshes_total", &[("result", "refreshed")]);
    assert_eq!(refreshed, Some(1.0));
    let used = numbers.all("codex_router_quota_used_ratio", &[("profile", "work")]);
    assert!(
        !used.is_empty() && used.iter().all(|used| (0.0..=1.0).contains(used)),
        "{used:?}"
    );
    let reset = numbers.all("codex_router_quota_reset_timestamp_seconds", &[]);
    assert!(reset.iter().all(|at| *at > 1e9), "{reset:?}");
}

#[tokio::test]
async fn openmetrics_is_for_whoever_asks_for_it() {
    let world = World::two_accounts();
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let answer = Answer::to(world.router.get("/metrics").header("accept", accept)).await;
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(answer.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn who_needs_a_key_needs_it_for_the_numbers_too() {
    let world = World::two_accounts();
    let made = world.home.run(&["key", "create", "scraper"]);
    let key = made.stdout.trim().to_owned();
    assert_eq!(Answer::to(world.router.get("/metrics")).await.status, 401);
    let with_key = world.router.get("/metrics").bearer_auth(&key);
    let answer = Answer::to(with_key).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains(&key));
    let foreign = world.router.get("/metrics").bearer_auth(&key);
    let foreign = foreign.header("origin", "https://evil.example");
    assert_eq!(Answer::to(foreign).await.status, 403);
}

#[tokio::test]
async fn no_label_says_who_anybody_is_or_what_was_said() {
    const EMAIL: &str = "planted.person@work.example";
    let fake = fake();
    let login = fake.auth_json(&worker().email(EMAIL));
    let home = Home::with(&[("work", login.clone())]);
    let router = Router::start(&home, &fake);
    let body =
        json!({"model": "planted-model", "messages": [{"role": "user", "content": "planted"}]});
    let request = router.post("/v1/chat/completions", &body);
    Answer::to(request.bearer_auth("sk-planted")).await;
    Answer::to(
        router
            .get("/v1/files/planted?planted=1")
            .header("user-agent", "planted/1"),
    )
    .await;
    settled(&router).await;
    let text = Answer::to(router.get("/metrics")).await.text();
    for secret in ["planted", EMAIL, "acct-work", "user-work"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
