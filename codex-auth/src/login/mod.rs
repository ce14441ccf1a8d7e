//! Signing in at the issuer, apart from any login that exists.
//!
//! Codex revokes the login that it finds before it begins a new one. Nothing here reads or changes
//! a login: the result is an [`AuthDotJson`] in memory, for the caller to keep.
//!
//! - [`BrowserSignIn`]: the person signs in with a browser on this machine, which comes back to a
//!   port of ours. At the same time the address that the browser ended at can be pasted, from
//!   whatever machine it ran on.
//! - [`DeviceSignIn`]: the person enters a code on any device.
//!
//! The HTTP client is the caller's, so that proxies and certificates are too. Give it no redirects.
//! Nothing here opens a browser, prints, or reads the environment.
//!
//! ```
//! use codex_auth::{Issuer, login::{BrowserSignIn, PasteError, SignInOptions}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), codex_auth::login::SignInError> {
//! // The ports that OpenAI knows are the default; this is a test.
//! let options = SignInOptions::default().with_ports([0]);
//! let sign_in = BrowserSignIn::start(reqwest::Client::new(), Issuer::default(), options).await?;
//! assert!(sign_in.authorize_url().starts_with("https://auth.openai.com/oauth/authorize?"));
//!
//! let paste = sign_in.paste_box();
//! let stranger = "http://127.0.0.1:1455/auth/callback?code=c&state=guessed";
//! assert_eq!(paste.submit(stranger), Err(PasteError::OtherSignIn));
//! drop(sign_in); // or `sign_in.wait().await?`, which gives the login
//! # Ok(())
//! # }
//! ```
//!
//! *Source:* wire reference 4; RFC 6749, 7636, 8252 and 8628.

mod authorize;
mod browser;
mod callback;
mod device;
mod error;
mod exchange;
mod page;
mod paste;
mod pkce;
mod poll;
mod port;
mod redirect;

use std::time::Duration;

use crate::AuthDotJson;

pub use browser::BrowserSignIn;
pub use device::DeviceSignIn;
pub use error::{Denial, SignInError};
pub use paste::{PasteBox, PasteError};

/// The ports that are registered at OpenAI for the redirect (wire reference 4.2).
pub const PORTS: [u16; 2] = [1455, 1457];
/// As long as the issuer keeps a device code.
const TIME_LIMIT: Duration = Duration::from_mins(15);

/// A sign-in that came to its end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignedIn {
    /// The new login. It exists nowhere else.
    pub login: AuthDotJson,
    /// Whether it holds an API key too, where one was asked for.
    pub has_openai_key: bool,
}

/// What a sign-in may be told beforehand.
#[derive(Debug, Clone)]
pub struct SignInOptions {
    allowed_workspaces: Vec<String>,
    time_limit: Duration,
    openai_key: bool,
    ports: Vec<u16>,
}

impl Default for SignInOptions {
    fn default() -> Self {
        Self {
            allowed_workspaces: Vec::new(),
            time_limit: TIME_LIMIT,
            openai_key: false,
            ports: PORTS.to_vec(),
        }
    }
}

impl SignInOptions {
    /// Accepts only a login for one of these accounts or workspaces; none means any.
    #[must_use]
    pub fn with_allowed_workspaces<T: Into<String>>(
        self,
        ids: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            allowed_workspaces: ids.into_iter().map(Into::into).collect(),
            ..self
        }
    }

    /// Waits so long for the person; 15 minutes by default.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// Asks for an API key as well, which the login keeps beside its tokens. Best effort.
    #[must_use]
    pub fn with_openai_key(self, openai_key: bool) -> Self {
        Self { openai_key, ..self }
    }

    /// Listens on other ports than [`PORTS`], for an issuer that has others registered. 0 is any.
    #[must_use]
    pub fn with_ports(self, ports: impl IntoIterator<Item = u16>) -> Self {
        Self {
            ports: ports.into_iter().collect(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
