//! `key create`, `key list` and `key revoke`.

use std::io::{self, Write as _};

use clap::Subcommand;
use codex_profiles::{
    ProfileName, ProfileStore,
    attach::AttachmentState,
    keys::{KeyEntry, KeyError, KeyName},
};
use serde_json::json;

use super::{attach, exit::Failure, list::columns, out, text};

/// What is to be done about client keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key, which is shown once; from the first one on, every client has to present one
    Create {
        /// What the key is called, such as the program that gets it
        name: String,
        /// Serve it with this profile alone
        #[arg(long, value_name = "NAME")]
        profile: Option<String>,
    },
    /// Show the keys there are, but not the keys themselves
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Take a key back, which counts at the next request
    Revoke {
        /// What the key is called
        name: String,
    },
}

impl Key {
    pub(crate) async fn run(self, store: &ProfileStore) -> Result<(), Failure> {
        match self {
            Self::Create { name, profile } => create(store, &name, profile.as_deref()).await,
            Self::List { json } => list(store, json).await,
            Self::Revoke { name } => revoke(store, &name).await,
        }
    }
}

/// The key alone on standard output, for scripts; the rest is for a person.
async fn create(store: &ProfileStore, name: &str, profile: Option<&str>) -> Result<(), Failure> {
    let name = KeyName::parse(name).map_err(Failure::usage)?;
    let profile = profile.map(ProfileName::parse).transpose();
    let profile = profile.map_err(Failure::usage)?;
    let was_required = store.state().await?.requires_client_key();
    let key = store.create_key(name.clone(), profile.clone()).await?;
    writeln!(io::stdout(), "{}", key.expose())?;
    eprintln!("This is the key `{name}`. It is not shown again: give it to the client now.");
    if let Some(profile) = profile {
        eprintln!("It is served by the profile `{profile}` and by no other.");
    }
    if !was_required {
        eprintln!("From now on, every client of the router has to present a key.");
    }
    let attachment = store.attachment(attach::router(store).await?).await?;
    if attachment.state == AttachmentState::Attached && !attachment.sends_key {
        eprintln!("{}", attach::SENDS_NO_KEY);
    }
    Ok(())
}

async fn list(store: &ProfileStore, json: bool) -> Result<(), Failure> {
    let keys = store.keys().await?;
    if json {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &json!({"keys": keys})).map_err(io::Error::from)?;
        return Ok(writeln!(out)?);
    }
    if keys.is_empty() {
        out::say(if store.state().await?.lost_client_keys() {
            "The keys were lost with settings that broke, and nobody is served until a key is made: \
             `codex-router key create NAME`."
        } else {
            "There are no keys, and no client of this machine needs one."
        })?;
    }
    let rows: Vec<[String; 4]> = keys.iter().map(row).collect();
    for line in columns(&rows) {
        out::say(&line)?;
    }
    Ok(())
}

fn row(key: &KeyEntry) -> [String; 4] {
    let profile = key.profile.as_deref();
    let day = |at: jiff::Timestamp| at.strftime("%F %R UTC").to_string();
    [
        text::fact(&key.name),
        profile.map_or("any profile".to_owned(), |name| {
            format!("only `{}`", text::fact(name))
        }),
        key.created_at
            .map_or(String::new(), |at| format!("made {}", day(at))),
        key.last_used_at
            .map_or("never used".to_owned(), |at| format!("used {}", day(at))),
    ]
}

async fn revoke(store: &ProfileStore, name: &str) -> Result<(), Failure> {
    let name = KeyName::parse(name).map_err(Failure::usage)?;
    let left = store.revoke_key(name.clone()).await?;
    out::say(&format!("Revoked the key `{name}`."))?;
    if left == 0 {
        out::say("It was the last one: clients of this machine need none any more.")?;
    }
    Ok(())
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => error.into(),
            KeyError::Unknown(_) => {
                Self::failed(error).advise("`codex-router key list` shows those there are")
            }
            error => Self::failed(error),
        }
    }
}
