//! Minutes before the end of a token, Codex refreshes by itself, without any lock.

use std::time::Duration;

use codex_auth::refresh::RefreshReason;

use super::{access, ask, bearer};
use crate::{
    neighbours::Neighbours,
    testing::{World, name, put, token},
};

/// A login of Ada's, live, current and saved, whose access token lives on for this long.
fn put_everywhere(world: &World, left: i64) -> serde_json::Value {
    let login = world.login_with(&world.ada(), left);
    world.put_profile("work", &login);
    world.put_live(&login);
    world.put_current("work");
    login
}

#[tokio::test]
async fn while_the_old_token_serves_a_running_codex_refreshes_it_and_we_adopt() {
    let world = World::new().await;
    let old = put_everywhere(&world, 120);
    let store = world.store_beside(Neighbours::assumed(true));
    for _ in 0..3 {
        assert_eq!(bearer(&ask(&store).await.unwrap()), access(&old));
    }
    assert_eq!(world.posts(), 0);

    let newer = world.codex_posts(&old).await;
    world.put_live(&newer);

    assert_eq!(bearer(&ask(&store).await.unwrap()), access(&newer));
    assert_eq!(token(&world.profile("work")), token(&newer));
    assert_eq!((world.posts(), world.fake.reuse_count()), (1, 0));
}

#[tokio::test]
async fn keeping_a_login_alive_is_left_to_a_running_codex_too() {
    let world = World::new().await;
    put_everywhere(&world, 120);
    let store = world.store_beside(Neighbours::assumed(true));
    let scheduled = RefreshReason::Scheduled;
    assert!(
        store
            .refresh_profile(&name("work"), scheduled)
            .await
            .is_err()
    );
    assert_eq!(world.posts(), 0);
}

#[tokio::test]
async fn once_the_old_token_has_ended_a_codex_that_is_about_to_write_is_waited_for() {
    let world = World::new().await;
    let old = put_everywhere(&world, -1);
    let newer = world.codex_posts(&old).await;
    let (live, writes) = (world.home.auth_json(), newer.clone());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        put(&live, &writes);
    });
    let store = world.store_beside(Neighbours::assumed(true));
    assert_eq!(bearer(&ask(&store).await.unwrap()), access(&newer));
    assert_eq!(world.posts(), 1, "Codex's own");
}

#[tokio::test]
async fn a_codex_that_does_nothing_is_not_waited_for_forever() {
    let world = World::new().await;
    let old = put_everywhere(&world, -1);
    let store = world.store_beside(Neighbours::assumed(true));
    assert_ne!(bearer(&ask(&store).await.unwrap()), access(&old));
    assert_eq!(token(&world.live()), token(&world.profile("work")));
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn without_a_codex_or_with_another_login_nothing_is_waited_for() {
    for (codex, live_is_ours) in [(false, true), (true, false)] {
        let world = World::new().await;
        let old = put_everywhere(&world, 120);
        if !live_is_ours {
            world.put_live(&world.fake.auth_json(&world.bob()));
        }
        let store = world.store_beside(Neighbours::assumed(codex));
        assert_ne!(bearer(&ask(&store).await.unwrap()), access(&old));
        assert_eq!(world.posts(), 1);
    }
}

#[tokio::test]
async fn a_switch_gives_a_running_codex_the_moment_that_its_refresh_takes() {
    let world = World::new().await;
    let old = put_everywhere(&world, 120);
    world.put_profile("other", &world.fake.auth_json(&world.bob()));
    let newer = world.codex_posts(&old).await;
    let (live, writes) = (world.home.auth_json(), newer.clone());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        put(&live, &writes);
    });
    let store = world.store_beside(Neighbours::assumed(true));
    store.use_profile(&name("other")).await.unwrap();
    assert_eq!(token(&world.profile("work")), token(&newer));
    assert_eq!(token(&world.live()), token(&world.profile("other")));
}
