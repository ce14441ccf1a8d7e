//! What is on disk stays whole and private, whatever the disk, the umask and the paths are like.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use fake_openai::Account;
use serde_json::Value;

use crate::harness::{Home, Ran, fake, program, read_json, worker, write};

/// `codex-router` as a shell starts it that has said something about limits before.
fn run_after(shell: &str, home: &Path, arguments: &[&str]) -> Ran {
    let router = program();
    let mut command = Command::new("sh");
    command.env_clear().envs(
        router
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let script = format!("{shell}; exec \"$0\" \"$@\"");
    command.args(["-c", &script]).arg(router.get_program());
    command.args(arguments).env("CODEX_HOME", home);
    Ran::to_its_end(command)
}

/// Every file below a folder, by its path inside.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    walk(folder, &mut |path| {
        if path.is_file() {
            let inside = path.strip_prefix(folder).unwrap().to_owned();
            found.insert(inside, fs::read(path).unwrap());
        }
    });
    found
}

fn walk(folder: &Path, see: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        see(&path);
        if path.is_dir() && !path.is_symlink() {
            walk(&path, see);
        }
    }
}

/// The one file that is not replaced as a whole: what was in it stays.
fn is_grown_log(path: &Path, before: &[u8], now: Option<&Vec<u8>>) -> bool {
    path == Path::new("router/audit.log") && now.is_some_and(|now| now.starts_with(before))
}

fn copy_of(home: &Home) -> Home {
    let copy = Home::empty();
    for (path, bytes) in files(&home.path("")) {
        write(&copy.path("").join(path), bytes);
    }
    copy
}

/// Two profiles, a live login that is newer than its profile, settings, and files to work with.
fn worked_in() -> Home {
    let fake = fake();
    let other = Account::new("user-other", "acct-other");
    let home = Home::with(&[
        ("work", fake.auth_json_expired(&worker())),
        ("other", fake.auth_json(&other)),
    ]);
    write(&home.live(), fake.auth_json(&worker()).to_string());
    assert_eq!(home.run(&["label", "work", "before"]).code, Some(0));
    let new = fake.auth_json(&Account::new("user-new", "acct-new"));
    write(&home.path("new.json"), new.to_string());
    write(&home.path("export.json"), "an older export");
    home
}

const WRITERS: [&[&str]; 6] = [
    &["use", "other"],
    &["save"],
    &["label", "work", "after"],
    &["rename", "work", "job"],
    &["import", "new.json"],
    &[
        "export",
        "work",
        "--plain",
        "--force",
        "--to",
        "export.json",
    ],
];

#[test]
fn a_disk_that_is_full_or_a_crash_leaves_every_file_as_it_was_or_as_it_should_be() {
    let original = worked_in();
    let before = files(&original.path(""));
    for writer in WRITERS {
        let undisturbed = copy_of(&original);
        assert_eq!(
            run_in(&undisturbed, "true", writer).code,
            Some(0),
            "{writer:?}"
        );
        let after = files(&undisturbed.path(""));
        assert_ne!(before, after, "{writer:?} writes nothing");
        // Nothing can be written, or small files alone; a write over it fails, or kills.
        for (blocks, trap) in [
            (0, "trap '' XFSZ"),
            (0, "true"),
            (1, "trap '' XFSZ"),
            (1, "true"),
        ] {
            let limit = format!("ulimit -c 0; {trap}; ulimit -f {blocks}");
            let home = copy_of(&original);
            let ran = run_in(&home, &limit, writer);
            assert!(
                blocks > 0 || ran.code != Some(0),
                "{writer:?}, {limit}: no fault"
            );
            let now = files(&home.path(""));
            for (path, bytes) in &before {
                let found = now.get(path);
                let whole = found == Some(bytes)
                    || found == after.get(path)
                    || is_grown_log(path, bytes, found);
                assert!(whole, "{writer:?}, {limit}: {}: {ran:?}", path.display());
            }
            // A rename may have come half way; its second half is then refused.
            let again = run_in(&home, "true", writer);
            assert!(
                again.code == Some(0) || writer[0] == "rename",
                "{limit}: {again:?}"
            );
            let kept = logins(&files(&home.path("")));
            assert!(
                logins(&after).iter().all(|login| kept.contains(login)),
                "{writer:?}, {limit}"
            );
        }
    }
}

/// The refresh tokens that a home holds, wherever.
fn logins(files: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<String> {
    let token = |bytes: &Vec<u8>| {
        let login: Value = serde_json::from_slice(bytes).ok()?;
        Some(login["tokens"]["refresh_token"].as_str()?.to_owned())
    };
    files.values().filter_map(token).collect()
}

fn run_in(home: &Home, shell: &str, arguments: &[&str]) -> Ran {
    let folder = home.path("");
    let shell = format!("cd '{}'; {shell}", folder.display());
    run_after(&shell, &folder, arguments)
}

#[test]
fn everything_that_is_made_is_for_its_owner_alone_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let home = worked_in();
        let folder = Home::empty();
        for (path, bytes) in files(&home.path("")) {
            let inside = path.to_str().unwrap();
            if ["auth.json", "new.json"].contains(&inside) {
                write(&folder.path(inside), bytes);
            }
        }
        let shell = format!("umask {umask}");
        for writer in [
            &["save", "mine"][..],
            &["import", "new.json"],
            &["use", "user-new"],
            &["label", "mine", "after"],
            &["remove", "mine"],
            &["export", "user-new", "--plain", "--to", "export.json"],
        ] {
            let ran = run_in(&folder, &shell, writer);
            assert_eq!(ran.code, Some(0), "{umask} {writer:?}: {}", ran.stderr);
        }
        walk(&folder.path(""), &mut |path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            let expected = match name {
                "new.json" => return,
                // Codex's own, made as Codex makes it; it is empty.
                "auth.lock" => 0o644 & !u32::from_str_radix(umask, 8).unwrap(),
                _ if path.is_dir() => 0o700,
                _ => 0o600,
            };
            assert_eq!(
                mode,
                expected,
                "umask {umask}: {} is {mode:o}",
                path.display()
            );
        });
    }
}

#[test]
fn paths_of_any_letters_and_length_work() {
    let fake = fake();
    let login = fake.auth_json(&worker());
    let long = "x".repeat(240);
    for name in [
        "Zoë's Größe 团队",
        "a  b\t\"c\" $HOME ; #",
        &format!("{long}/{long}/{long}"),
    ] {
        let outer = Home::empty();
        let folder = outer.path(name);
        write(&folder.join("auth.json"), login.to_string());
        let home = ["--codex-home", folder.to_str().unwrap()];
        let run = |arguments: &[&str]| {
            let ran = outer.run(&[&home[..], arguments].concat());
            assert_eq!(ran.code, Some(0), "{name} {arguments:?}: {}", ran.stderr);
            ran.stdout
        };
        run(&["save", "团队 a b"]);
        run(&["use", "团队 a b"]);
        assert_eq!(run(&["current"]), "团队 a b\n");
        let copy = folder.join("copy of it.json");
        run(&[
            "export",
            "团队 a b",
            "--plain",
            "--to",
            copy.to_str().unwrap(),
        ]);
        assert_eq!(read_json(&copy), login, "{name}");
        assert!(run(&["import", folder.to_str().unwrap()]).contains("already"));
    }
}

#[test]
fn folders_of_ours_may_be_symlinks_and_a_profile_that_leads_outside_is_refused() {
    let fake = fake();
    let home = Home::empty();
    write(&home.live(), fake.auth_json(&worker()).to_string());
    let elsewhere = Home::empty();
    for folder in ["router", "profiles", "outside"] {
        fs::create_dir(elsewhere.path(folder)).unwrap();
    }
    symlink(elsewhere.path("router"), home.path("router")).unwrap();
    symlink(elsewhere.path("profiles"), home.path("profiles")).unwrap();
    assert_eq!(home.run(&["save", "work"]).code, Some(0));
    assert_eq!(home.run(&["label", "work", "W"]).code, Some(0));
    assert_eq!(home.run(&["use", "work"]).code, Some(0));
    assert_eq!(home.listed("work")["label"], "W");
    assert!(elsewhere.path("router/state.json").is_file());
    assert!(home.path("router").is_symlink() && home.path("profiles").is_symlink());

    let secret = fake.auth_json(&Account::new("user-x", "acct-x"));
    write(&elsewhere.path("outside/auth.json"), secret.to_string());
    symlink(elsewhere.path("outside"), home.path("profiles/leak")).unwrap();
    assert_eq!(home.listed("leak")["state"], "unreadable");
    for command in [&["use", "leak"][..], &["export", "leak", "--plain"]] {
        let ran = home.run(command);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(1), ""),
            "{command:?}"
        );
    }
    assert_eq!(home.run(&["remove", "leak", "--purge"]).code, Some(0));
    assert_eq!(read_json(&elsewhere.path("outside/auth.json")), secret);
}
