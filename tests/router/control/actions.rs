use fake_openai::Account;
use serde_json::{Value, json};

use super::Script;
use crate::harness::{
    Answer, Home, MODEL, Router, World, access_token, chat, entry, fake, read_json, refresh_token,
    worker, write,
};

fn names(list: &Value) -> Vec<&str> {
    let profiles = list["profiles"].as_array().unwrap().iter();
    profiles
        .map(|profile| profile["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_switch_in_the_page_is_one_for_clients_files_and_command_line() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let switched = script
        .post("/api/profiles/other/use", &json!({}))
        .await
        .json();
    assert_eq!(
        switched,
        json!({"current": "other", "published": true, "kept_as": null, "live_unknown": null,
            "codex_refuses": false})
    );
    assert_eq!(world.home.run(&["current"]).stdout.trim(), "other");
    let (live, other) = (world.home.live(), world.home.profile("other"));
    assert_eq!(
        access_token(&read_json(&live)),
        access_token(&read_json(&other))
    );
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(answer.served_by(), ("other", "current"));
    let unknown = script.post("/api/profiles/nobody/use", &json!({})).await;
    assert_eq!(unknown.error(404), "no_such_profile");
    for (name, code) in [
        ("%2e%2e%2fx", "invalid_path"),
        (".x", "invalid_profile_name"),
    ] {
        let path = format!("/api/profiles/{name}/use");
        let odd = script.post(&path, &json!({})).await;
        assert_eq!(odd.error(400), code);
    }
}

#[tokio::test]
async fn a_profile_is_renamed_labelled_and_coloured_all_at_once_or_not_at_all() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let wrong = json!({"name": "new", "label": "x", "color": "red;background:url(x)"});
    let refused = script.patch("/api/profiles/other", &wrong).await;
    assert_eq!(refused.error(400), "invalid_value");
    assert_eq!(refused.json()["error"]["param"], "color");
    assert_eq!(names(&world.home.list()), ["other", "work"]);

    let change = json!({"name": "团队", "label": "Team", "color": "#3B82F6"});
    let overview = script.patch("/api/profiles/other", &change).await.json();
    assert_eq!(names(&overview), ["work", "团队"]);
    let listed = world.home.listed("团队");
    assert_eq!(
        (&listed["label"], &listed["color"]),
        (&json!("Team"), &json!("#3b82f6"))
    );
    // What is missing stays, and null takes back.
    let back = json!({"label": null});
    let overview = script
        .patch("/api/profiles/%E5%9B%A2%E9%98%9F", &back)
        .await
        .json();
    let shown = entry(&overview, "团队");
    assert_eq!(
        (&shown["label"], &shown["color"]),
        (&Value::Null, &json!("#3b82f6"))
    );
    let taken = script
        .patch("/api/profiles/work", &json!({"name": "团队"}))
        .await;
    assert_eq!(taken.error(409), "name_taken");
}

#[tokio::test]
async fn a_removed_profile_is_listed_and_comes_back_until_it_is_deleted_for_good() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let current = script.delete("/api/profiles/work").await;
    assert_eq!(current.error(409), "profile_is_current");
    script
        .patch("/api/profiles/other", &json!({"label": "Old"}))
        .await;
    let overview = script.delete("/api/profiles/other").await.json();
    assert_eq!(names(&overview), ["work"]);
    let removed = &overview["removed"][0];
    assert_eq!(
        (&removed["name"], &removed["label"]),
        (&json!("other"), &json!("Old"))
    );
    assert!(removed["removed_at"].is_string());
    assert!(!world.home.profile("other").exists());

    let overview = script
        .post("/api/profiles/other/restore", &json!({}))
        .await
        .json();
    assert_eq!(overview["removed"], json!([]));
    assert_eq!(world.home.listed("other")["label"], "Old");
    let again = script.post("/api/profiles/other/restore", &json!({})).await;
    assert_eq!(again.error(409), "name_taken");

    let overview = script.delete("/api/profiles/other?purge=true").await.json();
    assert_eq!(
        (names(&overview), &overview["removed"]),
        (vec!["work"], &json!([]))
    );
    let gone = script.post("/api/profiles/other/restore", &json!({})).await;
    assert_eq!(gone.error(404), "nothing_removed");
}

#[tokio::test]
async fn what_was_removed_is_deleted_by_its_id_and_a_profile_of_its_name_stays() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let overview = script.delete("/api/profiles/other").await.json();
    let id = overview["removed"][0]["id"].as_str().unwrap().to_owned();
    // By its name it is no profile any more, however it is asked for.
    let unknown = script.delete("/api/profiles/other?purge=true").await;
    assert_eq!(unknown.error(404), "no_such_profile");
    let again = world
        .fake
        .auth_json(&Account::new("user-back", "acct-back"));
    world.home.add("other", &again);

    let path = format!("/api/removed/{id}");
    let overview = script.delete(&path).await.json();
    assert_eq!(names(&overview), ["other", "work"]);
    assert_eq!(overview["removed"], json!([]));
    assert_eq!(read_json(&world.home.profile("other")), again);
    let hidden = std::fs::read_dir(world.home.path("profiles")).unwrap();
    assert_eq!(hidden.count(), 2, "and nothing hidden");
    assert_eq!(script.delete(&path).await.error(404), "nothing_removed");
    let name = script.delete("/api/removed/other").await;
    assert_eq!(name.error(400), "invalid_value");
}

#[tokio::test]
async fn a_sign_out_says_first_what_ends_and_then_ends_it_at_the_issuer() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let scope = script.get("/api/profiles/work/sign-out").await.json();
    assert_eq!(
        scope,
        json!({"profile": "work", "others": [], "live": true})
    );
    assert!(world.fake.requests_to("/oauth/revoke").is_empty());
    let overview = script
        .post("/api/profiles/work/sign-out", &json!({}))
        .await
        .json();
    assert_eq!(entry(&overview, "work")["state"], "needs_login");
    assert_eq!(entry(&overview, "other")["state"], "ok");
    assert_eq!(world.fake.requests_to("/oauth/revoke").len(), 1);
}

#[tokio::test]
async fn the_unsaved_login_is_saved_under_the_name_that_is_wished() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let stranger = fake.auth_json(&Account::new("user-new", "acct-new"));
    write(&home.live(), stranger.to_string());
    home.keep_nothing_alive();
    let router = Router::start(&home, &fake);
    let script = Script::at(&home, &router);
    let overview = script.get("/api/overview").await.json();
    assert!(overview["live"]["identity"].is_string() && overview["live"]["profile"].is_null());
    let taken = script
        .post("/api/live/save", &json!({"name": "work"}))
        .await;
    assert_eq!(taken.error(409), "other_identity");
    let saved = script
        .post("/api/live/save", &json!({"name": "new"}))
        .await
        .json();
    assert_eq!(
        saved,
        json!({"name": "new", "created": true, "renewed": false})
    );
    let kept = read_json(&home.profile("new"));
    assert_eq!(refresh_token(&kept), refresh_token(&stranger));
}

#[tokio::test]
async fn an_api_key_becomes_a_profile_and_is_never_told_again() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let added = json!({"key": " sk-planted-key ", "name": "key"});
    let added = script.post("/api/api-keys", &added).await;
    assert_eq!(added.json()["name"], "key");
    let login = read_json(&world.home.profile("key"));
    assert_eq!(login["OPENAI_API_KEY"], "sk-planted-key");
    let wrong = script
        .post("/api/api-keys", &json!({"key": "sk-planted key"}))
        .await;
    assert_eq!(wrong.error(400), "invalid_value");
    let broken = script
        .post("/api/api-keys", &json!({"key": ["sk-planted-list"]}))
        .await;
    broken.error(400);
    let overview = script.get("/api/overview").await;
    for answer in [&added, &wrong, &broken, &overview] {
        assert!(!answer.text().contains("planted"), "{}", answer.text());
    }
}

#[tokio::test]
async fn what_is_added_by_hand_and_the_quota_are_there_after_a_refresh() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    world
        .home
        .add("third", &world.fake.api_key_auth_json("sk-third"));
    let overview = script.post("/api/refresh", &json!({})).await.json();
    assert_eq!(names(&overview), ["other", "third", "work"]);
    assert!(
        entry(&overview, "work")["usage"]["windows"].is_array(),
        "{overview}"
    );
    let usage = script
        .post("/api/profiles/other/usage", &json!({}))
        .await
        .json();
    assert_eq!(usage["source"], "poll");
    let key = script.post("/api/profiles/third/usage", &json!({})).await;
    assert_eq!(key.error(409), "no_quota");
}

#[tokio::test]
async fn a_client_key_is_shown_once_and_locks_the_others_out_until_it_is_revoked() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let made = json!({"name": "laptop", "profile": "other"});
    let made = script.post("/api/keys", &made).await.json();
    let key = made["key"].as_str().unwrap().to_owned();
    let listed = script.get("/api/keys").await;
    assert_eq!(listed.json()["keys"][0]["profile"], "other");
    assert!(!listed.text().contains(&key));
    Answer::to(world.router.say("hello")).await.error(401);
    let body = chat("hello");
    let with_key = world
        .router
        .post("/v1/chat/completions", &body)
        .bearer_auth(&key);
    assert_eq!(Answer::to(with_key).await.served_by(), ("other", "key"));
    // The page is no client, and needs none.
    assert_eq!(script.get("/api/overview").await.status, 200);
    let twice = script.post("/api/keys", &json!({"name": "laptop"})).await;
    assert_eq!(twice.error(409), "name_taken");
    let left = script.delete("/api/keys/laptop").await.json();
    assert_eq!(left, json!({"keys": []}));
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    assert_eq!(
        script.delete("/api/keys/laptop").await.error(404),
        "no_such_key"
    );
}

#[tokio::test]
async fn codex_is_attached_with_its_difference_shown_first_and_detached_to_the_same_bytes() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let config = world.home.path("config.toml");
    let before = "# mine\nmodel = \"x\"\n";
    write(&config, before);
    let shown = script.get("/api/attachment").await.json();
    assert_eq!(shown["state"], "detached");
    assert_eq!(shown["config_path"], config.to_str().unwrap());
    let setting = format!("openai_base_url = \"{}\"", world.router.url("/v1"));
    assert!(
        shown["diff"].as_str().unwrap().contains(&setting),
        "{shown}"
    );
    assert_eq!(std::fs::read_to_string(&config).unwrap(), before);
    let attached = script.post("/api/attachment", &json!({})).await.json();
    assert_eq!(
        (&attached["state"], &attached["diff"]),
        (&json!("attached"), &Value::Null)
    );
    let overview = script.get("/api/overview").await.json();
    assert_eq!(overview["attachment"], "attached");
    assert!(std::fs::read_to_string(&config).unwrap().contains(&setting));
    assert_eq!(
        script.delete("/api/attachment").await.json()["state"],
        "detached"
    );
    assert_eq!(std::fs::read_to_string(&config).unwrap(), before);
}

#[tokio::test]
async fn the_last_requests_are_listed_without_what_was_said() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    Answer::to(world.router.say("planted words")).await;
    let answer = script.get("/api/requests").await;
    let entry = &answer.json()["requests"][0];
    assert_eq!(entry["route"], "/v1/chat/completions");
    assert_eq!(
        (&entry["profile"], &entry["reason"]),
        (&json!("work"), &json!("current"))
    );
    assert_eq!(
        (&entry["model"], &entry["status"]),
        (&json!(MODEL), &json!(200))
    );
    assert!(!answer.text().contains("planted"));
}

#[tokio::test]
async fn without_a_desktop_nothing_of_it_is_done() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    assert_eq!(
        script.post("/api/window", &json!({})).await.error(409),
        "no_desktop"
    );
    let enable = script.ask(reqwest::Method::PUT, "/api/desktop/starts-at-login");
    let enable = Answer::to(enable.json(&json!({"enabled": true}))).await;
    assert_eq!(enable.error(409), "no_desktop");
    assert_eq!(
        script.get("/api/overview").await.json()["desktop"],
        Value::Null
    );
}

#[tokio::test]
async fn no_answer_holds_a_token_of_a_login() {
    let world = World::api_key();
    let script = Script::of(&world);
    let work = read_json(&world.home.profile("work"));
    let secrets = [
        access_token(&work).to_owned(),
        refresh_token(&work).to_owned(),
        work["tokens"]["id_token"].as_str().unwrap().to_owned(),
        "sk-key-of-the-test".to_owned(),
        script.token.clone(),
    ];
    let email = world.home.listed("work")["email"]
        .as_str()
        .unwrap()
        .to_owned();
    Answer::to(world.router.say("hello")).await;
    for (post, path) in [
        (false, "/api/overview"),
        (false, "/api/requests"),
        (false, "/api/settings"),
        (false, "/api/keys"),
        (false, "/api/attachment"),
        (false, "/api/openapi.json"),
        (false, "/api/profiles/work/sign-out"),
        (true, "/api/refresh"),
        (true, "/api/live/save"),
        (true, "/api/profiles/work/use"),
        (true, "/api/profiles/work/usage"),
        (true, "/api/profiles/key/sign-out"),
        (true, "/api/profiles/nobody/use"),
    ] {
        let answer = if post {
            script.post(path, &json!({})).await
        } else {
            script.get(path).await
        };
        let headers = format!("{:?}", answer.headers);
        for secret in &secrets {
            assert!(secret.len() > 15, "a secret, not {secret}");
            assert!(
                !answer.text().contains(secret) && !headers.contains(secret),
                "{path}"
            );
        }
        let has_email = answer.text().contains(&email);
        assert!(
            !has_email || ["/api/overview", "/api/refresh"].contains(&path),
            "{path}"
        );
    }
    let printed = world.router.printed();
    assert!(secrets.iter().all(|secret| !printed.contains(secret)));
    assert!(!printed.contains(&email));
}
