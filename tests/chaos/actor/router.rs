//! What routers do.

use std::{process::ExitCode, time::Duration};

use codex_auth::{
    CredentialError, CredentialProvider as _, Issuer, RouteHint,
    refresh::{RefreshReason, TokenEndpoint},
};
use codex_profiles::{
    CodexHome, ProfileName, ProfileStore,
    failpoints::{FailPoint, Failure},
};

use crate::{Dice, Orders};

/// Refreshes, switches, saves, renames and serves, in random order. That something fails is part of it.
pub(crate) async fn storm(orders: &Orders, home: CodexHome) -> ExitCode {
    let store = open(orders, home);
    let names = names(orders);
    let mut dice = Dice(orders.seed, 0);
    for _ in 0..orders.acts {
        let name = &names[dice.below(names.len())];
        match dice.below(10) {
            0 | 1 => drop(store.use_profile(name).await),
            2 => drop(store.save(None).await),
            3 => drop(ask(&store, Some(name)).await),
            4 => drop(ask(&store, None).await),
            5 => {
                drop(store.rename(name, &other_name(name)).await);
                drop(store.rename(&other_name(name), name).await);
            }
            _ => drop(store.refresh_profile(name, RefreshReason::Forced).await),
        }
    }
    store.finish_refreshes().await;
    ExitCode::SUCCESS
}

/// Serves requests, and so adopts what Codex writes.
pub(crate) async fn serve(orders: &Orders, home: CodexHome) -> ExitCode {
    let store = open(orders, home);
    let names = names(orders);
    let mut dice = Dice(orders.seed, 0);
    for _ in 0..orders.acts {
        let name = &names[dice.below(names.len())];
        drop(ask(&store, Some(name).filter(|_| dice.below(2) == 0)).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    store.finish_refreshes().await;
    ExitCode::SUCCESS
}

/// Refreshes every profile, and prints a line for each: its name and what came of it.
#[expect(clippy::print_stdout, reason = "the test reads it")]
pub(crate) async fn check(orders: &Orders, home: CodexHome) -> ExitCode {
    let store = open(orders, home);
    for name in names(orders) {
        // Whoever gave it the other one may have died before giving it back.
        drop(store.rename(&other_name(&name), &name).await);
        match store.refresh_profile(&name, RefreshReason::Forced).await {
            Ok(_) => println!("{name} lives"),
            Err(CredentialError::LoginRequired { .. }) => println!("{name} must log in"),
            Err(CredentialError::Unavailable { .. }) => println!("{name} waits"),
            Err(error) => println!("{name} failed: {error}"),
        }
    }
    store.finish_refreshes().await;
    ExitCode::SUCCESS
}

async fn ask(store: &ProfileStore, name: Option<&ProfileName>) -> Result<(), CredentialError> {
    let mut hint = RouteHint::default();
    hint.profile = name.map(ProfileName::reference);
    store.credentials(&hint).await.map(drop)
}

fn open(orders: &Orders, home: CodexHome) -> ProfileStore {
    let point = |name: &Option<String>| FailPoint::named(name.as_deref()?);
    let store = match (point(&orders.abort_at), point(&orders.full_at)) {
        (Some(point), _) => ProfileStore::open_failing(home, point, Failure::Abort),
        (_, Some(point)) => ProfileStore::open_failing(home, point, Failure::DiskFull),
        (None, None) => ProfileStore::open(home),
    };
    let endpoint = TokenEndpoint::new(reqwest::Client::new(), Issuer::new(&orders.issuer));
    store
        .expect("a home can be opened")
        .with_token_endpoint(endpoint)
}

/// What a profile is called for a moment.
fn other_name(name: &ProfileName) -> ProfileName {
    ProfileName::parse(&format!("{name}-renamed")).expect("it is a short name")
}

fn names(orders: &Orders) -> Vec<ProfileName> {
    let names = orders.profiles.iter();
    names
        .filter_map(|name| ProfileName::parse(name).ok())
        .collect()
}
