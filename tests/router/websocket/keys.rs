use super::*;

/// Makes a key that is bound to `other`.
fn bound_key(world: &World) -> String {
    let ran = world
        .home
        .run(&["key", "create", "editor", "--profile", "other"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    format!("Bearer {}", ran.stdout.trim_end())
}

#[tokio::test]
async fn a_connection_wants_a_key_too_and_is_served_by_the_profile_that_it_is_bound_to() {
    let world = World::two_accounts();
    let key = bound_key(&world);
    let refused = Socket::with(&world.router, &[]).await.err().unwrap();
    assert_eq!(refused.status, 401);

    let authorized = [("authorization", key.as_str())];
    let mut codex = Socket::with(&world.router, &authorized).await.unwrap();
    assert_eq!(codex.header("x-codex-router-profile"), "other");
    assert_eq!(codex.header("x-codex-router-reason"), "key");
    assert_eq!(codex.ask("hello").await, "You said: hello");

    // Of another client each turn is a request of its own.
    let mut client = Socket::open(&world.router, &authorized).await.unwrap();
    client.ask("one").await;
    let chosen = world.home.run(&["use", "other"]);
    assert_eq!(chosen.code, Some(0), "{}", chosen.stderr);
    assert_eq!(world.home.run(&["use", "work"]).code, Some(0));
    client.ask("two").await;
    let accounts = world.fake.model_calls().into_iter();
    let accounts: Vec<_> = accounts.map(|call| call.account.unwrap()).collect();
    assert!(accounts.len() >= 3, "{accounts:?}");
    assert!(accounts.iter().all(|it| it == "acct-other"), "{accounts:?}");
}

fn key(world: &World, arguments: &[&str]) -> String {
    let ran = world.home.run(&[&["key", "create"], arguments].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    format!("Bearer {}", ran.stdout.trim_end())
}

/// The next turn is refused as a request with the same key would be, and the connection ends.
async fn is_barred(socket: &mut Socket, code: &str) {
    socket.say(&asking("once more")).await;
    let event = socket.event().await;
    assert_eq!((kind(&event), &event["status"]), ("error", &json!(401)));
    assert_eq!(event["error"]["code"], code);
    let (closed, _) = socket.closed().await.expect("a frame");
    assert_eq!(closed, 1008);
}

/// Codex is relayed, other clients are served turn by turn.
async fn both(world: &World, headers: &[(&str, &str)]) -> [Socket; 2] {
    let mut sockets = [
        Socket::with(&world.router, headers).await.unwrap(),
        Socket::open(&world.router, headers).await.unwrap(),
    ];
    for socket in &mut sockets {
        assert_eq!(socket.ask("hello").await, "You said: hello");
    }
    sockets
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_its_open_connections_at_their_next_turn() {
    let world = World::two_accounts();
    let (laptop, other) = (key(&world, &["laptop"]), key(&world, &["other"]));
    let sockets = both(&world, &[("authorization", &laptop)]).await;
    let kept = both(&world, &[("authorization", &other)]).await;
    let ran = world.home.run(&["key", "revoke", "laptop"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let calls = world.fake.model_calls().len();
    for mut socket in sockets {
        is_barred(&mut socket, "invalid_api_key").await;
    }
    assert_eq!(
        world.fake.model_calls().len(),
        calls,
        "nothing goes upstream"
    );
    for mut socket in kept {
        assert_eq!(socket.ask("on").await, "You said: on");
    }
}

#[tokio::test]
async fn the_first_key_counts_for_connections_that_were_open_before_it() {
    let world = World::two_accounts();
    let sockets = both(&world, &[]).await;
    key(&world, &["laptop"]);
    for mut socket in sockets {
        is_barred(&mut socket, "client_key_required").await;
    }
}

#[tokio::test]
async fn a_bound_connection_never_reaches_another_login_of_the_same_name() {
    let world = World::two_accounts();
    let key = bound_key(&world);
    let sockets = both(&world, &[("authorization", key.as_str())]).await;
    let stranger = fake_openai::Account::new("user-stranger", "acct-stranger");
    world.home.add("other", &world.fake.auth_json(&stranger));
    let calls = world.fake.model_calls().len();
    let mut codes = Vec::new();
    for mut socket in sockets {
        socket.say(&asking("once more")).await;
        let event = socket.event().await;
        codes.push(event["error"]["code"].as_str().unwrap().to_owned());
    }
    // Who connects anew, as the first is told to, is refused as well.
    assert_eq!(codes, ["previous_response_not_found", "key_binding_lost"]);
    let authorized = [("authorization", key.as_str())];
    let refused = Socket::with(&world.router, &authorized)
        .await
        .err()
        .unwrap();
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "key_binding_lost")
    );
    assert_eq!(world.fake.model_calls().len(), calls);
}
