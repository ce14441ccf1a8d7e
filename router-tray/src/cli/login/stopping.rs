use std::time::Duration;

use codex_auth::login::{SignInError, SignedIn};
use tokio::{sync::watch, time::sleep};

use crate::cli::{exit::Failure, stop::stop_signal};

/// As long as a cancellation takes.
const MOMENT: Duration = Duration::from_millis(200);

/// That the person wants to stop. It ends the wait for them; but the answer to a code that was sent
/// is the only copy of a login, and is waited for.
#[derive(Clone)]
pub(super) struct Stopping(watch::Sender<bool>);

impl Default for Stopping {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stopping {
    /// Until the person says so.
    pub(super) async fn told(&self) {
        // The sender lives as long as this does.
        let _ = self.0.subscribe().wait_for(|stop| *stop).await;
    }

    /// Passes on the first signal, and ends at the second one.
    pub(super) async fn twice(&self) {
        stop_signal().await;
        self.0.send_replace(true);
        // Had nobody signed in yet, it has ended by now.
        sleep(MOMENT).await;
        eprintln!("codex-router: you have signed in just now; waiting for the login to be kept");
        eprintln!("Ctrl-C once more gives it up.");
        stop_signal().await;
    }

    /// How a sign-in ended that may have been stopped.
    pub(super) fn done(&self, result: Result<SignedIn, SignInError>) -> Result<SignedIn, Failure> {
        match result {
            Err(SignInError::Cancelled) if *self.0.borrow() => Err(Failure::cancelled()),
            result => Ok(result?),
        }
    }
}
