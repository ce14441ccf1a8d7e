//! Signing in with a code that is entered on another device, in the manner of RFC 8628.
//!
//! *Source:* wire reference 4.4; capture `login-device`.

use std::{fmt, future, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::{
    SignInError, SignInOptions, SignedIn,
    exchange::{Asking, Grant},
    pkce::CodeVerifier,
    poll::{Approval, Interval, Poll},
    redirect::AuthorizationCode,
};
use crate::{Issuer, request};

/// How long the issuer keeps a code.
pub(super) const LIFETIME: Duration = Duration::from_mins(15);
/// Added once for each poll that had no proper answer.
const TROUBLE: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A sign-in that waits for a person to enter a code. Dropping it cancels it.
#[derive(Debug)]
pub struct DeviceSignIn {
    asking: Asking,
    device: Device,
}

/// What the issuer gave out; `Debug` would show the code, which is a secret while it lives.
#[derive(Deserialize)]
struct Device {
    #[serde(rename = "device_auth_id")]
    id: String,
    #[serde(alias = "usercode")]
    user_code: String,
    #[serde(default)]
    interval: Interval,
}

impl DeviceSignIn {
    /// Asks the issuer for a code to show.
    ///
    /// # Errors
    /// [`SignInError::DeviceCodesDisabled`]: sign in with a browser instead. Else that the issuer
    /// could not be reached or understood.
    pub async fn start(
        client: reqwest::Client,
        issuer: Issuer,
        options: SignInOptions,
    ) -> Result<Self, SignInError> {
        let url = issuer.device_code_url();
        let client_id = issuer.origin().client_id;
        let asked = post(
            &client,
            &url,
            &UserCodeRequest {
                client_id: &client_id,
            },
        )
        .await;
        let (status, body) = asked?;
        match status {
            200 => {}
            404 => return Err(SignInError::DeviceCodesDisabled),
            status => return Err(SignInError::of_answer(status, &body)),
        }
        let device = serde_json::from_slice(&body).map_err(|_| SignInError::UnreadableAnswer)?;
        let asking = Asking {
            client,
            issuer,
            options,
        };
        Ok(Self { asking, device })
    }

    /// The code for the person to enter. Whoever enters it signs this program in.
    #[must_use]
    pub fn user_code(&self) -> &str {
        &self.device.user_code
    }

    /// The page on which it is entered.
    #[must_use]
    pub fn verification_url(&self) -> String {
        self.asking.issuer.device_page_url()
    }

    /// How long the code is good for: 15 minutes, or less if the options say so.
    #[must_use]
    pub fn time_limit(&self) -> Duration {
        self.asking.options.time_limit.min(LIFETIME)
    }

    /// Polls until the code was entered, then redeems what the issuer gives for it. A network that
    /// fails meanwhile is waited out.
    ///
    /// # Errors
    /// A [`SignInError`]; nothing was signed in then, but perhaps at the issuer alone.
    ///
    /// # Cancellation
    /// Dropping the future cancels the sign-in. Dropped in the second in which the code is redeemed,
    /// a login that nobody holds stays behind; see [`wait_unless`](Self::wait_unless).
    pub async fn wait(self) -> Result<SignedIn, SignInError> {
        self.wait_unless(future::pending()).await
    }

    /// The same, until `cancelled` comes to its end. It counts only while the person is waited for:
    /// what the issuer has granted is redeemed to the end.
    ///
    /// `cancelled` is dropped at the moment from which it no longer counts, so that whoever made it
    /// can tell.
    ///
    /// # Errors
    /// [`SignInError::Cancelled`]; else as for [`wait`](Self::wait).
    pub async fn wait_unless(
        self,
        cancelled: impl Future<Output = ()>,
    ) -> Result<SignedIn, SignInError> {
        let limit = self.time_limit();
        let approval = tokio::select! {
            approval = timeout(limit, self.approval()) => approval,
            () = cancelled => return Err(SignInError::Cancelled),
        };
        let approval = approval.map_err(|_| SignInError::TimedOut { limit })??;
        let grant = Grant {
            code: AuthorizationCode::new(approval.authorization_code.into_text()),
            // The issuer made the pair; the code is bound to it all the same.
            verifier: CodeVerifier::new(approval.code_verifier.into_text()),
            redirect_uri: self.asking.issuer.device_redirect_uri(),
        };
        self.asking.redeem(&grant).await
    }

    async fn approval(&self) -> Result<Approval, SignInError> {
        let mut interval = self.device.interval;
        loop {
            match self.poll().await {
                Poll::Granted(approval) => return Ok(approval),
                Poll::Ended(error) => return Err(error),
                Poll::Pending => {}
                Poll::SlowDown => interval = interval.slower(),
                Poll::Trouble => sleep(TROUBLE).await,
            }
            sleep(interval.duration()).await;
        }
    }

    async fn poll(&self) -> Poll {
        let body = PollRequest {
            device_auth_id: &self.device.id,
            user_code: &self.device.user_code,
        };
        let url = self.asking.issuer.device_token_url();
        match post(&self.asking.client, &url, &body).await {
            Ok((status, body)) => Poll::of_answer(status, &body),
            // The code stays good: a laptop that slept, or a network that changed.
            Err(_) => Poll::Trouble,
        }
    }
}

#[derive(Serialize)]
struct UserCodeRequest<'a> {
    client_id: &'a str,
}

#[derive(Serialize)]
struct PollRequest<'a> {
    device_auth_id: &'a str,
    user_code: &'a str,
}

async fn post(
    client: &reqwest::Client,
    url: &str,
    body: &impl Serialize,
) -> Result<(u16, Vec<u8>), SignInError> {
    let request = request::post(client, url, ANSWER_LIMIT).json(body);
    let answer = request.send().await.map_err(SignInError::of_sending)?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(SignInError::of_reading)?;
    Ok((status, body.to_vec()))
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
