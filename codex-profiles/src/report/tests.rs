use std::{fs, path::Path, time::Instant};

use serde_json::{Value, json};

use crate::{
    ProfileStore,
    testing::{World, name},
};

async fn report(store: &ProfileStore) -> Value {
    serde_json::to_value(store.report().await.unwrap()).unwrap()
}

#[tokio::test]
async fn the_report_has_the_shape_of_the_contract() {
    let world = World::new().await;
    let login = world.put_expired_everywhere();
    let store = world.store();
    let report = report(&store).await;

    let profile = &report["profiles"][0];
    let expected = json!({"name": "work", "label": null, "email": "ada@example.com",
        "plan": "plus", "account_id": "acct-ada", "user_id": "ada", "auth_mode": "chatgpt",
        "current": true, "state": "expired", "reason": null,
        "action": "none: the next request refreshes it", "last_refresh": login["last_refresh"],
        "access_token_expires_at": profile["access_token_expires_at"], "usage": null,
        "color": null, "workspace": "Personal"});
    assert_eq!(*profile, expected);
    assert!(
        profile["access_token_expires_at"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert_eq!(report["codex_home"], world.home.root().to_str().unwrap());
    assert_eq!(report["current"], "work");
    assert_eq!(report["live"]["state"], "expired");
    assert_eq!(report["live"]["profile"], "work");
    assert_eq!(report["live"]["identity"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn an_empty_home_and_an_unsaved_login_are_told_apart() {
    let world = World::new().await;
    let empty = report(&world.store()).await;
    assert_eq!(
        empty["live"],
        json!({"state": "none", "identity": null, "profile": null,
            "store": "file", "reason": null, "action": null})
    );
    assert_eq!(
        (&empty["current"], &empty["profiles"]),
        (&Value::Null, &json!([]))
    );
    world.put_live(&world.fake.auth_json(&world.ada()));
    let unsaved = report(&world.store()).await;
    assert_eq!(
        (&unsaved["live"]["state"], &unsaved["live"]["profile"]),
        (&json!("ok"), &Value::Null)
    );
}

#[tokio::test]
async fn every_broken_profile_says_what_is_wrong_and_hides_no_other() {
    let world = World::new().await;
    world.put_profile("zz-good", &world.fake.auth_json(&world.ada()));
    let sparse = fs::File::create(file(&world, "big")).unwrap();
    sparse.set_len(100 << 20).unwrap();
    for (profile, content) in [
        ("empty", &b""[..]),
        ("half", b"{\"tokens\": {\"access_"),
        ("latin1", b"{\"OPENAI_API_KEY\": \"\xe9\"}"),
        ("nobody", b"{\"OPENAI_API_KEY\": null}"),
        ("bom", b"\xef\xbb\xbf{\"OPENAI_API_KEY\": \"sk-planted\"}"),
    ] {
        crate::fs::atomic::write(&file(&world, profile), content).unwrap();
    }
    fs::create_dir_all(file(&world, "folder")).unwrap();
    fs::create_dir_all(world.home.profiles().join("no-file")).unwrap();
    fs::create_dir_all(world.home.profiles().join("live")).unwrap();
    fs::create_dir_all(world.home.profiles().join(".hidden")).unwrap();
    let mut expected = vec![
        ("big", "it is larger than 1 MiB"),
        ("empty", "it is empty or half written"),
        ("folder", "it is not a regular file"),
        ("half", "it is empty or half written"),
        ("latin1", "it is malformed"),
        ("live", "the name `live` is kept"),
        ("no-file", "there is no such file"),
        ("nobody", "there is no login in it"),
    ];
    if cfg!(unix) {
        put_traps(&world);
        expected.extend([
            ("pipe", "it is not a regular file"),
            ("way-out", "it leads out of the profiles folder"),
            ("way-out-folder", "it leads out of the profiles folder"),
        ]);
    }
    let began = Instant::now();

    let report = report(&world.store()).await;

    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    let of = |name: &str| {
        let profiles = report["profiles"].as_array().unwrap();
        profiles
            .iter()
            .find(|profile| profile["name"] == name)
            .unwrap()
    };
    for (name, sentence) in expected {
        assert_eq!(of(name)["state"], "unreadable", "{name}");
        let reason = of(name)["reason"].as_str().unwrap();
        assert!(reason.starts_with(sentence), "{name}: {reason}");
        assert!(of(name)["action"].is_string());
    }
    assert_eq!(of("bom")["state"], "ok");
    assert_eq!(of("zz-good")["state"], "ok");
    assert!(!report.to_string().contains("sk-planted"));
}

fn file(world: &World, profile: &str) -> std::path::PathBuf {
    let path = world.home.auth_json_of(&name(profile));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

#[cfg(unix)]
fn put_traps(world: &World) {
    use std::os::unix::fs::symlink;
    let made = std::process::Command::new("mkfifo")
        .arg(file(world, "pipe"))
        .status();
    assert!(made.unwrap().success());
    let outside = world.home.root().join("outside");
    let login = world.fake.auth_json(&world.bob());
    crate::testing::put(&outside.join("auth.json"), &login);
    symlink(outside.join("auth.json"), file(world, "way-out")).unwrap();
    symlink(&outside, world.home.profiles().join("way-out-folder")).unwrap();
}

#[cfg(not(unix))]
fn put_traps(_world: &World) {}

/// What this process ever logged.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_and_no_address_is_ever_printed_or_logged() {
    use codex_auth::{CredentialProvider as _, RouteHint};
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone());
    // For every thread; the only test that does so.
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    world.put_profile(
        "half",
        &json!({"tokens": {"access_token": 7, "x": "planted-secret"}}),
    );
    let store = world.store();
    let served = store.credentials(&RouteHint::default()).await.unwrap();
    world.fake.expire_refresh_token(
        world.profile("work")["tokens"]["refresh_token"]
            .as_str()
            .unwrap(),
    );
    let refused = store.refresh(&served).await.unwrap_err();
    let half = store.use_profile(&name("half")).await.unwrap_err();
    store.save(None).await.unwrap();
    let shown = format!(
        "{store:?} {served:?} {refused:?} {refused} {half:?} {half} {:?} {:?} {:?}",
        store.list().await.unwrap(),
        store.report().await.unwrap(),
        store.state().await.unwrap(),
    );

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("refreshed"), "the log is heard");
    for login in [old, world.profile("work")] {
        for field in ["access_token", "refresh_token", "id_token"] {
            let secret = login["tokens"][field].as_str().unwrap();
            assert!(
                !shown.contains(secret) && !logged.contains(secret),
                "{field}"
            );
        }
    }
    for planted in ["planted-secret", "ada@example.com"] {
        assert!(
            !shown.contains(planted) && !logged.contains(planted),
            "{planted}"
        );
    }
}

#[test]
fn a_half_written_file_is_read_once_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    write_in_place(&path, b"{\"OPENAI_API");
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            std::thread::sleep(std::time::Duration::from_millis(60));
            write_in_place(&path, b"{\"OPENAI_API_KEY\": \"sk-1\"}");
        }
    });
    assert!(crate::fs::read::login(&path).is_ok());
    writer.join().unwrap();
}

/// As Codex before 0.169 does it.
fn write_in_place(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    fs::File::create(path).unwrap().write_all(bytes).unwrap();
}
