//! Many Codex logins on disk, which one is current, and keeping each of them alive.
//!
//! A [`ProfileStore`] works on the folder that Codex uses, [`CodexHome`]: the live login in
//! `auth.json`, and one saved login in each folder of `profiles/`. It is a
//! [`CredentialProvider`](codex_auth::CredentialProvider), so it can stand behind `codex-proxy`'s
//! `CodexAuthLayer` as it is.
//!
//! The promise above all others: **no login is lost**, by a race, a crash, a full disk, a switch or
//! Codex refreshing behind our back. Hence, in this order of importance:
//!
//! - Every file is replaced as a whole ([`fs::atomic`]), under a lock ([`fs::lock`]), and only by a
//!   newer copy of the same identity. The live file is written under Codex's own locks.
//! - A refresh token, which works once, is posted by one task of one process, after everything was
//!   read again, with the intent and the room for the answer on disk.
//! - What is in the way and belongs to nobody is kept, as the profile `unsaved-<n>`, or beside the
//!   file as `auth.json.broken-<time>`.
//!
//! - Tokens that are spent are remembered, so that no copy of one is posted or taken for the newer
//!   login, wherever it comes back from.
//!
//! `docs/token-safety.md` of the repository has the protocol, what is proven of it, and the windows
//! that remain: a program that is killed between the issuer's answer and the next write to disk,
//! and a Codex, which takes no lock while it refreshes, that does so at the very same moment.
//!
//! A service that runs on several machines keeps its logins in a database instead: the module
//! `postgres`, behind the feature of that name, which keeps the same promise.
//!
//! A program that runs for long keeps the logins in step and alive with [`ProfileStore::upkeep`].
//!
//! ```
//! use codex_auth::{AuthDotJson, CredentialProvider as _, RouteHint, secret::ApiKey};
//! use codex_profiles::{CodexHome, ProfileName, ProfileStore, RouteSource};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path();
//! let store = ProfileStore::open(CodexHome::at(path))?;
//!
//! let work = ProfileName::parse("work")?;
//! let login = AuthDotJson::from_api_key(ApiKey::new("sk-example"));
//! store.add(login, Some(work.clone())).await?;
//! store.use_profile(&work).await?;
//!
//! let route = store.route(None).await?;
//! assert_eq!((route.profile.as_str(), route.source), ("work", RouteSource::Current));
//! let credentials = store.credentials(&RouteHint::default()).await?;
//! assert_eq!(credentials.profile().as_str(), "work");
//! # Ok(())
//! # }
//! ```

pub mod attach;
pub mod audit;
pub mod doctor;
pub mod error;
#[cfg(feature = "export")]
pub mod export;
pub mod fallback;
pub mod fs;
pub mod home;
pub mod homes;
pub mod import;
pub mod keys;
pub mod listen;
pub mod live;
pub mod model_rules;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod profile;
pub mod removed;
pub mod report;
pub mod route;
pub mod save;
pub mod settings;
pub mod sign_in;
pub mod sign_out;
pub mod state;
pub mod store;
pub mod switch;
pub mod upkeep;
pub mod workspace;

#[cfg(feature = "failpoints")]
pub mod failpoints;

mod disk;
mod faults;
mod journal;
mod keep;
mod known;
mod ledger;
mod memory;
mod neighbours;
mod object;
mod quota;
mod recovery;
mod refresher;
mod rename;

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod copies_tests;
#[cfg(test)]
mod testing;

pub use error::StoreError;
pub use fallback::Fallback;
pub use fs::ReadError;
pub use home::CodexHome;
pub use listen::{InvalidListenAddress, ListenAddress, StartSettings};
pub use live::LiveUnknown;
pub use model_rules::{ModelRule, ModelRules};
pub use profile::{Condition, LIVE, Profile, ProfileName, ProfileNameError};
pub use refresher::RefreshCounts;
pub use removed::{RemovedId, RemovedProfile, Restored};
pub use report::Report;
pub use route::{Route, RouteSource};
pub use save::Saved;
pub use settings::LogLevel;
pub use sign_in::KeptSignIn;
pub use sign_out::{SignOutError, SignOutScope};
pub use state::State;
pub use store::ProfileStore;
pub use switch::Switched;
pub use upkeep::{Limit, Notice, Upkeep};
