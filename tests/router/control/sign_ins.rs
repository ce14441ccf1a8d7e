use std::time::Duration;

use fake_openai::{Account, Fault};
use reqwest::{Method, redirect::Policy};
use serde_json::{Value, json};

use super::{Script, events::Events};
use crate::harness::{PATIENCE, World, fake, read_json, until, worker, write};

const EMAIL: &str = "ada.l@work.example";

fn ada() -> Account {
    Account::new("user-ada", "acct-ada").email(EMAIL)
}

/// Where the issuer sends the browser of whoever opens this address.
async fn redirect_of(sign_in: &Value) -> String {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none());
    let url = sign_in["url"].as_str().unwrap();
    let answer = client.build().unwrap().get(url).send().await.unwrap();
    answer.headers()["location"].to_str().unwrap().to_owned()
}

async fn begin(script: &Script<'_>, way: &str, name: Option<&str>) -> Value {
    let begun = script
        .post("/api/sign-ins", &json!({"way": way, "name": name}))
        .await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    begun.json()
}

fn path(sign_in: &Value) -> String {
    format!("/api/sign-ins/{}", sign_in["id"].as_str().unwrap())
}

/// The sign-in once it has come to its end.
async fn ended(script: &Script<'_>, sign_in: &Value) -> Value {
    loop {
        let now = script.get(&path(sign_in)).await.json();
        if !["waiting", "redeeming"].contains(&now["state"].as_str().unwrap()) {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn paste(script: &Script<'_>, sign_in: &Value) {
    let text = redirect_of(sign_in).await;
    let pasted = format!("{}/paste", path(sign_in));
    let pasted = script.post(&pasted, &json!({"text": text})).await;
    assert_eq!(pasted.status, 200, "{}", pasted.text());
}

#[tokio::test]
async fn a_pasted_address_makes_a_profile_with_every_step_told() {
    let world = World::two_accounts();
    world.fake.set_browser_user(&ada());
    let script = Script::of(&world);
    let mut events = Events::of(script.ask(Method::GET, "/api/events")).await;
    let live = std::fs::read(world.home.live()).unwrap();
    let begun = begin(&script, "paste", Some("ada")).await;
    assert_eq!(
        (&begun["way"], &begun["state"]),
        (&json!("paste"), &json!("waiting"))
    );
    assert_eq!(
        (&begun["code"], &begun["kept"]),
        (&Value::Null, &Value::Null)
    );
    let wrong = format!("{}/paste", path(&begun));
    for text in [
        "",
        "c",
        "http://127.0.0.1:1455/auth/callback?code=c&state=other",
    ] {
        let refused = script.post(&wrong, &json!({"text": text})).await;
        assert_eq!(refused.error(400), "not_the_address");
    }
    paste(&script, &begun).await;
    let done = events
        .until("sign_in", |told| told["state"] == "done")
        .await;
    assert_eq!(
        done["kept"],
        json!({"name": "ada", "created": true, "name_taken": false})
    );
    assert_eq!((&done["url"], &done["error"]), (&Value::Null, &Value::Null));
    events
        .until("overview", |overview| {
            overview["profiles"][0]["email"] == EMAIL
        })
        .await;
    assert_eq!(
        read_json(&world.home.profile("ada"))["tokens"]["account_id"],
        "acct-ada"
    );
    assert_eq!(
        std::fs::read(world.home.live()).unwrap(),
        live,
        "Codex is not signed in by that"
    );
    let late = script.post(&wrong, &json!({"text": "x#y"})).await;
    assert!([400, 409].contains(&late.status));
}

#[tokio::test]
async fn a_device_code_is_shown_until_it_was_entered() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let begun = begin(&script, "device", None).await;
    let code = begun["code"].as_str().unwrap();
    assert!(begun["url"].as_str().unwrap().ends_with("/codex/device"));
    let nothing = script
        .post(&format!("{}/paste", path(&begun)), &json!({"text": "x"}))
        .await;
    assert_eq!(nothing.error(409), "nothing_to_paste");
    assert!(world.fake.approve_device(code, &ada()));
    let done = ended(&script, &begun).await;
    assert_eq!(done["kept"]["name"], "ada.l");
    assert_eq!((&done["url"], &done["code"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_sign_in_renews_the_profile_that_needs_it() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    script.post("/api/profiles/work/sign-out", &json!({})).await;
    assert_eq!(world.home.listed("work")["state"], "needs_login");
    world.fake.set_browser_user(&worker());
    let begun = begin(&script, "paste", Some("work")).await;
    paste(&script, &begun).await;
    let done = ended(&script, &begun).await;
    assert_eq!(
        done["kept"],
        json!({"name": "work", "created": false, "name_taken": false})
    );
    assert_eq!(world.home.listed("work")["state"], "ok");
}

#[tokio::test]
async fn a_new_sign_in_cancels_the_one_that_waits_and_so_does_its_person() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let first = begin(&script, "paste", None).await;
    let second = begin(&script, "paste", None).await;
    assert_eq!(script.get(&path(&first)).await.json()["state"], "cancelled");
    let cancelled = script.delete(&path(&second)).await.json();
    assert_eq!(
        (&cancelled["state"], &cancelled["url"]),
        (&json!("cancelled"), &Value::Null)
    );
    let unknown = script.get("/api/sign-ins/nobody").await;
    assert_eq!(unknown.error(404), "no_such_sign_in");
    assert!(world.fake.requests_to("/oauth/token").is_empty());
}

#[tokio::test]
async fn what_the_issuer_refuses_is_told_in_a_word_and_a_sentence() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    world
        .fake
        .fault(Fault::status(404).path("/deviceauth/usercode"));
    let failed = begin(&script, "device", None).await;
    assert_eq!(
        (&failed["state"], &failed["error"]["code"]),
        (&json!("failed"), &json!("device_codes_disabled"))
    );
    let refusal = Fault::status(400).json(json!({"error": "invalid_grant"}));
    world.fake.fault(refusal.path("/oauth/token"));
    let begun = begin(&script, "paste", None).await;
    paste(&script, &begun).await;
    let failed = ended(&script, &begun).await;
    assert_eq!(failed["error"]["code"], "refused");
    assert!(
        failed["error"]["message"]
            .as_str()
            .unwrap()
            .contains("invalid_grant")
    );
    let odd = script.post("/api/sign-ins", &json!({"way": "guess"})).await;
    assert_eq!(odd.error(400), "invalid_body");
}

#[tokio::test]
async fn a_login_that_is_being_fetched_is_kept_though_everybody_leaves_and_the_router_stops() {
    let mut world = World::two_accounts();
    world.fake.set_browser_user(&ada());
    world
        .fake
        .fault(Fault::refresh_delayed(Duration::from_millis(800)));
    let script = Script::of(&world);
    let begun = begin(&script, "paste", Some("ada")).await;
    paste(&script, &begun).await;
    until("the exchange", || {
        !world.fake.requests_to("/oauth/token").is_empty()
    })
    .await;
    let cancelled = script.delete(&path(&begun)).await.json();
    assert_eq!(cancelled["state"], "redeeming", "too late to be cancelled");
    world.router.terminate();
    assert!(world.router.ended(PATIENCE).success());
    assert_eq!(world.home.listed("ada")["state"], "ok");
}

#[tokio::test]
async fn a_login_that_no_disk_takes_is_held_and_told_until_one_does() {
    let fake = fake();
    fake.set_browser_user(&ada());
    let world = World::with(fake, &[]);
    let script = Script::of(&world);
    let begun = begin(&script, "paste", Some("ada")).await;
    let profiles = world.home.path("profiles");
    std::fs::remove_dir_all(&profiles).unwrap();
    write(&profiles, "a file in the way");
    let mut events = Events::of(script.ask(Method::GET, "/api/events")).await;
    paste(&script, &begun).await;
    let told = events
        .until("sign_in", |told| !told["error"].is_null())
        .await;
    assert_eq!(
        (&told["state"], &told["error"]["code"]),
        (&json!("redeeming"), &json!("not_written"))
    );
    std::fs::remove_file(&profiles).unwrap();
    assert_eq!(ended(&script, &begun).await["kept"]["name"], "ada");
    assert_eq!(world.home.listed("ada")["state"], "ok");
}

#[tokio::test]
async fn a_router_that_stops_waits_for_nobody_who_has_not_signed_in() {
    let mut world = World::two_accounts();
    let script = Script::of(&world);
    begin(&script, "paste", None).await;
    world.router.terminate();
    assert!(world.router.ended(Duration::from_secs(5)).success());
}

#[tokio::test]
async fn no_secret_of_a_sign_in_is_logged_or_told_again() {
    let world = World::two_accounts();
    world.fake.set_browser_user(&ada());
    let script = Script::of(&world);
    script
        .patch("/api/settings", &json!({"log_level": "trace"}))
        .await;
    let begun = begin(&script, "paste", Some("ada")).await;
    let redirect = redirect_of(&begun).await;
    paste(&script, &begun).await;
    let done = ended(&script, &begun).await;
    assert_eq!(done["state"], "done");
    let login = read_json(&world.home.profile("ada"));
    let printed = world.router.printed();
    assert!(printed.contains("TRACE"), "the log is on");
    let query = redirect.split_once('?').unwrap().1;
    let secrets = query.split('&').filter_map(|pair| pair.split_once('='));
    let tokens = login["tokens"].as_object().unwrap().values();
    let tokens = tokens.filter_map(Value::as_str).map(str::to_owned);
    let secrets = secrets.map(|(_, value)| value.to_owned()).chain(tokens);
    for secret in secrets
        .chain([script.token.clone()])
        .filter(|secret| secret.len() > 20)
    {
        assert!(
            !printed.contains(&secret) && !done.to_string().contains(&secret),
            "{secret}"
        );
    }
    assert!(!printed.contains(EMAIL));
}

#[tokio::test]
async fn a_router_that_ends_tries_once_more_to_write_a_login_and_says_so_if_it_cannot() {
    for disk_is_mended in [true, false] {
        let fake = fake();
        fake.set_browser_user(&ada());
        let mut world = World::with(fake, &[]);
        let script = Script::of(&world);
        let begun = begin(&script, "paste", Some("ada")).await;
        let profiles = world.home.path("profiles");
        std::fs::remove_dir_all(&profiles).unwrap();
        write(&profiles, "a file in the way");
        let mut events = Events::of(script.ask(Method::GET, "/api/events")).await;
        paste(&script, &begun).await;
        events
            .until("sign_in", |told| told["error"]["code"] == "not_written")
            .await;
        drop(events);
        if disk_is_mended {
            std::fs::remove_file(&profiles).unwrap();
        }
        world.router.terminate();
        assert!(world.router.ended(PATIENCE).success());
        let printed = world.router.printed();
        assert_eq!(
            printed.contains("before the end"),
            !disk_is_mended,
            "{printed}"
        );
        assert!(!printed.contains(EMAIL) && !printed.contains("eyJ"));
        if disk_is_mended {
            assert_eq!(world.home.listed("ada")["state"], "ok");
        }
    }
}
