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
