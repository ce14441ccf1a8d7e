//! `rename`, `label`, `remove` and `restore`.

use std::io::{self, Write as _};

use codex_auth::text::printable;
use codex_profiles::{ProfileName, ProfileStore, StoreError, state::MAX_LABEL_CHARS};

use super::{exit::Failure, text};

/// `rename A B`.
pub(crate) async fn rename(store: &ProfileStore, from: &str, to: &str) -> Result<(), Failure> {
    let (from, to) = (name(from)?, name(to)?);
    store.rename(&from, &to).await?;
    say(&[format!("`{from}` is called `{to}` now.")])
}

/// `label NAME [TEXT]`.
pub(crate) async fn label(
    store: &ProfileStore,
    profile: &str,
    text: Option<&str>,
) -> Result<(), Failure> {
    let profile = name(profile)?;
    let label = text.map(str::trim).filter(|text| !text.is_empty());
    if label.is_some_and(|label| printable(label, MAX_LABEL_CHARS) != label) {
        return Err(Failure::usage(format!(
            "a label has at most {MAX_LABEL_CHARS} characters, and no control characters in it"
        )));
    }
    store.label(&profile, label.map(str::to_owned)).await?;
    say(&[match label {
        Some(label) => format!("`{profile}` is shown as {label}."),
        None => format!("`{profile}` has no label."),
    }])
}

/// `remove NAME [--purge]`.
pub(crate) async fn remove(
    store: &ProfileStore,
    profile: &str,
    purge: bool,
) -> Result<(), Failure> {
    let profile = name(profile)?;
    let removed = if purge {
        store.purge(&profile).await.map(Some)
    } else {
        store.remove(&profile).await.map(|()| None)
    };
    match removed {
        Ok(Some(copies)) => say(&deleted(&profile, copies)),
        Ok(None) => say(&put_away(&profile)),
        Err(error @ StoreError::IsCurrent(_)) => {
            Err(Failure::from(error)
                .advise("choose another one first with `codex-router use NAME`"))
        }
        Err(error) => Err(error.into()),
    }
}

/// `restore NAME`.
pub(crate) async fn restore(store: &ProfileStore, profile: &str) -> Result<(), Failure> {
    let profile = name(profile)?;
    let restored = match store.restore(&profile).await {
        Err(error @ StoreError::NameTaken(_)) => {
            let advice = format!(
                "give that one another name first: `rename {} NAME`",
                text::word(&profile)
            );
            return Err(Failure::from(error).advise(&advice));
        }
        restored => restored?,
    };
    let mut lines = vec![if restored.took_back_import {
        format!("`{profile}` holds what it held before the import, which is put away instead.")
    } else {
        format!("`{profile}` is back.")
    }];
    if restored.renewed {
        lines.push("Its login had gone on elsewhere, so its tokens are those of now.".to_owned());
    }
    if restored.older > 0 {
        let older = restored.older;
        lines.push(format!("Older copies that are still put away: {older}."));
    }
    say(&lines)
}

fn put_away(profile: &ProfileName) -> [String; 3] {
    let word = text::word(profile);
    [
        format!("Removed `{profile}`. `codex-router restore {word}` brings it back."),
        "What is kept is still a login, with its tokens, and nobody keeps it alive.".to_owned(),
        format!("`codex-router remove {word} --purge` deletes it for good; OpenAI is not told."),
    ]
}

fn deleted(profile: &ProfileName, copies: usize) -> [String; 2] {
    let counted = match copies {
        1 => "1 copy".to_owned(),
        more => format!("{more} copies"),
    };
    [
        format!("Deleted `{profile}` for good ({counted})."),
        "OpenAI was not told: until its tokens end by themselves, the login stays valid."
            .to_owned(),
    ]
}

fn name(text: &str) -> Result<ProfileName, Failure> {
    ProfileName::parse(text).map_err(Failure::usage)
}

fn say(lines: &[String]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
