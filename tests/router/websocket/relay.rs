//! What passes between a client that is Codex and an upstream, and how it ends.

use std::time::{Duration, Instant};

use fake_openai::{FakeOpenAi, Fault};
use futures_util::SinkExt as _;
use http::StatusCode;
use serde_json::json;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::{LARGE, Socket, asking, id_of, kind, recorded, said_in, slow, user};
use crate::harness::{MODEL, PATIENCE, World, access_token, fake, until, worker};

#[tokio::test]
async fn a_turn_is_answered_with_the_login_of_the_profile() {
    let world = World::two_accounts();
    let mut socket = Socket::with(&world.router, &[("authorization", "Bearer its own")])
        .await
        .unwrap();
    assert_eq!(socket.header("x-codex-router-profile"), "work");
    assert_eq!(socket.header("x-codex-router-reason"), "current");
    assert!(!socket.header("x-codex-turn-state").is_empty());
    assert!(!socket.headers.contains_key("sec-websocket-extensions"));
    assert_eq!(socket.ask("hello").await, "You said: hello");
    until("an answer to the ping", || world.fake.pongs() == 1).await;
    let [handshake] = recorded(&world, "GET").try_into().unwrap();
    assert_eq!(handshake.account.as_deref(), Some("acct-work"));
    assert_eq!(handshake.header("originator"), Some("codex_exec"));
}

#[tokio::test]
async fn a_message_and_its_events_pass_as_they_are() {
    let world = World::two_accounts();
    let mut socket = Socket::to(&world.router).await;
    let message = format!(
        r#"{{ "type":"response.create","store":false,"stream":true, "model":"{MODEL}","input":[{}]}}"#,
        user("send an unknown event")
    );
    socket.stream.send(Message::text(&message)).await.unwrap();
    let mut events = Vec::new();
    while events.last().map(kind) != Some("response.completed") {
        events.push(socket.event().await);
    }
    assert_eq!(recorded(&world, "MESSAGE")[0].raw, message);
    let numbers: Vec<_> = events
        .iter()
        .map(|it| it["sequence_number"].as_u64())
        .collect();
    let expected: Vec<_> = (0..events.len() as u64).map(Some).collect();
    assert_eq!(numbers, expected, "none lost, none twice, in order");
}

#[tokio::test]
async fn a_prewarm_and_the_response_before_are_continued() {
    let world = World::two_accounts();
    let mut socket = Socket::to(&world.router).await;
    let warm = socket
        .turn(&json!({"generate": false, "input": [user("base")]}))
        .await;
    let next = json!({"previous_response_id": id_of(&warm), "input": [user("one")]});
    let first = socket.turn(&next).await;
    assert_eq!(said_in(&first), "You said: one");
    let next = json!({"previous_response_id": id_of(&first), "input": [user("two")]});
    assert_eq!(said_in(&socket.turn(&next).await), "You said: two");
    assert_eq!(recorded(&world, "GET").len(), 1);
}

#[tokio::test]
async fn a_401_on_the_upgrade_is_refreshed_once() {
    let fake = fake();
    let login = fake.auth_json(&worker());
    fake.expire_access_token(access_token(&login));
    let world = World::with(fake, &[("work", login)]);
    let mut socket = Socket::to(&world.router).await;
    assert_eq!(socket.ask("hello").await, "You said: hello");
    assert_eq!(world.fake.refreshes().len(), 1);
    assert_eq!(recorded(&world, "GET").len(), 2);
}

#[tokio::test]
async fn a_401_that_stays_is_no_401() {
    let world = World::two_accounts();
    world
        .fake
        .fault(Fault::unauthorized().on_upgrade().always());
    let refusal = Socket::with(&world.router, &[]).await.err().unwrap();
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refusal.code(), "profile_needs_login");
}

#[tokio::test]
async fn the_next_turn_after_a_switch_is_sent_to_the_profile_that_was_chosen() {
    let world = World::two_accounts();
    let mut socket = Socket::to(&world.router).await;
    let first = socket.turn(&asking("one")).await;
    assert_eq!(world.home.run(&["use", "other"]).code, Some(0));
    let next = json!({"previous_response_id": id_of(&first), "input": [user("two")]});
    let told = socket.turn(&next).await;
    assert_eq!(told[0]["error"]["code"], "previous_response_not_found");
    assert_eq!(told[0]["status"], 400);
    assert_eq!(told[0]["headers"]["x-codex-router-error"], "router");
    assert_eq!(socket.closed().await.unwrap().0, 1012);
    let mut anew = Socket::to(&world.router).await;
    assert_eq!(anew.header("x-codex-router-profile"), "other");
    assert_eq!(anew.ask("one and two").await, "You said: one and two");
    let accounts: Vec<_> = recorded(&world, "MESSAGE")
        .into_iter()
        .filter_map(|it| it.account)
        .collect();
    assert_eq!(accounts, ["acct-work", "acct-other"]);
}

#[tokio::test]
async fn a_turn_ends_on_the_profile_it_began_with() {
    let world = World::two_accounts();
    world
        .fake
        .fault(Fault::stall_after(4, Duration::from_secs(1)));
    let mut socket = Socket::to(&world.router).await;
    socket.say(&asking("hello")).await;
    assert_eq!(kind(&socket.event().await), "response.created");
    assert_eq!(world.home.run(&["use", "other"]).code, Some(0));
    while kind(&socket.event().await) != "response.completed" {}
    assert_eq!(recorded(&world, "MESSAGE").len(), 1);
}

#[tokio::test]
async fn a_bound_connection_never_moves() {
    let world = World::two_accounts();
    for (header, reason) in [
        (("x-codex-profile", "work"), "header"),
        (("authorization", "Bearer profile:work"), "key"),
    ] {
        assert_eq!(world.home.run(&["use", "work"]).code, Some(0));
        let mut socket = Socket::with(&world.router, &[header]).await.unwrap();
        assert_eq!(socket.header("x-codex-router-reason"), reason);
        assert_eq!(socket.ask("one").await, "You said: one");
        assert_eq!(world.home.run(&["use", "other"]).code, Some(0));
        assert_eq!(socket.ask("two").await, "You said: two");
    }
    let messages = recorded(&world, "MESSAGE");
    assert!(
        messages
            .iter()
            .all(|it| it.account.as_deref() == Some("acct-work"))
    );
    assert_eq!(messages.len(), 4);
}

#[tokio::test]
async fn a_conversation_that_moves_leaves_its_reasoning_behind() {
    let world = World::two_accounts();
    let thread = ("thread-id", "thread-1");
    let mut socket = Socket::with(&world.router, &[thread]).await.unwrap();
    let first = socket.turn(&asking("think first")).await;
    let output = first
        .iter()
        .filter(|it| kind(it) == "response.output_item.done");
    let mut input = vec![user("think first")];
    input.extend(output.map(|it| it["item"].clone()));
    assert!(input[1]["encrypted_content"].is_string(), "{}", input[1]);
    input.push(user("and now"));
    assert_eq!(world.home.run(&["use", "other"]).code, Some(0));
    // The second is a thread that nobody remembers: it is told once to send everything again.
    for (thread, tries) in [("thread-1", 1), ("unknown", 2)] {
        for left in (0..tries).rev() {
            let mut anew = Socket::with(&world.router, &[("thread-id", thread)])
                .await
                .unwrap();
            let events = anew.turn(&json!({"input": input})).await;
            if left > 0 {
                assert_eq!(events[0]["error"]["code"], "previous_response_not_found");
                assert_eq!(anew.closed().await.unwrap().0, 1012);
            } else {
                assert_eq!(said_in(&events), "You said: and now");
            }
        }
        let sent = recorded(&world, "MESSAGE").pop().unwrap();
        assert_eq!(sent.account.as_deref(), Some("acct-other"));
        assert_eq!(
            sent.json["input"].as_array().unwrap().len(),
            input.len() - 1
        );
    }
}

#[tokio::test]
async fn a_web_page_gets_no_socket() {
    let world = World::two_accounts();
    for header in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let refusal = Socket::with(&world.router, &[header]).await.err().unwrap();
        assert_eq!(refusal.status, StatusCode::FORBIDDEN);
    }
    assert!(world.fake.requests().is_empty());
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_told_to_use_http() {
    let world = World::two_accounts();
    let refused = |wrong: (&'static str, &'static str)| {
        let mut request = world.router.get("/v1/responses");
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "HWzX6vj1f71tfmhkMzWmlg=="),
        ] {
            let value = if name == wrong.0 { wrong.1 } else { value };
            request = request.header(name, value);
        }
        request.send()
    };
    for (wrong, status) in [
        (("sec-websocket-version", "8"), 426),
        (("connection", "close"), 426),
        (("sec-websocket-key", "short"), 400),
        (("upgrade", "h2c"), 405),
    ] {
        assert_eq!(refused(wrong).await.unwrap().status(), status, "{wrong:?}");
    }
    assert!(world.fake.requests().is_empty());
}

#[tokio::test]
async fn an_upstream_without_websocket_is_told_as_426_and_other_refusals_as_they_are() {
    let world = World::two_accounts();
    for (upstream, expected, code) in [
        (404, 426, "upgrade_refused"),
        (405, 426, "upgrade_refused"),
        (426, 426, "upgrade_refused"),
        (200, 426, "upgrade_refused"),
        (500, 500, "boom"),
        (403, 403, "boom"),
    ] {
        let body = json!({"error": {"code": "boom", "message": "no", "type": "server_error"}});
        world
            .fake
            .fault(Fault::status(upstream).json(body).on_upgrade());
        let refusal = Socket::with(&world.router, &[]).await.err().unwrap();
        assert_eq!(refusal.status, expected, "{upstream}");
        assert_eq!(refusal.code(), code);
        assert_eq!(refusal.headers["x-codex-router-error"], "upstream");
    }
}

#[tokio::test]
async fn an_api_key_has_its_websocket_at_the_public_api() {
    let world = World::api_key();
    let mut socket = Socket::to(&world.router).await;
    assert_eq!(socket.ask("hello").await, "You said: hello");
    let handshake = recorded(&world, "GET").remove(0);
    assert_eq!(handshake.path, "/v1/responses");
    assert_eq!(handshake.bearer(), Some("sk-key-of-the-test"));
    assert_eq!(handshake.header("chatgpt-account-id"), None);
}

#[tokio::test]
async fn an_error_message_passes_and_the_connection_goes_on() {
    let world = World::two_accounts();
    let mut socket = Socket::to(&world.router).await;
    world.fake.fault(Fault::usage_limit_reached("plus", 3600));
    let told = socket.turn(&asking("one")).await;
    assert_eq!(told[0]["status"], 429);
    assert_eq!(told[0]["error"]["type"], "usage_limit_reached");
    assert_eq!(told[0]["headers"]["x-codex-primary-used-percent"], "100");
    assert_eq!(socket.ask("two").await, "You said: two");
}

#[tokio::test]
async fn an_upstream_that_is_cut_is_no_silence() {
    let world = World::two_accounts();
    let mut socket = Socket::to(&world.router).await;
    world.fake.fault(Fault::cut_after(3));
    let told = socket.turn(&asking("hello")).await;
    assert_eq!(told.len(), 4, "what had arrived, and the error: {told:?}");
    assert_eq!(told[3]["status"], 502);
    assert_eq!(told[3]["error"]["code"], "upstream_connection_lost");
    assert_eq!(told[3]["headers"]["x-codex-router-error"], "upstream");
    assert_eq!(socket.closed().await.unwrap().0, 1011);
}

#[tokio::test]
async fn close_codes_pass_both_ways() {
    let world = World::two_accounts();
    let mut socket = Socket::to(&world.router).await;
    world
        .fake
        .fault(Fault::close_after(3, 4008, "that was enough"));
    let told = socket.turn(&asking("hello")).await;
    assert_eq!(told[3]["error"]["code"], "upstream_connection_lost");
    let closed = socket.closed().await;
    assert_eq!(closed, Some((4008, "that was enough".to_owned())));

    world.fake.forget_requests();
    let mut socket = Socket::to(&world.router).await;
    assert_eq!(socket.ask("hello").await, "You said: hello");
    let frame = CloseFrame {
        code: CloseCode::Library(4001),
        reason: "bye".into(),
    };
    socket.stream.close(Some(frame)).await.unwrap();
    assert_eq!(socket.closed().await.unwrap().0, 4001);
    until("the close", || !recorded(&world, "CLOSE").is_empty()).await;
    let close = recorded(&world, "CLOSE").remove(0).json;
    assert_eq!(close, json!({"code": 4001, "reason": "bye"}));
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_turn_upstream_at_once() {
    let world = slow();
    let mut socket = Socket::to(&world.router).await;
    socket.say(&asking("count to 500")).await;
    assert_eq!(kind(&socket.event().await), "response.created");
    assert_eq!(world.fake.open_streams(), 1);
    let left = Instant::now();
    drop(socket);
    until("the end of the stream", || {
        world.fake.cancelled_streams() == 1
    })
    .await;
    assert!(
        left.elapsed() < Duration::from_millis(500),
        "{:?}",
        left.elapsed()
    );
    until("the end of the socket", || world.fake.open_sockets() == 0).await;
}

#[tokio::test]
async fn a_message_of_many_megabytes_passes_and_a_larger_one_is_told() {
    let world = World::two_accounts();
    let mut socket = Socket::to(&world.router).await;
    let image = format!("data:image/png;base64,{}", "A".repeat(20 << 20));
    let picture = json!({"type": "input_image", "image_url": image});
    let input = json!([{"type": "message", "role": "user", "content": [picture]}, user("hello")]);
    let events = socket.turn(&json!({"input": input})).await;
    assert_eq!(said_in(&events), "You said: hello");
    assert!(recorded(&world, "MESSAGE")[0].raw.len() > 20 << 20);

    let too_large = Message::text("A".repeat(LARGE + 1));
    // It is refused by its length alone, so that the rest of it may not be taken any more.
    let _ = socket.stream.send(too_large).await;
    until("the end of the socket", || world.fake.open_sockets() == 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_upstream() {
    const TOKENS: usize = 200_000;
    let builder = FakeOpenAi::builder().answer_tokens(TOKENS);
    let fake = builder
        .record_requests(false)
        // Compressed, all of it would be on its way at once.
        .websocket_compression(None)
        .start_on_own_thread()
        .unwrap();
    let login = fake.auth_json(&worker());
    let world = World::with(fake, &[("work", login)]);
    let mut socket = Socket::to(&world.router).await;
    let before = world.router.resident_bytes();
    socket.say(&asking("a lot")).await;
    assert_eq!(kind(&socket.event().await), "response.created");
    // As long as anything is read, the fake goes on.
    let mut sent = 0;
    while sent != world.fake.events() {
        sent = world.fake.events();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(sent < TOKENS / 2, "{sent} events were taken");
    let grown = world.router.resident_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes");
    while kind(&socket.event().await) != "response.completed" {}
    assert!(
        world.fake.events() > TOKENS,
        "the rest came when it was read"
    );
}

#[tokio::test]
async fn a_router_told_to_stop_lets_the_turn_end() {
    let mut world = slow();
    let mut idle = Socket::to(&world.router).await;
    let mut socket = Socket::to(&world.router).await;
    socket.say(&asking("count to 30")).await;
    assert_eq!(kind(&socket.event().await), "response.created");
    world.router.terminate();
    assert_eq!(idle.closed().await.unwrap().0, 1001);
    while kind(&socket.event().await) != "response.completed" {}
    assert_eq!(socket.closed().await.unwrap().0, 1001);
    drop((socket, idle));
    assert_eq!(world.router.ended(PATIENCE).code(), Some(0));
}
