//! `auth.json`: read leniently, written without losing anything.
//!
//! Codex drops the fields it does not know when it rewrites the file; this module keeps them, with
//! the very bytes of their values, since another program or a newer Codex may need them.
//!
//! *Source:* wire reference 1; `login/src/auth/storage.rs` of Codex; capture `auth-json-states`.

use std::fmt;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    claims::{IdTokenClaims, Identity},
    credentials::{Backend, Credentials},
    provider::ProfileRef,
    secret::{AccessToken, ApiKey, IdToken, RefreshToken},
};

/// The largest file that is read, in bytes. A login is a few kilobytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// An object's fields in their order, each value as the bytes it was read from.
type Fields = IndexMap<String, Box<RawValue>>;

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

/// What kind of login a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMode {
    /// A key of the public API.
    ApiKey,
    /// A ChatGPT sign-in that refreshes itself.
    ChatGpt,
    /// ChatGPT tokens that another program supplies and refreshes.
    ChatGptAuthTokens,
    /// Headers that another program supplies.
    Headers,
    /// An agent's own identity.
    AgentIdentity,
    /// A personal access token (`at-…`).
    PersonalAccessToken,
    /// A key of Amazon Bedrock.
    BedrockApiKey,
    /// A kind that is newer than this program.
    Other,
}

impl AuthMode {
    /// The spelling in `auth_mode`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "apikey",
            Self::ChatGpt => "chatgpt",
            Self::ChatGptAuthTokens => "chatgptAuthTokens",
            Self::Headers => "headers",
            Self::AgentIdentity => "agentIdentity",
            Self::PersonalAccessToken => "personalAccessToken",
            Self::BedrockApiKey => "bedrockApiKey",
            Self::Other => "other",
        }
    }

    /// The servers that accept such a login.
    #[must_use]
    pub fn backend(self) -> Backend {
        match self {
            Self::ApiKey => Backend::OpenAi,
            _ => Backend::ChatGpt,
        }
    }

    fn parse(text: &str) -> Self {
        [
            Self::ApiKey,
            Self::ChatGpt,
            Self::ChatGptAuthTokens,
            Self::Headers,
            Self::AgentIdentity,
            Self::PersonalAccessToken,
            Self::BedrockApiKey,
        ]
        .into_iter()
        .find(|mode| mode.as_str().eq_ignore_ascii_case(text))
        .unwrap_or(Self::Other)
    }
}

/// Where and under which client id a sign-in was made; refreshes go there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OauthProvenance {
    /// The issuer's base address.
    pub issuer: String,
    /// The OAuth client id.
    pub client_id: String,
}

/// The tokens of a ChatGPT sign-in.
#[derive(Debug, Clone, Deserialize)]
struct Tokens {
    id_token: Option<IdToken>,
    access_token: AccessToken,
    #[serde(default = "no_refresh_token")]
    refresh_token: RefreshToken,
    account_id: Option<String>,
    oauth_provenance: Option<OauthProvenance>,
    login_owner_id: Option<String>,
}

fn no_refresh_token() -> RefreshToken {
    RefreshToken::new("")
}

/// The one login that the file's mode points at: no other state can be held.
#[derive(Debug, Clone)]
enum Login {
    Key(ApiKey),
    Tokens {
        mode: AuthMode,
        tokens: Box<Tokens>,
        claims: Box<IdTokenClaims>,
        access: Box<IdTokenClaims>,
    },
    /// Recognised, but of no use to this program; the digest tells two of them apart.
    Foreign {
        mode: AuthMode,
        digest: String,
    },
}

/// What the issuer answered to a refresh; a missing token leaves the stored one as it is.
#[derive(Debug, Clone, Default, Deserialize)]
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

    /// Whether this login may be what the issuer gave for the token in `older`: the owner is the
    /// same as far as both say, or `older` says nothing of its owner.
    #[must_use]
    pub fn may_follow(&self, older: &Self) -> bool {
        older.is_anonymous() || older.identity().is_compatible_with(&self.identity())
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

impl Login {
    fn read(fields: &Fields, token_fields: Option<&Fields>) -> Result<Self, AuthJsonError> {
        let mode = match field::<String>(fields, "auth_mode")? {
            Some(text) => AuthMode::parse(&text),
            None => guess_mode(fields)?,
        };
        match mode {
            AuthMode::ApiKey => match field::<ApiKey>(fields, "OPENAI_API_KEY")? {
                Some(key) if !key.is_empty() => Ok(Self::Key(key)),
                _ => Err(AuthJsonError::NoLogin),
            },
            AuthMode::ChatGpt | AuthMode::ChatGptAuthTokens => {
                let fields = token_fields.ok_or(AuthJsonError::NoLogin)?;
                let tokens = Tokens::read(fields)?;
                let (claims, access) = tokens.claims();
                Ok(Self::Tokens {
                    mode,
                    tokens: Box::new(tokens),
                    claims,
                    access,
                })
            }
            _ => Ok(Self::Foreign {
                mode,
                digest: foreign_digest(fields),
            }),
        }
    }
}

/// The order in which Codex guesses (wire reference 1.3).
fn guess_mode(fields: &Fields) -> Result<AuthMode, AuthJsonError> {
    let holds = |name: &str| field::<&RawValue>(fields, name).map(|value| value.is_some());
    Ok(if holds("personal_access_token")? {
        AuthMode::PersonalAccessToken
    } else if holds("bedrock_api_key")? {
        AuthMode::BedrockApiKey
    } else if holds("OPENAI_API_KEY")? {
        AuthMode::ApiKey
    } else if !holds("tokens")? && holds("agent_identity")? {
        AuthMode::AgentIdentity
    } else {
        AuthMode::ChatGpt
    })
}

fn foreign_digest(fields: &Fields) -> String {
    let named = ["personal_access_token", "bedrock_api_key", "agent_identity"];
    let content: String = named
        .iter()
        .filter_map(|name| fields.get(*name))
        .map(|raw| raw.get())
        .collect();
    ApiKey::new(content).fingerprint()
}

impl Tokens {
    fn read(fields: &Fields) -> Result<Self, AuthJsonError> {
        if field::<String>(fields, "access_token")?.is_none_or(|token| token.is_empty()) {
            return Err(AuthJsonError::NoLogin);
        }
        Ok(Self {
            id_token: field(fields, "id_token")?,
            access_token: field(fields, "access_token")?.ok_or(AuthJsonError::NoLogin)?,
            refresh_token: field(fields, "refresh_token")?.unwrap_or_else(no_refresh_token),
            account_id: field(fields, "account_id")?,
            // A provenance of an unknown shape must not cost the login.
            oauth_provenance: field(fields, "oauth_provenance").ok().flatten(),
            login_owner_id: field(fields, "login_owner_id").ok().flatten(),
        })
    }

    /// The claims of the id token with the gaps filled, and those of the access token alone.
    fn claims(&self) -> (Box<IdTokenClaims>, Box<IdTokenClaims>) {
        let access = IdTokenClaims::of_access_token(&self.access_token).unwrap_or_default();
        let id = self.id_token.as_ref().map(IdTokenClaims::of_id_token);
        let id = id.and_then(Result::ok).unwrap_or_default();
        (Box::new(id.or(access.clone())), Box::new(access))
    }

    fn identity(&self, claims: &IdTokenClaims) -> Identity {
        let account_id = self
            .account_id
            .clone()
            .or_else(|| claims.account_id.clone());
        match (&claims.user_id, &account_id) {
            // Without any claim, two strangers would look alike; the sign-in tells them apart.
            (None, None) => Identity::Key(
                self.login_owner_id
                    .clone()
                    .unwrap_or_else(|| self.refresh_token.fingerprint()),
            ),
            (user_id, _) => Identity::ChatGpt {
                user_id: user_id.clone(),
                account_id,
            },
        }
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

/// Whether a field has the same bytes on both sides; null counts as missing.
fn same(one: Option<&Fields>, other: Option<&Fields>, name: &str) -> bool {
    one.and_then(|fields| value(fields, name)) == other.and_then(|fields| value(fields, name))
}

fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    let raw = fields.get(name)?.get();
    (raw != "null").then_some(raw)
}

/// Adds what `older` alone holds and `known` does not name.
fn carry(newer: &mut Fields, older: &Fields, known: &[&str]) {
    for (name, value) in older {
        if !known.contains(&name.as_str()) && !newer.contains_key(name) {
            newer.insert(name.clone(), value.clone());
        }
    }
}

/// A field's value; null counts as missing.
fn field<'a, T: Deserialize<'a>>(
    fields: &'a Fields,
    name: &str,
) -> Result<Option<T>, AuthJsonError> {
    let Some(raw) = fields.get(name).filter(|raw| raw.get() != "null") else {
        return Ok(None);
    };
    serde_json::from_str(raw.get())
        .map(Some)
        .map_err(|_| AuthJsonError::Malformed {
            detail: format!("`{name}` is of the wrong type"),
        })
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AuthJsonError> {
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_eof() || is_cut(bytes) {
            return AuthJsonError::Truncated;
        }
        // Position only: serde's own text may quote the content.
        let detail = format!("at line {}, column {}", error.line(), error.column());
        AuthJsonError::Malformed { detail }
    })
}

/// Whether an object was begun and not ended; serde calls a cut `null` malformed, for one.
fn is_cut(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii();
    bytes.starts_with(b"{") && !bytes.ends_with(b"}")
}

fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    // Texts always serialize.
    to_raw_value(value).expect("a text serializes")
}

#[cfg(test)]
mod tests;
