//! Where Codex's own traffic goes, and whether anybody is there.

use std::net::{IpAddr, SocketAddr};

use codex_profiles::{
    attach::{Attachment, AttachmentState, RouterUrl},
    doctor::{self, Check, Finding},
};
use reqwest::Url;
use tokio::task::spawn_blocking;

use super::{
    Examination, Facts,
    listen::{is_held, is_router, is_served},
};

/// Commands that mend an attachment that leads nowhere.
const START_OR_DETACH: &str = "`codex-router serve` starts a router; `codex-router detach` lets \
    Codex go to OpenAI by itself";
const ATTACH_OR_DETACH: &str = "`codex-router attach` leads it to the router of this home; \
    `codex-router detach` lets it go";

impl Examination {
    pub(super) async fn attachment(&self, facts: &Facts) -> Vec<Finding> {
        let Some(router) = self.router() else {
            let message = "Where Codex goes was not compared: the router has no network address.";
            return vec![Finding::info(Check::Attachment, message)];
        };
        let home = self.home.clone();
        let read = spawn_blocking(move || doctor::attachment(&home, router)).await;
        let attachment = match read {
            Ok(Ok(attachment)) => attachment,
            Ok(Err(error)) => return vec![unknown(&error.to_string())],
            Err(_) => return vec![unknown("it was not read to its end")],
        };
        let notes = attachment.notes.iter().map(|note| {
            let remedy = "look at these settings in Codex's config.toml";
            Finding::warning(Check::Attachment, note, remedy)
        });
        let notes: Vec<Finding> = notes.collect();
        let state = self.state(&attachment, router, facts).await;
        std::iter::once(state).chain(notes).collect()
    }

    async fn state(&self, attachment: &Attachment, router: RouterUrl, facts: &Facts) -> Finding {
        match attachment.state {
            AttachmentState::Detached => Finding::info(
                Check::Attachment,
                "Codex goes to OpenAI by itself: `codex-router attach` would lead it through the \
                 router.",
            ),
            AttachmentState::Attached => self.attached(attachment, router, facts).await,
            AttachmentState::Elsewhere => elsewhere(attachment).await,
            _ => foreign(attachment).await,
        }
    }

    async fn attached(&self, attachment: &Attachment, router: RouterUrl, facts: &Facts) -> Finding {
        let where_to = router.to_string();
        if facts.settings.requires_client_key() && !attachment.sends_key {
            let message = format!(
                "Codex is attached to {where_to} without a client key, and is refused as long as \
                 there are any."
            );
            let remedy = "`codex-router attach --provider` lets it send one";
            return Finding::problem(Check::Attachment, message, remedy);
        }
        if self.running.is_some() {
            let message = format!("Codex is attached to the router at {where_to}.");
            return Finding::ok(Check::Attachment, message);
        }
        nobody_or_another(&where_to, router.address(), START_OR_DETACH).await
    }
}

/// Codex was led to an address where no router of this home is.
async fn nobody_or_another(where_to: &str, address: SocketAddr, remedy: &str) -> Finding {
    if is_held(address).await {
        let message = format!(
            "Codex is attached to {where_to}, which the service manager holds for a router."
        );
        return Finding::info(Check::Attachment, message);
    }
    let message = if is_router(address).await {
        let message = format!("Codex is attached to {where_to}, a router of another home.");
        return Finding::warning(Check::Attachment, message, ATTACH_OR_DETACH);
    } else if is_served(address).await {
        format!("Codex is attached to {where_to}, where a program is that is no router.")
    } else {
        format!("Codex is attached to {where_to}, where nobody answers: it does not work.")
    };
    Finding::problem(Check::Attachment, message, remedy)
}

async fn elsewhere(attachment: &Attachment) -> Finding {
    let leads_to = attachment.leads_to.as_deref().unwrap_or("another address");
    match leads_to.parse::<RouterUrl>() {
        Ok(router) => nobody_or_another(leads_to, router.address(), ATTACH_OR_DETACH).await,
        Err(_) => Finding::problem(
            Check::Attachment,
            format!("Codex is attached to {leads_to}, which is no address of a router."),
            ATTACH_OR_DETACH,
        ),
    }
}

/// Somebody else's setting is named, and left alone.
async fn foreign(attachment: &Attachment) -> Finding {
    if let (None, Some(problem)) = (&attachment.leads_to, &attachment.problem) {
        let message = format!("Codex's settings cannot be used: {problem}.");
        let remedy = "mend Codex's config.toml with a text editor";
        return Finding::problem(Check::Attachment, message, remedy);
    }
    let leads_to = attachment.leads_to.as_deref().unwrap_or("somewhere else");
    let Some(address) = loopback(leads_to) else {
        let message = format!("Codex goes to {leads_to}, which is left as it is.");
        return Finding::info(Check::Attachment, message);
    };
    if is_served(address).await {
        let message = format!(
            "Codex goes to {leads_to}, to another program of this machine; that is left as it is."
        );
        return Finding::info(Check::Attachment, message);
    }
    let message = format!(
        "Codex goes to {leads_to}, where nobody answers: another program has left that behind."
    );
    let remedy = "start that program, or remove its setting (`openai_base_url` or `model_provider`) \
                  from Codex's config.toml";
    Finding::problem(Check::Attachment, message, remedy)
}

/// The address of this machine that a URL leads to.
fn loopback(url: &str) -> Option<SocketAddr> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']);
    let ip = match host {
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        host => host.parse().ok()?,
    };
    let port = url.port_or_known_default()?;
    ip.is_loopback().then(|| SocketAddr::new(ip, port))
}

fn unknown(why: &str) -> Finding {
    let message = format!("Where Codex goes is not known: {why}.");
    Finding::problem(
        Check::Attachment,
        message,
        "mend the permissions of Codex's config.toml and of router/state.json",
    )
}
