//! What a Codex does with `auth.json`: wire reference, sections 1.4, 3.1 and 3.4.

use std::{
    fs::{File, OpenOptions},
    io,
    process::ExitCode,
    time::Duration,
};

use codex_profiles::{CodexHome, fs::atomic};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Orders;

/// Reads the live login over and over. It is whole at every moment.
pub(crate) async fn read(orders: &Orders, home: &CodexHome) -> ExitCode {
    for _ in 0..orders.acts {
        if let Err(error) = live(home) {
            eprintln!("auth.json cannot be read: {error}");
            return ExitCode::FAILURE;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    ExitCode::SUCCESS
}

/// Refreshes the live login over and over, holding no lock while it posts.
pub(crate) async fn refresh(orders: &Orders, home: &CodexHome) -> ExitCode {
    for _ in 0..orders.acts {
        if let Err(error) = refresh_once(orders, home).await {
            eprintln!("Codex has lost its login: {error}");
            return ExitCode::FAILURE;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    ExitCode::SUCCESS
}

async fn refresh_once(orders: &Orders, home: &CodexHome) -> io::Result<()> {
    let before = live(home)?;
    let body = json!({"grant_type": "refresh_token", "client_id": fake_openai::CLIENT_ID,
        "refresh_token": before["tokens"]["refresh_token"], "refresh_reason": "proactive_expiry"});
    let url = format!("{}/oauth/token", orders.issuer);
    let answer = reqwest::Client::new().post(url).json(&body).send();
    let answer = answer.await.and_then(reqwest::Response::error_for_status);
    let answer: Value = answer
        .map_err(io::Error::other)?
        .json()
        .await
        .map_err(io::Error::other)?;
    let mut login = before.clone();
    for field in ["id_token", "access_token", "refresh_token"] {
        login["tokens"][field] = answer[field].clone();
    }
    login["last_refresh"] = Timestamp::now().to_string().into();
    commit(home, &before, &login)
}

/// Keeps what is on disk, if somebody else has changed it meanwhile.
fn commit(home: &CodexHome, before: &Value, login: &Value) -> io::Result<()> {
    let _first = lock(home, "auth.lock")?;
    let _second = lock(home, "auth.json.lock")?;
    if live(home)? == *before {
        atomic::write(&home.auth_json(), format!("{login:#}").as_bytes())?;
    }
    Ok(())
}

fn lock(home: &CodexHome, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = options.open(home.root().join(name))?;
    file.lock()?;
    Ok(file)
}

fn live(home: &CodexHome) -> io::Result<Value> {
    Ok(serde_json::from_slice(&std::fs::read(home.auth_json())?)?)
}
