use codex_profiles::CodexHome;
use router_tray::browser;

use super::{exit::Failure, out};
use crate::running::RunningRouter;

/// `open [--print]`: opens the page of the router that runs.
pub(crate) async fn open(home: &CodexHome, print: bool) -> Result<(), Failure> {
    let router = RunningRouter::find(home).await.ok_or_else(none_runs)?;
    let link = router.link().await?;
    if print || !browser::has_screen() {
        return Ok(out::say(&link)?);
    }
    let url = link.clone();
    let opened = tokio::task::spawn_blocking(move || browser::open(&url)).await;
    if opened.unwrap_or(false) {
        Ok(())
    } else {
        Ok(out::say(&link)?)
    }
}

fn none_runs() -> Failure {
    Failure::because(
        "no router runs on this home: start it with `codex-router` or `codex-router serve`",
    )
}
