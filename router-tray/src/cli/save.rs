use std::io::{self, Write as _};

use codex_profiles::{ProfileName, ProfileStore};

use super::exit::Failure;

/// `save [NAME]`: the login that Codex uses now becomes a profile.
pub(crate) async fn save(store: &ProfileStore, name: Option<&str>) -> Result<(), Failure> {
    let name = name
        .map(ProfileName::parse)
        .transpose()
        .map_err(Failure::usage)?;
    let wanted = name.clone();
    let saved = store.save(name).await?;
    let name = &saved.name;
    let told = match (saved.created, saved.renewed) {
        (true, _) => format!("Saved as `{name}`."),
        (false, true) => format!("Profile `{name}` holds this login already; renewed it."),
        (false, false) => format!("Profile `{name}` holds this login already."),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{told}")?;
    if wanted.is_some_and(|wanted| wanted != saved.name) {
        writeln!(out, "One login has one profile, so no second one was made.")?;
    }
    Ok(())
}
