//! A person is told of what only a person can mend, and not more often than that.

use codex_profiles::{CodexHome, Fallback, ProfileStore, State};
use fake_openai::{Account, Fault, Usage};
use serde_json::json;

use crate::{
    harness::{Answer, Home, fake, refresh_token},
    session::{Desk, Session},
};

#[tokio::test]
async fn a_login_that_has_ended_is_told_and_a_click_opens_the_window() {
    let fake = fake();
    let login = fake.auth_json_expired(&Account::new("user-work", "acct-work"));
    fake.revoke(refresh_token(&login));
    let home = Home::with(&[("work", login)]);
    home.keep_nothing_alive();
    let session = Session::start(home, fake, Desk::default()).await;
    assert_eq!(Answer::to(session.say("hello")).await.status, 503);
    let note = session.notification("work must log in again");
    assert_eq!(note["program"], "Codex Router");
    session.shows("user-work@example.com · Plus · log in again", &[]);
    // What is said once is not said again while it is known.
    assert_eq!(Answer::to(session.say("hello")).await.status, 503);
    let all: serde_json::Value = serde_json::from_str(&session.ask(&["notes"])).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
    session.ask(&["click-note", &note["id"].to_string()]);
    session.has_window();
}

#[tokio::test]
async fn a_limit_is_told_when_it_is_near_when_it_is_reached_and_when_it_begins_anew() {
    let session = Session::of_two_accounts().await;
    let uses = async |percent: f64, resets_in| {
        let told = Usage::percent(percent, 12.0).primary_resets_in(resets_in);
        session.fake.set_usage("acct-work", told);
        assert_eq!(Answer::to(session.say("hello")).await.status, 200);
    };
    uses(83.0, 600).await;
    session.notification("work has used 83% of its 5h limit");
    uses(100.0, 4).await;
    session.notification("work has reached its 5h limit");
    session.notification("The 5h limit of work has begun anew");
}

#[tokio::test]
async fn that_another_profile_served_is_told_each_time_it_begins() {
    let session = Session::of_two_accounts().await;
    let limit = Fault::usage_limit_reached("plus", 3600);
    session.fake.fault(limit.account("acct-work").always());
    let fallback = json!({"profiles": ["other"], "daily_requests": 10});
    let fallback: Fallback = serde_json::from_value(fallback).unwrap();
    let store = ProfileStore::open(CodexHome::at(session.home.path(""))).unwrap();
    let set = move |state: &mut State| state.set_fallback(Some(&fallback));
    store.update_state(set).await.unwrap();
    assert_eq!(Answer::to(session.say("hello")).await.status, 200);
    session.notification("work could not serve: other did");
}
