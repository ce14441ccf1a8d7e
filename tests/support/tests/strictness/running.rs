//! The fake as a whole: its limits, its end, and the logins that it makes.

use super::*;

#[tokio::test]
async fn forty_thousand_events_arrive() {
    let setup = Setup::new().await;
    assert_eq!(events(setup.say("count to 40000")).await.len(), 40_008);
}

#[test]
fn it_can_run_without_a_runtime_and_ends_when_it_is_dropped() {
    let fake = FakeOpenAi::builder()
        .answer_tokens(3)
        .start_on_own_thread()
        .unwrap();
    let address = fake.address();
    assert!(std::net::TcpStream::connect(address).is_ok());
    drop(fake);
    let gone = || std::net::TcpStream::connect(address).is_err();
    assert!((0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        gone()
    }));
}

#[tokio::test]
async fn a_login_keeps_its_form_and_the_fields_that_nobody_knows() {
    let setup = Setup::new().await;
    let login = setup.fake.auth_json(&Account::new("user-a", "acct-1"));
    let tokens = &login["tokens"];
    assert_eq!(
        tokens["oauth_provenance"]["issuer"],
        setup.fake.issuer_url()
    );
    assert_eq!(tokens["login_owner_id"].as_str().unwrap().len(), 43);
    assert!(
        login.get("fake_unknown").is_some() && tokens.get("fake_unknown_token_field").is_some()
    );
    let expired = setup
        .fake
        .auth_json_expired(&Account::new("user-a", "acct-1"));
    let refresh_token = expired["tokens"]["refresh_token"].as_str().unwrap();
    assert_eq!(
        setup.refresh(refresh_token).await.unwrap().status(),
        StatusCode::OK
    );
}
