//! Signing in makes or renews a profile, and costs no login that was there before.

mod browser;
pub(crate) mod certificate;
mod proxy;

use std::{fs, time::Duration};

use fake_openai::{Account, FakeOpenAi, Fault};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::{
    harness::{Home, Ran, access_token, fake, read_json, refresh_token, worker, write},
    running::Running,
};

const EMAIL: &str = "ada.l@work.example";

fn ada() -> Account {
    Account::new("user-ada", "acct-ada")
        .email(EMAIL)
        .plan("pro")
}

/// Where the issuer sends the browser of whoever opens this address.
async fn redirect_of(url: &str) -> String {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none());
    let answer = client.build().unwrap().get(url).send().await.unwrap();
    let location = answer.headers().get("location");
    location
        .unwrap_or_else(|| panic!("{answer:?}"))
        .to_str()
        .unwrap()
        .to_owned()
}

/// A sign-in by pasting, to its end.
async fn paste(home: &Home, fake: &FakeOpenAi, name: &[&str]) -> Ran {
    let arguments = [&["login", "--paste"], name].concat();
    let mut running = Running::start(home, fake, &arguments);
    let redirect = redirect_of(&running.url().await).await;
    running.type_line(&redirect);
    running.ended().await
}

/// Every file below a folder.
fn files(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.to_string_lossy().into_owned());
        }
    }
    found
}

fn revocations(fake: &FakeOpenAi) -> usize {
    fake.requests_to("/oauth/revoke").len()
}

#[tokio::test]
async fn a_pasted_address_makes_a_profile_named_after_the_address() {
    let (fake, home) = (fake(), Home::empty());
    fake.set_browser_user(&ada());
    let ran = paste(&home, &fake, &[]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for told in [
        "Saved as `ada.l`.",
        EMAIL,
        "plan pro",
        "workspace Personal",
        "codex-router use ada.l",
    ] {
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
    }
    let login = read_json(&home.profile("ada.l"));
    assert_eq!(login["auth_mode"], "chatgpt");
    assert_eq!(login["tokens"]["account_id"], "acct-ada");
    assert_eq!(home.listed("ada.l")["state"], "ok");
    assert!(!home.live().exists(), "Codex is not signed in by that");
}

#[tokio::test]
async fn a_sign_in_leaves_the_login_of_codex_byte_for_byte_and_revokes_nothing() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let before = fs::read(home.live()).unwrap();
    let profile = fs::read(home.profile("work")).unwrap();
    fake.set_browser_user(&ada());
    assert_eq!(paste(&home, &fake, &["private"]).await.code, Some(0));
    assert_eq!(fs::read(home.live()).unwrap(), before);
    assert_eq!(fs::read(home.profile("work")).unwrap(), profile);
    assert_eq!(home.list()["current"], "work");
    assert_eq!((revocations(&fake), fake.refreshes().len()), (0, 0));
}

#[tokio::test]
async fn signing_in_again_renews_the_profile_and_the_login_of_codex_in_place() {
    let fake = fake();
    let dead = fake.auth_json_expired(&ada());
    let home = Home::with(&[("work", dead.clone())]);
    fake.revoke(refresh_token(&dead));
    // The issuer has refused it for good: needs_login.
    let router = crate::harness::Router::start(&home, &fake);
    let answer = crate::harness::Answer::to(router.say("hello")).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(home.listed("work")["state"], "needs_login");

    fake.set_browser_user(&ada());
    let ran = paste(&home, &fake, &[]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("Profile `work` is renewed."),
        "{}",
        ran.stdout
    );
    assert_eq!(home.listed("work")["state"], "ok");
    let renewed = read_json(&home.profile("work"));
    assert_ne!(refresh_token(&renewed), refresh_token(&dead));
    assert_eq!(
        refresh_token(&read_json(&home.live())),
        refresh_token(&renewed)
    );
    // The router that runs uses it from its next request on.
    assert_eq!(
        crate::harness::Answer::to(router.say("hello")).await.status,
        200
    );
    assert_eq!(revocations(&fake), 0);
}

#[tokio::test]
async fn a_name_that_is_somebody_elses_gets_a_number_and_its_login_stays() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let before = fs::read(home.profile("work")).unwrap();
    fake.set_browser_user(&ada());
    let ran = paste(&home, &fake, &["work"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("saved as `work-2`"), "{}", ran.stdout);
    assert_eq!(fs::read(home.profile("work")).unwrap(), before);
    assert_eq!(home.listed("work-2")["email"], EMAIL);
}

#[tokio::test]
async fn what_is_no_address_of_this_sign_in_is_asked_for_again() {
    let (fake, home) = (fake(), Home::empty());
    let mut running = Running::start(&home, &fake, &["login", "--paste", "work"]);
    let url = running.url().await;
    running.type_line("http://127.0.0.1:1455/auth/callback?code=c&state=of-another-sign-in");
    running.type_line("");
    running.type_line("c");
    let redirect = redirect_of(&url).await;
    running.type_line(&redirect);
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let complaints: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].contains("another sign-in"), "{complaints:?}");
    assert!(complaints[1].contains("whole address"), "{complaints:?}");
}

#[tokio::test]
async fn a_paste_that_never_comes_is_a_failure_that_leaves_nothing() {
    let (fake, home) = (fake(), Home::empty());
    let mut running = Running::start(&home, &fake, &["login", "--paste"]);
    running.url().await;
    running.end_of_input();
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("no address was pasted"),
        "{}",
        ran.stderr
    );
    assert!(files(&home.path("")).is_empty());
}

#[tokio::test]
async fn ctrl_c_while_the_code_is_redeemed_keeps_the_login() {
    let (fake, home) = (fake(), Home::empty());
    let slow = Fault::refresh_delayed(Duration::from_millis(800));
    fake.fault(slow);
    let mut running = Running::start(&home, &fake, &["login", "--paste", "work"]);
    let redirect = redirect_of(&running.url().await).await;
    running.type_line(&redirect);
    crate::harness::until("the exchange", || {
        !fake.requests_to("/oauth/token").is_empty()
    })
    .await;
    running.interrupt();
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("nothing was changed"));
    assert_eq!(home.listed("work")["state"], "ok");
}

#[tokio::test]
async fn a_second_ctrl_c_gives_up_and_says_what_that_may_mean() {
    let (fake, home) = (fake(), Home::empty());
    fake.fault(Fault::refresh_delayed(Duration::from_secs(20)));
    let mut running = Running::start(&home, &fake, &["login", "--paste", "work"]);
    let redirect = redirect_of(&running.url().await).await;
    running.type_line(&redirect);
    crate::harness::until("the exchange", || {
        !fake.requests_to("/oauth/token").is_empty()
    })
    .await;
    running.interrupt();
    crate::harness::until("it said that it waits", || {
        running.complaints().contains("once more")
    })
    .await;
    running.interrupt();
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("stayed behind"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_time_limit_ends_the_wait() {
    let (fake, home) = (fake(), Home::empty());
    let running = Running::start(&home, &fake, &["login", "--paste", "--timeout", "1"]);
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("nobody signed in"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_device_code_makes_a_profile_once_it_was_entered() {
    let (fake, home) = (fake(), Home::empty());
    let running = Running::start(&home, &fake, &["login", "phone", "--device"]);
    let code = running.says("code", |said| {
        said.contains("/codex/device").then_some(())?;
        let mut lines = said.lines().map(str::trim);
        let is_code = |line: &&str| line.len() == 10 && line.as_bytes()[4] == b'-';
        lines.find(is_code).map(str::to_owned)
    });
    assert!(fake.approve_device(&code.await, &ada()));
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("Saved as `phone`."), "{}", ran.stdout);
    assert_eq!(home.listed("phone")["email"], EMAIL);
}

#[tokio::test]
async fn device_codes_that_are_not_enabled_are_told_with_the_way_out() {
    let (fake, home) = (fake(), Home::empty());
    fake.fault(Fault::status(404).path("/deviceauth/usercode"));
    let ran = Running::start(&home, &fake, &["login", "--device"])
        .ended()
        .await;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("not enabled") && ran.stderr.contains("--paste"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn an_issuer_that_refuses_the_code_leaves_nothing() {
    let (fake, home) = (fake(), Home::empty());
    let refusal = Fault::status(400).json(json!({"error": "invalid_grant"}));
    fake.fault(refusal.path("/oauth/token"));
    let ran = paste(&home, &fake, &[]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("invalid_grant"), "{}", ran.stderr);
    assert!(files(&home.path("")).is_empty());
}

#[tokio::test]
async fn an_api_key_is_read_from_standard_input_and_never_shown() {
    let (fake, home) = (fake(), Home::empty());
    let mut running = Running::start(&home, &fake, &["login", "key", "--api-key"]);
    running.type_line("  sk-planted-key-of-the-test \r");
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("Saved as `key`."), "{}", ran.stdout);
    assert!(ran.stdout.contains("was not tried"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("Signed in") && ran.stderr.is_empty());
    assert!(!(ran.stdout + &ran.stderr).contains("sk-planted"));
    let expected = json!({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-planted-key-of-the-test"});
    assert_eq!(read_json(&home.profile("key")), expected);
    assert!(fake.requests().is_empty(), "nobody is asked about a key");
}

#[tokio::test]
async fn the_same_api_key_is_there_already_and_an_odd_one_is_remarked_upon() {
    let (fake, home) = (fake(), Home::empty());
    let mut said = Vec::new();
    for key in ["odd-planted", "odd-planted"] {
        let mut running = Running::start(&home, &fake, &["login", "my key", "--api-key"]);
        running.type_line(key);
        let ran = running.ended().await;
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stderr.contains("sk-"), "{}", ran.stderr);
        assert!(!(ran.stdout.clone() + &ran.stderr).contains("planted"));
        said.push(ran.stdout);
    }
    assert!(said[0].contains("codex-router use 'my key'"), "{said:?}");
    assert!(said[1].contains("holds this key already"), "{said:?}");
}

#[tokio::test]
async fn an_empty_variable_for_certificates_hides_no_other() {
    let home = Home::empty();
    let missing = home.path("no-such.pem");
    let environment = [
        ("CODEX_CA_CERTIFICATE", ""),
        ("SSL_CERT_FILE", missing.to_str().unwrap()),
    ];
    let ran = home.run_with(&["login", "--api-key"], &environment);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no-such.pem"), "{}", ran.stderr);
}

#[tokio::test]
async fn what_is_no_api_key_is_refused() {
    let (fake, home) = (fake(), Home::empty());
    for text in ["", "two words"] {
        let mut running = Running::start(&home, &fake, &["login", "--api-key"]);
        running.type_line(text);
        running.end_of_input();
        let ran = running.ended().await;
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(!ran.stderr.contains("two words"), "{}", ran.stderr);
    }
    assert!(files(&home.path("")).is_empty());
}

#[tokio::test]
async fn an_openai_key_is_kept_beside_the_tokens_when_asked_for() {
    let (fake, home) = (fake(), Home::empty());
    fake.set_browser_user(&ada());
    let ran = paste(&home, &fake, &["work", "--with-openai-key"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let login = read_json(&home.profile("work"));
    assert_eq!(login["auth_mode"], "chatgpt");
    assert!(login["OPENAI_API_KEY"].as_str().unwrap().starts_with("sk-"));
    assert_eq!(home.listed("work")["email"], EMAIL);
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_done() {
    let home = Home::empty();
    for arguments in [
        &["login", "--device", "--paste"][..],
        &["login", "--api-key", "--with-openai-key"],
        &["login", "../work"],
        &["login", "--timeout", "0"],
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
    }
    assert!(files(&home.path("")).is_empty());
}

#[tokio::test]
async fn a_home_without_room_is_told_before_anybody_signs_in() {
    let (fake, home) = (fake(), Home::empty());
    write(&home.path("profiles"), "a file in the way");
    let ran = Running::start(&home, &fake, &["login", "--paste"])
        .ended()
        .await;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stdout.is_empty() && ran.stderr.contains("profiles"),
        "{ran:?}"
    );
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn a_login_that_no_disk_takes_is_held_until_one_does() {
    let (fake, home) = (fake(), Home::empty());
    let mut running = Running::start(&home, &fake, &["login", "--paste", "work"]);
    let url = running.url().await;
    // The room is gone while the person signs in.
    fs::remove_dir(home.path("profiles")).unwrap();
    write(&home.path("profiles"), "a file in the way");
    let redirect = redirect_of(&url).await;
    running.type_line(&redirect);
    crate::harness::until("the problem", || {
        running.complaints().contains("cannot be written")
    })
    .await;
    fs::remove_file(home.path("profiles")).unwrap();
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(home.listed("work")["state"], "ok");
}

#[tokio::test]
async fn no_secret_of_a_pasted_sign_in_is_printed_at_any_level() {
    let (fake, home) = (fake(), Home::empty());
    fake.set_browser_user(&ada());
    let trace = [("CODEX_ROUTER_LOG", "trace")];
    let arguments = ["login", "work", "--paste", "--with-openai-key"];
    let mut running = Running::start_with(&home, &fake, &arguments, &trace);
    let redirect = redirect_of(&running.url().await).await;
    running.type_line(&redirect);
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_hides_sign_in(&ran, &read_json(&home.profile("work")), &fake);
}

/// Neither the log nor what the person is told holds anything that is worth stealing.
#[track_caller]
fn assert_hides_sign_in(ran: &Ran, login: &Value, fake: &FakeOpenAi) {
    assert!(ran.stderr.contains("TRACE"), "the log is on");
    let exchange = &fake.requests_to("/oauth/token")[0];
    let form = String::from_utf8(exchange.raw.to_vec()).unwrap();
    let field = |name: &str| -> String {
        let value = form.split('&').find_map(|field| field.strip_prefix(name));
        value.unwrap().to_owned()
    };
    let id_token = login["tokens"]["id_token"].as_str().unwrap();
    let secrets = [
        field("code="),
        field("code_verifier="),
        id_token.to_owned(),
        id_token.split('.').nth(1).unwrap().to_owned(),
        access_token(login).to_owned(),
        access_token(login).split('.').nth(1).unwrap().to_owned(),
        refresh_token(login).to_owned(),
        key_of(login).to_owned(),
    ];
    for secret in &secrets {
        assert!(secret.len() > 20, "a secret, not {secret}");
        assert!(
            !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
            "{secret}"
        );
    }
    assert!(
        !ran.stderr.contains(EMAIL),
        "the address is for the person, not for a log"
    );
}

fn key_of(login: &Value) -> &str {
    login["OPENAI_API_KEY"].as_str().unwrap()
}
