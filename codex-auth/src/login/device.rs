//! Signing in with a code that is entered on another device, in the manner of RFC 8628.
//!
//! *Source:* wire reference 4.4; capture `login-device`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::{
    SignInError, SignInOptions, SignedIn,
    error::Denial,
    exchange::{Asking, Grant},
    pkce::CodeVerifier,
    redirect::AuthorizationCode,
};
use crate::{Issuer, refresh::code_of, request};

/// How long the issuer keeps a code.
const LIFETIME: Duration = Duration::from_mins(15);
/// Between two polls, where the issuer says nothing else (RFC 8628, section 3.2).
const USUAL_INTERVAL: Duration = Duration::from_secs(5);
/// What the issuer may ask for.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_mins(1);
/// Added each time we are told to slow down (RFC 8628, section 3.5).
const SLOWER: Duration = Duration::from_secs(5);
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

/// Seconds, as a text or a number.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(from = "serde_json::Value")]
struct Interval(Duration);

/// What one poll says.
#[derive(Debug)]
enum Poll {
    Granted(Approval),
    Pending,
    SlowDown,
    Ended(SignInError),
}

#[derive(Debug, Deserialize)]
struct Approval {
    authorization_code: CodeText,
    code_verifier: CodeText,
}

/// A text that cannot print.
#[derive(Deserialize)]
#[serde(transparent)]
struct CodeText(String);

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
    /// Dropping the future cancels the sign-in.
    pub async fn wait(self) -> Result<SignedIn, SignInError> {
        let limit = self.time_limit();
        let approval = timeout(limit, self.approval()).await;
        let approval = approval.map_err(|_| SignInError::TimedOut { limit })??;
        let grant = Grant {
            code: AuthorizationCode::new(approval.authorization_code.0),
            // The issuer made the pair; the code is bound to it all the same.
            verifier: CodeVerifier::new(approval.code_verifier.0),
            redirect_uri: self.asking.issuer.device_redirect_uri(),
        };
        self.asking.redeem(&grant).await
    }

    async fn approval(&self) -> Result<Approval, SignInError> {
        let mut interval = self.device.interval.0;
        loop {
            match self.poll().await {
                Poll::Granted(approval) => return Ok(approval),
                Poll::Ended(error) => return Err(error),
                Poll::Pending => {}
                Poll::SlowDown => interval = (interval + SLOWER).min(LONGEST_INTERVAL),
            }
            sleep(interval).await;
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
            Err(_) => Poll::SlowDown,
        }
    }
}

impl Poll {
    fn of_answer(status: u16, body: &[u8]) -> Self {
        let code = code_of(body).unwrap_or_default();
        match (status, code.as_str()) {
            (200, _) => match serde_json::from_slice(body) {
                Ok(approval) => Self::Granted(approval),
                Err(_) => Self::Ended(SignInError::UnreadableAnswer),
            },
            (_, "slow_down") | (429 | 500.., _) => Self::SlowDown,
            (_, "access_denied") => Self::Ended(SignInError::Denied(Denial::AccessDenied)),
            (_, "expired_token") => Self::Ended(SignInError::TimedOut { limit: LIFETIME }),
            (403 | 404, _) | (_, "authorization_pending") => Self::Pending,
            (status, _) => Self::Ended(SignInError::of_answer(status, body)),
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

impl Default for Interval {
    fn default() -> Self {
        Self(USUAL_INTERVAL)
    }
}

impl From<serde_json::Value> for Interval {
    fn from(value: serde_json::Value) -> Self {
        let seconds = match &value {
            serde_json::Value::String(text) => text.trim().parse().ok(),
            value => value.as_f64(),
        };
        let interval = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let interval = interval.unwrap_or(USUAL_INTERVAL);
        Self(interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL))
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for CodeText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn interval(value: &serde_json::Value) -> u64 {
        let device = json!({"device_auth_id": "d", "user_code": "u", "interval": value});
        let device: Device = serde_json::from_value(device).unwrap();
        device.interval.0.as_secs()
    }

    #[test]
    fn the_interval_may_be_a_text_or_a_number_and_stays_in_bounds() {
        for (value, seconds) in [
            (json!("7"), 7),
            (json!(" 7 "), 7),
            (json!(7), 7),
            (json!(7.9), 7),
            (json!("0"), 1),
            (json!(-3), 5),
            (json!(1e300), 5),
            (json!("soon"), 5),
            (json!(null), 5),
            (json!(9000), 60),
        ] {
            assert_eq!(interval(&value), seconds, "{value}");
        }
        let device: Device =
            serde_json::from_value(json!({"device_auth_id": "d", "usercode": "u"})).unwrap();
        assert_eq!(
            (device.interval.0, device.user_code.as_str()),
            (USUAL_INTERVAL, "u")
        );
    }

    #[test]
    fn each_answer_to_a_poll_is_told_apart() {
        let kind = |status, body: &str| match Poll::of_answer(status, body.as_bytes()) {
            Poll::Granted(_) => "granted",
            Poll::Pending => "pending",
            Poll::SlowDown => "slower",
            Poll::Ended(_) => "ended",
        };
        let granted = r#"{"authorization_code":"c","code_verifier":"v","code_challenge":"x"}"#;
        for (status, body, expected) in [
            (200, granted, "granted"),
            (200, "{}", "ended"),
            (403, "<html>", "pending"),
            (404, "", "pending"),
            (400, r#"{"error":"authorization_pending"}"#, "pending"),
            (400, r#"{"error":"slow_down"}"#, "slower"),
            (403, r#"{"error":{"code":"slow_down"}}"#, "slower"),
            (429, "", "slower"),
            (502, "<html>", "slower"),
            (403, r#"{"error":"access_denied"}"#, "ended"),
            (400, r#"{"error":"expired_token"}"#, "ended"),
            (401, "", "ended"),
        ] {
            assert_eq!(kind(status, body), expected, "{status} {body}");
        }
    }
}
