use codex_auth::{
    PlanType,
    usage::{UsageSource, UsageWindow},
};
use codex_profiles::Report;
use codex_proxy::control::{DesktopView, Language};
use serde_json::json;

use super::*;

const NOW: &str = "2026-11-23T14:10[Europe/Berlin]";

fn now() -> Zoned {
    NOW.parse().unwrap()
}

pub(in crate::desktop) fn at(text: &str) -> Timestamp {
    text.parse::<Zoned>().unwrap().timestamp()
}

fn window(name: &str, used: f64, resets: &str) -> UsageWindow {
    UsageWindow {
        name: name.to_owned(),
        duration_seconds: None,
        used_percent: Some(used),
        resets_at: Some(at(resets)),
        read_at: at("2026-11-23T14:02[Europe/Berlin]"),
    }
}

fn usage(windows: Vec<UsageWindow>, binding: &str) -> Usage {
    Usage {
        windows,
        credits: None,
        binding: Some(binding.to_owned()),
        source: UsageSource::Headers,
        read_at: at("2026-11-23T14:02[Europe/Berlin]"),
    }
}

/// 5 hours used to this percentage, and the week to 7.
pub(in crate::desktop) fn five_hours(used: f64) -> Usage {
    let windows = vec![
        window("5h", used, "2026-11-23T16:05[Europe/Berlin]"),
        window("weekly", 7.4, "2026-11-26T09:00[Europe/Berlin]"),
    ];
    usage(windows, "5h")
}

fn profile(name: &str) -> ProfileReport {
    ProfileReport {
        name: name.to_owned(),
        label: None,
        email: serde_json::from_value(json!(format!("{name}@example.com"))).ok(),
        plan: Some(PlanType::new("pro")),
        account_id: None,
        user_id: None,
        auth_mode: Some("chatgpt"),
        current: false,
        state: LoginState::Ok,
        reason: None,
        action: None,
        last_refresh: None,
        access_token_expires_at: None,
        usage: None,
        color: None,
        workspace: None,
    }
}

/// The profile `work`, labelled, current and read.
pub(in crate::desktop) fn work() -> ProfileReport {
    ProfileReport {
        label: Some("Work".to_owned()),
        current: true,
        usage: Some(five_hours(42.9)),
        ..profile("work")
    }
}

pub(in crate::desktop) fn overview(profiles: Vec<ProfileReport>) -> Overview {
    let current = profiles.iter().find(|profile| profile.current);
    let name = current.map(|profile| profile.name.clone());
    Overview {
        version: "0.1.0",
        address: "http://127.0.0.1:9876".to_owned(),
        logins: Report {
            codex_home: "/home/me/.codex".into(),
            live: LiveReport {
                state: name.as_ref().map_or(LoginState::None, |_| LoginState::Ok),
                identity: name.clone(),
                profile: name.clone(),
                store: "file",
                place: "/home/me/.codex/auth.json".into(),
                reason: None,
                action: None,
            },
            current: name,
            profiles,
        },
        removed: Vec::new(),
        attachment: AttachmentView::Detached,
        desktop: Some(DesktopView {
            window: true,
            starts_at_login: Some(false),
        }),
        language: Language::Auto,
    }
}

fn english(overview: &Overview) -> Menu {
    Menu::new(overview, &now(), Words::of(Language::English, None))
}

/// A menu as a person reads it.
fn drawn(menu: &Menu) -> String {
    let lines = menu.entries.iter().map(|entry| match entry {
        Entry::Separator => "---".to_owned(),
        Entry::Text(text) => format!("    {text}"),
        Entry::Button { action, text } => format!("  > {text}  [{}]", action.id()),
        Entry::Check {
            action,
            text,
            checked,
            enabled,
        } => {
            let mark = if *checked { "x" } else { " " };
            let disabled = if *enabled { "" } else { " (disabled)" };
            format!("[{mark}] {text}  [{}]{disabled}", action.id())
        }
    });
    let head = format!("{:?}: {}", menu.health, menu.tooltip);
    std::iter::once(head)
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The line of one profile.
fn line(overview: &Overview, name: &str) -> String {
    let entries = english(overview).entries;
    let found = entries.into_iter().find_map(|entry| match entry {
        Entry::Check { action, text, .. } if action == Action::Use(name.to_owned()) => Some(text),
        _ => None,
    });
    found.unwrap()
}

/// Several profiles in every state.
fn many() -> Overview {
    let key = ProfileReport {
        email: None,
        plan: None,
        auth_mode: Some("apikey"),
        ..profile("key")
    };
    let ended = ProfileReport {
        state: LoginState::NeedsLogin,
        reason: Some("reused".to_owned()),
        ..profile("old")
    };
    let broken = ProfileReport {
        email: None,
        plan: None,
        state: LoginState::Unreadable,
        ..profile("broken")
    };
    let full = ProfileReport {
        usage: Some(five_hours(100.0)),
        plan: Some(PlanType::new("plus")),
        ..profile("full")
    };
    overview(vec![broken, full, key, ended, work()])
}

#[test]
fn a_menu_of_many_profiles() {
    insta::assert_snapshot!(drawn(&english(&many())));
}

#[test]
fn the_same_in_chinese() {
    let words = Words::of(Language::Auto, Some("zh-CN"));
    insta::assert_snapshot!(drawn(&Menu::new(&many(), &now(), words)));
}

#[test]
fn a_menu_without_any_profile() {
    insta::assert_snapshot!(drawn(&english(&overview(Vec::new()))));
}

#[test]
fn a_menu_of_a_login_that_is_not_saved() {
    let mut overview = overview(vec![profile("work")]);
    overview.logins.live.state = LoginState::Ok;
    overview.logins.live.identity = Some("ab12".to_owned());
    insta::assert_snapshot!(drawn(&english(&overview)));
}

#[test]
fn a_menu_while_streams_end() {
    let words = Words::of(Language::English, None);
    insta::assert_snapshot!(drawn(&Menu::stopping(words)));
}

#[test]
fn the_icon_says_what_the_current_profile_needs() {
    let current = |change: fn(&mut ProfileReport)| {
        let mut work = work();
        change(&mut work);
        english(&overview(vec![profile("a"), work])).health
    };
    assert_eq!(current(|_| {}), Health::Fine);
    assert_eq!(
        current(|work| work.state = LoginState::Expired),
        Health::Fine
    );
    assert_eq!(current(|work| work.usage = None), Health::Fine);
    assert_eq!(
        current(|work| work.usage = Some(five_hours(80.0))),
        Health::LimitNear
    );
    assert_eq!(
        current(|work| work.usage = Some(five_hours(100.0))),
        Health::LimitReached
    );
    assert_eq!(
        current(|work| work.state = LoginState::NeedsLogin),
        Health::NeedsLogin
    );
    assert_eq!(
        current(|work| work.state = LoginState::Unreadable),
        Health::NeedsLogin
    );
    assert_eq!(english(&overview(Vec::new())).health, Health::NeedsLogin);
}

#[test]
fn what_was_used_before_a_limit_began_anew_says_nothing() {
    let mut work = work();
    let past = vec![window("5h", 100.0, "2026-11-23T14:09[Europe/Berlin]")];
    work.usage = Some(usage(past, "5h"));
    let overview = overview(vec![work]);
    assert_eq!(line(&overview, "work"), "Work · Pro · 5h ?");
    assert_eq!(english(&overview).health, Health::Fine);
}

#[test]
fn an_old_reading_has_its_time() {
    let mut work = work();
    let usage = work.usage.as_mut().unwrap();
    usage.read_at = at("2026-11-22T23:50[Europe/Berlin]");
    let overview = overview(vec![work]);
    assert_eq!(
        line(&overview, "work"),
        "Work · Pro · 5h 42% · weekly 7% · read Sun 23:50"
    );
}

#[test]
fn an_extra_limit_is_shown_when_it_counts() {
    let mut work = work();
    let usage = work.usage.as_mut().unwrap();
    for used in [79.0, 81.0] {
        usage.windows.push(window(
            "gpt-5 code review",
            used,
            "2026-11-26T09:00[Europe/Berlin]",
        ));
    }
    let overview = overview(vec![work]);
    assert_eq!(
        line(&overview, "work"),
        "Work · Pro · 5h 42% · weekly 7% · gpt-5 code review 81%"
    );
}

#[test]
fn two_that_are_called_the_same_are_told_apart_by_name() {
    let twin = |name: &str| ProfileReport {
        label: Some("Twin".to_owned()),
        ..profile(name)
    };
    let overview = overview(vec![twin("a"), twin("b"), profile("c")]);
    assert_eq!(line(&overview, "a"), "Twin (a) · Pro");
    assert_eq!(line(&overview, "b"), "Twin (b) · Pro");
    assert_eq!(line(&overview, "c"), "c@example.com · Pro");
}

#[test]
fn a_name_stays_one_short_line_and_keeps_what_menus_take_for_marks() {
    let named = |label: &str| {
        let labelled = ProfileReport {
            label: Some(label.to_owned()),
            ..profile("a")
        };
        line(&overview(vec![labelled]), "a")
    };
    assert_eq!(named("R&D _x_"), "R&D _x_ · Pro");
    assert_eq!(named("a\nb\u{202e}c"), "abc · Pro");
    assert_eq!(
        named(&"长".repeat(41)),
        format!("{}… · Pro", "长".repeat(40))
    );
    assert_eq!(named(&"l".repeat(40)), format!("{} · Pro", "l".repeat(40)));
}

#[test]
fn check_marks_say_what_is_so() {
    let mut overview = overview(vec![work()]);
    overview.attachment = AttachmentView::Attached;
    overview.desktop = None;
    let menu = drawn(&english(&overview));
    assert!(menu.contains("[x] Attach Codex"), "{menu}");
    assert!(!menu.contains("Start at login"), "{menu}");
    overview.attachment = AttachmentView::Foreign;
    let menu = drawn(&english(&overview));
    assert!(
        menu.contains("[ ] Attach Codex  [attach] (disabled)"),
        "{menu}"
    );
}

#[test]
fn only_what_comes_goes_or_moves_changes_its_place() {
    let entries = |profiles: &[&str]| {
        let profiles = profiles.iter().map(|name| profile(name)).collect();
        english(&overview(profiles)).entries
    };
    let at = |name: &str, entries: &[Entry]| {
        let action = Action::Use(name.to_owned());
        let found = entries.iter().position(|it| it.action() == Some(&action));
        found.unwrap()
    };
    let (two, three) = (entries(&["a", "c"]), entries(&["a", "b", "c"]));
    let b = at("b", &three);
    assert_eq!(
        changed(&two, &two),
        (two.len()..two.len(), two.len()..two.len())
    );
    assert_eq!(changed(&two, &three), (b..b, b..b + 1));
    assert_eq!(changed(&three, &two), (b..b + 1, b..b));
    let renamed = entries(&["a", "x", "c"]);
    assert_eq!(changed(&three, &renamed), (b..b + 1, b..b + 1));
    assert_eq!(changed(&[], &two), (0..0, 0..two.len()));
}
