//! An upstream that comes and goes, names that are not found, no file descriptors, little memory, a
//! clock that jumps.

use std::{
    fs::File,
    io::Write as _,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use fake_openai::{FakeOpenAi, Fault};
use futures_util::future::join_all;
use reqwest::Client;
use serde_json::json;

use crate::{
    Scale, does_not_grow,
    harness::{
        Answer, Home, PATIENCE, Router, World, chat, client, fake, patiently, worker, write,
    },
    is_well,
};

#[tokio::test]
async fn an_upstream_that_comes_and_goes_is_told_apart_and_found_again() {
    let scale = Scale::chosen();
    let fake = fake();
    let address: SocketAddr = fake.address();
    let login = fake.api_key_auth_json("sk-key-of-the-test");
    let home = Home::with(&[("key", login)]);
    home.keep_nothing_alive();
    let router = Router::start(&home, &fake);
    let mut world = World { router, home, fake };
    let mut after_rounds = Vec::new();
    while scale.goes_on(after_rounds.len(), 3) {
        is_well(&world).await;
        // It breaks off, refuses, and is gone.
        world.fake.fault(Fault::cut_after(2).times(1));
        let cut = Answer::to(world.router.say_streaming("hello")).await;
        assert!(!cut.text().contains("[DONE]"), "{}", cut.text());
        world.fake = away(world.fake, address, async || {
            for _ in 0..scale.of(5, 100) {
                let begun = Instant::now();
                let answer = Answer::to(world.router.say("hello")).await;
                assert!([502, 503].contains(&answer.status), "{}", answer.text());
                assert_eq!(answer.header("x-codex-router-error"), Some("upstream"));
                assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
            }
            let health = Answer::to(world.router.get("/healthz")).await;
            assert_eq!(health.status, 200);
        })
        .await;
        // By itself, at the first request.
        is_well(&world).await;
        after_rounds.push(scale.note("the upstream was away", &world.router));
    }
    does_not_grow(&after_rounds);
}

/// Does this while there is no upstream, and gives another one at the same address.
async fn away(fake: FakeOpenAi, address: SocketAddr, meanwhile: impl AsyncFnOnce()) -> FakeOpenAi {
    drop(fake);
    patiently(|| TcpStream::connect(address).is_err().then_some(())).expect("it is gone");
    meanwhile().await;
    let again = || {
        FakeOpenAi::builder()
            .listen(address)
            .start_on_own_thread()
            .ok()
    };
    let again = patiently(again).expect("its address is free");
    // It knows the key as the one before did.
    let _ = again.api_key_auth_json("sk-key-of-the-test");
    again
}

#[tokio::test]
async fn a_name_that_is_not_found_is_said_and_nothing_else_suffers() {
    let fake = fake();
    let home = Home::with(&[
        ("work", fake.auth_json(&worker())),
        ("key", fake.api_key_auth_json("sk-key-of-the-test")),
    ]);
    home.keep_nothing_alive();
    let nowhere = [(
        "CODEX_ROUTER_CHATGPT_BASE_URL",
        "http://no-such-host.invalid/backend-api",
    )];
    let router = Router::start_with(&home, &fake, &nowhere);
    let world = World { router, home, fake };
    for _ in 0..3 {
        let answer = Answer::to(world.router.say("hello")).await;
        assert!([502, 503].contains(&answer.status), "{}", answer.text());
        assert_eq!(answer.header("x-codex-router-error"), Some("upstream"));
    }
    let key = world.router.say("hello").header("x-codex-profile", "key");
    assert_eq!(Answer::to(key).await.said(), "You said: hello");
}

/// A router that may have so many files open, and no more.
fn with_descriptors(count: usize) -> World {
    let fake = FakeOpenAi::builder().event_delay(Duration::from_millis(50));
    let fake = fake.start_on_own_thread().unwrap();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    home.keep_nothing_alive();
    let program = crate::harness::program();
    let mut command = Command::new("sh");
    let script = format!("ulimit -n {count}; exec \"$0\" serve --listen 127.0.0.1:0");
    command.arg("-c").arg(script).arg(program.get_program());
    command
        .env_clear()
        .envs(fake.environment())
        .env("CODEX_HOME", home.path(""));
    let router = Router::start_command(command);
    World { router, home, fake }
}

/// A control group of so much memory, for as long as it is kept; `None` where this process may not
/// make one, as outside of containers and without being root.
struct ControlGroup(PathBuf);

impl ControlGroup {
    fn of_memory(bytes: usize) -> Option<Self> {
        let name = format!("codex-router-soak-{}", std::process::id());
        let kinds = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        kinds.into_iter().find_map(|(root, limit)| {
            let group = Self(Path::new(root).join(&name));
            std::fs::create_dir(&group.0).ok()?;
            // Dropped, and with it removed, where memory cannot be limited in this place.
            let mut file = File::options().write(true).open(group.0.join(limit)).ok()?;
            file.write_all(bytes.to_string().as_bytes()).ok()?;
            Some(group)
        })
    }

    fn processes(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // Once nobody is in it.
        patiently(|| std::fs::remove_dir(&self.0).ok());
    }
}

#[tokio::test]
async fn more_bodies_than_memory_wait_or_are_refused_and_the_process_lives() {
    let scale = Scale::chosen();
    let Some(group) = ControlGroup::of_memory(128 << 20) else {
        assert!(
            scale.until.is_none(),
            "a soak is run where memory can be limited"
        );
        return;
    };
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    // With a rule, bodies are looked into before they are let in.
    let rules = [json!({"model": "another-*", "profile": "work"})];
    let state = json!({"version": 1, "auto_refresh_enabled": false, "model_rules": rules});
    write(&home.path("router/state.json"), state.to_string());
    let program = crate::harness::program();
    let mut command = Command::new("sh");
    let script = "echo $$ >\"$1\"; exec \"$0\" serve --listen 127.0.0.1:0";
    command.args(["-c", script]);
    command.arg(program.get_program()).arg(group.processes());
    command
        .env_clear()
        .envs(fake.environment())
        .env("CODEX_HOME", home.path(""));
    let router = Router::start_command(command);
    let world = World { router, home, fake };
    is_well(&world).await;
    // Together several times of what there is, and again of that to translate them.
    let body = chat(&"word ".repeat(5 << 18));
    let patient = Client::builder().no_proxy().build().unwrap();
    let mut after_rounds = Vec::new();
    while scale.goes_on(after_rounds.len(), 1) {
        let url = world.router.url("/v1/chat/completions");
        let sent = (0..scale.of(20, 60)).map(|_| Answer::to(patient.post(&url).json(&body)));
        let answers = join_all(sent).await;
        let served = answers.iter().filter(|answer| answer.status == 200).count();
        assert!(served > 0, "somebody is served: {}", answers[0].text());
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(answer.text().contains("router_busy"), "{}", answer.text());
        }
        is_well(&world).await;
        after_rounds.push(scale.note(&format!("{served} large bodies"), &world.router));
    }
    drop(world);
}

fn connections(world: &World, count: usize) -> Vec<TcpStream> {
    let address = world.router.address();
    (0..count)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect()
}

#[tokio::test]
async fn more_connections_than_descriptors_wait_and_are_served_afterwards() {
    let scale = Scale::chosen();
    // At 256 connections are bounded, so that descriptors suffice; at 28 they do not. No more wait
    // than the queue of any system has room for.
    for (descriptors, crowd, shortage) in [
        (256, 200, "as many connections are open as may be"),
        (28, 100, "connections cannot be accepted"),
    ] {
        let world = with_descriptors(descriptors);
        is_well(&world).await;
        let mut after_rounds = Vec::new();
        while after_rounds.len() < scale.of(3, 20) {
            let crowd = connections(&world, crowd);
            // Whoever comes now waits, as long as nobody leaves.
            let url = world.router.url("/v1/chat/completions");
            let newcomer = client().post(url).json(&chat("hello"));
            let waiting = tokio::spawn(newcomer.send());
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(!waiting.is_finished(), "it waits");
            drop(crowd);
            let answer = waiting.await.unwrap().unwrap();
            assert_eq!(answer.status(), 200);
            is_well(&world).await;
            let told = format!("{descriptors} descriptors were not enough");
            after_rounds.push(scale.note(&told, &world.router));
        }
        does_not_grow(&after_rounds);
        let printed = world.router.printed();
        assert!(printed.contains(shortage), "no shortage:\n{printed}");
        let said = printed.matches("connections cannot be accepted").count();
        assert!(
            said <= after_rounds.len(),
            "said once for each time:\n{printed}"
        );
    }
}
