//! A person is told of what only a person can mend, and not more often than that.

use fake_openai::Account;

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
