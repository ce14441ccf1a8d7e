//! How much of its limits an account has used, as far as was read.
//!
//! A [`Reading`] is what one message of OpenAI's told: the headers of an answer
//! ([`Reading::of_headers`]), a message of a WebSocket ([`Reading::of_event`]), or the answer to
//! the question itself ([`Reading::of_answer`]). [`Limits`] take in one reading after the other,
//! and show them as [`Usage`]: windows by name, each with its age. What was not told stays unknown.
//!
//! ```
//! use codex_auth::usage::{Limits, Reading};
//! use http::{HeaderMap, StatusCode};
//!
//! let mut headers = HeaderMap::new();
//! headers.insert("x-codex-primary-used-percent", "42".parse()?);
//! headers.insert("x-codex-primary-window-minutes", "300".parse()?);
//!
//! let now = jiff::Timestamp::now();
//! let mut limits = Limits::default();
//! let reading = Reading::of_headers(StatusCode::OK, &headers, now);
//! limits.take(&reading.expect("it tells of a limit"));
//!
//! let usage = limits.usage(now).expect("something was read");
//! assert_eq!(usage.binding.as_deref(), Some("5h"));
//! assert_eq!(usage.windows[0].used_percent, Some(42.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! *Source:* wire reference 9.

mod answer;
mod event;
mod headers;
mod limits;
mod names;
mod reading;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use answer::UnreadableAnswer;
pub use limits::Limits;
pub use reading::Reading;

/// The limits of one account, as they were read last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Every window that was ever read, the main limit's first.
    pub windows: Vec<UsageWindow>,
    /// What was bought beyond the plan, where that was told.
    pub credits: Option<Credits>,
    /// The name of the window that ends first at this pace: the most used of the main limit.
    pub binding: Option<String>,
    /// Where the last reading came from.
    pub source: UsageSource,
    /// When that was.
    pub read_at: Timestamp,
}

impl Usage {
    /// The window that ends first at this pace.
    #[must_use]
    pub fn binding_window(&self) -> Option<&UsageWindow> {
        let name = self.binding.as_deref()?;
        self.windows.iter().find(|window| window.name == name)
    }

    /// Whether both say the same, however old they are and wherever it was read.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let facts = |usage: &Self| {
            let mut usage = usage.clone();
            usage.source = UsageSource::Poll;
            usage.read_at = Timestamp::UNIX_EPOCH;
            for window in &mut usage.windows {
                window.read_at = Timestamp::UNIX_EPOCH;
            }
            usage
        };
        facts(self) == facts(other)
    }
}

/// One limit over one stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UsageWindow {
    /// `5h`, `weekly`, or the name of a limit of its own; unique among the windows of an account.
    pub name: String,
    /// How long the window is.
    pub duration_seconds: Option<u64>,
    /// 0 to 100; unknown once the window was reset and nothing was read since.
    pub used_percent: Option<f64>,
    /// When it begins anew.
    pub resets_at: Option<Timestamp>,
    /// When this window was read.
    pub read_at: Timestamp,
}

/// Which window of an account it is, whatever it is called: names may change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WindowId(String);

/// Credits beyond the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Credits {
    /// Whether there are any.
    pub has_credits: bool,
    /// Whether they have no end.
    pub unlimited: bool,
    /// How many, in the upstream's own words.
    pub balance: Option<String>,
}

/// Where a reading came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum UsageSource {
    /// The headers of an answer.
    Headers,
    /// An event of a WebSocket.
    Event,
    /// It was asked for.
    Poll,
}

#[cfg(test)]
mod tests;
