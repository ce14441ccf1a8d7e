//! `auth.json`: read leniently, written without losing anything.
//!
//! Codex drops the fields it does not know when it rewrites the file; this module keeps them, with
//! the very bytes of their values, since another program or a newer Codex may need them.
//!
//! *Source:* wire reference 1; `login/src/auth/storage.rs` of Codex; capture `auth-json-states`.

mod fields;
mod login;
mod mode;
mod sign_in;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    claims::{IdTokenClaims, Identity},
    credentials::Credentials,
    provider::ProfileRef,
    secret::{AccessToken, ApiKey, IdToken, RefreshToken},
};

use fields::{Fields, carry, field, json, raw, same};
use login::{Login, Tokens};

pub use login::OauthProvenance;
pub use mode::AuthMode;

/// The largest file that is read, in bytes. A login is a few kilobytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// What Codex itself writes at the top, and so may leave out on purpose (wire reference 1.2).
const KNOWN_FIELDS: [&str; 7] = [
    "auth_mode",
    "OPENAI_API_KEY",
    "tokens",
    "last_refresh",
    "agent_identity",
    "personal_access_token",
    "bedrock_api_key",
];
/// The secrets at the top; those of `tokens` are its access and its refresh token.
const SECRET_FIELDS: [&str; 4] = [
    "OPENAI_API_KEY",
    "agent_identity",
    "personal_access_token",
    "bedrock_api_key",
];
/// The same as [`KNOWN_FIELDS`] inside `tokens`.
const KNOWN_TOKEN_FIELDS: [&str; 6] = [
    "id_token",
    "access_token",
    "refresh_token",
    "account_id",
    "oauth_provenance",
    "login_owner_id",
];

/// One login, as `auth.json` holds it. `Debug` shows the mode alone.
#[derive(Clone)]
pub struct AuthDotJson {
    fields: Fields,
    token_fields: Option<Fields>,
    login: Login,
}

/// Why a file holds no usable login. Nothing of its content is in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthJsonError {
    /// Somebody may be writing it just now: read again after a pause.
    #[error("it is empty or half written")]
    Truncated,
    /// Not JSON, or a field of the wrong type: restore it or log in again.
    #[error("it is malformed ({detail})")]
    Malformed {
        /// Where, and what was expected; never the content.
        detail: String,
    },
    /// Over [`MAX_BYTES`]: not an `auth.json`.
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// Valid, but nobody is logged in.
    #[error("there is no login in it")]
    NoLogin,
}

/// What the issuer answered to a refresh; a missing token leaves the stored one as it is.
#[derive(Debug, Clone, Default)]
pub struct FreshTokens {
    /// The new id token.
    pub id_token: Option<IdToken>,
    /// The new access token.
    pub access_token: Option<AccessToken>,
    /// The new refresh token: the old one is spent.
    pub refresh_token: Option<RefreshToken>,
}

/// How new a copy of a login is; the greater of two copies of one identity is the one to keep.
///
/// The issuer's time of issue comes first: a later token may well live shorter than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation {
    issued_at: Option<i64>,
    expires_at: Option<i64>,
    last_refresh: Option<Timestamp>,
}

impl FreshTokens {
    /// Reads each token on its own: one that is empty or of the wrong type counts as missing, and
    /// must not cost the others, which exist nowhere else. `None` when neither an access token nor
    /// a refresh token is left.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let fields: Fields = json(body).ok()?;
        let token = |name: &str| {
            let token: Option<String> = field(&fields, name).ok()?;
            token.filter(|token| !token.is_empty())
        };
        let fresh = Self {
            id_token: token("id_token").map(IdToken::new),
            access_token: token("access_token").map(AccessToken::new),
            refresh_token: token("refresh_token").map(RefreshToken::new),
        };
        (fresh.access_token.is_some() || fresh.refresh_token.is_some()).then_some(fresh)
    }
}

impl AuthDotJson {
    /// Reads a file's content. A byte order mark is accepted.
    ///
    /// # Errors
    /// An [`AuthJsonError`]; only [`Truncated`](AuthJsonError::Truncated) may mend itself.
    pub fn parse(bytes: &[u8]) -> Result<Self, AuthJsonError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(AuthJsonError::TooLarge);
        }
        let fields: Fields = json(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))?;
        let token_fields: Option<Fields> = field(&fields, "tokens")?;
        let login = Login::read(&fields, token_fields.as_ref())?;
        Ok(Self {
            fields,
            token_fields,
            login,
        })
    }

    /// A login of an API key, as `codex login --with-api-key` writes it.
    #[must_use]
    pub fn from_api_key(key: ApiKey) -> Self {
        let fields = [("auth_mode", raw("apikey")), ("OPENAI_API_KEY", raw(&key))];
        Self {
            fields: fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            token_fields: None,
            login: Login::Key(key),
        }
    }

    /// The file's content, as Codex formats it: indented JSON.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the proof stands at the spot")]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Maps with text keys and values that are JSON already always serialize.
        serde_json::to_vec_pretty(&FileView(self)).expect("a map of JSON values serializes")
    }

    /// The same without indentation, as Codex puts it into a keyring.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "as for `to_bytes`")]
    pub fn to_compact_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&FileView(self)).expect("a map of JSON values serializes")
    }

    /// What kind of login this is.
    #[must_use]
    pub fn mode(&self) -> AuthMode {
        match &self.login {
            Login::Key(_) => AuthMode::ApiKey,
            Login::Tokens { mode, .. } | Login::Foreign { mode, .. } => *mode,
        }
    }

    /// Whose login this is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        match &self.login {
            Login::Key(key) => Identity::of_key(key),
            Login::Foreign { digest, .. } => Identity::Key(digest.clone()),
            Login::Tokens { tokens, claims, .. } => tokens.identity(claims),
        }
    }

    /// How new this copy is.
    #[must_use]
    pub fn generation(&self) -> Generation {
        let access = self.access_claims();
        Generation {
            issued_at: access.and_then(|claims| claims.issued_at),
            expires_at: access.and_then(|claims| claims.expires_at),
            last_refresh: self.last_refresh(),
        }
    }

    /// E-mail, plan and account for display: the id token's, corrected by the access token, which
    /// is newer after a change of workspace (wire reference 4.7).
    #[must_use]
    pub fn display_claims(&self) -> IdTokenClaims {
        match &self.login {
            Login::Tokens {
                tokens,
                claims,
                access,
                ..
            } => {
                let mut shown = access.as_ref().clone().or(claims.as_ref().clone());
                shown.account_id = tokens.account_id.clone().or(shown.account_id);
                shown
            }
            _ => IdTokenClaims::default(),
        }
    }

    /// What this login puts on a request.
    ///
    /// # Errors
    /// `None` for a kind of login that cannot serve here, or one that no header can carry.
    #[must_use]
    pub fn credentials(&self, profile: ProfileRef) -> Option<Credentials> {
        match &self.login {
            Login::Key(key) => Credentials::api_key(profile, key).ok(),
            Login::Tokens { tokens, claims, .. } => {
                let account_id = tokens
                    .account_id
                    .as_deref()
                    .or(claims.account_id.as_deref());
                let credentials = Credentials::chatgpt(profile, &tokens.access_token, account_id);
                Some(credentials.ok()?.with_fedramp(claims.fedramp))
            }
            Login::Foreign { .. } => None,
        }
    }

    /// The access token of a ChatGPT login.
    #[must_use]
    pub fn access_token(&self) -> Option<&AccessToken> {
        self.tokens().map(|tokens| &tokens.access_token)
    }

    /// The refresh token of a login that this program may refresh.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&RefreshToken> {
        match &self.login {
            Login::Tokens {
                mode: AuthMode::ChatGpt,
                tokens,
                ..
            } => Some(&tokens.refresh_token).filter(|token| !token.is_empty()),
            _ => None,
        }
    }

    /// The id token of a ChatGPT login, which other programs often leave out.
    #[must_use]
    pub fn id_token(&self) -> Option<&IdToken> {
        self.tokens()?.id_token.as_ref()
    }

    /// Whether Codex could read this as its `auth.json`: without an id token that parses, it
    /// refuses the whole file (wire reference 1.2).
    #[must_use]
    pub fn codex_can_read(&self) -> bool {
        self.tokens().is_none_or(|tokens| {
            let token = tokens.id_token.as_ref();
            token.is_some_and(|token| IdTokenClaims::of_id_token(token).is_ok())
        })
    }

    /// Takes over the id token of another copy, where Codex could read that one and not this.
    pub fn carry_id_token_from(&mut self, other: &Self) {
        if self.codex_can_read() || !other.codex_can_read() {
            return;
        }
        let (
            Login::Tokens {
                tokens,
                claims,
                access,
                ..
            },
            Some(fields),
            Some(token),
        ) = (&mut self.login, &mut self.token_fields, other.id_token())
        else {
            return;
        };
        fields.insert("id_token".to_owned(), raw(token));
        tokens.id_token = Some(token.clone());
        (*claims, *access) = tokens.claims();
    }

    /// Where the sign-in was made.
    #[must_use]
    pub fn provenance(&self) -> Option<&OauthProvenance> {
        self.tokens()?.oauth_provenance.as_ref()
    }

    /// When the access token ends, where it says so.
    #[must_use]
    pub fn access_token_expires_at(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.access_claims()?.expires_at?).ok()
    }

    /// When the access token was issued, where it says so.
    #[must_use]
    pub fn access_token_issued_at(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.access_claims()?.issued_at?).ok()
    }

    /// How long the access token lives in all, where it says so.
    #[must_use]
    pub fn access_token_lifetime(&self) -> Option<SignedDuration> {
        let (issued, ends) = (
            self.access_token_issued_at()?,
            self.access_token_expires_at()?,
        );
        Some(ends.duration_since(issued)).filter(SignedDuration::is_positive)
    }

    /// When the tokens were last written by a sign-in or a refresh.
    #[must_use]
    pub fn last_refresh(&self) -> Option<Timestamp> {
        field::<String>(&self.fields, "last_refresh")
            .ok()??
            .parse()
            .ok()
    }

    /// Puts fresh tokens in place of the stored ones: the only way a login changes.
    pub fn rotate(&mut self, fresh: FreshTokens, at: Timestamp) {
        let (
            Login::Tokens {
                tokens,
                claims,
                access,
                ..
            },
            Some(fields),
        ) = (&mut self.login, &mut self.token_fields)
        else {
            return;
        };
        if let Some(token) = fresh.id_token {
            fields.insert("id_token".to_owned(), raw(&token));
            tokens.id_token = Some(token);
        }
        if let Some(token) = fresh.access_token {
            fields.insert("access_token".to_owned(), raw(&token));
            tokens.access_token = token;
        }
        if let Some(token) = fresh.refresh_token {
            fields.insert("refresh_token".to_owned(), raw(&token));
            tokens.refresh_token = token;
        }
        (*claims, *access) = tokens.claims();
        // Codex sends no Authorization when this is missing (wire reference 1.3).
        self.fields
            .insert("last_refresh".to_owned(), raw(&at.to_string()));
    }

    /// Forgets where the sign-in was made: its tokens come from somewhere else by now.
    pub fn forget_provenance(&mut self) {
        let (Login::Tokens { tokens, .. }, Some(fields)) =
            (&mut self.login, &mut self.token_fields)
        else {
            return;
        };
        tokens.oauth_provenance = None;
        fields.shift_remove("oauth_provenance");
    }

    /// Whether this login may be what the issuer gave for the token in `older`: the owner is the
    /// same as far as both say, or `older` says nothing of its owner.
    #[must_use]
    pub fn may_follow(&self, older: &Self) -> bool {
        older.is_anonymous() || older.identity().is_compatible_with(&self.identity())
    }

    /// Whether both come from one sign-in, whose refresh tokens follow one another: Codex keeps
    /// `tokens.login_owner_id` over all refreshes (wire reference 1.2). Two that both lack it count
    /// as one.
    #[must_use]
    pub fn is_same_sign_in(&self, other: &Self) -> bool {
        let owner = |login: &Self| login.tokens()?.login_owner_id.clone();
        owner(self) == owner(other)
    }

    /// Whether nothing but its own token tells this login from others; a refresh changes that.
    fn is_anonymous(&self) -> bool {
        match &self.login {
            Login::Tokens { tokens, claims, .. } => {
                let account_id = tokens.account_id.as_ref().or(claims.account_id.as_ref());
                let owner = claims.user_id.as_ref().or(tokens.login_owner_id.as_ref());
                account_id.or(owner).is_none()
            }
            _ => false,
        }
    }

    /// Whether both hold the very same tokens and keys, whatever else differs.
    #[must_use]
    pub fn holds_same_secrets(&self, other: &Self) -> bool {
        SECRET_FIELDS
            .iter()
            .all(|name| same(Some(&self.fields), Some(&other.fields), name))
            && ["access_token", "refresh_token"].iter().all(|name| {
                same(
                    self.token_fields.as_ref(),
                    other.token_fields.as_ref(),
                    name,
                )
            })
            && self.foreign_digest() == other.foreign_digest()
    }

    /// Takes over the fields of `older` that neither this copy nor Codex knows: Codex drops them
    /// when it rewrites the file. Fields that Codex knows and left out stay left out.
    pub fn carry_unknown_from(&mut self, older: &Self) {
        carry(&mut self.fields, &older.fields, &KNOWN_FIELDS);
        if let (Some(newer), Some(older)) = (&mut self.token_fields, &older.token_fields) {
            carry(newer, older, &KNOWN_TOKEN_FIELDS);
        }
    }

    fn tokens(&self) -> Option<&Tokens> {
        match &self.login {
            Login::Tokens { tokens, .. } => Some(tokens),
            _ => None,
        }
    }

    /// Stands for the secrets of a login whose fields are not known.
    fn foreign_digest(&self) -> Option<&str> {
        match &self.login {
            Login::Foreign { digest, .. } => Some(digest),
            _ => None,
        }
    }

    fn access_claims(&self) -> Option<&IdTokenClaims> {
        match &self.login {
            Login::Tokens { access, .. } => Some(access),
            _ => None,
        }
    }
}

impl fmt::Debug for AuthDotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthDotJson")
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}

/// Serializes the fields in their order, `tokens` from its own fields.
struct FileView<'a>(&'a AuthDotJson);

impl Serialize for FileView<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(Some(self.0.fields.len()))?;
        for (name, value) in &self.0.fields {
            match &self.0.token_fields {
                Some(tokens) if name == "tokens" => map.serialize_entry(name, tokens)?,
                _ => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
