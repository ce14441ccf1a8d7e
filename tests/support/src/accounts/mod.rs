//! Who can sign in: accounts, their quota, and the logins minted for them.

mod jwt;
mod login;

pub use self::login::{CLIENT_ID, Login};
pub(crate) use self::login::{Lifetimes, Minter};

/// One person in one workspace of the fake.
///
/// A person (`user_id`) may have several accounts, and an account several people, as at OpenAI.
/// *Source:* wire reference, section 2.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the claims call it so")]
pub struct Account {
    pub(crate) user_id: String,
    pub(crate) account_id: String,
    pub(crate) email: String,
    pub(crate) plan: String,
    pub(crate) fedramp: bool,
    pub(crate) backend_origin: Option<String>,
    pub(crate) routing_override: Option<String>,
}

impl Account {
    /// An account of the plan `plus`, with the e-mail `USER@example.com`.
    #[must_use]
    pub fn new(user_id: &str, account_id: &str) -> Self {
        Self {
            user_id: user_id.to_owned(),
            account_id: account_id.to_owned(),
            email: format!("{user_id}@example.com"),
            plan: "plus".to_owned(),
            fedramp: false,
            backend_origin: None,
            routing_override: None,
        }
    }

    /// Sets the e-mail in the claims.
    #[must_use]
    pub fn email(mut self, email: &str) -> Self {
        email.clone_into(&mut self.email);
        self
    }

    /// Sets the plan: `free`, `plus`, `pro`, `team`, or any other word.
    #[must_use]
    pub fn plan(mut self, plan: &str) -> Self {
        plan.clone_into(&mut self.plan);
        self
    }

    /// Makes it an account of the FedRAMP environment.
    #[must_use]
    pub fn fedramp(mut self) -> Self {
        self.fedramp = true;
        self
    }

    /// Sets `workspace_backend_origin` of the routing discovery (else `NO_CONSTRAINT`).
    #[must_use]
    pub fn backend_origin(mut self, origin: &str) -> Self {
        self.backend_origin = Some(origin.to_owned());
        self
    }

    /// Sets `account_routing_override` of the routing discovery (else `NO_CONSTRAINT`).
    #[must_use]
    pub fn routing_override(mut self, region: &str) -> Self {
        self.routing_override = Some(region.to_owned());
        self
    }

    /// The person: claim `chatgpt_user_id`.
    #[must_use]
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// The workspace: claim `chatgpt_account_id`.
    #[must_use]
    pub fn account_id(&self) -> &str {
        &self.account_id
    }
}

/// How much of an account's quota is used; told in headers, by `wham/usage` and, where that is
/// switched on, in events of a WebSocket.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// Percent of the five-hour window.
    pub primary_percent: f64,
    /// Percent of the weekly window, if there is one.
    pub secondary_percent: Option<f64>,
    /// Unix time in seconds at which the five-hour window begins anew.
    pub primary_resets_at: i64,
    /// Unix time in seconds at which the weekly window begins anew.
    pub secondary_resets_at: i64,
    /// Limits for single models or features.
    pub extra: Vec<ExtraLimit>,
    /// What was bought beyond the plan.
    pub credits: Option<String>,
}

/// A limit besides that of the plan, of five hours.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtraLimit {
    /// Its name among programs, such as `codex_other`.
    pub feature: String,
    /// Its name among people.
    pub name: String,
    /// Percent.
    pub percent: f64,
}

impl Usage {
    /// Usage in percent, the windows ending in one hour and in one week.
    #[must_use]
    pub fn percent(primary: f64, secondary: f64) -> Self {
        let now = jiff::Timestamp::now().as_second();
        Self {
            primary_percent: primary,
            secondary_percent: Some(secondary),
            primary_resets_at: now + 3600,
            secondary_resets_at: now + 7 * 86_400,
            extra: Vec::new(),
            credits: None,
        }
    }

    /// Takes the weekly window away.
    #[must_use]
    pub fn without_secondary(self) -> Self {
        Self {
            secondary_percent: None,
            ..self
        }
    }

    /// Lets the five-hour window end so many seconds from now.
    #[must_use]
    pub fn primary_resets_in(self, seconds: i64) -> Self {
        Self {
            primary_resets_at: jiff::Timestamp::now().as_second() + seconds,
            ..self
        }
    }

    /// Adds a limit of its own.
    #[must_use]
    pub fn extra(mut self, feature: &str, name: &str, percent: f64) -> Self {
        self.extra.push(ExtraLimit {
            feature: feature.to_owned(),
            name: name.to_owned(),
            percent,
        });
        self
    }

    /// Sets the credits that are left.
    #[must_use]
    pub fn credits(self, balance: &str) -> Self {
        Self {
            credits: Some(balance.to_owned()),
            ..self
        }
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self::percent(42.0, 7.0)
    }
}
