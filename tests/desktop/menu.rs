//! The menu and what it says are the state of the router, whoever changes it.

use std::fs;

use fake_openai::Usage;

use crate::{
    harness::{Answer, Home, access_token, fake, read_json, worker, write},
    session::{Desk, Session},
};

const WORK: &str = "user-work@example.com · Plus";
const OTHER: &str = "user-other@example.com · Plus";

#[tokio::test]
async fn the_icon_is_there_with_every_profile_in_its_menu() {
    let session = Session::of_two_accounts().await;
    let items: serde_json::Value = serde_json::from_str(&session.ask(&["items"])).unwrap();
    assert_eq!(items[0]["id"], "codex-router");
    assert_eq!(items[0]["icon_sizes"][0], "64x64");
    let menu = session.menu();
    assert!(menu[0].contains("user-work"), "{menu:?}");
    for line in [
        format!("[x] {WORK}").as_str(),
        &format!("[ ] {OTHER}"),
        "Refresh profiles",
        "Add account…",
        "[ ] Attach Codex",
        "[ ] Start at login",
        "Open Codex Router",
        "Quit",
    ] {
        assert!(menu.iter().any(|it| it == line), "no {line}: {menu:?}");
    }
}

#[tokio::test]
async fn the_menu_speaks_the_language_of_the_person() {
    let desk = Desk {
        locale: "zh_CN.UTF-8",
        ..Desk::default()
    };
    let session = Session::with(fake(), desk).await;
    session.shows("打开 Codex Router", &[]);
    session.shows("退出", &[]);
}

#[tokio::test]
async fn a_click_switches_the_files_and_the_account_that_serves() {
    let session = Session::of_two_accounts().await;
    session.click(OTHER);
    session.shows(OTHER, &["--checked"]);
    session.shows(WORK, &["--unchecked"]);
    assert_eq!(session.home.run(&["current"]).stdout.trim(), "other");
    let (live, profile) = (session.home.live(), session.home.profile("other"));
    let (live, profile) = (read_json(&live), read_json(&profile));
    assert_eq!(access_token(&live), access_token(&profile));
    let answer = Answer::to(session.say("hello")).await;
    assert_eq!(answer.served_by(), ("other", "current"));
    let audit = session.home.run(&["audit", "--json", "--last", "1"]).stdout;
    let audit: serde_json::Value = serde_json::from_str(&audit).unwrap();
    let entry = &audit["entries"][0];
    assert_eq!(
        (&entry["action"], &entry["by"]),
        (&"switch".into(), &"tray".into())
    );
    let note = session.notification("Now using other");
    assert!(
        note["body"].as_str().unwrap().contains("restarted"),
        "{note}"
    );
}

#[tokio::test]
async fn a_click_on_the_current_profile_leaves_its_mark() {
    let session = Session::of_two_accounts().await;
    session.click(WORK);
    session.notification("Now using work");
    session.shows(WORK, &["--checked"]);
    assert_eq!(session.home.run(&["current"]).stdout.trim(), "work");
}

#[tokio::test]
async fn what_other_programs_change_is_in_the_menu_at_once() {
    let session = Session::of_two_accounts().await;
    let run = |arguments: &[&str]| {
        let ran = session.home.run(arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    run(&["use", "other"]);
    session.shows(OTHER, &["--checked"]);
    run(&["label", "work", "R&D _x_"]);
    session.shows("R&D _x_ · Plus", &["--unchecked"]);
    run(&["rename", "other", "second"]);
    session.shows(OTHER, &["--checked"]);
    session
        .home
        .add("by-hand", &session.fake.api_key_auth_json("sk-by-hand"));
    session.shows("by-hand · API key", &["--unchecked"]);
    fs::remove_dir_all(session.home.path("profiles/by-hand")).unwrap();
    session.shows("by-hand", &["--absent"]);
}

#[tokio::test]
async fn a_click_that_leads_to_nothing_is_told_and_the_marks_stay_true() {
    let session = Session::of_two_accounts().await;
    let profile = session.home.profile("other");
    write(&profile, "{");
    session.shows("other · cannot be read", &[]);
    session.click("other · cannot be read");
    session.notification("That did not work");
    session.shows("other · cannot be read", &["--unchecked"]);
    session.shows(WORK, &["--checked"]);
}

#[tokio::test]
async fn starting_at_login_is_off_until_it_is_asked_for() {
    let session = Session::of_two_accounts().await;
    let entry = session
        .home
        .path("person/.config/autostart/codex-router.desktop");
    assert!(!entry.exists());
    session.click("Start at login");
    session.shows("Start at login", &["--checked"]);
    let text = fs::read_to_string(&entry).unwrap();
    let program = crate::session::desktop_binary();
    assert!(text.contains(program.to_str().unwrap()), "{text}");
    session.click("Start at login");
    session.shows("Start at login", &["--unchecked"]);
    assert!(!entry.exists());
}

#[tokio::test]
async fn a_login_that_is_in_no_profile_is_offered_to_be_saved() {
    let fake = fake();
    let home = Home::empty();
    write(&home.live(), fake.auth_json(&worker()).to_string());
    let session = Session::start(home, fake, Desk::default()).await;
    session.shows("Save the login Codex uses…", &[]);
    assert_eq!(session.home.run(&["save", "mine"]).code, Some(0));
    session.shows("Save the login Codex uses…", &["--absent"]);
    session.shows(WORK, &["--unchecked"]);
}

#[tokio::test]
async fn a_limit_that_begins_anew_is_shown_so_with_nobody_at_work() {
    let session = Session::of_two_accounts().await;
    let told = Usage::percent(55.0, 12.0).primary_resets_in(6);
    session.fake.set_usage("acct-work", told);
    assert_eq!(Answer::to(session.say("hello")).await.status, 200);
    session.shows(&format!("{WORK} · 5h 55% · weekly 12%"), &[]);
    let anew = format!("{WORK} · 5h ? · weekly 12%");
    session.ask(&["expect", &anew, "--wait", "10"]);
}

#[tokio::test]
async fn attaching_codex_is_a_check_mark_and_taking_it_off_leaves_its_settings_as_they_were() {
    const BEFORE: &str = "# mine\nmodel = \"gpt-5.5\"\n";
    let session = Session::of_two_accounts().await;
    let config = session.home.path("config.toml");
    let read = || fs::read_to_string(&config).unwrap();
    write(&config, BEFORE);
    session.shows("Attach Codex", &["--unchecked"]);
    session.click("Attach Codex");
    session.shows("Attach Codex", &["--checked"]);
    let url = session.url("/v1");
    assert!(
        read().contains(&format!("openai_base_url = \"{url}\"")),
        "{}",
        read()
    );
    session.click("Attach Codex");
    session.shows("Attach Codex", &["--unchecked"]);
    assert_eq!(read(), BEFORE);

    let attached = session.home.run(&["attach"]);
    assert_eq!(attached.code, Some(0), "{attached:?}");
    session.shows("Attach Codex", &["--checked"]);
}
