//! Whether what this crate promises can be had on this machine: the address to listen on, the way
//! of Codex to it, and the way to OpenAI.
//!
//! [`Examination::run`] looks at all of it side by side, a few seconds at most. No token, key or
//! cookie is sent to anybody, and nothing is changed; an address that seems free is bound for a
//! moment. What is on disk is looked at by [`codex_profiles::doctor`].
//!
//! ```
//! use codex_auth::Issuer;
//! use codex_profiles::{CodexHome, doctor::Severity};
//! use codex_proxy::{doctor::{Examination, Variables}, upstream::{Targets, client_builder}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let home = CodexHome::at(folder.path());
//! # let here = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
//! # let (issuer, targets) = (Issuer::new(format!("http://{here}")), Targets::new(&format!("http://{here}/a"), &format!("http://{here}/v1")).ok());
//! let findings = Examination {
//!     home,
//!     listen: "127.0.0.1:0".to_owned(),
//!     running: None,
//!     socket_is_held: false,
//!     client: client_builder().build().ok(),
//!     issuer,
//!     targets,
//!     variables: Variables::default(),
//! };
//! for finding in findings.run().await {
//!     if finding.state() >= Severity::Warning {
//!         println!("{}: {:?}", finding.message(), finding.remedy());
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod attachment;
mod clock;
mod listen;
mod reach;
#[cfg(test)]
mod tests;
mod variables;

use codex_auth::{Backend, Issuer};
use codex_profiles::{CodexHome, State, doctor::Finding};
use futures_util::future::{join, join3};
use tokio::task::spawn_blocking;

pub use listen::RunningRouter;
pub use variables::Variables;

use crate::upstream::Targets;

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct Examination {
    /// The home whose router is meant.
    pub home: CodexHome,
    /// The address that the router would listen on, as it was set.
    pub listen: String,
    /// The router of this home that runs, if one does.
    pub running: Option<RunningRouter>,
    /// Whether the system's service manager is told to hold a socket for the router, and starts it
    /// once somebody connects.
    pub socket_is_held: bool,
    /// The client that requests go over; `None` where none can be made of the variables.
    pub client: Option<reqwest::Client>,
    /// Where tokens are refreshed.
    pub issuer: Issuer,
    /// Where logins are served; `None` where no address can be made of the variables.
    pub targets: Option<Targets>,
    /// What the environment says of proxies and certificates.
    pub variables: Variables,
}

/// What is read of the home, once.
struct Facts {
    settings: State,
    backends: Vec<Backend>,
}

impl Examination {
    /// Looks at everything.
    pub async fn run(self) -> Vec<Finding> {
        let home = self.home.clone();
        let read = move || Facts {
            settings: codex_profiles::doctor::settings(&home),
            backends: codex_profiles::doctor::backends(&home),
        };
        // Reading does not panic; if it did, nothing would be known.
        let facts = spawn_blocking(read).await.unwrap_or(Facts {
            settings: State::default(),
            backends: Vec::new(),
        });
        let local = join(self.listen(&facts), self.attachment(&facts));
        let ((listen, attachment), network, variables) =
            join3(local, self.reach(&facts), self.variables.look()).await;
        [listen, attachment, variables, network].concat()
    }
}
