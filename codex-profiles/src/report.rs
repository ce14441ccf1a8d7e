//! What `list --json` and the control API show. The only place from which e-mail addresses leave.

use std::path::PathBuf;

use codex_auth::{
    AuthDotJson, AuthJsonError, LoginReason, PlanType, ProfileRef, claims::Email, usage::Usage,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    error::StoreError,
    fs::ReadError,
    live::CredentialStoreMode,
    profile::{Condition, Place, Profile},
    state::{ProfileFacts, State},
    store::ProfileStore,
};

/// Everything about the logins of one home. Holds no secret.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Report {
    /// The home.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub codex_home: PathBuf,
    /// The current profile's name.
    pub current: Option<String>,
    /// The login that Codex itself uses.
    pub live: LiveReport,
    /// Every profile, sorted by name.
    pub profiles: Vec<ProfileReport>,
}

/// The login that Codex itself uses.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LiveReport {
    /// Whether it can serve.
    pub state: LoginState,
    /// A short name of its owner that gives nothing away.
    pub identity: Option<String>,
    /// The profile that holds the same login; without one it is unsaved.
    pub profile: Option<String>,
    /// Where Codex keeps it: `file`, `keyring`, `auto`, `ephemeral` or `unknown`.
    pub store: &'static str,
    /// What messages call that place.
    #[serde(skip)]
    pub place: PathBuf,
    /// Why it is not known, or cannot serve.
    pub reason: Option<String>,
    /// What to do about it.
    pub action: Option<&'static str>,
}

/// One profile.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProfileReport {
    /// The folder's name.
    pub name: String,
    /// What a person calls it.
    pub label: Option<String>,
    /// The owner's address.
    pub email: Option<Email>,
    /// The plan, in lower case.
    pub plan: Option<PlanType>,
    /// The account or workspace.
    pub account_id: Option<String>,
    /// The person.
    pub user_id: Option<String>,
    /// The kind of login, as `auth.json` spells it.
    pub auth_mode: Option<&'static str>,
    /// Whether requests go to it by default.
    pub current: bool,
    /// Whether it can serve.
    pub state: LoginState,
    /// Why it cannot, in a word or a sentence.
    pub reason: Option<String>,
    /// What to do about it.
    pub action: Option<&'static str>,
    /// When its tokens were last written.
    pub last_refresh: Option<Timestamp>,
    /// When its access token ends.
    pub access_token_expires_at: Option<Timestamp>,
    /// The quota, when it is known.
    pub usage: Option<Usage>,
    /// The colour it is shown in.
    pub color: Option<String>,
    /// What its workspace is called.
    pub workspace: Option<String>,
}

/// Whether a login can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum LoginState {
    /// It serves.
    Ok,
    /// The next request refreshes it.
    Expired,
    /// The person must log in again.
    NeedsLogin,
    /// The file is broken.
    Unreadable,
    /// Nobody is logged in; for the live login alone.
    None,
}

impl ProfileStore {
    /// Reads everything anew, for people and programs to look at.
    ///
    /// # Errors
    /// As for [`list`](Self::list).
    pub async fn report(&self) -> Result<Report, StoreError> {
        let profiles = self.list().await?;
        let state = self.state().await?;
        self.follow_usage_file().await;
        let live = self.login_at(&Place::Live).await?;
        Ok(Report {
            codex_home: self.root(),
            current: self.current_if_known().await.map(|name| name.to_string()),
            live: LiveReport {
                store: self.disk.live_mode().as_str(),
                place: self.disk.live_label(),
                ..LiveReport::new(&live, &profiles, &state)
            },
            profiles: profiles
                .iter()
                .map(|profile| self.profile_report(profile, &state))
                .collect(),
        })
    }

    /// What its file says, and what was read of its account since.
    fn profile_report(&self, profile: &Profile, state: &State) -> ProfileReport {
        let login = profile.login.as_deref();
        let plan = login.and_then(|login| self.plan_of(login));
        let report = ProfileReport::new(profile, state);
        ProfileReport {
            usage: login.and_then(|login| self.usage_of(login)),
            plan: plan.or(report.plan),
            ..report
        }
    }
}

impl LiveReport {
    fn new(
        live: &Result<std::sync::Arc<AuthDotJson>, ReadError>,
        profiles: &[Profile],
        state: &State,
    ) -> Self {
        let identity = live.as_deref().ok().map(AuthDotJson::identity);
        let holds_it = |profile: &&Profile| {
            let own = profile.login.as_ref().map(|login| login.identity());
            identity.is_some() && own == identity
        };
        let condition = match live {
            Ok(login) => Some(Condition::of(login, state, Timestamp::now())),
            Err(ReadError::Missing | ReadError::Content(AuthJsonError::NoLogin)) => None,
            Err(error) => Some(Condition::Unreadable(error.clone())),
        };
        let (reason, action) = condition.as_ref().map(explain).unwrap_or_default();
        Self {
            state: condition.as_ref().map_or(LoginState::None, LoginState::of),
            store: CredentialStoreMode::default().as_str(),
            place: PathBuf::new(),
            reason,
            action,
            profile: profiles
                .iter()
                .find(holds_it)
                .map(|found| found.label.to_string()),
            identity: identity.map(|identity| identity.fingerprint()),
        }
    }
}

impl ProfileReport {
    pub(crate) fn new(profile: &Profile, state: &State) -> Self {
        let login = profile.login.as_deref();
        let claims = login.map(AuthDotJson::display_claims).unwrap_or_default();
        let facts = state.profile(profile.label.as_str());
        let (reason, action) = match explain(&profile.condition) {
            (None, _) if may_be_signed_out(login, &facts) => (
                Some("codex may have signed it out".to_owned()),
                Some("log in again if its requests fail"),
            ),
            explained => explained,
        };
        Self {
            label: facts.label,
            email: claims.email,
            plan: claims.plan,
            account_id: claims.account_id,
            user_id: claims.user_id,
            auth_mode: login.map(|login| login.mode().as_str()),
            current: profile.current,
            state: LoginState::of(&profile.condition),
            reason,
            action,
            last_refresh: login.and_then(AuthDotJson::last_refresh),
            access_token_expires_at: login.and_then(AuthDotJson::access_token_expires_at),
            usage: None,
            color: facts.color,
            workspace: claims.workspace,
            name: text(&profile.label),
        }
    }
}

impl LoginState {
    pub(crate) fn of(condition: &Condition) -> Self {
        match condition {
            Condition::Ok => Self::Ok,
            Condition::Expired => Self::Expired,
            Condition::NeedsLogin(_) => Self::NeedsLogin,
            Condition::Unreadable(_) => Self::Unreadable,
        }
    }
}

/// Whether the token that went away with the live login is still the one there is.
fn may_be_signed_out(login: Option<&AuthDotJson>, facts: &ProfileFacts) -> bool {
    let token = login.and_then(AuthDotJson::refresh_token);
    facts.signed_out.as_ref().is_some_and(|fact| {
        token.is_some_and(|token| token.fingerprint() == fact.token_fingerprint)
    })
}

/// Why a login cannot serve, and what to do about it.
fn explain(condition: &Condition) -> (Option<String>, Option<&'static str>) {
    match condition {
        Condition::Ok => (None, None),
        Condition::Expired => (None, Some("none: the next request refreshes it")),
        Condition::NeedsLogin(reason) => (Some(word(*reason)), Some("log in again")),
        Condition::Unreadable(error) => (Some(error.to_string()), Some(mend(error))),
    }
}

fn mend(error: &ReadError) -> &'static str {
    match error {
        ReadError::Missing => "log in to this profile, or remove its folder",
        ReadError::Name(_) => "rename the folder",
        ReadError::Outside => "put the login itself into the folder, not a link to it",
        ReadError::NotRegular => "remove what is in the place of auth.json",
        ReadError::LiveUnknown(unknown) => unknown.action(),
        ReadError::Io(_) => "mend the permissions",
        ReadError::Content(_) => "restore the file, or log in again",
    }
}

/// The reason as state files and the API spell it, such as `outcome_unknown`.
fn word(reason: LoginReason) -> String {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(word)) => word,
        _ => reason.to_string(),
    }
}

fn text(label: &ProfileRef) -> String {
    label.as_str().to_owned()
}

#[cfg(test)]
mod tests;
