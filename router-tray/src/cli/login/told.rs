use std::io::{self, Write as _};

use codex_auth::{AuthDotJson, AuthMode};
use codex_profiles::{KeptSignIn, ProfileName};

use crate::cli::{exit::Failure, text};

/// An account need not have an organization that could own a key.
pub(super) const NO_KEY: &str = "The issuer gave no API key for this account.";

/// Says who signed in, where the login is kept, and what to do next.
pub(super) fn tell(
    login: &AuthDotJson,
    kept: &KeptSignIn,
    wanted: Option<&ProfileName>,
    current: Option<&ProfileName>,
    note: Option<&str>,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if login.mode() == AuthMode::ApiKey {
        writeln!(out, "{}", place_of_key(kept, wanted))?;
    } else {
        writeln!(out, "Signed in{}.", who(login))?;
        writeln!(out, "{}", place(kept, wanted))?;
    }
    if kept.published {
        writeln!(
            out,
            "Codex itself uses this account; its login was renewed too."
        )?;
    }
    if let Some(note) = note {
        writeln!(out, "{note}")?;
    }
    if current != Some(&kept.name) {
        writeln!(out, "Use it: `codex-router use {}`", text::word(&kept.name))?;
    }
    Ok(())
}

fn who(login: &AuthDotJson) -> String {
    let claims = login.display_claims();
    let email = claims.email.map(|email| format!(" as {}", email.as_str()));
    let plan = claims.plan.map(|plan| format!("plan {}", plan.as_str()));
    let account = claims.account_id.map(|id| format!("account {id}"));
    let workspace = claims.workspace.map(|title| format!("workspace {title}"));
    let facts: Vec<String> = [plan, workspace.or(account)]
        .into_iter()
        .flatten()
        .collect();
    let shown = match facts.as_slice() {
        [] => email.unwrap_or_default(),
        facts => format!("{} ({})", email.unwrap_or_default(), facts.join(", ")),
    };
    // A title is whatever somebody typed.
    text::shown(&shown).replace('\n', " ")
}

/// Nobody was asked whether the key is good for anything.
fn place_of_key(kept: &KeptSignIn, wanted: Option<&ProfileName>) -> String {
    if kept.created {
        format!("{} The key was not tried.", place(kept, wanted))
    } else {
        format!("`{}` holds this key already.", kept.name)
    }
}

fn place(kept: &KeptSignIn, wanted: Option<&ProfileName>) -> String {
    let name = &kept.name;
    match (wanted, kept.created) {
        (Some(wanted), true) if kept.name_taken => {
            format!(
                "`{wanted}` is taken by another login, which stays as it is: saved as `{name}`."
            )
        }
        (_, true) => format!("Saved as `{name}`."),
        (Some(wanted), false) if wanted != name => {
            format!(
                "Profile `{name}` holds this account, so it was renewed; one login has one profile."
            )
        }
        (_, false) => format!("Profile `{name}` is renewed."),
    }
}
