use std::io::{self, Write as _};

use codex_auth::{CredentialError, refresh::RefreshReason};
use codex_profiles::{CodexHome, ProfileName, ProfileStore, StoreError, Switched};

use super::{client, exit::Failure, stop::stop_signal};

/// `use NAME`: makes a profile the current one and the live login.
pub(crate) async fn switch(home: &CodexHome, name: &str) -> Result<(), Failure> {
    let name = ProfileName::parse(name).map_err(Failure::usage)?;
    let store = client::store(home)?;
    let switched = tokio::select! {
        switched = switch_to(&store, &name) => switched?,
        () = stop_signal() => {
            // The answer of the issuer, if it was asked, is the only copy of the new tokens.
            store.finish_refreshes().await;
            return Err(Failure::because("stopped; what had begun was brought to its end"));
        }
    };
    let mut out = io::stdout().lock();
    for line in told(&switched) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

async fn switch_to(store: &ProfileStore, name: &ProfileName) -> Result<Switched, Failure> {
    match store.use_profile(name).await {
        Err(StoreError::CodexCannotRead(_)) => {
            complete(store, name).await?;
            Ok(store.use_profile(name).await?)
        }
        switched => Ok(switched?),
    }
}

/// A login of another program often comes without the id token that Codex needs; a refresh brings
/// one.
async fn complete(store: &ProfileStore, name: &ProfileName) -> Result<(), Failure> {
    let refreshed = store.refresh_profile(name, RefreshReason::Forced).await;
    store.finish_refreshes().await;
    refreshed.map(drop).map_err(|error| match error {
        CredentialError::LoginRequired { .. } => Failure::needs_login(error),
        error => Failure::failed(error),
    })
}

/// What a person is to know of a profile of another workspace than Codex's settings allow.
pub(crate) fn refused_by_codex(profile: &ProfileName) -> String {
    format!(
        "Codex is held to another workspace than that of `{profile}` \
         (`forced_chatgpt_workspace_id` in its config.toml): one that starts with this login logs \
         out of it. The router serves its own clients with it all the same."
    )
}

fn told(switched: &Switched) -> Vec<String> {
    let mut lines = vec![format!("Now using `{}`.", switched.current)];
    if let Some(kept) = &switched.kept_as {
        lines.push(format!("The login that was in use is kept as `{kept}`."));
    }
    if let Some(unknown) = &switched.live_unknown {
        lines.push(format!(
            "That counts for clients of the router. Codex's own login was not changed: {unknown}. \
             To change it too, {}.",
            unknown.action()
        ));
    }
    if switched.codex_refuses {
        lines.push(refused_by_codex(&switched.current));
    }
    if switched.published {
        let note = "A Codex that is running keeps its account until it is restarted (in VS Code: \
                    Developer: Reload Window), unless it uses the router.";
        lines.push(note.to_owned());
    }
    lines
}
