//! The window comes when it is asked for, and leaves nothing behind.

use crate::{
    harness::fake,
    session::{Desk, Session},
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
    // In the first rounds libraries load what they keep.
    const FIRST: usize = 3;
    const KIBIBYTES: u64 = 20 << 10;
    let session = Session::of_two_accounts().await;
    let mut after = Vec::new();
    for _ in 0..10 {
        session.ask(&["activate"]);
        session.has_window();
        session.close_window();
        after.push(session.memory());
    }
    let grown = after.last().unwrap().saturating_sub(after[FIRST - 1]);
    assert!(grown < KIBIBYTES, "{after:?}");
}
