//! One process of the chaos test: a router that is busy, a router that looks after everything, or a
//! Codex. What it shall do is the only argument, as JSON.

mod codex;
mod router;

use std::{env, hash::BuildHasher as _, path::PathBuf, process::ExitCode};

use codex_profiles::CodexHome;
use serde::Deserialize;

/// What one process shall do.
#[derive(Debug, Deserialize)]
struct Orders {
    role: Role,
    home: PathBuf,
    issuer: String,
    seed: u64,
    /// How many things it does before it ends.
    acts: u32,
    profiles: Vec<String>,
    /// The step at which it dies.
    abort_at: Option<String>,
    /// The step at which it finds the disk full.
    full_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    /// A router that refreshes, switches, saves and serves.
    Storm,
    /// A router that serves.
    Serve,
    /// A router that refreshes every profile once and prints what came of it.
    Check,
    /// A Codex ahead of its window: it reads.
    Reader,
    /// A Codex in its window: it refreshes.
    Codex,
}

/// The same numbers for the same seed.
struct Dice(u64, u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.1 += 1;
        let hasher = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default();
        let number = hasher.hash_one((self.0, self.1)) % 1_000_000;
        usize::try_from(number).unwrap_or(0) % limit
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let orders = env::args().nth(1).unwrap_or_default();
    let orders: Orders = match serde_json::from_str(&orders) {
        Ok(orders) => orders,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let home = CodexHome::at(&orders.home);
    match orders.role {
        Role::Storm => router::storm(&orders, home).await,
        Role::Serve => router::serve(&orders, home).await,
        Role::Check => router::check(&orders, home).await,
        Role::Reader => codex::read(&orders, &home).await,
        Role::Codex => codex::refresh(&orders, &home).await,
    }
}
