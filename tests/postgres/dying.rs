use codex_auth::{LoginReason, refresh::RefreshReason};

use crate::world::{Process, World, ask, named, reason_of, said};

/// A replica dies at this step, and another one goes on. Says how often the token was posted, by
/// both together, and whether the login lives.
async fn die_at(step: &str, rescue: bool) -> (usize, bool) {
    let world = World::new().await;
    let login = world.put("work").await;
    let token = login.refresh_token().unwrap().expose().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let mut orders = world.orders(&["work"]);
    orders["abort_at"] = step.into();
    if rescue {
        orders["rescue_folder"] = folder.path().to_str().into();
    }
    let dead = Process::start(&orders).ended().await;
    assert!(!dead.status.success(), "it died: {dead:?}");
    if rescue {
        // It is started again.
        orders["abort_at"] = serde_json::Value::Null;
        let said = said(&Process::start(&orders).ended().await);
        assert_eq!(said, "work lives", "{step}");
        return (world.fake.times_posted(&token), true);
    }
    let other = world.replica().await;
    let lives = match other
        .refresh_profile(&named("work"), RefreshReason::Forced)
        .await
    {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(reason_of(&error), LoginReason::OutcomeUnknown, "{step}");
            // It says so at every replica, and the token is left alone.
            let posted = world.fake.refreshes().len();
            let third = world.replica().await;
            let again = third
                .refresh_profile(&named("work"), RefreshReason::Forced)
                .await;
            assert_eq!(reason_of(&again.unwrap_err()), LoginReason::OutcomeUnknown);
            assert_eq!(world.fake.refreshes().len(), posted);
            false
        }
    };
    if lives {
        ask(&other).await.unwrap();
        assert_eq!(world.ask("SELECT count(*) FROM codex_router.intent"), "0");
    }
    (world.fake.times_posted(&token), lives)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_before_the_intent_costs_nothing() {
    assert_eq!(die_at("BeforeIntentNoted", false).await, (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_before_the_post_costs_a_wait_alone() {
    assert_eq!(die_at("IntentNoted", false).await, (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_with_the_answer_in_memory_costs_one_more_attempt_and_the_login() {
    assert_eq!(die_at("Answered", false).await, (2, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_after_the_commit_costs_nothing() {
    assert_eq!(die_at("Landed", false).await, (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_with_the_answer_in_a_rescue_file_costs_nothing() {
    assert_eq!(die_at("AnswerNoted", true).await, (1, true));
}
