//! How much of its limits an account has used, as far as was read.
//!
//! *Source:* wire reference 9.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
