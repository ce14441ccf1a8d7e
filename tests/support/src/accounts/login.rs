//! The three tokens of one sign-in, and the `auth.json` that holds them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Account, jwt};

/// The client id of the Codex CLI, the only one the fake issuer knows.
pub const CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";

/// The tokens of one sign-in. `Debug` shows them: they open nothing but the fake.
#[derive(Clone, Debug)]
pub struct Login {
    /// Whose login it is.
    pub account: Account,
    /// The id token.
    pub id_token: String,
    /// The access token, a bearer token for the ChatGPT backend.
    pub access_token: String,
    /// The refresh token, good for one refresh.
    pub refresh_token: String,
    pub(crate) issuer: String,
    pub(crate) owner_id: String,
    pub(crate) issued_at: Timestamp,
}

impl Login {
    /// The `auth.json` that Codex would write after this sign-in, with two fields nobody knows:
    /// `fake_unknown` at the top and `fake_unknown_token_field` inside `tokens`.
    ///
    /// *Source:* wire reference, section 1.2.
    #[must_use]
    pub fn auth_json(&self) -> Value {
        json!({
            "auth_mode": "chatgpt",
            "OPENAI_API_KEY": null,
            "tokens": {
                "id_token": self.id_token,
                "access_token": self.access_token,
                "refresh_token": self.refresh_token,
                "account_id": self.account.account_id,
                "oauth_provenance": {"issuer": self.issuer, "client_id": CLIENT_ID},
                "login_owner_id": self.owner_id,
                "fake_unknown_token_field": {"kept": true},
            },
            "last_refresh": self.issued_at.to_string(),
            "fake_unknown": ["kept", 1],
        })
    }
}

/// How long new tokens live; a negative time is in the past.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    pub(crate) access: SignedDuration,
}

/// Mints tokens in the name of one issuer.
#[derive(Clone, Debug)]
pub(crate) struct Minter {
    pub(crate) issuer: String,
}

impl Minter {
    /// New tokens for `account`, never the same twice.
    pub(crate) fn login(&self, account: &Account, lifetimes: Lifetimes) -> Login {
        let now = Timestamp::now();
        Login {
            account: account.clone(),
            id_token: self.id_token(account, now),
            access_token: self.access_token(account, now, lifetimes.access),
            refresh_token: format!("rt_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()),
            issuer: self.issuer.clone(),
            owner_id: Uuid::new_v4().simple().to_string().repeat(2)[..43].to_owned(),
            issued_at: now,
        }
    }

    fn id_token(&self, account: &Account, now: Timestamp) -> String {
        let mut claims = self.claims(account, now, SignedDuration::from_hours(1));
        claims["aud"] = json!([CLIENT_ID]);
        claims["email"] = json!(account.email);
        claims["email_verified"] = json!(true);
        jwt::mint(&claims)
    }

    fn access_token(&self, account: &Account, now: Timestamp, life: SignedDuration) -> String {
        let mut claims = self.claims(account, now, life);
        claims["aud"] = json!(["https://api.openai.com/v1"]);
        claims["client_id"] = json!(CLIENT_ID);
        claims["nbf"] = claims["iat"].clone();
        claims["scp"] = json!(["openid", "profile", "email", "offline_access"]);
        jwt::mint(&claims)
    }

    /// What both tokens say. An expired token was issued an hour before it expired.
    fn claims(&self, account: &Account, now: Timestamp, life: SignedDuration) -> Value {
        let expires = now.as_second() + life.as_secs();
        let issued = now
            .as_second()
            .min(expires - 3600 * i64::from(life.is_negative()));
        json!({
            "iss": self.issuer,
            "sub": format!("auth0|{}", account.user_id),
            "jti": Uuid::new_v4().to_string(),
            "iat": issued,
            "exp": expires,
            "https://api.openai.com/profile": {"email": account.email, "email_verified": true},
            "https://api.openai.com/auth": auth_claim(account),
        })
    }
}

fn auth_claim(account: &Account) -> Value {
    json!({
        "chatgpt_plan_type": account.plan,
        "chatgpt_user_id": account.user_id,
        "user_id": account.user_id,
        "chatgpt_account_id": account.account_id,
        "chatgpt_account_is_fedramp": account.fedramp,
        "organizations": [
            {"id": "org-fake", "title": "Personal", "is_default": true, "role": "owner"}
        ],
        "completed_platform_onboarding": true,
        "is_org_owner": true,
    })
}
