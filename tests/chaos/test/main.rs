//! Eight processes share a home, and are killed at random moments and at every step; answers are
//! late or lost, the disk is full, a folder cannot be written to. Whatever happens: no token is
//! posted twice unless its outcome is unknown, no login is lost outside of the one window that the
//! documentation names, and no file is ever half written.
//!
//! With `CODEX_ROUTER_LONG=1` in the environment it goes on until there were 10,000 rotations.

#![cfg(test)]
#![cfg(unix)]

mod crew;
mod ledger;
mod world;

use std::env;

use codex_profiles::failpoints::FailPoint;
use fake_openai::Fault;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    crew::Crew,
    ledger::Cut,
    world::{Blocked, World},
};

const LONG_ROTATIONS: usize = 10_000;

fn is_long() -> bool {
    env::var_os("CODEX_ROUTER_LONG").is_some_and(|value| value == "1")
}

/// One more round, unless it was enough: so many, or so many rotations.
fn goes_on(world: &World, round: u64, rounds: u64) -> bool {
    if is_long() {
        world.fake.refreshes().len() < LONG_ROTATIONS
    } else {
        round < rounds
    }
}

#[test]
fn kills_at_random_moments_lose_nothing_but_an_answer_on_its_way() {
    let mut world = World::new("kills");
    let mut round = 0;
    while goes_on(&world, round, 5) {
        round += 1;
        let mut crew = Crew::of(&world, round);
        crew.add("reader", 100);
        for _ in 0..7 {
            crew.add("storm", 12);
        }
        let cuts = crew.kill_at_random(4);
        crew.join();
        world.check(&format!("seed {round}"), &cuts);
    }
    world.assert_busy(50);
}

#[test]
fn a_death_at_any_step_loses_nothing_unless_an_answer_is_in_memory_alone() {
    let mut world = World::new("steps");
    let mut deaths = 0;
    for (seed, point) in (0..).zip(FailPoint::ALL) {
        let began = Timestamp::now();
        let mut crew = Crew::of(&world, seed);
        // A death before the token is sent counts as an attempt, of which there are two.
        let dying = if point.to_string() == "IntentNoted" {
            1
        } else {
            3
        };
        for number in 0..7 {
            let order = if number < dying {
                point.to_string().into()
            } else {
                json!(null)
            };
            crew.add_failing("storm", 8, "abort_at", order);
        }
        crew.add("reader", 100);
        let died = crew.join_with_deaths();
        deaths += died;
        let cut = Cut::between(began, Timestamp::now());
        let cuts = if point.loses_an_answer() {
            vec![cut; died]
        } else {
            Vec::new()
        };
        world.check(&format!("seed {seed}, death at {point}"), &cuts);
    }
    assert!(
        deaths >= FailPoint::ALL.len(),
        "only {deaths} processes died"
    );
}

#[test]
fn a_full_disk_at_any_step_loses_nothing() {
    let mut world = World::new("full");
    let points = FailPoint::ALL.into_iter().filter(|point| point.can_fail());
    for (seed, point) in (0..).zip(points) {
        let mut crew = Crew::of(&world, seed);
        for number in 0..8 {
            let order = if number < 4 {
                point.to_string().into()
            } else {
                json!(null)
            };
            crew.add_failing("storm", 8, "full_at", order);
        }
        crew.join();
        world.check(&format!("seed {seed}, full at {point}"), &[]);
    }
}

#[test]
fn late_answers_lose_nothing_and_lost_ones_cost_a_login_each() {
    let mut world = World::new("answers");
    let late = Fault::refresh_delayed(std::time::Duration::from_millis(300));
    for (round, fault) in [late, Fault::refresh_lost()].into_iter().enumerate() {
        let began = Timestamp::now();
        let lost = 2 * u32::try_from(round).unwrap_or(0);
        world.fake.fault(fault.times(lost.max(5)));
        let mut crew = Crew::of(&world, u64::from(lost));
        for _ in 0..8 {
            crew.add("storm", 8);
        }
        crew.join();
        world.fake.clear_faults();
        let cut = Cut::between(began, Timestamp::now());
        world.check(&format!("answers {round}"), &vec![cut; round * 5]);
    }
}

#[test]
fn a_codex_that_refreshes_while_routers_serve_loses_nothing() {
    let mut world = World::new("codex");
    for round in 0..3 {
        let mut crew = Crew::of(&world, round);
        crew.add("codex", 15);
        crew.add("reader", 100);
        for _ in 0..6 {
            crew.add("serve", 60);
        }
        crew.join();
        world.check(&format!("seed {round}"), &[]);
    }
    world.assert_busy(45);
}

#[test]
fn a_token_is_not_spent_when_nothing_can_be_written() {
    let mut world = World::new("nothing");
    // Room for a login, but not for the answer to its refresh as well.
    let mut crew = Crew::of(&world, 0).with_small_files();
    for _ in 0..8 {
        crew.add("storm", 6);
    }
    crew.join();
    assert_eq!(world.fake.refreshes().len(), 0, "small files");

    let blocked = Blocked::at(world.home.router().join("journal"));
    let mut crew = Crew::of(&world, 1);
    for _ in 0..8 {
        crew.add("storm", 6);
    }
    crew.join();
    assert_eq!(world.fake.refreshes().len(), 0, "no folder for the journal");
    drop(blocked);
    world.check("afterwards", &[]);
}
