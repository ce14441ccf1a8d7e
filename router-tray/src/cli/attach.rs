//! `attach` and `detach`, and a word at the start of `serve` on what an earlier run left.

use std::time::Duration;

use clap::Args;
use codex_profiles::{
    ListenAddress, ProfileStore,
    attach::{
        AttachError, Attachment, AttachmentState, ConfigChange, Form, KEY_VARIABLE, RouterUrl,
    },
};
use tokio::{net::TcpStream, time::timeout};

use super::{exit::Failure, out, switch::refused_by_codex, text};
use crate::{running::RunningRouter, serving};

/// Whoever listens on this machine answers much faster.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// What `attach` is given.
#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// As a provider of its own: Codex sends nothing of its login, but hides older sessions
    #[arg(long)]
    provider: bool,
}

impl Attach {
    /// Points Codex at the router that runs, or would.
    pub(crate) async fn run(self, store: &ProfileStore) -> Result<(), Failure> {
        let router = router(store).await?;
        let form = if self.provider {
            Form::Provider
        } else {
            Form::BaseUrl
        };
        let change = if self.dry_run {
            store.preview_attach(router, form).await?
        } else {
            store.attach(router, form).await?
        };
        show(&change, self.dry_run)?;
        for note in &change.notes {
            out::say(note)?;
        }
        if self.dry_run {
            return Ok(());
        }
        if change.diff.is_empty() {
            out::say(&format!("Codex is attached to {router} already."))?;
        } else {
            out::say(&format!(
                "Codex is attached to {router}: from its next start on, it uses the profile that \
                 `codex-router use` chooses.\nRestart it once (in VS Code: Developer: Reload \
                 Window). `codex-router detach` takes this back."
            ))?;
        }
        if form == Form::Provider {
            tell_of_provider(store).await?;
        }
        if let Some(current) = store.current().await?
            && store.codex_refuses(&current).await.unwrap_or(false)
        {
            out::say(&refused_by_codex(&current))?;
        }
        if !is_served(router).await {
            out::say("No router serves there now: start one with `codex-router serve`.")?;
        }
        Ok(())
    }
}

async fn tell_of_provider(store: &ProfileStore) -> Result<(), Failure> {
    out::say(
        "As a provider of its own, Codex lists only the sessions that it began with it; the older \
         ones are back after `codex-router detach`.",
    )?;
    if store.state().await?.requires_client_key() {
        out::say(&format!(
            "It takes its client key from the environment variable {KEY_VARIABLE}: make one with \
             `codex-router key create codex`, and set the variable where Codex is started."
        ))?;
    }
    Ok(())
}

/// What `detach` is given.
#[derive(Debug, Args)]
pub(crate) struct Detach {
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Detach {
    /// Lets Codex go to where it went before.
    pub(crate) async fn run(self, store: &ProfileStore) -> Result<(), Failure> {
        let router = router(store).await?;
        let change = if self.dry_run {
            store.preview_detach(router).await?
        } else {
            store.detach(router).await?
        };
        show(&change, self.dry_run)?;
        for setting in &change.left {
            out::say(&format!(
                "`{setting}` was changed by somebody else since, and stays as it is."
            ))?;
        }
        if change.diff.is_empty() && change.left.is_empty() {
            out::say("Codex is not attached; nothing was changed.")?;
        } else if !change.diff.is_empty() && !self.dry_run {
            out::say(
                "Codex is detached: from its next start on, it goes where it went before. Restart \
                 it once (in VS Code: Developer: Reload Window).",
            )?;
        }
        let left = store.attachment(router).await?;
        if left.state == AttachmentState::Foreign && !self.dry_run {
            out::say(&elsewhere(&left))?;
        }
        Ok(())
    }
}

fn show(change: &ConfigChange, would: bool) -> Result<(), Failure> {
    if change.diff.is_empty() {
        if would {
            out::say("Nothing would change.")?;
        }
        return Ok(());
    }
    let path = text::path(&change.config);
    let verb = if would { "would change" } else { "changed" };
    out::say(&format!("{path} {verb}:\n{}", change.diff.trim_end()))?;
    out::say("")?;
    Ok(())
}

/// Said when the router starts at `address`: what leads Codex to where nobody answers, and what
/// belongs to somebody else.
pub(crate) async fn left_over(store: &ProfileStore, address: &ListenAddress) -> Option<String> {
    let Some(address) = address.tcp() else {
        return left_over_of_socket(store, address).await;
    };
    let attachment = store.attachment(address.into()).await.ok()?;
    match attachment.state {
        AttachmentState::Elsewhere => {
            let leads_to = attachment.leads_to.as_deref().unwrap_or("another address");
            let leads_to_a_router = match leads_to.parse() {
                Ok(router) => is_served(router).await,
                Err(_) => false,
            };
            let what = if leads_to_a_router {
                "which is another router than this one"
            } else {
                "where nobody answers, so that it does not work"
            };
            Some(format!(
                "Codex is attached to {leads_to}, {what}: `codex-router attach` leads it here, \
                 `codex-router detach` lets it go."
            ))
        }
        AttachmentState::Foreign => Some(elsewhere(&attachment)),
        AttachmentState::Attached => key_missing(store, &attachment).await,
        _ => None,
    }
}

/// The same of a router that Codex cannot connect to at all.
async fn left_over_of_socket(store: &ProfileStore, address: &ListenAddress) -> Option<String> {
    let usual = ListenAddress::default().tcp()?;
    let attachment = store.attachment(usual.into()).await.ok()?;
    let leads_to = attachment.leads_to.as_deref()?;
    let is_ours = matches!(
        attachment.state,
        AttachmentState::Attached | AttachmentState::Elsewhere
    );
    is_ours.then(|| {
        format!(
            "Codex is attached to {leads_to}, and cannot connect to {address}: `codex-router \
             detach` lets it go."
        )
    })
}

/// Sentences on settings that are not ours, which nothing here touches.
fn elsewhere(attachment: &Attachment) -> String {
    let path = text::path(&attachment.config);
    match (&attachment.leads_to, &attachment.problem) {
        (Some(leads_to), _) => {
            format!("Codex goes to {leads_to}, as {path} says; that is left as it is.")
        }
        (None, Some(problem)) => format!("{problem}; it is left as it is."),
        (None, None) => format!("{path} is left as it is."),
    }
}

async fn key_missing(store: &ProfileStore, attachment: &Attachment) -> Option<String> {
    let requires_key = store.state().await.ok()?.requires_client_key();
    (requires_key && !attachment.sends_key).then(|| SENDS_NO_KEY.to_owned())
}

/// What a person is to know who makes a key while Codex is attached.
pub(crate) const SENDS_NO_KEY: &str = "Codex is attached without a client key, and is refused as \
    long as there are any: `codex-router attach --provider` lets it send one.";

/// The router of this home that runs, else the one that would.
pub(crate) async fn router(store: &ProfileStore) -> Result<RouterUrl, Failure> {
    let address = match RunningRouter::find(store.home()).await {
        Some(running) => running.address().to_owned(),
        None => serving::listen_address(store).await?.url(),
    };
    address.parse().map_err(|_| {
        Failure::because(format!(
            "Codex cannot connect to {address}: let the router listen at an IP address, such as \
             127.0.0.1:9876"
        ))
    })
}

async fn is_served(router: RouterUrl) -> bool {
    let connected = timeout(CONNECT_LIMIT, TcpStream::connect(router.address())).await;
    matches!(connected, Ok(Ok(_)))
}

impl From<AttachError> for Failure {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Store(error) => error.into(),
            error => Self::failed(error),
        }
    }
}
