use std::io::{self, IsTerminal as _, Write as _};

use codex_profiles::{CodexHome, ProfileName, SignOutScope};

use super::{client, exit::Failure, text};

/// `sign-out NAME`: ends a login at the issuer, once the person knows what else stops with it.
pub(crate) async fn sign_out(home: &CodexHome, name: &str, yes: bool) -> Result<(), Failure> {
    let name = ProfileName::parse(name).map_err(Failure::usage)?;
    let store = client::store(home)?;
    let scope = store.sign_out_scope(&name).await?;
    if !yes {
        confirm(&scope)?;
    }
    let scope = store.sign_out(&name).await?;
    let mut out = io::stdout().lock();
    writeln!(out, "Signed out `{name}` at OpenAI.")?;
    for line in also(&scope) {
        writeln!(out, "{line} was signed out with it.")?;
    }
    writeln!(
        out,
        "The files stay; `codex-router login {}` renews the profile.",
        text::word(&name)
    )?;
    Ok(())
}

fn confirm(scope: &SignOutScope) -> Result<(), Failure> {
    let name = &scope.profile;
    eprintln!("This ends the login of `{name}` at OpenAI, for every program that uses it.");
    for line in also(scope) {
        eprintln!("{line} stops with it.");
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("it cannot be undone: say so with --yes"));
    }
    eprint!("Sign out? [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    let agreed = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    if agreed {
        Ok(())
    } else {
        Err(Failure::cancelled())
    }
}

/// What else ends.
fn also(scope: &SignOutScope) -> Vec<String> {
    let others = scope
        .others
        .iter()
        .map(|other| format!("The profile `{other}`"));
    let live = scope
        .live
        .then(|| "The login that Codex itself uses".to_owned());
    live.into_iter().chain(others).collect()
}
