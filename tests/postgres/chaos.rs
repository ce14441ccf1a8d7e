//! Two replicas refresh the same logins as fast as they can, and are killed at random moments; the
//! database is restarted in between.

use std::{
    collections::HashMap,
    env, thread,
    time::{Duration, Instant},
};

use fake_openai::RefreshOutcome;
use jiff::{SignedDuration, Timestamp};

use crate::world::{Process, World, said};

const PROFILES: [&str; 6] = ["ada", "bob", "cyd", "dan", "eve", "fay"];
/// Fewer prove nothing. A login whose replica was killed is left alone for seconds each time.
const FEWEST_ROTATIONS: usize = 20;
/// Others wait for a third more: longer than whoever has an answer needs to try again after a
/// restart, and shorter than a replica mostly keeps its connection here, so that a login whose
/// replica was killed is gone on with.
const ANSWER_LIMIT: Duration = Duration::from_millis(900);
/// How long, at most, a replica on a busy machine takes from the issuer's answer to the commit, while
/// the database is there.
const WINDOW: SignedDuration = SignedDuration::from_secs(1);

fn length() -> Duration {
    let long = env::var_os("CODEX_ROUTER_LONG").is_some_and(|value| value == "1");
    if long {
        Duration::from_mins(10)
    } else {
        Duration::from_secs(8)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_are_killed_lose_nothing_but_an_answer_on_its_way() {
    let mut world = World::new().await;
    for profile in PROFILES {
        world.put(profile).await;
    }
    let (began, mut round) = (Instant::now(), 0);
    let (mut kills, mut restarts) = (Vec::new(), Vec::new());
    let mut crew = [start(&world, 1), start(&world, 2)];
    while began.elapsed() < length() || world.fake.refreshes().len() < FEWEST_ROTATIONS {
        assert!(
            began.elapsed() < 10 * length(),
            "next to nothing is refreshed"
        );
        round += 1;
        thread::sleep(Duration::from_millis(300 + (round * 7919) % 900));
        if round % 5 == 0 {
            let gone_at = Timestamp::now();
            world.database.crash().unwrap();
            world.database.resume().unwrap();
            restarts.push((gone_at, Timestamp::now()));
            continue;
        }
        let number = usize::try_from(round % 2).unwrap();
        std::mem::replace(&mut crew[number], start(&world, round + 2)).kill();
        kills.push(Timestamp::now());
    }
    for replica in crew {
        replica.kill();
        kills.push(Timestamp::now());
    }
    check(&world, &kills, &restarts).await;
}

fn start(world: &World, seed: u64) -> Process {
    let mut orders = world.orders(&PROFILES);
    orders["acts"] = 0.into();
    orders["answer_limit_ms"] = u64::try_from(ANSWER_LIMIT.as_millis()).unwrap().into();
    orders["seed"] = seed.into();
    Process::start(&orders)
}

/// With all of them gone, one replica that is left alone finds every login alive, but for those
/// whose last answer came when its replica was killed, or was still held then for a database that
/// was restarted.
async fn check(world: &World, kills: &[Timestamp], restarts: &[(Timestamp, Timestamp)]) {
    let mut orders = world.orders(&PROFILES);
    orders["acts"] = PROFILES.len().into();
    let said = said(&Process::start(&orders).ended().await);
    let refreshes = world.fake.refreshes();
    let mut posted: HashMap<&str, Vec<_>> = HashMap::new();
    for refresh in &refreshes {
        posted.entry(&refresh.token).or_default().push(refresh);
    }
    let mut ended = 0;
    for posts in posted.values().filter(|posts| posts.len() > 1) {
        assert_eq!(posts.len(), 2, "a token was posted more than twice");
        assert_eq!(posts[1].outcome, RefreshOutcome::Reused);
        let answered_at = posts[0].at;
        let near = |kill: &Timestamp| {
            let meanwhile = restarts
                .iter()
                .filter(|(gone, back)| answered_at < *back && gone < kill);
            let held = meanwhile.map(|(gone, back)| back.duration_since(*gone) + WINDOW);
            let held = held.fold(WINDOW, |sum, held| sum + held);
            kill.duration_since(answered_at).abs() < held
        };
        assert!(
            kills.iter().any(near),
            "nobody was killed when {answered_at} was answered"
        );
        ended += 1;
    }
    let lost = said
        .lines()
        .filter(|line| line.contains("must log in"))
        .count();
    let lives = said.lines().filter(|line| line.ends_with("lives")).count();
    assert_eq!((lost, lives), (ended, PROFILES.len() - ended), "{said}");
}
