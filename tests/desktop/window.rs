//! The window comes when it is asked for, and leaves nothing behind.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use tempfile::TempDir;

use crate::{
    harness::{fake, until, write},
    session::{Desk, Session, desktop_binary, two_accounts},
};

#[tokio::test]
async fn closing_the_window_keeps_the_icon_and_it_opens_again() {
    let session = Session::of_two_accounts().await;
    session.has_no_window();
    for _ in 0..2 {
        session.click("Open Codex Router");
        session.has_window();
        session.close_window();
        session.shows("Open Codex Router", &[]);
    }
    session.click("Add account…");
    session.has_window();
}

#[tokio::test]
async fn a_click_on_the_icon_opens_one_window_and_only_one() {
    let session = Session::of_two_accounts().await;
    for _ in 0..3 {
        session.ask(&["activate"]);
    }
    session.has_window();
    session.close_window();
    session.has_no_window();
}

#[tokio::test]
async fn a_second_start_brings_the_window_of_the_first() {
    let session = Session::of_two_accounts().await;
    let again = session.start_again();
    assert_eq!(again.code, Some(0), "{again:?}");
    session.has_window();
    // Nothing is left of it: there is one icon, and the first one's window.
    assert!(session.menu().iter().any(|line| line == "Quit"));
}

#[tokio::test]
async fn without_a_panel_the_window_opens() {
    let desk = Desk {
        panel: "none",
        ..Desk::default()
    };
    let session = Session::with(fake(), desk).await;
    session.has_window();
    assert!(
        session.printed().contains("no panel"),
        "{}",
        session.printed()
    );
    session.close_window();
    let again = session.start_again();
    assert_eq!(again.code, Some(0), "{again:?}");
    session.has_window();
}

#[tokio::test]
async fn ten_rounds_of_the_window_leave_nothing_behind() {
    const KIBIBYTES: u64 = 20 << 10;
    let session = Session::of_two_accounts().await;
    session.shows("Quit", &[]);
    let before = session.memory_alone().await;
    let mut after = Vec::new();
    for _ in 0..10 {
        session.ask(&["activate"]);
        session.has_window();
        session.close_window();
        after.push(session.memory_alone().await);
    }
    let most = after.iter().max().unwrap();
    assert!(
        most.saturating_sub(before) < KIBIBYTES,
        "{before}: {after:?}"
    );
}

#[tokio::test]
async fn a_window_that_crashed_opens_again() {
    let session = Session::of_two_accounts().await;
    session.click("Open Codex Router");
    session.has_window();
    let process = session.window_process().unwrap();
    let killed = Command::new("kill").args(["-KILL", &process]).status();
    assert!(killed.unwrap().success());
    session.has_no_window();
    session.click("Open Codex Router");
    session.has_window();
    assert_ne!(session.window_process().unwrap(), process);
    assert!(session.opened_in_browser().is_empty());
}

#[tokio::test]
async fn the_window_goes_with_the_program_however_that_ends() {
    let session = Session::of_two_accounts().await;
    session.click("Open Codex Router");
    session.has_window();
    let window = session.window_process().unwrap();
    let killed = Command::new("kill")
        .args(["-KILL", &session.pid()])
        .status();
    assert!(killed.unwrap().success());
    let process = format!("/proc/{window}/exe");
    until("the window to end", || fs::read_link(&process).is_err()).await;
}

/// The program in a folder of its own, with this in place of the program of the window.
async fn with_window_program(window: Option<&str>) -> (TempDir, Session) {
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("codex-router");
    fs::copy(desktop_binary(), &program).unwrap();
    if let Some(window) = window {
        let program = folder.path().join("codex-router-window");
        write(&program, window);
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let fake = fake();
    let home = two_accounts(&fake);
    let session = Session::of(&program, home, fake, Desk::default()).await;
    (folder, session)
}

#[tokio::test]
async fn without_a_web_view_the_browser_shows_the_page() {
    for window in [None, Some("#!/bin/sh\nexit 1\n")] {
        let (_folder, session) = with_window_program(window).await;
        session.click("Open Codex Router");
        until("the browser", || !session.opened_in_browser().is_empty()).await;
        // The link works: whatever had it before did not use it up.
        let opened = session.opened_in_browser();
        assert_eq!(opened.len(), 1, "{opened:?}");
        let (page, secret) = opened[0].split_once("#link=").unwrap();
        let session_url = format!("{page}api/session");
        let body = serde_json::json!({ "link": secret });
        let let_in = session.client.post(session_url).json(&body).send().await;
        assert!(let_in.unwrap().status().is_success(), "{window:?}");
    }
}
