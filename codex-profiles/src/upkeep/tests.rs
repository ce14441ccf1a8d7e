use std::{sync::Arc, time::Duration};

use codex_auth::{AuthDotJson, ProfileRef};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;
use tokio::{sync::broadcast::Receiver, time::timeout};

use super::{Notice, schedule};
use crate::{
    Profile, ProfileStore,
    profile::Condition,
    testing::{World, eventually, name, token},
};

/// What the contract gives a change until it is noticed.
const NOTICED: Duration = Duration::from_secs(2);

struct Kept {
    store: ProfileStore,
    notices: Receiver<Notice>,
    task: tokio::task::JoinHandle<()>,
}

impl Kept {
    /// Upkeep that has looked around once.
    async fn of(world: &World) -> Self {
        let store = world.store();
        let mut changes = store.changes();
        changes.mark_unchanged();
        let notices = store.notices();
        let task = tokio::spawn(store.upkeep().spacing(Duration::ZERO).run());
        changes.changed().await.unwrap();
        Self {
            store,
            notices,
            task,
        }
    }

    async fn next(&mut self) -> Notice {
        timeout(NOTICED, self.notices.recv())
            .await
            .unwrap()
            .unwrap()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn work() -> ProfileRef {
    ProfileRef::new("work")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_codex_refreshed_is_in_its_profile_within_two_seconds() {
    let world = World::new().await;
    let login = world.fake.auth_json(&world.ada());
    world.put_profile("work", &login);
    world.put_live(&login);
    world.put_current("work");
    let mut kept = Kept::of(&world).await;

    let newer = world.codex_posts(&login).await;
    world.put_live(&newer);

    assert_eq!(kept.next().await, Notice::Adopted { profile: work() });
    assert_eq!(token(&world.profile("work")), token(&newer));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_login_is_offered_to_be_saved_and_nothing_is_done_to_it() {
    let world = World::new().await;
    let mut kept = Kept::of(&world).await;
    let login = world.fake.auth_json(&world.ada());
    world.put_live(&login);
    assert_eq!(kept.next().await, Notice::UnsavedLogin);
    assert_eq!((world.live(), world.posts()), (login, 0));
    assert!(kept.store.list().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_of_codex_is_said_plainly_of_the_profile_that_it_ended() {
    let world = World::new().await;
    let login = world.fake.auth_json(&world.ada());
    world.put_profile("work", &login);
    world.put_live(&login);
    world.put_current("work");
    let mut kept = Kept::of(&world).await;

    std::fs::remove_file(world.home.auth_json()).unwrap();

    let notice = kept.next().await;
    assert_eq!(notice, Notice::SignedOutElsewhere { profile: work() });
    let report = serde_json::to_value(kept.store.report().await.unwrap()).unwrap();
    assert_eq!(report["profiles"][0]["state"], "ok");
    assert_eq!(
        report["profiles"][0]["reason"],
        "codex may have signed it out"
    );
    assert_eq!(world.posts(), 0, "nothing is posted to find out");
    // Signing in again ends it.
    world.put_profile("work", &world.fake.auth_json(&world.ada()));
    let report = serde_json::to_value(kept.store.report().await.unwrap()).unwrap();
    assert_eq!(report["profiles"][0]["reason"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_of_ours_in_another_process_is_no_logout() {
    let world = World::new().await;
    let (ada, bob) = (
        world.fake.auth_json(&world.ada()),
        world.fake.auth_json(&world.bob()),
    );
    world.put_profile("work", &ada);
    world.put_profile("home", &bob);
    world.put_live(&ada);
    world.put_current("work");
    let mut kept = Kept::of(&world).await;

    world.store().use_profile(&name("home")).await.unwrap();
    // A notice of a logout would have come before this one.
    let newer = world.codex_posts(&bob).await;
    world.put_live(&newer);

    let profile = ProfileRef::new("home");
    let mut notice = kept.next().await;
    // Whether the switch is seen before the newer login depends on who is quicker.
    if notice
        == (Notice::Switched {
            to: profile.clone(),
        })
    {
        notice = kept.next().await;
    }
    assert_eq!(notice, Notice::Adopted { profile });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_changed_while_nothing_ran_is_noticed_at_the_next_start() {
    let world = World::new().await;
    let login = world.fake.auth_json(&world.ada());
    world.put_profile("work", &login);
    world.put_live(&login);
    drop(Kept::of(&world).await);
    world.put_live(&world.fake.auth_json(&world.bob()));

    let store = world.store();
    let notices = store.reconcile().await.unwrap();

    let signed_out = Notice::SignedOutElsewhere { profile: work() };
    assert_eq!(notices, [Notice::UnsavedLogin, signed_out]);
    assert_eq!(store.reconcile().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_logins_are_refreshed_before_they_end_and_fresh_ones_are_left_alone() {
    let world = World::new().await;
    for (profile, left) in [("a", 3_600), ("b", -5), ("fresh", 800_000)] {
        let account = world.fake.account(profile, "acct");
        world.put_profile(profile, &world.login_with(&account, left));
    }
    let before = ["a", "b", "fresh"].map(|profile| token(&world.profile(profile)));
    let _kept = Kept::of(&world).await;
    let now = || ["a", "b", "fresh"].map(|profile| token(&world.profile(profile)));
    eventually(|| now()[0] != before[0] && now()[1] != before[1]).await;

    assert_eq!((&now()[2], world.posts()), (&before[2], 2));
    let reasons = world.fake.refreshes();
    assert!(
        reasons
            .iter()
            .all(|post| post.reason.as_deref() == Some("scheduled"))
    );
    assert_eq!(world.fake.reuse_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_logins_do_not_come_in_a_burst() {
    let world = World::new().await;
    for profile in ["a", "b", "c"] {
        let account = world.fake.account(profile, "acct");
        world.put_profile(profile, &world.login_with(&account, -5));
    }
    let store = world.store();
    let upkeep = store.upkeep().spacing(Duration::from_mins(1));
    let task = tokio::spawn(upkeep.run());
    eventually(|| world.posts() == 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    task.abort();
    store.finish_refreshes().await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_refreshed_without_being_asked_for_where_that_is_switched_off() {
    let world = World::new().await;
    world.put_profile("work", &world.login_with(&world.ada(), 3_600));
    let store = world.store();
    let off = |state: &mut crate::State| state.set_auto_refresh_enabled(false);
    store.update_state(off).await.unwrap();
    let kept = Kept::of(&world).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    kept.store.finish_refreshes().await;
    assert_eq!(world.posts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_login_that_fails_does_not_keep_the_others_from_being_kept_alive() {
    let world = World::new().await;
    let dead = world.login_with(&world.fake.account("a", "acct"), -50);
    world.fake.revoke(&token(&dead));
    world.put_profile("a", &dead);
    world.put_profile("b", &world.login_with(&world.fake.account("b", "acct"), -5));
    let before = token(&world.profile("b"));
    let mut kept = Kept::of(&world).await;
    assert!(matches!(kept.next().await, Notice::LoginRequired { .. }));
    eventually(|| token(&world.profile("b")) != before).await;
}

fn profile(issued_ago: i64, life: i64, user: &str, current: bool) -> Profile {
    let issued = Timestamp::now().as_second() - issued_ago;
    let claims = serde_json::json!({"iat": issued, "exp": issued + life,
        "https://api.openai.com/auth": {"chatgpt_user_id": user}});
    let jwt = crate::testing::jwt(&claims);
    let file = serde_json::json!({"tokens": {"access_token": jwt, "refresh_token": user}});
    Profile {
        label: ProfileRef::new(user),
        name: Some(name(user)),
        current,
        condition: Condition::Ok,
        login: Some(Arc::new(
            AuthDotJson::parse(file.to_string().as_bytes()).unwrap(),
        )),
    }
}

proptest! {
    #[test]
    fn a_login_is_never_due_when_it_is_new_and_always_before_codex_refreshes_it(
        life in 7_200i64..3_000_000, user in "[a-z]{1,8}", current: bool
    ) {
        let plan = schedule::plan(&[profile(0, life, &user, current)]);
        let due = plan[0].at.as_second() - Timestamp::now().as_second();
        prop_assert!(due > life / 4, "{due}");
        prop_assert!(due < life - 600, "{due}");
    }

    #[test]
    fn the_current_profile_comes_first_and_one_login_comes_once(ages in prop::collection::vec(0i64..900_000, 2..6)) {
        let mut profiles: Vec<Profile> = ages
            .iter()
            .enumerate()
            .map(|(n, age)| profile(*age, 864_000, &format!("u{n}"), n == 1))
            .collect();
        profiles.push(profiles[0].clone());
        let plan = schedule::plan(&profiles);
        prop_assert_eq!(plan.len(), ages.len());
        prop_assert!(plan[0].current);
        prop_assert!(plan[1..].is_sorted_by_key(|due| due.at));
    }
}
