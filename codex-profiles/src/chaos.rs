//! Everything at once, in random order, with a crash or a full disk at a random point: whatever the
//! issuer last gave for each login is still somewhere on disk, and no token was posted twice.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use codex_auth::refresh::RefreshReason;
use fake_openai::RefreshOutcome;

use crate::{
    ProfileStore,
    faults::{Fault, Step},
    testing::{World, name, token},
};

const USERS: [&str; 3] = ["a", "b", "c"];
const POINTS: [Step; 15] = [
    Step::RescueReserved,
    Step::IntentNoted,
    Step::BeforeAnswerNoted,
    Step::AnswerNoted,
    Step::BeforeProfileWritten,
    Step::ProfileWritten,
    Step::CopiesWritten,
    Step::BeforeLiveWritten,
    Step::LiveWritten,
    Step::SpentRecorded,
    Step::RescueRemoved,
    Step::SwitchNoted,
    Step::SavedBack,
    Step::Published,
    Step::CurrentWritten,
];

/// The same numbers for the same seed.
struct Dice(u64, u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.1 += 1;
        let mut hasher = DefaultHasher::new();
        (self.0, self.1).hash(&mut hasher);
        usize::try_from(hasher.finish() % 1_000_000).unwrap() % limit
    }
}

/// One world, and the tokens that the issuer gave at sign-in.
struct Chaos {
    world: World,
    signed_in: Vec<String>,
    dice: Dice,
}

impl Chaos {
    async fn new(seed: u64) -> Self {
        let world = World::new().await;
        let mut signed_in = Vec::new();
        for user in USERS {
            let login = world
                .fake
                .auth_json_expired(&world.fake.account(user, "acct"));
            signed_in.push(token(&login));
            world.put_profile(user, &login);
        }
        Self {
            world,
            signed_in,
            dice: Dice(seed, 0),
        }
    }

    async fn act(&mut self, store: &ProfileStore) {
        let user = name(USERS[self.dice.below(USERS.len())]);
        let reason = RefreshReason::Forced;
        // That an action fails is part of it.
        match self.dice.below(6) {
            0 | 1 => drop(store.use_profile(&user).await),
            2 | 3 => drop(store.refresh_profile(&user, reason).await),
            4 => self.codex_refreshes().await,
            _ => self.codex_signs_in(),
        }
    }

    /// Codex, alone for the moment, refreshes the live login.
    async fn codex_refreshes(&self) {
        // While tokens wait in the journal, or newer ones in a profile, a real Codex would lose
        // the race as anybody would; that is not what is tried here.
        let waiting = self.world.home.journal().read_dir();
        if waiting.is_ok_and(|mut files| files.next().is_some()) {
            return;
        }
        if let Some(live) = self
            .live()
            .filter(|live| self.living().contains(&token(live)))
        {
            let newer = self.world.codex_posts(&live).await;
            self.world.put_live(&newer);
        }
    }

    /// Another login in the live file, where the one that it replaces is a saved profile.
    fn codex_signs_in(&mut self) {
        let is_saved = match self.live() {
            None => true,
            Some(live) => USERS
                .iter()
                .any(|user| token(&self.world.profile(user)) == token(&live)),
        };
        if is_saved {
            let user = format!("new-{}", self.signed_in.len());
            let login = self
                .world
                .fake
                .auth_json(&self.world.fake.account(&user, "acct"));
            self.signed_in.push(token(&login));
            self.world.put_live(&login);
        }
    }

    fn live(&self) -> Option<serde_json::Value> {
        self.world
            .home
            .auth_json()
            .exists()
            .then(|| self.world.live())
    }

    /// The refresh tokens that the issuer would still take.
    fn living(&self) -> HashSet<String> {
        let mut living: HashSet<String> = self.signed_in.iter().cloned().collect();
        for refresh in self.world.fake.refreshes() {
            assert_eq!(refresh.outcome, RefreshOutcome::Rotated, "no token twice");
            living.remove(&refresh.token);
            living.extend(refresh.issued.map(|login| login.refresh_token));
        }
        living
    }

    fn check(&self, step: &str) {
        let kept: HashSet<String> = self.world.every_refresh_token().into_iter().collect();
        assert!(self.living().is_subset(&kept), "a login is lost: {step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_of_events_loses_a_login() {
    for seed in 0..3 {
        let mut chaos = Chaos::new(seed).await;
        for turn in 0..12 {
            let store = chaos.world.store();
            let point = POINTS[chaos.dice.below(POINTS.len())];
            let fault = match point {
                // A crash between the answer and the disk is the one that nobody can mend.
                Step::BeforeAnswerNoted => Fault::Full,
                _ => [Fault::Crash, Fault::Full][chaos.dice.below(2)],
            };
            store.disk.faults.plan(point, fault);
            chaos.act(&store).await;
            chaos.check(&format!("seed {seed}, turn {turn}, {fault:?} at {point:?}"));
            drop(store);
            let undisturbed = chaos.world.store();
            chaos.act(&undisturbed).await;
            undisturbed.finish_refreshes().await;
            chaos.check(&format!(
                "seed {seed}, turn {turn}, after {fault:?} at {point:?}"
            ));
        }
    }
}
