use codex_auth::ProfileRef;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// Tells at each scrape what is a state and no event.
pub trait MetricsSource: Send + Sync + 'static {
    /// How things are now. It is waited for by whoever scrapes, and must not ask the network.
    fn facts(&self) -> BoxFuture<'_, Facts>;
}

/// How things are. Holds no secret, and of persons nothing but the names of profiles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Every profile.
    pub profiles: Vec<ProfileFacts>,
    /// How many refreshes of logins ended in which way, since the program began.
    pub refreshes: Vec<(&'static str, u64)>,
}

/// One profile.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileFacts {
    /// Its name.
    pub name: ProfileRef,
    /// Whether it can serve, in a word of a fixed set.
    pub state: &'static str,
    /// Whether it serves by default.
    pub is_current: bool,
    /// Its limits, where they are known.
    pub windows: Vec<WindowFacts>,
}

/// One limit of one profile.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowFacts {
    /// Such as `5h`.
    pub name: String,
    /// How much of it is used, if that is known.
    pub used_percent: Option<f64>,
    /// When it begins anew, if that is known.
    pub resets_at: Option<Timestamp>,
}
