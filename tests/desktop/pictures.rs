//! Pictures of the icon, the menu and the window. With `CODEX_ROUTER_PICTURES` set to a folder,
//! they are kept there.

use std::{fs, path::PathBuf, process::Command};

use fake_openai::{Account, Usage};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    harness::{Home, fake, worker, write},
    session::{Desk, Session},
};

/// Colours of a panel with a menu, at least.
const MENU: usize = 250;
/// Fewer are those of a page that has nothing to show yet.
const PAGE: usize = 700;

/// Several profiles, with labels and limits.
async fn furnished(desk: Desk, language: &str) -> Session {
    let fake = fake();
    let team = Account::new("user-team", "acct-team");
    let old = Account::new("user-old", "acct-old");
    let home = Home::with(&[
        ("work", fake.auth_json(&worker())),
        ("team", fake.auth_json(&team)),
        ("key", fake.api_key_auth_json("sk-key-of-the-test")),
        ("old", fake.auth_json(&old)),
    ]);
    fake.set_usage("acct-work", Usage::percent(42.0, 7.0));
    fake.set_usage("acct-team", Usage::percent(100.0, 63.0));
    let state = json!({"version": 1, "auto_refresh_enabled": false, "language": language});
    write(&home.path("router/state.json"), state.to_string());
    for (name, label) in [("work", "Work"), ("team", "Team R&D"), ("key", "My key")] {
        assert_eq!(home.run(&["label", name, label]).code, Some(0));
    }
    let session = Session::start(home, fake, desk).await;
    session.click(if language == "zh-CN" {
        "刷新账号"
    } else {
        "Refresh profiles"
    });
    session.shows("Work · Plus · ", &["--wait", "20"]);
    session
}

fn picture(session: &Session, name: &str, window: Option<&str>) {
    let fewest = window.map_or(MENU, |_| PAGE);
    let kept = std::env::var_os("CODEX_ROUTER_PICTURES").map(PathBuf::from);
    let temporary = TempDir::new().unwrap();
    let folder = kept.unwrap_or_else(|| temporary.path().to_owned());
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{name}.png"));
    let path = file.to_str().unwrap();
    let window = window.map_or(Vec::new(), |title| vec!["--window", title]);
    let take = || {
        session.ask(&[&["screenshot", path], window.as_slice()].concat());
        Look::at(path)
    };
    // What is drawn bit by bit is done when two pictures are the same.
    let mut last = take();
    for _ in 0..60 {
        let look = take();
        if look == last && look.colours >= fewest {
            return made_small(path, window.is_empty());
        }
        last = look;
    }
    panic!("nothing to see in {name}: {last:?}");
}

/// For the documents: of a whole desktop the corner with the menu, and few colours.
fn made_small(path: &str, is_desktop: bool) {
    let crop = is_desktop.then_some(["-crop", "640x360+0+0", "+repage"]);
    let mut mogrify = Command::new("mogrify");
    mogrify.args(crop.into_iter().flatten());
    let small = mogrify.args(["+dither", "-colors", "256", path]).status();
    assert!(small.unwrap().success());
}

/// What two pictures are compared by.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    colours: usize,
    signature: String,
}

impl Look {
    fn at(path: &str) -> Self {
        let told = Command::new("identify")
            .args(["-format", "%k %#", path])
            .output();
        let told = String::from_utf8(told.unwrap().stdout).unwrap();
        let (colours, signature) = told.trim().split_once(' ').unwrap();
        Self {
            colours: colours.parse().unwrap(),
            signature: signature.to_owned(),
        }
    }
}

#[tokio::test]
async fn the_panel_draws_the_icon_and_its_menu() {
    for (dark, name) in [(false, "tray"), (true, "tray-dark")] {
        let panel = "xfce";
        let desk = Desk {
            panel,
            dark,
            ..Desk::default()
        };
        let session = furnished(desk, "en").await;
        session.ask(&["open-menu"]);
        picture(&session, name, None);
    }
}

#[tokio::test]
async fn an_open_window_follows_the_desktop_into_the_dark() {
    let session = furnished(Desk::default(), "en").await;
    session.ask(&["scheme", "light"]);
    session.ask(&["activate"]);
    session.has_window();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("window.png");
    let brightness = async || {
        let path = file.to_str().unwrap();
        session.ask(&["screenshot", path, "--window", "Codex Router"]);
        let mut look = Command::new("identify");
        let told = look.args(["-format", "%[fx:mean]", path]).output().unwrap();
        let mean: f64 = String::from_utf8(told.stdout).unwrap().parse().unwrap();
        mean
    };
    let becomes = async |wanted: &str, is: fn(f64) -> bool| {
        for _ in 0..60 {
            if is(brightness().await) {
                return;
            }
        }
        panic!("not {wanted}: {}", brightness().await);
    };
    becomes("light", |mean| mean > 0.7).await;
    session.ask(&["scheme", "dark"]);
    becomes("dark", |mean| mean < 0.3).await;
    // A new one is dark from the beginning.
    session.close_window();
    session.ask(&["activate"]);
    session.has_window();
    becomes("dark", |mean| mean < 0.3).await;
}

#[tokio::test]
async fn the_window_draws_the_page() {
    for (dark, language, name) in [
        (false, "en", "window"),
        (true, "en", "window-dark"),
        (false, "zh-CN", "window-zh"),
    ] {
        let desk = Desk {
            dark,
            ..Desk::default()
        };
        let session = furnished(desk, language).await;
        session.ask(&["activate"]);
        session.has_window();
        picture(&session, name, Some("Codex Router"));
    }
}
