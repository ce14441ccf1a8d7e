//! A home with logins, the issuer that gave them, and what must be true of both after each round.

use std::{
    collections::HashMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use codex_profiles::CodexHome;
use fake_openai::{FakeOpenAi, write_home};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    crew::Crew,
    ledger::{Cut, Ledger, explain},
};

const USERS: [&str; 4] = ["ada", "bob", "cyd", "dan"];

/// One home, shared by all processes of a test.
pub(crate) struct World {
    pub(crate) fake: FakeOpenAi,
    pub(crate) home: CodexHome,
    /// What the failures of this world are called.
    name: &'static str,
    /// Each user with the token of the last sign-in.
    logins: Vec<(&'static str, String)>,
    _folder: TempDir,
}

impl World {
    pub(crate) fn new(name: &'static str) -> Self {
        let builder = FakeOpenAi::builder().record_requests(false);
        let fake = builder.start_on_own_thread().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let signed_in = USERS.map(|user| (user, sign_in(&fake, user)));
        write_home(folder.path(), &signed_in).unwrap();
        let home = CodexHome::at(folder.path());
        let logins = signed_in.map(|(user, login)| (user, token(&login))).into();
        Self {
            fake,
            home,
            name,
            logins,
            _folder: folder,
        }
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.logins.iter().map(|(user, _)| *user).collect()
    }

    /// With all processes gone, one router that is left alone finds every login alive, or says that
    /// one must log in again, or waits; and each of those is explained by cuts of its own.
    pub(crate) fn check(&mut self, round: &str, cuts: &[Cut]) {
        let place = format!("{}, {round}", self.name);
        self.assert_whole(&place);
        let mut cuts = cuts.to_vec();
        let said = self.ask_router();
        let ledger = Ledger::of(self.fake.refreshes());
        let kept = self.every_token();
        for index in 0..self.logins.len() {
            let (user, first) = self.logins[index].clone();
            let chain = ledger.follow(&first);
            let lost = chain.revoked || !kept.contains(&chain.newest);
            let given_up = said.contains(&format!("{user} must log in\n"));
            let waits = said.contains(&format!("{user} waits\n"));
            let explained = match (lost, given_up) {
                // Cut short twice: it is asked for again, after a pause.
                (_, false) if waits => cuts.pop().is_some() && cuts.pop().is_some(),
                (false, false) => said.contains(&format!("{user} lives\n")),
                (true, true) => explain(&mut cuts, chain.issued_at),
                (false, true) | (true, false) => false,
            };
            assert!(
                explained,
                "{place}: {user}, lost: {lost}, given up: {given_up}\n{said}"
            );
            if given_up || waits {
                self.sign_in_again(index);
            }
        }
        self.assert_posted_rarely(&place);
        self.assert_whole(&place);
    }

    /// Nobody gives up a login without need: so many rotations at least have happened.
    pub(crate) fn assert_busy(&self, rotations: usize) {
        let refreshes = self.fake.refreshes().len();
        assert!(
            refreshes >= rotations,
            "{}: only {refreshes} refreshes",
            self.name
        );
    }

    fn ask_router(&self) -> String {
        let mut crew = Crew::of(self, 0);
        crew.add("check", 1);
        crew.said()
    }

    fn sign_in_again(&mut self, index: usize) {
        let user = self.logins[index].0;
        let login = sign_in(&self.fake, user);
        self.logins[index].1 = token(&login);
        let path = self.home.profiles().join(user).join("auth.json");
        codex_profiles::fs::atomic::write(&path, format!("{login:#}").as_bytes()).unwrap();
    }

    /// Twice is for an outcome that nobody knows; `check` sees to it that such a login is lost.
    fn assert_posted_rarely(&self, place: &str) {
        let mut times: HashMap<String, u32> = HashMap::new();
        for refresh in self.fake.refreshes() {
            *times.entry(refresh.token).or_default() += 1;
        }
        let most = times.into_values().max().unwrap_or(0);
        assert!(most <= 2, "{place}: a token was posted {most} times");
    }

    /// Every file that should be JSON is; room that was taken and not used is blank.
    fn assert_whole(&self, place: &str) {
        for path in self.files() {
            let bytes = fs::read(&path).unwrap();
            let blank =
                bytes.trim_ascii().is_empty() && path.to_string_lossy().contains(".rescue.");
            let whole = blank || serde_json::from_slice::<Value>(&bytes).is_ok();
            assert!(whole, "{place}: {} is broken", path.display());
        }
    }

    fn every_token(&self) -> Vec<String> {
        let logins = self.files().into_iter().filter_map(|path| {
            let login: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
            login["tokens"]["refresh_token"].as_str().map(str::to_owned)
        });
        logins.collect()
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(self.home.root(), &mut found);
        found
    }
}

/// A file where a folder has to be, until this is dropped. Unlike permissions, it stops the superuser
/// too.
pub(crate) struct Blocked(PathBuf);

impl Blocked {
    pub(crate) fn at(folder: PathBuf) -> Self {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        File::create(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn sign_in(fake: &FakeOpenAi, user: &str) -> Value {
    fake.auth_json(&fake.account(user, &format!("acct-{user}")))
}

fn token(login: &Value) -> String {
    login["tokens"]["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            found.push(path);
        }
    }
}
