//! An expired login is refreshed once, whoever asks and whatever goes wrong, and is never lost.

use std::{fs, path::Path, time::Duration};

use fake_openai::{FakeOpenAi, Fault, Refresh, RefreshOutcome};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::harness::{
    Answer, Home, PATIENCE, Router, World, access_token, fake, read_json, refresh_token, until,
    worker, write,
};

/// Long enough to do something while a refresh is under way.
const WHILE: Duration = Duration::from_millis(400);

/// The current profile `work`, its access token a minute too old.
fn expired() -> (World, Value) {
    let fake = fake();
    let login = fake.auth_json_expired(&worker());
    (World::with(fake, &[("work", login.clone())]), login)
}

async fn hang_up<T: std::fmt::Debug>(call: JoinHandle<T>) {
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
}

fn only_refresh(fake: &FakeOpenAi) -> Refresh {
    let mut refreshes = fake.refreshes();
    assert_eq!(refreshes.len(), 1, "{refreshes:?}");
    refreshes.remove(0)
}

/// Whether a file holds the tokens that this refresh brought, and all it held before.
#[track_caller]
fn assert_holds(path: &Path, refresh: &Refresh, before: &Value) {
    let now = read_json(path);
    let issued = refresh.issued.as_ref().unwrap();
    assert_eq!(
        refresh_token(&now),
        issued.refresh_token,
        "{}",
        path.display()
    );
    assert_eq!(access_token(&now), issued.access_token);
    for field in ["fake_unknown", "auth_mode", "OPENAI_API_KEY"] {
        assert_eq!(now[field], before[field], "{field}");
    }
    for field in [
        "account_id",
        "oauth_provenance",
        "login_owner_id",
        "fake_unknown_token_field",
    ] {
        assert_eq!(now["tokens"][field], before["tokens"][field], "{field}");
    }
}

#[tokio::test]
async fn fifty_requests_at_once_cause_one_refresh_and_all_succeed() {
    let (world, login) = expired();
    let answers = join_all((0..50).map(|_| Answer::to(world.router.say("hello")))).await;
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let refresh = only_refresh(&world.fake);
    assert_eq!(refresh.outcome, RefreshOutcome::Rotated);
    assert_eq!(refresh.reason.as_deref(), Some("proactive_expiry"));
    let fresh = &refresh.issued.as_ref().unwrap().access_token;
    let calls = world.fake.model_calls();
    assert_eq!(calls.len(), 50, "no request went out with the old token");
    assert!(calls.iter().all(|call| call.bearer() == Some(fresh)));
    assert_holds(&world.home.profile("work"), &refresh, &login);
    assert_holds(&world.home.live(), &refresh, &login);
}

#[tokio::test]
async fn new_tokens_are_on_disk_before_they_are_used() {
    let (world, login) = expired();
    // The model call has arrived, and is not answered while we look.
    world.fake.fault(Fault::slow_head(PATIENCE));
    let call = tokio::spawn(world.router.say("hello").send());
    until("the model call", || !world.fake.model_calls().is_empty()).await;
    let refresh = only_refresh(&world.fake);
    assert_holds(&world.home.profile("work"), &refresh, &login);
    assert_holds(&world.home.live(), &refresh, &login);
    call.abort();
}

#[tokio::test]
async fn a_401_is_refreshed_once_and_tried_again_once() {
    let world = World::two_accounts();
    let login = read_json(&world.home.profile("work"));
    world.fake.expire_access_token(access_token(&login));
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(answer.said(), "You said: hello");
    let refresh = only_refresh(&world.fake);
    assert_eq!(refresh.reason.as_deref(), Some("unauthorized_recovery"));
    let tokens: Vec<_> = world
        .fake
        .model_calls()
        .iter()
        .map(|call| call.bearer().unwrap().to_owned())
        .collect();
    let fresh = refresh.issued.as_ref().unwrap().access_token.clone();
    assert_eq!(tokens, [access_token(&login).to_owned(), fresh]);
    assert_holds(&world.home.profile("work"), &refresh, &login);
    assert_holds(&world.home.live(), &refresh, &login);
}

#[tokio::test]
async fn fifty_requests_that_meet_a_401_cause_one_refresh() {
    let world = World::two_accounts();
    let login = read_json(&world.home.profile("work"));
    world.fake.expire_access_token(access_token(&login));
    let answers = join_all((0..50).map(|_| Answer::to(world.router.say("hello")))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    only_refresh(&world.fake);
}

#[tokio::test]
async fn a_401_that_survives_is_never_passed_on() {
    let world = World::two_accounts();
    world.fake.fault(Fault::unauthorized().always());
    for path in ["/v1/chat/completions", "/v1/responses"] {
        let body = serde_json::json!({"model": crate::harness::MODEL, "input": "hello",
            "messages": [{"role": "user", "content": "hello"}]});
        let answer = Answer::to(world.router.post(path, &body)).await;
        assert_eq!(answer.error(503), "profile_needs_login");
    }
    // A token that is refused again right after its refresh is not spent again and again.
    assert!(
        world.fake.refreshes().len() <= 2,
        "{:?}",
        world.fake.refreshes()
    );
    assert_eq!(world.fake.reuse_count(), 0);
    world.fake.clear_faults();
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
}

#[tokio::test]
async fn a_refresh_refused_for_good_is_stored_and_never_posted_again() {
    let (world, login) = expired();
    world.fake.revoke(refresh_token(&login));
    for _ in 0..5 {
        let answer = Answer::to(world.router.say("hello")).await;
        assert_eq!(answer.error(503), "profile_needs_login");
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains("work"), "{message}");
    }
    assert_eq!(world.fake.times_posted(refresh_token(&login)), 1);
    let listed = world.home.listed("work");
    assert_eq!(
        (listed["state"].as_str(), listed["reason"].as_str()),
        (Some("needs_login"), Some("revoked"))
    );
    assert_eq!(listed["action"], "log in again");
    // A router started later knows it too.
    let again = Router::start(&world.home, &world.fake);
    assert_eq!(
        Answer::to(again.say("hello")).await.error(503),
        "profile_needs_login"
    );
    assert_eq!(world.fake.times_posted(refresh_token(&login)), 1);
    // A new sign-in ends it at once.
    world.home.add("work", &world.fake.auth_json(&worker()));
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    assert_eq!(world.home.listed("work")["state"], "ok");
}

#[tokio::test]
async fn each_final_refusal_has_its_own_reason() {
    let fake = fake();
    let mut logins = Vec::new();
    for name in ["expired", "reused", "revoked"] {
        let account = fake.account(name, name);
        logins.push((name, fake.auth_json_expired(&account)));
    }
    fake.expire_refresh_token(refresh_token(&logins[0].1));
    fake.revoke(refresh_token(&logins[2].1));
    // Another program has spent this one.
    let body = serde_json::json!({"grant_type": "refresh_token", "client_id": fake_openai::CLIENT_ID,
        "refresh_token": refresh_token(&logins[1].1)});
    let answer = crate::harness::client()
        .post(fake.token_url())
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let world = World::with(fake, &logins);
    for (name, _) in &logins {
        let answer = Answer::to(world.router.say("hello").header("x-codex-profile", *name)).await;
        assert_eq!(answer.error(503), "profile_needs_login");
        assert_eq!(world.home.listed(name)["reason"], *name);
    }
}

#[tokio::test]
async fn while_the_issuer_is_down_a_living_token_serves_on() {
    let fake = fake();
    // Within minutes of its end, so that a refresh is wanted before it is used.
    let login = fake.auth_json_expiring_in(&worker(), Duration::from_secs(90));
    let world = World::with(fake, &[("work", login.clone())]);
    world.fake.fault(Fault::refresh_status(500).always());
    for _ in 0..3 {
        assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    }
    assert!(
        world
            .fake
            .model_calls()
            .iter()
            .all(|call| call.bearer() == Some(access_token(&login)))
    );
    assert!(world.fake.refreshes().is_empty(), "nothing was rotated");
    assert_eq!(world.home.listed("work")["state"], "ok");
}

#[tokio::test]
async fn an_issuer_that_is_gone_is_a_passing_error_within_seconds() {
    let fake = fake();
    let soon = fake.auth_json_expiring_in(&worker(), Duration::from_secs(90));
    let ended = fake.auth_json_expired(&fake.account("user-old", "acct-old"));
    let home = Home::with(&[("soon", soon), ("ended", ended.clone())]);
    // Bound and dropped: nobody listens there.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let token_url = format!("http://{gone}/oauth/token");
    let router = Router::start_with(
        &home,
        &fake,
        &[("CODEX_REFRESH_TOKEN_URL_OVERRIDE", &token_url)],
    );
    let begun = std::time::Instant::now();
    assert_eq!(Answer::to(router.say("hello")).await.status, 200);
    let answer = Answer::to(router.say("hello").header("x-codex-profile", "ended")).await;
    assert_eq!(answer.error(503), "refresh_unavailable");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(home.listed("ended")["state"], "expired");
    // Nothing was spent: a router that finds the issuer again refreshes.
    let router = Router::start(&home, &fake);
    assert_eq!(
        Answer::to(router.say("hello").header("x-codex-profile", "ended"))
            .await
            .status,
        200
    );
    assert_eq!(fake.times_posted(refresh_token(&ended)), 1);
}

#[tokio::test]
async fn while_the_issuer_is_down_an_ended_token_is_a_passing_error_and_no_login_is_lost() {
    let (world, login) = expired();
    world.fake.fault(Fault::refresh_status(500).always());
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(answer.error(503), "refresh_unavailable");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(world.home.listed("work")["state"], "expired");
    assert_eq!(read_json(&world.home.profile("work")), login);
    world.fake.clear_faults();
    // The issuer is asked again after a while, not at every request.
    until_it_serves(&world.router).await;
    only_refresh(&world.fake);
}

async fn until_it_serves(router: &Router) {
    let begun = std::time::Instant::now();
    while Answer::to(router.say("hello")).await.status != 200 {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_during_a_refresh_loses_nothing() {
    let (world, login) = expired();
    world.fake.fault(Fault::refresh_delayed(WHILE));
    let call = tokio::spawn(world.router.say("hello").send());
    until("the refresh", || !world.fake.refreshes().is_empty()).await;
    hang_up(call).await;
    let refresh = only_refresh(&world.fake);
    until("the new tokens on disk", || {
        read_json(&world.home.live()) != login
    })
    .await;
    assert_holds(&world.home.profile("work"), &refresh, &login);
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    only_refresh(&world.fake);
}

#[tokio::test]
async fn a_router_told_to_stop_during_a_refresh_waits_for_its_answer() {
    let (mut world, login) = expired();
    world.fake.fault(Fault::refresh_delayed(WHILE));
    let call = tokio::spawn(world.router.say("hello").send());
    until("the refresh", || !world.fake.refreshes().is_empty()).await;
    // Nobody waits for the answer any more, but it is the only copy of the new tokens.
    hang_up(call).await;
    world.router.terminate();
    assert_eq!(world.router.ended(PATIENCE).code(), Some(0));
    let refresh = only_refresh(&world.fake);
    assert_holds(&world.home.profile("work"), &refresh, &login);
    assert_holds(&world.home.live(), &refresh, &login);
}

#[tokio::test]
async fn a_router_killed_during_a_refresh_posts_once_more_and_then_says_what_happened() {
    let (mut world, login) = expired();
    world.fake.fault(Fault::refresh_delayed(PATIENCE));
    let call = tokio::spawn(world.router.say("hello").send());
    until("the refresh", || !world.fake.refreshes().is_empty()).await;
    world.router.kill();
    call.abort();
    // The answer is lost for ever: one attempt with the old token, then no more.
    world.router = Router::start(&world.home, &world.fake);
    for _ in 0..3 {
        let answer = Answer::to(world.router.say("hello")).await;
        assert_eq!(answer.error(503), "profile_needs_login");
    }
    assert_eq!(world.fake.times_posted(refresh_token(&login)), 2);
    assert_eq!(world.home.listed("work")["reason"], "outcome_unknown");
    assert_eq!(
        refresh_token(&read_json(&world.home.profile("work"))),
        refresh_token(&login)
    );
}

#[tokio::test]
async fn a_router_killed_before_the_issuer_acted_serves_after_a_restart() {
    let (mut world, login) = expired();
    world
        .fake
        .fault(Fault::slow_head(PATIENCE).path("/oauth/token"));
    let call = tokio::spawn(world.router.say("hello").send());
    until("the refresh request", || {
        !world.fake.requests_to("/oauth/token").is_empty()
    })
    .await;
    assert!(world.fake.refreshes().is_empty());
    world.router.kill();
    call.abort();
    world.router = Router::start(&world.home, &world.fake);
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    let refresh = only_refresh(&world.fake);
    assert_eq!(refresh.token, refresh_token(&login));
    assert_holds(&world.home.profile("work"), &refresh, &login);
}

#[tokio::test]
async fn two_routers_on_one_home_refresh_once() {
    let (world, login) = expired();
    let second = Router::start(&world.home, &world.fake);
    world
        .fake
        .fault(Fault::refresh_delayed(Duration::from_millis(100)));
    let routers = [&world.router, &second];
    let requests = (0..40).map(|n| Answer::to(routers[n % 2].say("hello")));
    for answer in join_all(requests).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let refresh = only_refresh(&world.fake);
    assert_eq!(world.fake.reuse_count(), 0);
    assert_holds(&world.home.profile("work"), &refresh, &login);
}

#[tokio::test]
async fn what_codex_refreshed_meanwhile_is_adopted_and_nothing_is_posted() {
    let (world, _) = expired();
    let newer = world.fake.auth_json(&worker());
    write(&world.home.live(), newer.to_string());
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    assert_eq!(
        world.fake.model_calls()[0].bearer(),
        Some(access_token(&newer))
    );
    assert!(world.fake.refreshes().is_empty());
    assert_eq!(read_json(&world.home.profile("work")), newer);
}

#[tokio::test]
async fn a_refresh_of_another_profile_leaves_the_live_file_alone() {
    let fake = fake();
    let work = fake.auth_json(&worker());
    let other = fake.auth_json_expired(&fake.account("user-other", "acct-other"));
    let world = World::with(fake, &[("work", work), ("other", other.clone())]);
    let live = fs::read(world.home.live()).unwrap();
    let answer = Answer::to(world.router.say("hello").header("x-codex-profile", "other")).await;
    assert_eq!(answer.status, 200);
    assert_holds(
        &world.home.profile("other"),
        &only_refresh(&world.fake),
        &other,
    );
    assert_eq!(fs::read(world.home.live()).unwrap(), live);
}

#[tokio::test]
async fn a_live_login_that_is_no_profile_is_refreshed_in_its_place() {
    let (fake, home) = (fake(), Home::empty());
    let login = fake.auth_json_expired(&worker());
    write(&home.live(), login.to_string());
    let router = Router::start(&home, &fake);
    assert_eq!(Answer::to(router.say("hello")).await.status, 200);
    assert_holds(&home.live(), &only_refresh(&fake), &login);
}

#[tokio::test]
async fn a_switch_during_a_refresh_loses_neither_login() {
    let fake = fake();
    let work = fake.auth_json_expired(&worker());
    let other = fake.auth_json(&fake.account("user-other", "acct-other"));
    let world = World::with(fake, &[("work", work.clone()), ("other", other.clone())]);
    world.fake.fault(Fault::refresh_delayed(WHILE));
    let call = tokio::spawn(Answer::to(world.router.say("hello")));
    until("the refresh", || !world.fake.refreshes().is_empty()).await;
    assert_eq!(world.home.run(&["use", "other"]).code, Some(0));
    assert_eq!(call.await.unwrap().served_by().0, "work");
    let refresh = only_refresh(&world.fake);
    assert_holds(&world.home.profile("work"), &refresh, &work);
    assert_eq!(
        read_json(&world.home.live()),
        other,
        "never the login of another identity"
    );
}

#[tokio::test]
async fn two_routers_that_meet_a_401_refresh_once() {
    let world = World::two_accounts();
    let second = Router::start(&world.home, &world.fake);
    world
        .fake
        .expire_access_token(access_token(&read_json(&world.home.profile("work"))));
    let routers = [&world.router, &second];
    let requests = (0..20).map(|n| Answer::to(routers[n % 2].say("hello")));
    for answer in join_all(requests).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    only_refresh(&world.fake);
}

#[tokio::test]
async fn a_logout_of_codex_is_not_undone_by_a_refresh() {
    let (world, login) = expired();
    fs::remove_file(world.home.live()).unwrap();
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    assert_holds(
        &world.home.profile("work"),
        &only_refresh(&world.fake),
        &login,
    );
    assert!(!world.home.live().exists());
}

#[tokio::test]
async fn the_login_codex_has_taken_instead_is_never_written_over() {
    let (world, login) = expired();
    let stranger = world
        .fake
        .auth_json(&world.fake.account("user-new", "acct-new"));
    write(&world.home.live(), stranger.to_string());
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(
        (answer.status, answer.served_by()),
        (200, ("work", "current"))
    );
    assert_holds(
        &world.home.profile("work"),
        &only_refresh(&world.fake),
        &login,
    );
    assert_eq!(read_json(&world.home.live()), stranger);
}

/// Holds a lock of Codex's, as Codex does while it writes.
fn hold(path: &Path) -> fs::File {
    let file = fs::File::create(path).unwrap();
    file.lock().unwrap();
    file
}

#[tokio::test]
async fn codexs_own_locks_are_honoured() {
    for name in ["auth.lock", "auth.json.lock"] {
        let world = World::two_accounts();
        let before = read_json(&world.home.live());
        let held = hold(&world.home.path(name));
        let home = std::sync::Arc::new(world.home);
        let same = std::sync::Arc::clone(&home);
        let switch = tokio::task::spawn_blocking(move || same.run(&["use", "other"]));
        tokio::time::sleep(WHILE).await;
        assert!(!switch.is_finished(), "{name}");
        assert_eq!(read_json(&home.live()), before, "{name}");
        drop(held);
        assert_eq!(switch.await.unwrap().code, Some(0), "{name}");
        assert_eq!(
            read_json(&home.live()),
            read_json(&home.profile("other")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_refresh_waits_for_a_codex_that_is_writing_and_publishes_after_it() {
    for name in ["auth.lock", "auth.json.lock"] {
        let (world, login) = expired();
        let held = hold(&world.home.path(name));
        let call = tokio::spawn(Answer::to(world.router.say("hello")));
        tokio::time::sleep(WHILE).await;
        assert_eq!(read_json(&world.home.live()), login, "{name}");
        drop(held);
        let answer = call.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let refresh = only_refresh(&world.fake);
        assert_holds(&world.home.profile("work"), &refresh, &login);
        assert_holds(&world.home.live(), &refresh, &login);
    }
}
