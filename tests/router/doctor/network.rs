//! The address of the router, the way of Codex to it, and the way to OpenAI.

use std::{fs, net::TcpListener};

use fake_openai::Fault;
use jiff::{SignedDuration, Timestamp};

use super::{NOBODY, Patient, closed};
use crate::{harness::Router, signing_in::certificate::https};

#[tokio::test]
async fn an_attachment_that_leads_to_nobody_is_a_problem_and_anothers_is_left_alone() {
    let patient = Patient::healthy();
    let nobody = closed().to_string();
    let listen = [("CODEX_ROUTER_LISTEN", nobody.as_str())];
    assert_eq!(patient.run(&["attach"], &listen).code, Some(0));
    let (message, remedy) = patient.look_with(&listen).only_problem("attachment");
    assert!(message.contains("nobody answers"), "{message}");
    assert!(remedy.contains("`codex-router detach`"), "{remedy}");
    // The router would be somewhere else by now.
    let (_, remedy) = patient.look().only_problem("attachment");
    assert!(remedy.contains("`codex-router attach`"), "{remedy}");

    let foreign = format!("openai_base_url = \"http://ada:sk-planted@{nobody}/v1?key=sk-planted\"");
    let config = patient.put("config.toml", &foreign);
    let looked = patient.look();
    let (message, _) = looked.only_problem("attachment");
    assert!(message.contains("another program has left"), "{message}");
    assert!(!looked.ran.stdout.contains("planted"));
    assert_eq!(fs::read_to_string(config).unwrap(), foreign);
}

#[tokio::test]
async fn who_has_taken_the_port_is_named() {
    let patient = Patient::healthy();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let looked = patient.look_with(&[("CODEX_ROUTER_LISTEN", &address)]);
    let (message, remedy) = looked.only_problem("listen");
    assert!(message.contains(&address), "{message}");
    if cfg!(target_os = "linux") {
        let pid = std::process::id();
        assert!(message.contains(&format!("(process {pid})")), "{message}");
        assert!(remedy.contains(&format!("`kill {pid}`")), "{remedy}");
    }
}

#[tokio::test]
async fn an_address_of_the_network_needs_a_client_key() {
    let patient = Patient::healthy();
    let open = [("CODEX_ROUTER_LISTEN", "0.0.0.0:0")];
    let (_, remedy) = patient.look_with(&open).only_problem("listen");
    assert!(
        remedy.contains("`codex-router key create NAME`"),
        "{remedy}"
    );
    assert_eq!(patient.run(&["key", "create", "laptop"], &[]).code, Some(0));
    assert!(patient.look_with(&open).states("problem").is_empty());
    let nothing = [("CODEX_ROUTER_LISTEN", "sk-planted-1")];
    let looked = patient.look_with(&nothing);
    looked.only_problem("listen");
    assert!(!looked.ran.stdout.contains("planted"));
}

#[tokio::test]
async fn the_router_that_runs_is_known_with_its_version() {
    let patient = Patient::healthy();
    let mut router = Router::start(&patient.home, &patient.fake);
    let address = router.address().to_string();
    let looked = patient.look_with(&[("CODEX_ROUTER_LISTEN", &address)]);
    let (running, _) = looked.says("running_router", "ok");
    assert!(running.contains(&address), "{running}");
    assert!(running.contains(env!("CARGO_PKG_VERSION")), "{running}");
    looked.says("listen", "ok");

    // To another home it is somebody else's.
    let other = Patient::healthy();
    let looked = other.look_with(&[("CODEX_ROUTER_LISTEN", &address)]);
    let (message, remedy) = looked.only_warning("listen");
    assert!(message.contains("a router of another home"), "{message}");
    assert!(!remedy.contains("kill"), "{remedy}");

    router.kill();
    let (message, _) = patient.look().says("running_router", "info");
    assert!(message.contains("ended without saying so"), "{message}");
}

#[tokio::test]
async fn a_router_that_listens_everywhere_is_that_of_this_home() {
    let patient = Patient::healthy();
    assert_eq!(patient.run(&["key", "create", "laptop"], &[]).code, Some(0));
    let serve = ["serve", "--listen", "0.0.0.0:0"];
    let router = Router::start_as(&serve, &patient.home, &patient.fake, &[]);
    let listen = format!("0.0.0.0:{}", router.address().port());
    let looked = patient.look_with(&[("CODEX_ROUTER_LISTEN", &listen)]);
    looked.says("listen", "ok");
    assert!(looked.states("problem").is_empty());
}

/// A router by another name stands for whoever holds the address.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_systemd_holds_is_left_alone() {
    let (patient, other) = (Patient::healthy(), Patient::healthy());
    let systemd = other.home.path("systemd");
    std::os::unix::fs::symlink(crate::harness::program().get_program(), &systemd).unwrap();
    let mut command = std::process::Command::new(systemd);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.env_clear().env("CODEX_HOME", other.home.path(""));
    let router = Router::start_command(command);
    let address = router.address().to_string();
    let looked = patient.look_with(&[("CODEX_ROUTER_LISTEN", &address)]);
    let (message, remedy) = looked.says("listen", "info");
    assert!(message.contains("held for the router"), "{message}");
    assert_eq!(remedy, "");
}

/// As under systemd, which holds the address on and starts the router for whoever asks there.
#[tokio::test]
async fn the_address_that_a_killed_router_left_is_not_asked() {
    let patient = Patient::healthy();
    let mut router = Router::start(&patient.home, &patient.fake);
    let address = router.address();
    patient.look().says("running_router", "ok");
    router.kill();
    assert!(patient.home.path("router/address").exists());
    let held = TcpListener::bind(address).unwrap();
    held.set_nonblocking(true).unwrap();
    for _ in 0..2 {
        patient.look();
        assert_eq!(patient.run(&["open", "--print"], &[]).code, Some(1));
    }
    let asked = held.accept().map(drop).unwrap_err();
    assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nobody_connects_to_a_socket_that_is_held_for_the_router() {
    let patient = Patient::healthy();
    let unit = patient.put("config/systemd/user/codex-router.socket", "[Socket]\n");
    let socket = patient.home.path("r.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let listen = format!("unix:{}", socket.display());
    let configuration = patient.home.path("config");
    let environment = [
        ("CODEX_ROUTER_LISTEN", listen.as_str()),
        ("XDG_CONFIG_HOME", configuration.to_str().unwrap()),
    ];
    patient.look_with(&environment).says("listen", "info");
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    // Without the unit it is somebody else's.
    fs::remove_file(unit).unwrap();
    patient.look_with(&environment).says("listen", "problem");
    listener.accept().unwrap();
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_problem_for_those_who_need_it() {
    let patient = Patient::healthy();
    let base = format!("{NOBODY}/backend-api");
    let down = [("CODEX_ROUTER_CHATGPT_BASE_URL", base.as_str())];
    let (message, _) = patient.look_with(&down).only_problem("chatgpt");
    assert!(message.contains("refused"), "{message}");

    let base = format!("{NOBODY}/v1");
    let down = [("CODEX_ROUTER_OPENAI_BASE_URL", base.as_str())];
    let (message, _) = patient.look_with(&down).only_warning("openai_api");
    assert!(message.contains("No login here needs it"), "{message}");

    patient
        .fake
        .fault(Fault::cloudflare().path("/models").always());
    let looked = patient.look();
    let (message, _) = looked.says("chatgpt", "warning");
    assert!(message.contains("Cloudflare"), "{message}");
    patient.fake.clear_faults();
    let fault = Fault::status(503).path("/openid-configuration");
    patient.fake.fault(fault.always());
    let (message, _) = patient.look().only_warning("issuer");
    assert!(message.contains("503"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_trusts_is_told_from_other_hindrances() {
    let patient = Patient::healthy();
    let (address, authority) = https(patient.fake.address()).await;
    let issuer = format!("https://{address}");
    let company = patient.put("company.pem", &authority);
    let environment = [
        ("CODEX_ROUTER_AUTH_ISSUER", issuer.as_str()),
        ("CODEX_REFRESH_TOKEN_URL_OVERRIDE", ""),
        ("CODEX_CA_CERTIFICATE", company.to_str().unwrap()),
    ];
    let (message, remedy) = patient.look_with(&environment[..2]).only_problem("issuer");
    assert!(message.contains("(TLS)"), "{message}");
    assert!(remedy.contains("CODEX_CA_CERTIFICATE"), "{remedy}");
    let looked = patient.look_with(&environment);
    assert!(looked.states("problem").is_empty(), "{:#}", looked.report);
    looked.says("certificates", "ok");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told_by_the_dates_of_the_servers() {
    let patient = Patient::healthy();
    for (minutes, id) in [(3, "warning"), (-90, "problem")] {
        let theirs = Timestamp::now() - SignedDuration::from_mins(minutes);
        let date = theirs.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let fault = Fault::status(404).header("date", &date).path("");
        patient.fake.fault(fault.always());
        let looked = patient.look();
        let (message, remedy) = looked.says("clock", id);
        let direction = if minutes > 0 { "ahead" } else { "behind" };
        assert!(message.contains(direction), "{message}");
        assert!(!remedy.is_empty());
        patient.fake.clear_faults();
    }
}

#[tokio::test]
async fn proxies_and_certificates_are_named_without_what_is_secret_in_them() {
    let patient = Patient::healthy();
    let proxy = [
        ("HTTP_PROXY", "http://ada:sk-planted-1@127.0.0.1:1"),
        ("NO_PROXY", "127.0.0.1"),
    ];
    let looked = patient.look_with(&proxy);
    let (message, _) = looked.says("proxy", "info");
    assert!(message.contains("127.0.0.1:1"), "{message}");
    assert!(looked.states("problem").is_empty(), "{:#}", looked.report);
    let looked = patient.look_with(&proxy[..1]);
    assert!(looked.says("proxy", "warning").1.contains("NO_PROXY"));
    assert!(!looked.ran.stdout.contains("planted"));

    let file = patient.put("certificates.pem", "none");
    let file = file.to_str().unwrap();
    let looked = patient.look_with(&[("CODEX_CA_CERTIFICATE", file)]);
    let (message, _) = looked.says("certificates", "problem");
    assert!(message.contains("no certificate"), "{message}");
}

#[tokio::test]
async fn an_address_of_an_upstream_that_is_none_is_a_problem_and_no_end() {
    let patient = Patient::healthy();
    let wrong = [("CODEX_ROUTER_CHATGPT_BASE_URL", "hunter2")];
    let looked = patient.look_with(&wrong);
    let (message, _) = looked.only_problem("chatgpt");
    assert!(
        message.contains("CODEX_ROUTER_CHATGPT_BASE_URL"),
        "{message}"
    );
    assert!(!looked.ran.stdout.contains("hunter2"));
    looked.says("issuer", "ok");
}
