//! Logins out of the files of other programs, and of our own exports.
//!
//! What a file is, is told by its content alone, never by its name. [`read`] gives its logins as
//! Codex would hold them; [`ProfileStore::import`](crate::ProfileStore::import)
//! saves one by the rules of [`add`](crate::ProfileStore::add). Nothing is posted, ever.
//!
//! **An import is a copy.** A refresh token works once: as soon as one of the two owners refreshes,
//! the other one is logged out. Whoever imports must tell the person so.
//!
//! ```
//! use codex_profiles::import::{self, Format};
//! use jiff::Timestamp;
//!
//! let file = br#"{"openai": {"type": "oauth", "access": "opaque", "refresh": "rt_1",
//!     "expires": 0, "accountId": "acct-1"}, "anthropic": {"type": "api", "key": "k"}}"#;
//! let contents = import::read(file, Timestamp::now())?;
//! assert_eq!(contents.format, Format::Agent);
//! assert!(contents.entries[0].login.is_ok());
//! # Ok::<(), import::ImportError>(())
//! ```

mod agent;
mod cli_proxy_api;
mod cockpit_tools;
mod codex;
mod codex_lb;
mod codex_switcher;
mod envelope;
mod files;
mod litellm;
mod loose;
mod openclaw;
mod opencode_accounts;
mod save;
mod source;
mod sub2api;

use std::fmt;

use codex_auth::{AuthDotJson, AuthJsonError, auth_json::MAX_BYTES};
use jiff::Timestamp;

use crate::profile::ProfileName;

pub use envelope::Envelope;
pub use files::{ImportFile, files_in};
pub use save::Imported;

/// How every file begins that is encrypted with age and armored.
const AGE_ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// How every other one begins.
const AGE_BINARY: &[u8] = b"age-encryption.org/v1";

/// What a file was recognised as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// `auth.json` of Codex, which many account switchers keep copies of.
    Codex,
    /// An export of our own, decrypted.
    Export,
    /// A file of `~/.cli-proxy-api`.
    CliProxyApi,
    /// The `auth.json` of opencode, pi and agents like them: logins by provider.
    Agent,
    /// The accounts file of opencode's plugins for several accounts.
    OpencodeAccounts,
    /// `auth-profiles.json` of `OpenClaw`.
    OpenClaw,
    /// The accounts file of Codex Switcher.
    CodexSwitcher,
    /// An account of Cockpit Tools.
    CockpitTools,
    /// What codex-lb exports of an account.
    CodexLb,
    /// What sub2api exports.
    Sub2Api,
    /// The `auth.json` of `LiteLLM`'s ChatGPT provider.
    LiteLlm,
}

/// What is in a file.
#[derive(Debug)]
pub struct Contents {
    /// What the file was recognised as.
    pub format: Format,
    /// Its logins, in their order; at least one.
    pub entries: Vec<Entry>,
}

/// One login of a file. `Debug` shows no secret.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// What the file calls it, as far as that can be a profile's name.
    pub name: Option<ProfileName>,
    /// What a person called it.
    pub label: Option<String>,
    /// The login, or why it is none.
    pub login: Result<AuthDotJson, EntryError>,
}

/// Why one login of a file cannot be used. Nothing of its content is in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Sign in anew: an access token would have to be asked for, and that spends the refresh token.
    #[error("it holds no access token: sign in anew with `codex-router login`")]
    NoAccessToken,
    /// It looks like a login and is none.
    #[error(transparent)]
    Login(#[from] AuthJsonError),
}

/// Why a file gives no login at all. Nothing of its content is in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Decrypt it first, with [`export::decrypt`](crate::export::decrypt) of the feature `export`.
    #[error("it is encrypted with age: its passphrase is needed")]
    Encrypted,
    /// Export single accounts there instead.
    #[error("it is an encrypted bundle of codex-lb: export the accounts one by one instead")]
    CodexLbBundle,
    /// Not an export or login of anybody.
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// Nothing in it is a login that is known here.
    #[error("no OpenAI login of a known kind is in it; looked for: {}", Known)]
    Unknown,
}

/// Reads the logins in a file's content. `written_at` is when the file was last written: it stands
/// in for the time of a refresh that neither the file nor its tokens name.
///
/// # Errors
/// An [`ImportError`]; one login that is broken fails alone, as its [`Entry`].
pub fn read(bytes: &[u8], written_at: Timestamp) -> Result<Contents, ImportError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ImportError::TooLarge);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if is_encrypted(bytes) {
        return Err(ImportError::Encrypted);
    }
    if codex_lb::is_bundle(bytes) {
        return Err(ImportError::CodexLbBundle);
    }
    let found = READERS.iter().find_map(|read| read(bytes, written_at));
    found.ok_or(ImportError::Unknown)
}

/// Whether a file has to be decrypted before it can be read.
#[must_use]
pub fn is_encrypted(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    bytes.starts_with(AGE_ARMOR) || bytes.starts_with(AGE_BINARY)
}

type Reader = fn(&[u8], Timestamp) -> Option<Contents>;

/// Codex's own form comes last: it asks for the least.
const READERS: [Reader; 11] = [
    source::read::<Envelope>,
    source::read::<cli_proxy_api::Login>,
    source::read::<codex_lb::Export>,
    source::read::<agent::Providers>,
    source::read::<openclaw::Profiles>,
    source::read::<codex_switcher::Accounts>,
    source::read::<sub2api::Data>,
    source::read::<opencode_accounts::Accounts>,
    source::read::<cockpit_tools::Accounts>,
    source::read::<litellm::Tokens>,
    codex::read,
];

impl Format {
    /// Every format, as an error lists them.
    pub const ALL: [Self; 11] = [
        Self::Codex,
        Self::Export,
        Self::CliProxyApi,
        Self::Agent,
        Self::OpencodeAccounts,
        Self::OpenClaw,
        Self::CodexSwitcher,
        Self::CockpitTools,
        Self::CodexLb,
        Self::Sub2Api,
        Self::LiteLlm,
    ];
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Codex => "auth.json of Codex",
            Self::Export => "export of Codex Router",
            Self::CliProxyApi => "CLIProxyAPI",
            Self::Agent => "auth.json of opencode or pi",
            Self::OpencodeAccounts => "accounts of an opencode plugin",
            Self::OpenClaw => "auth-profiles.json of OpenClaw",
            Self::CodexSwitcher => "accounts of Codex Switcher",
            Self::CockpitTools => "Cockpit Tools",
            Self::CodexLb => "export of codex-lb",
            Self::Sub2Api => "export of sub2api",
            Self::LiteLlm => "auth.json of LiteLLM",
        })
    }
}

/// The formats in a row, for an error.
struct Known;

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Format::ALL.map(|format| format.to_string());
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests;
