//! One replica of a service whose logins are in a database, as a process of its own that can be
//! killed. What it shall do is the only argument, as JSON.

use std::{env, hash::BuildHasher as _, path::PathBuf, process::ExitCode, time::Duration};

use codex_auth::{
    CredentialError, Issuer, ProfileRef,
    refresh::{RefreshReason, TokenEndpoint},
};
use codex_profiles::{
    failpoints::FailPoint,
    postgres::{PostgresError, PostgresLogins, PostgresSettings},
};
use serde::Deserialize;

/// What one process shall do.
#[derive(Debug, Deserialize)]
struct Orders {
    address: String,
    issuer: String,
    /// After which time an answer counts as lost, in milliseconds.
    answer_limit_ms: u64,
    /// How often it refreshes one of the profiles; 0 stands for no end.
    acts: u64,
    profiles: Vec<String>,
    #[serde(default)]
    seed: u64,
    /// The step at which it dies.
    abort_at: Option<String>,
    rescue_folder: Option<PathBuf>,
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
    match run(&orders).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Refreshes one profile after the other, in an order of its own, and prints what came of each.
#[expect(clippy::print_stdout, reason = "the test reads it")]
async fn run(orders: &Orders) -> Result<(), PostgresError> {
    let logins = open(orders).await?;
    let mut act = 0;
    while orders.acts == 0 || act < orders.acts {
        let name = &orders.profiles[choice(orders, act)];
        let profile = ProfileRef::new(name);
        match logins
            .refresh_profile(&profile, RefreshReason::Forced)
            .await
        {
            Ok(_) => println!("{name} lives"),
            Err(CredentialError::LoginRequired { reason, .. }) => {
                println!("{name} must log in: {reason}");
            }
            Err(CredentialError::Unavailable { .. }) => println!("{name} waits"),
            Err(error) => println!("{name} failed: {error}"),
        }
        act += 1;
    }
    logins.finish_refreshes().await
}

async fn open(orders: &Orders) -> Result<PostgresLogins, PostgresError> {
    let mut settings = PostgresSettings::parse(&orders.address)?;
    if let Some(folder) = &orders.rescue_folder {
        settings = settings.with_rescue_folder(folder);
    }
    if let Some(point) = orders.abort_at.as_deref().and_then(FailPoint::named) {
        settings = settings.aborting_at(point);
    }
    let endpoint = TokenEndpoint::new(reqwest::Client::new(), Issuer::new(&orders.issuer));
    let limit = Duration::from_millis(orders.answer_limit_ms);
    settings.connect(endpoint.with_answer_limit(limit)).await
}

/// One after the other without a seed; else the same for the same seed.
fn choice(orders: &Orders, act: u64) -> usize {
    let hasher = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default();
    let number = match orders.seed {
        0 => act,
        seed => hasher.hash_one((seed, act)) % 1_000_000,
    };
    usize::try_from(number).unwrap_or(0) % orders.profiles.len()
}
