//! What the page, the tray and scripts are shown.

use codex_profiles::{Report, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Everything at one moment. Holds no secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Overview {
    /// The router's own version.
    pub version: &'static str,
    /// Where it serves, such as `http://127.0.0.1:9876`.
    pub address: String,
    /// The logins, as `list --json` has them.
    #[serde(flatten)]
    pub logins: Report,
    /// Profiles that were removed and can be brought back, the latest first.
    pub removed: Vec<RemovedProfile>,
    /// Whether Codex's own traffic goes through the router.
    pub attachment: AttachmentView,
    /// What the desktop around the server can do; `None` when it runs headless.
    pub desktop: Option<DesktopView>,
    /// The language of the page and the tray.
    pub language: Language,
}

/// A profile that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RemovedProfile {
    /// Which one it is, for deleting it for good.
    pub id: String,
    /// The name to restore it under.
    pub name: String,
    /// What it was called.
    pub label: Option<String>,
    /// When it was removed.
    pub removed_at: Option<Timestamp>,
}

/// How Codex's settings stand to the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttachmentView {
    /// Codex goes to OpenAI by itself.
    #[default]
    Detached,
    /// Codex's model traffic comes to this router.
    Attached,
    /// It is pointed at a router of ours, but at another address than this one.
    Elsewhere,
    /// The settings cannot be read, or hold something of somebody else's in that place.
    Foreign,
}

/// What the desktop around the server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct DesktopView {
    /// Whether there is a window to show, besides the browser.
    pub window: bool,
    /// Whether the program starts when the person logs in; `None` where that cannot be had.
    pub starts_at_login: Option<bool>,
}

/// The language of the page and the tray.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub enum Language {
    /// That of the system, or of the browser.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// English.
    #[serde(rename = "en")]
    English,
    /// 简体中文.
    #[serde(rename = "zh-CN")]
    Chinese,
}

impl Language {
    /// That of the settings; a word that nobody knows is none.
    pub(super) fn of(state: &State) -> Self {
        let all = [Self::English, Self::Chinese];
        let set = state.language().unwrap_or_default();
        let found = all.into_iter().find(|language| language.as_str() == set);
        found.unwrap_or_default()
    }

    /// The word that settings have for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }
}

impl From<codex_profiles::RemovedProfile> for RemovedProfile {
    fn from(removed: codex_profiles::RemovedProfile) -> Self {
        Self {
            id: removed.id.as_str().to_owned(),
            name: removed.name.to_string(),
            label: removed.label,
            removed_at: removed.removed_at,
        }
    }
}
