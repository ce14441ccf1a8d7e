use codex_profiles::{Notice, upkeep::Limit};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Something that happened, with its time.
#[derive(Debug, Clone)]
pub struct Told {
    /// When.
    pub at: Timestamp,
    /// What.
    pub notice: Notice,
}

/// The same as the page and scripts get it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct NoticeView {
    /// When.
    pub at: Timestamp,
    /// Which kind of thing happened, such as `limit_near`.
    pub kind: &'static str,
    /// The profile concerned.
    pub profile: Option<String>,
    /// The profile that serves instead, or now.
    pub to: Option<String>,
    /// The limit's window.
    pub window: Option<String>,
    /// How much of it is used.
    pub used_percent: Option<u8>,
    /// When it begins anew.
    pub resets_at: Option<Timestamp>,
    /// Why a login ended.
    pub reason: Option<String>,
    /// The same in one English sentence.
    pub text: String,
}

impl From<&Told> for NoticeView {
    fn from(told: &Told) -> Self {
        Self {
            at: told.at,
            text: told.notice.to_string(),
            ..Self::of(&told.notice)
        }
    }
}

impl NoticeView {
    fn of(notice: &Notice) -> Self {
        match notice {
            Notice::Adopted { profile } => Self::about("adopted", profile),
            Notice::UnsavedLogin => Self::kind("unsaved_login"),
            Notice::SignedOutElsewhere { profile } => Self::about("signed_out_elsewhere", profile),
            Notice::LoginRequired { profile, reason } => Self {
                reason: word(*reason),
                ..Self::about("login_required", profile)
            },
            Notice::LimitNear(limit) => Self::limit("limit_near", limit),
            Notice::LimitReached(limit) => Self::limit("limit_reached", limit),
            Notice::LimitReset(limit) => Self::limit("limit_reset", limit),
            Notice::FallbackUsed { from, to } => Self {
                to: Some(to.to_string()),
                ..Self::about("fallback_used", from)
            },
            Notice::Switched { to } => Self {
                to: Some(to.to_string()),
                ..Self::about("switched", to)
            },
            _ => Self::kind("other"),
        }
    }

    fn kind(kind: &'static str) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    fn about(kind: &'static str, profile: &impl ToString) -> Self {
        Self {
            profile: Some(profile.to_string()),
            ..Self::kind(kind)
        }
    }

    fn limit(kind: &'static str, limit: &Limit) -> Self {
        Self {
            window: Some(limit.window.clone()),
            used_percent: limit.used_percent,
            resets_at: limit.resets_at,
            ..Self::about(kind, &limit.profile)
        }
    }
}

/// As state files and the overview spell it.
fn word(reason: codex_auth::LoginReason) -> Option<String> {
    let word = serde_json::to_value(reason).ok()?;
    word.as_str().map(str::to_owned)
}
