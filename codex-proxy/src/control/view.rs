//! What the page, the tray and scripts are shown.

use codex_profiles::Report;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything at one moment. Holds no secret.
#[derive(Debug, Clone, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemovedProfile {
    /// The name to restore it under.
    pub name: String,
    /// What it was called.
    pub label: Option<String>,
    /// When it was removed.
    pub removed_at: Option<Timestamp>,
}

/// How Codex's settings stand to the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DesktopView {
    /// Whether there is a window to show, besides the browser.
    pub window: bool,
    /// Whether the program starts when the person logs in; `None` where that cannot be had.
    pub starts_at_login: Option<bool>,
}

/// The language of the page and the tray.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
