//! What the issuer knows: families of tokens, and which refresh token was spent when.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::pending::Pending;
use crate::accounts::{Account, Lifetimes, Login, Minter, Usage};

/// One answer of the token endpoint to a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// New tokens were issued; the posted one is spent.
    Rotated,
    /// The token had been spent before: the whole family was revoked.
    Reused,
    /// The token belongs to a revoked family.
    Invalidated,
    /// The token was too old.
    Expired,
    /// No such token was ever issued, or to another client.
    Unknown,
}

/// One refresh as the issuer saw it.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// The refresh token that was posted.
    pub token: String,
    /// `refresh_reason` of the body, if any.
    pub reason: Option<String>,
    /// `client_id` of the body.
    pub client_id: String,
    /// What came of it.
    pub outcome: RefreshOutcome,
    /// The tokens issued, if any.
    pub issued: Option<Login>,
    /// When it was answered.
    pub at: Timestamp,
}

#[derive(Debug)]
struct Family {
    revoked: bool,
}

#[derive(Debug)]
struct RefreshToken {
    family: usize,
    account: Account,
    owner_id: String,
    spent: bool,
    expired: bool,
}

#[derive(Debug)]
struct AccessToken {
    family: Option<usize>,
    account: Account,
    expires_at: Timestamp,
}

/// Why a bearer token does not open the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Unknown,
    Expired,
    Revoked,
}

/// All tokens ever issued.
#[derive(Debug)]
pub(crate) struct Ledger {
    minter: Minter,
    lifetimes: Lifetimes,
    families: Vec<Family>,
    refresh_tokens: HashMap<String, RefreshToken>,
    access_tokens: HashMap<String, AccessToken>,
    id_tokens: HashMap<String, Account>,
    api_keys: HashMap<String, String>,
    accounts: Vec<Account>,
    usage: HashMap<String, Usage>,
    refreshes: Vec<Refresh>,
    pending: Pending,
}

impl Ledger {
    pub(crate) fn new(minter: Minter, lifetimes: Lifetimes) -> Self {
        Self {
            minter,
            lifetimes,
            families: Vec::new(),
            refresh_tokens: HashMap::new(),
            access_tokens: HashMap::new(),
            id_tokens: HashMap::new(),
            api_keys: HashMap::new(),
            accounts: Vec::new(),
            usage: HashMap::new(),
            refreshes: Vec::new(),
            pending: Pending::default(),
        }
    }

    /// A fresh sign-in: a family of its own.
    pub(crate) fn sign_in(&mut self, account: &Account) -> Login {
        self.sign_in_for(account, self.lifetimes)
    }

    pub(crate) fn sign_in_for(&mut self, account: &Account, lifetimes: Lifetimes) -> Login {
        self.families.push(Family { revoked: false });
        self.register(account);
        let login = self.minter.login(account, lifetimes);
        self.book(&login, self.families.len() - 1, lifetimes);
        login
    }

    /// Answers one refresh. The rotation is committed when this returns.
    pub(crate) fn refresh(
        &mut self,
        token: &str,
        client_id: &str,
        reason: Option<String>,
    ) -> (RefreshOutcome, Option<Login>) {
        let outcome = self.judge(token, client_id);
        let issued = (outcome == RefreshOutcome::Rotated)
            .then(|| self.rotate(token))
            .flatten();
        self.refreshes.push(Refresh {
            token: token.to_owned(),
            reason,
            client_id: client_id.to_owned(),
            outcome,
            issued: issued.clone(),
            at: Timestamp::now(),
        });
        (outcome, issued)
    }

    fn judge(&mut self, token: &str, client_id: &str) -> RefreshOutcome {
        let known = self.refresh_tokens.get(token);
        let Some(known) = known.filter(|_| client_id == crate::CLIENT_ID) else {
            return RefreshOutcome::Unknown;
        };
        let family = &mut self.families[known.family];
        match (known.spent, family.revoked, known.expired) {
            (true, _, _) => {
                family.revoked = true;
                RefreshOutcome::Reused
            }
            (_, true, _) => RefreshOutcome::Invalidated,
            (_, _, true) => RefreshOutcome::Expired,
            _ => RefreshOutcome::Rotated,
        }
    }

    fn rotate(&mut self, token: &str) -> Option<Login> {
        let spent = self.refresh_tokens.get_mut(token)?;
        spent.spent = true;
        let (family, owner_id) = (spent.family, spent.owner_id.clone());
        let mut login = self.minter.login(&spent.account, self.lifetimes);
        login.owner_id = owner_id;
        self.book(&login, family, self.lifetimes);
        Some(login)
    }

    fn book(&mut self, login: &Login, family: usize, lifetimes: Lifetimes) {
        let refresh = RefreshToken {
            family,
            account: login.account.clone(),
            owner_id: login.owner_id.clone(),
            spent: false,
            expired: false,
        };
        self.refresh_tokens
            .insert(login.refresh_token.clone(), refresh);
        self.book_access(login, Some(family), lifetimes.access);
        self.id_tokens
            .insert(login.id_token.clone(), login.account.clone());
    }

    fn book_access(&mut self, login: &Login, family: Option<usize>, life: SignedDuration) {
        let access = AccessToken {
            family,
            account: login.account.clone(),
            expires_at: login.issued_at + life,
        };
        self.access_tokens
            .insert(login.access_token.clone(), access);
    }

    /// The account a bearer token speaks for.
    pub(crate) fn account_of(&self, bearer: &str) -> Result<&Account, Refused> {
        let token = self.access_tokens.get(bearer).ok_or(Refused::Unknown)?;
        if token
            .family
            .is_some_and(|family| self.families[family].revoked)
        {
            return Err(Refused::Revoked);
        }
        if token.expires_at <= Timestamp::now() {
            return Err(Refused::Expired);
        }
        Ok(&token.account)
    }

    /// As [`Self::account_of`], also for tokens that no longer open anything.
    pub(crate) fn owner_of(&self, bearer: &str) -> Option<&Account> {
        self.access_tokens.get(bearer).map(|token| &token.account)
    }

    /// Tokens for another workspace of the same person, in a family of their own.
    pub(crate) fn switch_workspace(&mut self, user_id: &str, account_id: &str) -> Option<Login> {
        let same = |a: &&Account| a.user_id == user_id && a.account_id == account_id;
        let account = self.accounts.iter().find(same)?.clone();
        Some(self.sign_in(&account))
    }

    /// A personal access token: it never expires and cannot be refreshed.
    pub(crate) fn personal_token(&mut self, account: &Account) -> String {
        self.register(account);
        let mut login = self.minter.login(account, self.lifetimes);
        login.access_token = format!("at-{}", uuid::Uuid::new_v4().simple());
        self.book_access(&login, None, SignedDuration::from_hours(24 * 365));
        login.access_token
    }

    /// Revokes the family of a refresh or access token; unknown tokens are no error (RFC 7009 2.2).
    pub(crate) fn revoke(&mut self, token: &str) {
        let refresh = self.refresh_tokens.get(token).map(|known| known.family);
        let access = self.access_tokens.get(token).and_then(|known| known.family);
        if let Some(family) = refresh.or(access) {
            self.families[family].revoked = true;
        }
    }

    pub(crate) fn expire_refresh_token(&mut self, token: &str) {
        if let Some(known) = self.refresh_tokens.get_mut(token) {
            known.expired = true;
        }
    }

    pub(crate) fn expire_access_token(&mut self, token: &str) {
        if let Some(known) = self.access_tokens.get_mut(token) {
            known.expires_at = Timestamp::now();
        }
    }

    pub(crate) fn register(&mut self, account: &Account) {
        let same = |a: &Account| a.user_id == account.user_id && a.account_id == account.account_id;
        self.accounts.retain(|known| !same(known));
        self.accounts.push(account.clone());
    }

    pub(crate) fn accounts_of(&self, user_id: &str) -> Vec<Account> {
        self.accounts
            .iter()
            .filter(|a| a.user_id == user_id)
            .cloned()
            .collect()
    }

    pub(crate) fn last_account(&self) -> Option<Account> {
        self.accounts.last().cloned()
    }

    pub(crate) fn set_usage(&mut self, account_id: &str, usage: Usage) {
        self.usage.insert(account_id.to_owned(), usage);
    }

    pub(crate) fn usage_of(&self, account_id: &str) -> Usage {
        self.usage.get(account_id).cloned().unwrap_or_default()
    }

    /// Accepts `key` from now on, as the key of an organization named after it.
    pub(crate) fn register_api_key(&mut self, key: &str) {
        let organization = format!("org-fake-{}", self.api_keys.len() + 1);
        self.api_keys.entry(key.to_owned()).or_insert(organization);
    }

    pub(crate) fn organization_of(&self, key: &str) -> Option<&str> {
        self.api_keys.get(key).map(String::as_str)
    }

    /// A new API key in exchange for an id token of ours.
    pub(crate) fn exchange(&mut self, id_token: &str) -> Option<String> {
        self.id_tokens.get(id_token)?;
        let key = format!("sk-fake-{}", uuid::Uuid::new_v4().simple());
        self.register_api_key(&key);
        Some(key)
    }

    /// Sign-ins that are under way.
    pub(crate) fn pending(&mut self) -> &mut Pending {
        &mut self.pending
    }

    pub(crate) fn refreshes(&self) -> &[Refresh] {
        &self.refreshes
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
