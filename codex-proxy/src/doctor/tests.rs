use codex_auth::Issuer;
use codex_profiles::{
    CodexHome,
    doctor::{Check, Finding, Severity},
};

use super::{Examination, RunningRouter, Variables};
use crate::upstream::{Targets, client_builder};

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:1";

fn examination(folder: &tempfile::TempDir) -> Examination {
    Examination {
        home: CodexHome::at(folder.path()),
        listen: "127.0.0.1:0".to_owned(),
        running: None,
        socket_is_held: false,
        client: client_builder().no_proxy().build().ok(),
        issuer: Issuer::new(NOBODY),
        targets: Targets::new(&format!("{NOBODY}/a"), &format!("{NOBODY}/v1")).ok(),
        variables: Variables::default(),
    }
}

#[track_caller]
fn only(found: &[Finding], check: Check) -> &Finding {
    let mut of_it = found.iter().filter(|finding| finding.check() == check);
    let finding = of_it
        .next()
        .unwrap_or_else(|| panic!("nothing on {check:?}"));
    assert!(of_it.next().is_none(), "{found:?}");
    finding
}

#[tokio::test]
async fn without_a_network_nothing_is_wrong_for_a_home_without_logins() {
    let folder = tempfile::tempdir().unwrap();
    let found = examination(&folder).run().await;
    for check in [Check::Issuer, Check::ChatGpt, Check::OpenAiApi] {
        let finding = only(&found, check);
        assert_eq!(finding.state(), Severity::Warning);
        assert!(finding.message().contains("refused"), "{finding:?}");
    }
    assert_eq!(only(&found, Check::Clock).state(), Severity::Info);
    assert_eq!(only(&found, Check::Listen).state(), Severity::Ok);
}

#[tokio::test]
async fn a_name_that_nobody_knows_and_a_server_that_is_none_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let cuts = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = cuts.local_addr().unwrap();
    // It takes the connection, and hangs up.
    let cutting = std::thread::spawn(move || drop(cuts.accept()));
    let found = Examination {
        issuer: Issuer::new("http://nobody.invalid"),
        targets: Targets::new(
            &format!("http://{}/a", silent.local_addr().unwrap()),
            &format!("http://{address}/v1"),
        )
        .ok(),
        ..examination(&folder)
    };
    let found = found.run().await;
    cutting.join().unwrap();
    let issuer = only(&found, Check::Issuer).message();
    // A resolver may take longer to say no than anybody waits.
    assert!(
        issuer.contains("(DNS)") || issuer.contains("no answer"),
        "{issuer}"
    );
    for (check, says) in [
        (Check::ChatGpt, "no answer within 5 s"),
        (Check::OpenAiApi, "cut before an answer"),
    ] {
        let message = only(&found, check).message();
        assert!(message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn another_version_than_this_one_is_to_be_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let running = |version: Option<&str>| Examination {
        running: Some(RunningRouter {
            address: "127.0.0.1:9876".parse().unwrap(),
            version: version.map(str::to_owned),
        }),
        ..examination(&folder)
    };
    let own = Some(env!("CARGO_PKG_VERSION"));
    for (version, state) in [
        (own, Severity::Ok),
        (Some("0.0.1"), Severity::Warning),
        (None, Severity::Warning),
    ] {
        let finding = running(version).running_router();
        assert_eq!(finding.state(), state, "{finding:?}");
    }
}

#[tokio::test]
async fn a_router_that_listens_everywhere_is_the_one_that_says_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let settings = br#"{"client_keys":[{"name":"a"}]}"#;
    let state = CodexHome::at(folder.path()).state_json();
    codex_profiles::fs::atomic::write(&state, settings).unwrap();
    for (listen, says) in [
        ("0.0.0.0:9", "127.0.0.1:9"),
        ("[::]:9", "[::1]:9"),
        ("127.0.0.1:9", "127.0.0.1:9"),
    ] {
        let found = Examination {
            listen: listen.to_owned(),
            running: Some(RunningRouter {
                address: says.parse().unwrap(),
                version: None,
            }),
            ..examination(&folder)
        };
        let found = found.run().await;
        let message = only(&found, Check::Listen).message();
        assert!(message.contains("is that of the router"), "{message}");
    }
}

#[tokio::test]
async fn a_proxy_is_shown_by_its_host_and_needs_an_exception_for_this_machine() {
    let variables = |pairs: &'static [(&str, &str)]| {
        Variables::of(move |name| {
            let mut pairs = pairs.iter();
            Some(pairs.find(|(known, _)| *known == name)?.1.to_owned())
        })
    };
    let look = async |pairs| {
        let mut found = variables(pairs).look().await;
        found.retain(|finding| finding.check() == Check::Proxy);
        found
    };
    let found = look(&[("http_proxy", "ada:hunter2@proxy.example:3128")]).await;
    assert!(found[0].message().contains("proxy.example:3128"));
    assert_eq!(found[1].state(), Severity::Warning);
    assert!(!format!("{found:?}").contains("hunter2"));
    for excepted in [
        &[("HTTP_PROXY", "http://p:1"), ("NO_PROXY", "x, localhost")],
        &[("ALL_PROXY", "socks5://p:1"), ("no_proxy", "*")],
    ] {
        let found = look(excepted).await;
        assert_eq!(found.len(), 1, "{found:?}");
    }
    assert_eq!(
        look(&[("HTTPS_PROXY", "::")]).await[0].state(),
        Severity::Problem
    );
    let debug = format!("{:?}", variables(&[("HTTPS_PROXY", "http://a:hunter2@p")]));
    assert_eq!(debug, "{\"HTTPS_PROXY\"}");
}
