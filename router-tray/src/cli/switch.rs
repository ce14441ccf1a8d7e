use std::io::{self, Write as _};

use codex_auth::{
    CredentialError, Issuer,
    refresh::{RefreshReason, TokenEndpoint},
};
use codex_profiles::{ProfileName, ProfileStore, StoreError, Switched};

use super::{exit::Failure, serve::http_client};

/// `use NAME`: makes a profile the current one and the live login.
pub(crate) async fn switch(store: &ProfileStore, name: &str) -> Result<(), Failure> {
    let name = ProfileName::parse(name).map_err(Failure::usage)?;
    let switched = match store.use_profile(&name).await {
        Err(StoreError::CodexCannotRead(_)) => {
            complete(store, &name).await?;
            store.use_profile(&name).await?
        }
        switched => switched?,
    };
    let mut out = io::stdout().lock();
    for line in told(&switched) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A login of another program often comes without the id token that Codex needs; a refresh brings
/// one.
async fn complete(store: &ProfileStore, name: &ProfileName) -> Result<(), Failure> {
    let endpoint = TokenEndpoint::new(http_client()?, Issuer::from_env());
    let store = store.clone().with_token_endpoint(endpoint);
    let refreshed = store.refresh_profile(name, RefreshReason::Forced).await;
    store.finish_refreshes().await;
    refreshed.map(drop).map_err(|error| match error {
        CredentialError::LoginRequired { .. } => Failure::needs_login(error),
        error => Failure::failed(error),
    })
}

fn told(switched: &Switched) -> Vec<String> {
    let mut lines = vec![format!("Now using `{}`.", switched.current)];
    if let Some(kept) = &switched.kept_as {
        lines.push(format!("The login that was in use is kept as `{kept}`."));
    }
    if switched.published {
        let note = "A Codex that is running keeps its account until it is restarted (in VS Code: \
                    Developer: Reload Window), unless it uses the router.";
        lines.push(note.to_owned());
    }
    lines
}
