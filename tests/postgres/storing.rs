use std::sync::Arc;

use codex_auth::{AuthDotJson, refresh::RefreshReason};
use codex_profiles::postgres::{PostgresError, PostgresSettings};

use crate::world::{World, ask, bearer, named, until};

#[tokio::test]
async fn migrating_any_number_of_times_is_the_same_as_once() {
    let world = World::bare();
    let (one, two) = (world.replica().await, world.replica().await);
    let error = one.list().await.unwrap_err();
    assert!(matches!(error, PostgresError::NotMigrated), "{error}");
    let (first, second) = tokio::join!(one.migrate(), two.migrate());
    first.and(second).unwrap();
    world.put("work").await;
    one.migrate().await.unwrap();
    assert_eq!(two.list().await.unwrap().len(), 1);
    assert_eq!(world.ask("SELECT version FROM codex_router.migration"), "1");
}

#[tokio::test]
async fn tables_can_lie_in_another_schema() {
    let world = World::bare();
    let settings = world.settings().with_schema("of_mine").unwrap();
    let replica = settings.connect(world.endpoint()).await.unwrap();
    replica.migrate().await.unwrap();
    let login = AuthDotJson::parse(br#"{"OPENAI_API_KEY":"sk-1"}"#).unwrap();
    replica.put(&named("work"), &login).await.unwrap();
    assert_eq!(bearer(&ask(&replica).await.unwrap()), "sk-1");
    assert_eq!(world.ask("SELECT count(*) FROM of_mine.login"), "1");
    for name in ["", "Mine", "a b", "1st", "x\"; DROP TABLE y"] {
        assert!(world.settings().with_schema(name).is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_copy_that_is_older_than_what_is_stored_does_not_come_back() {
    let world = World::new().await;
    let first = world.put("work").await;
    let replica = world.replica().await;
    replica.put(&named("work"), &first).await.unwrap();
    let fresh = replica
        .refresh_profile(&named("work"), RefreshReason::Forced)
        .await
        .unwrap();
    for profile in ["work", "other"] {
        let error = replica.put(&named(profile), &first).await.unwrap_err();
        assert!(matches!(error, PostgresError::Spent), "{error}");
    }
    assert_eq!(bearer(&ask(&replica).await.unwrap()), bearer(&fresh));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_token_is_spent_meanwhile_does_not_come_back() {
    let world = Arc::new(World::new().await);
    let first = world.put("work").await;
    let (one, two) = (world.replica().await, world.replica().await);
    // As another replica stores an answer, which takes its time to commit.
    let landing = tokio::task::spawn_blocking({
        let world = world.clone();
        move || {
            world.ask(
                "INSERT INTO codex_router.spent (token_hash, profile)
                    SELECT token_hash, profile FROM codex_router.login;
                UPDATE codex_router.login SET token_hash = 'next';
                SELECT pg_sleep(1)",
            )
        }
    });
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    until("it is about to commit", async || world.ask(sleeping) == "1").await;
    let (work, other) = (named("work"), named("other"));
    let (same, twin) = tokio::join!(one.put(&work, &first), two.put(&other, &first));
    landing.await.unwrap();
    for put in [same, twin] {
        assert!(matches!(put, Err(PostgresError::Spent)), "{put:?}");
    }
    let kept = world.ask("SELECT profile, token_hash FROM codex_router.login");
    assert_eq!(kept, "work|next");
}

#[tokio::test]
async fn a_login_is_stored_once_and_replaced_by_its_own_account_alone() {
    let world = World::new().await;
    let login = world.put("work").await;
    let replica = world.replica().await;
    let error = replica.put(&named("twin"), &login).await.unwrap_err();
    assert!(matches!(error, PostgresError::AlreadyStored), "{error}");
    let other = world.fake.auth_json(&world.account("somebody-else"));
    let other = AuthDotJson::parse(other.to_string().as_bytes()).unwrap();
    let error = replica.put(&named("work"), &other).await.unwrap_err();
    assert!(matches!(error, PostgresError::AnotherAccount(_)), "{error}");

    let again = world.put("work").await;
    assert!(!again.holds_same_secrets(&login), "a second sign-in");
    assert!(replica.remove(&named("work")).await.unwrap());
    assert!(!replica.remove(&named("work")).await.unwrap());
    replica.put(&named("work"), &other).await.unwrap();
}

#[tokio::test]
async fn fields_that_nobody_knows_survive_a_refresh() {
    let world = World::new().await;
    let mut login = world.fake.auth_json(&world.account("work"));
    login["of_tomorrow"] = serde_json::json!({"kept": [1, 2]});
    world.put_login("work", &login).await;
    let replica = world.replica().await;
    replica
        .refresh_profile(&named("work"), RefreshReason::Forced)
        .await
        .unwrap();
    let kept = world.ask("SELECT auth_json::jsonb -> 'of_tomorrow' FROM codex_router.login");
    assert_eq!(kept, r#"{"kept": [1, 2]}"#);
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_token_or_a_password() {
    let world = World::new().await;
    let login = world.put("work").await;
    let replica = world.replica().await;
    ask(&replica).await.unwrap();
    let token = login.refresh_token().unwrap().expose().to_owned();
    let shown = format!("{replica:?} {:?}", replica.list().await.unwrap());
    assert!(!shown.contains(&token) && !shown.contains(login.access_token().unwrap().expose()));

    // PostgreSQL quotes the whole row when a constraint is violated.
    world.ask("ALTER TABLE codex_router.login ADD CONSTRAINT never CHECK (version < 2)");
    let fresh = replica
        .refresh_profile(&named("work"), RefreshReason::Forced)
        .await
        .unwrap();
    assert_ne!(
        bearer(&fresh),
        login.access_token().unwrap().expose(),
        "from memory"
    );
    let error = replica.finish_refreshes().await.unwrap_err();
    let shown = format!("{error:?} {error}");
    assert!(shown.contains("never"), "it was refused: {shown}");
    assert!(
        !shown.contains("access_token") && !shown.contains(&token),
        "{shown}"
    );
    assert_eq!(world.ask("SELECT version FROM codex_router.login"), "1");
    assert_eq!(world.ask("SELECT count(*) FROM codex_router.spent"), "0");

    let address = "postgres://me:planted-password@127.0.0.1:1/x";
    let settings = PostgresSettings::parse(address).unwrap();
    let error = settings
        .clone()
        .connect(world.endpoint())
        .await
        .unwrap_err();
    let broken = PostgresSettings::parse("postgres://me:planted-password@[x").unwrap_err();
    let shown = format!("{settings:?} {error:?} {error} {broken:?} {broken}");
    assert!(!shown.contains("planted-password"), "{shown}");
}
