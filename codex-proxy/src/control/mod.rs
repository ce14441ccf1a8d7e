//! What the page, the tray and the command line ask of a running router.
//!
//! A [`Control`] is the router as an object: everything that can be seen or done is a method of
//! it. [`ServerBuilder::control`](crate::server::ServerBuilder::control) puts a page at `/` and the
//! same methods as JSON below `/api`; a tray in the same process calls them directly.
//!
//! ```
//! use codex_profiles::{CodexHome, ProfileStore};
//! use codex_proxy::{control::Control, server::Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = ProfileStore::open(CodexHome::at(folder.path()))?;
//! let control = Control::new(store.clone());
//! let server = Server::builder(store).control(control.clone()).build()?;
//! let bound = server.bind("127.0.0.1:0".parse()?).await?;
//! assert_eq!(control.address(), bound.address().url());
//! // Whoever opens this address, once, may use the page.
//! assert!(control.link()?.starts_with(&control.address()));
//! # Ok(())
//! # }
//! ```
//!
//! # Who may
//!
//! The layers of the server refuse every web page of another origin first. What is left needs the
//! control token, which lies in a file that only the person can read
//! ([`Control::announce`]), or a session that was opened by a one-time [link](Control::link).

mod access;
mod announcement;
mod attachment;
mod catalogue;
mod change;
mod desktop;
mod error;
mod events;
mod handle;
mod keys;
mod page;
mod profiles;
mod requests;
mod routes;
mod secret;
mod settings;
mod sign_in;
mod told;
mod view;

pub use announcement::{Announcement, is_nobody_serving};
pub use attachment::AttachmentReport;
pub use catalogue::{Counts, SETTINGS, Setting, SettingEntry};
pub use change::Change;
pub use desktop::Desktop;
pub use error::ControlError;
pub use handle::{Control, ControlBuilder, Notices};
pub use profiles::ProfileChange;
pub use requests::Requests;
pub use settings::{SetLogLevel, Settings, SettingsChange};
pub use sign_in::{KeptView, Problem, SignIn, SignInState, SignInWay};
pub use told::{NoticeView, Told};
pub use view::{AttachmentView, DesktopView, Language, Overview, RemovedProfile};

/// In a request's extensions: its connection came from another machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FromElsewhere;

/// The page and the API, to be put into the routes of a server; `text` is for those who open `/`
/// without a browser.
pub(crate) fn routes(control: Control, text: &'static str) -> axum::Router {
    page::routes(text).merge(routes::routes(control))
}
