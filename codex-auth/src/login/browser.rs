//! Signing in with a browser: on this machine, or on another one by pasting where it ended.

use std::{fmt, future, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    SignInError, SignInOptions, SignedIn,
    authorize::authorize_url,
    callback::{Arrival, CALLBACK_PATH, CallbackServer, Gate},
    exchange::{Asking, Grant},
    page::Page,
    paste::PasteBox,
    pkce::{CodeVerifier, State},
    port,
    redirect::Redirect,
};
use crate::Issuer;

/// A sign-in that waits for a person in a browser. Dropping it cancels it.
///
/// See the [module](super) for an example.
pub struct BrowserSignIn {
    asking: Asking,
    authorize_url: String,
    redirect_uri: String,
    port: Option<u16>,
    verifier: CodeVerifier,
    paste: PasteBox,
    arrivals: mpsc::Receiver<Arrival>,
    verdict: watch::Sender<Option<Page>>,
    server: Option<CallbackServer>,
}

impl BrowserSignIn {
    /// Listens for the browser on the first port of the [options](SignInOptions::with_ports) that
    /// can be had; whoever listens there already is asked to leave first, as Codex does it, which
    /// takes up to 4 s for each port. Nothing is sent to the issuer yet.
    ///
    /// # Errors
    /// [`SignInError::PortsTaken`]: sign in with a [device code](super::DeviceSignIn) or by
    /// [pasting](Self::by_pasting). [`SignInError::Listen`], [`SignInError::NoRandomness`].
    pub async fn start(
        client: reqwest::Client,
        issuer: Issuer,
        options: SignInOptions,
    ) -> Result<Self, SignInError> {
        let listener = port::listen(&options.ports).await?;
        let port = listener.local_addr().map_err(SignInError::Listen)?.port();
        let mut sign_in = Self::new(client, issuer, options, port)?;
        let gate = Gate {
            state: sign_in.paste.state.clone(),
            arrivals: sign_in.paste.arrivals.clone(),
            verdict: sign_in.verdict.subscribe(),
        };
        sign_in.server = Some(CallbackServer::new(listener, gate));
        sign_in.port = Some(port);
        Ok(sign_in)
    }

    /// Listens nowhere: the person copies the address at which their browser ends, on whatever
    /// machine it runs, into the [`PasteBox`].
    ///
    /// # Errors
    /// [`SignInError::NoRandomness`].
    pub fn by_pasting(
        client: reqwest::Client,
        issuer: Issuer,
        options: SignInOptions,
    ) -> Result<Self, SignInError> {
        // The issuer wants a registered address, even though nobody listens there.
        let port = options.ports.first().copied().unwrap_or_default();
        Self::new(client, issuer, options, port)
    }

    fn new(
        client: reqwest::Client,
        issuer: Issuer,
        options: SignInOptions,
        port: u16,
    ) -> Result<Self, SignInError> {
        let (verifier, state) = (CodeVerifier::random()?, State::random()?);
        let redirect_uri = format!("http://127.0.0.1:{port}{CALLBACK_PATH}");
        let (sender, arrivals) = mpsc::channel(1);
        Ok(Self {
            authorize_url: authorize_url(&issuer, &redirect_uri, &verifier, &state, &options),
            asking: Asking {
                client,
                issuer,
                options,
            },
            redirect_uri,
            port: None,
            verifier,
            paste: PasteBox {
                state,
                arrivals: sender,
            },
            arrivals,
            verdict: watch::Sender::new(None),
            server: None,
        })
    }

    /// The address for the person to open.
    #[must_use]
    pub fn authorize_url(&self) -> &str {
        &self.authorize_url
    }

    /// The port that the browser comes back to; `None` when only a paste counts.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Takes the address that the browser ended at, while [`wait`](Self::wait) runs: whichever
    /// comes first, it or the browser, counts.
    #[must_use]
    pub fn paste_box(&self) -> PasteBox {
        self.paste.clone()
    }

    /// Waits for the person, then redeems the code.
    ///
    /// # Errors
    /// A [`SignInError`]; nothing was signed in then, but perhaps at the issuer alone.
    ///
    /// # Cancellation
    /// Dropping the future cancels the sign-in and frees the port at once. Dropped in the second
    /// in which the code is redeemed, a login that nobody holds stays behind at the issuer; so
    /// whoever may be told to stop uses [`wait_unless`](Self::wait_unless).
    pub async fn wait(self) -> Result<SignedIn, SignInError> {
        self.wait_unless(future::pending()).await
    }

    /// The same, until `cancelled` comes to its end. It counts only while the person is waited for:
    /// a code that is being redeemed is redeemed to the end, within 30 s for each answer of the
    /// issuer.
    ///
    /// `cancelled` is dropped at the moment from which it no longer counts, so that whoever made it
    /// can tell.
    ///
    /// # Errors
    /// [`SignInError::Cancelled`], before anything was sent to the issuer; else as for
    /// [`wait`](Self::wait).
    pub async fn wait_unless(
        self,
        cancelled: impl Future<Output = ()>,
    ) -> Result<SignedIn, SignInError> {
        let flow = Flow {
            asking: self.asking,
            redirect_uri: self.redirect_uri,
            verifier: self.verifier,
            arrivals: self.arrivals,
        };
        let verdict = self.verdict;
        let decide = async {
            let result = flow.run(cancelled).await;
            verdict.send_replace(Some(Page::of(&result)));
            result
        };
        let serve = async {
            if let Some(server) = self.server {
                server.run().await;
            }
        };
        // The browser is told how it ended before the caller is.
        tokio::join!(decide, serve).0
    }
}

/// What is left of a sign-in once everybody who can answer it has been told where.
struct Flow {
    asking: Asking,
    redirect_uri: String,
    verifier: CodeVerifier,
    arrivals: mpsc::Receiver<Arrival>,
}

impl Flow {
    async fn run(mut self, cancelled: impl Future<Output = ()>) -> Result<SignedIn, SignInError> {
        let limit = self.asking.options.time_limit;
        let arrival = tokio::select! {
            arrival = self.arrival(limit) => arrival?,
            () = cancelled => return Err(SignInError::Cancelled),
        };
        let code = match arrival {
            Arrival::Redirect(Redirect::Code(code)) => code,
            Arrival::Redirect(Redirect::Denied(denial)) => return Err(SignInError::Denied(denial)),
            Arrival::Cancelled => return Err(SignInError::Cancelled),
        };
        let grant = Grant {
            code,
            verifier: self.verifier,
            redirect_uri: self.redirect_uri,
        };
        // Outside the time limit: the answer to this is the only copy of the login.
        self.asking.redeem(&grant).await
    }

    async fn arrival(&mut self, limit: Duration) -> Result<Arrival, SignInError> {
        let arrival = timeout(limit, self.arrivals.recv()).await;
        // One answer is enough; whoever pastes another one is told so.
        self.arrivals.close();
        let arrival = arrival.map_err(|_| SignInError::TimedOut { limit })?;
        arrival.ok_or(SignInError::Cancelled)
    }
}

/// Without the address: its state is what proves that an answer is meant for this sign-in.
impl fmt::Debug for BrowserSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrowserSignIn")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
