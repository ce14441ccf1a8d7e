//! A clock that jumps, and a process that is stopped for a while: what sleep is to a program.

use std::{path::PathBuf, process::Command, time::Duration};

use fake_openai::FakeOpenAi;
use tempfile::TempDir;

use crate::{
    harness::{Home, Router, World, worker, write},
    is_well,
};

/// The clock of one program: that of the machine and an offset, by a library loaded before the
/// system's own. The clock that only measures is left alone, as sleep leaves it.
struct Clock {
    folder: TempDir,
    library: PathBuf,
}

impl Clock {
    /// `None` where the library is not installed.
    fn of_its_own() -> Option<Self> {
        let places = std::fs::read_dir("/usr/lib").ok()?;
        let library = places
            .filter_map(|place| Some(place.ok()?.path().join("faketime/libfaketimeMT.so.1")))
            .find(|library| library.exists())?;
        let clock = Self {
            folder: TempDir::new().unwrap(),
            library,
        };
        clock.differs_by("+0");
        Some(clock)
    }

    fn differs_by(&self, offset: &str) {
        write(&self.file(), offset);
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.to_str().unwrap().to_owned()),
            (
                "FAKETIME_TIMESTAMP_FILE",
                self.file().to_str().unwrap().to_owned(),
            ),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

fn at(clock: &Clock, fake: FakeOpenAi) -> World {
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let environment = clock.environment();
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let router = Router::start_with(&home, &fake, &environment);
    World { router, home, fake }
}

#[tokio::test]
async fn a_clock_that_jumps_ends_nothing_and_spends_no_login() {
    let Some(clock) = Clock::of_its_own() else {
        assert!(std::env::var_os("CI").is_none(), "libfaketime is installed");
        return;
    };
    let slow = FakeOpenAi::builder().event_delay(Duration::from_millis(20));
    let world = at(&clock, slow.start_on_own_thread().unwrap());
    for offset in ["+0", "+3d", "+0", "-3d", "+400d", "-400d", "+0"] {
        let mut under_way = world
            .router
            .say_streaming(&"word ".repeat(50))
            .send()
            .await
            .unwrap();
        clock.differs_by(offset);
        let mut whole = Vec::new();
        while let Some(chunk) = under_way.chunk().await.unwrap() {
            whole.extend_from_slice(&chunk);
        }
        let whole = String::from_utf8(whole).unwrap();
        assert!(
            whole.trim_end().ends_with("data: [DONE]"),
            "{offset}: {whole}"
        );
        for _ in 0..5 {
            is_well(&world).await;
        }
    }
    // By a clock that is wrong every token has expired. That is found out once, not at each request.
    let refreshes = world.fake.refreshes();
    assert!(refreshes.len() <= 6, "{}", refreshes.len());
    let printed = world.router.printed();
    assert!(!printed.contains("panicked"), "{printed}");
}

/// Tells the router to do so.
fn signal(world: &World, name: &str) {
    let pid = world.router.pid().to_string();
    let told = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(told.unwrap().success());
}

#[tokio::test]
async fn a_program_that_was_stopped_in_the_middle_goes_on() {
    let slow = FakeOpenAi::builder().event_delay(Duration::from_millis(50));
    let fake = slow.start_on_own_thread().unwrap();
    let login = fake.auth_json(&worker());
    let world = World::with(fake, &[("work", login)]);
    for _ in 0..2 {
        let said = "word ".repeat(20);
        let mut under_way = world.router.say_streaming(&said).send().await.unwrap();
        under_way.chunk().await.unwrap().unwrap();
        signal(&world, "STOP");
        // The model has long said everything; whoever asks now waits.
        let waiting = tokio::spawn(world.router.say("hello").send());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!waiting.is_finished());
        signal(&world, "CONT");
        let mut rest = Vec::new();
        while let Some(chunk) = under_way.chunk().await.unwrap() {
            rest.extend_from_slice(&chunk);
        }
        let rest = String::from_utf8(rest).unwrap();
        assert!(rest.trim_end().ends_with("data: [DONE]"), "{rest}");
        assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
        is_well(&world).await;
    }
}
