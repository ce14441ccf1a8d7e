//! The server is first, and lasts longest.

use std::{process::Command, time::Duration};

use fake_openai::FakeOpenAi;

use crate::{
    harness::{Answer, Ran, Router, fake},
    session::{Desk, Session, desktop_binary, environment, two_accounts},
};

async fn slow() -> Session {
    let builder = FakeOpenAi::builder().event_delay(Duration::from_millis(40));
    Session::with(builder.start_on_own_thread().unwrap(), Desk::default()).await
}

#[tokio::test]
async fn quit_lets_streams_end_and_then_ends_cleanly() {
    let mut session = slow().await;
    let mut stream = session.say_streaming("count to 150").send().await.unwrap();
    let mut text = Vec::from(stream.chunk().await.unwrap().unwrap());
    session.click("Quit");
    session.shows("Ending the streams under way…", &["--disabled"]);
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    assert!(String::from_utf8_lossy(&text).ends_with("data: [DONE]\n\n"));
    assert_eq!(session.exit_code(), Some(0));
}

#[tokio::test]
async fn a_signal_ends_it_as_quit_does_with_the_window_open() {
    let mut session = Session::of_two_accounts().await;
    session.click("Open Codex Router");
    session.has_window();
    let pid = session.pid();
    let killed = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.unwrap().success());
    assert_eq!(session.exit_code(), Some(0));
}

/// The program where there is nothing to show anything on.
fn headless(display: Option<&str>) -> String {
    let fake = fake();
    let home = two_accounts(&fake);
    let mut command = Command::new(desktop_binary());
    command.env_clear().envs(environment(&home, &fake));
    command.envs(display.map(|display| ("DISPLAY", display)));
    // A second start asks the first one: both have to work without a display.
    let router = Router::start_command(command);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answer = runtime.block_on(Answer::to(router.say("hello")));
    assert_eq!(answer.status, 200);
    router.terminate();
    let mut router = router;
    assert_eq!(router.ended(Duration::from_secs(10)).code(), Some(0));
    router.printed()
}

#[test]
fn without_a_display_it_says_so_in_one_line_and_serves() {
    let printed = headless(None);
    let said = "there is no display; serving without a tray";
    assert_eq!(printed.matches(said).count(), 1, "{printed}");
}

#[test]
fn a_display_that_cannot_be_opened_is_none() {
    let printed = headless(Some(":65000"));
    let said = "the display cannot be opened; serving without a tray";
    assert_eq!(printed.matches(said).count(), 1, "{printed}");
}

#[test]
fn the_command_line_needs_no_display() {
    let mut command = Command::new(desktop_binary());
    command.env_clear().arg("--version");
    assert_eq!(Ran::to_its_end(command).code, Some(0));
}
