use std::io::{self, Write as _};

use codex_profiles::{ProfileName, ProfileStore, Switched};

use super::exit::Failure;

/// `use NAME`: makes a profile the current one and the live login.
pub(crate) async fn switch(store: &ProfileStore, name: &str) -> Result<(), Failure> {
    let name = ProfileName::parse(name).map_err(Failure::usage)?;
    let switched = store.use_profile(&name).await?;
    let mut out = io::stdout().lock();
    for line in told(&switched) {
        writeln!(out, "{line}")?;
    }
    Ok(())
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
    if switched.published {
        let note = "A Codex that is running keeps its account until it is restarted (in VS Code: \
                    Developer: Reload Window), unless it uses the router.";
        lines.push(note.to_owned());
    }
    lines
}
