use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

/// What of an answer is read, so that its connection can be used again.
const LONGEST_ANSWER_BYTES: usize = 64 << 10;

/// Sends batches over the client that the program has, with its proxies and its certificates.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    timeout: Duration,
    /// Batches are sent by a thread that has no runtime.
    runtime: Handle,
    is_failing: AtomicBool,
}

impl Client {
    /// Within a runtime.
    pub(super) fn new(http: reqwest::Client, timeout: Duration) -> Self {
        Self {
            http,
            timeout,
            runtime: Handle::current(),
            is_failing: AtomicBool::new(false),
        }
    }

    /// Says so once, however long it goes on. The address stays out of it: it may hold a password.
    fn tell(&self, refused: Option<&str>) {
        let was_failing = self.is_failing.swap(refused.is_some(), Ordering::Relaxed);
        match refused {
            Some(reason) if !was_failing => tracing::warn!(
                reason,
                "the collector does not take the traces; what it does not take in time is dropped"
            ),
            None if was_failing => tracing::info!("the collector takes the traces again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = send(self.http.clone(), request, self.timeout);
        let sent = self.runtime.spawn(sent).await;
        let answer = sent.map_err(HttpError::from).flatten();
        match &answer {
            Ok(answer) if answer.status().is_success() => self.tell(None),
            Ok(answer) => self.tell(Some(answer.status().as_str())),
            Err(error) => self.tell(Some(reason(error))),
        }
        answer
    }
}

async fn send(
    http: reqwest::Client,
    request: Request<Bytes>,
    timeout: Duration,
) -> Result<Response<Bytes>, HttpError> {
    let mut request = reqwest::Request::try_from(request).map_err(reqwest::Error::without_url)?;
    *request.timeout_mut() = Some(timeout);
    // They may be what lets this program in.
    for value in request.headers_mut().values_mut() {
        value.set_sensitive(true);
    }
    let answer = http.execute(request).await;
    let mut answer = answer.map_err(reqwest::Error::without_url)?;
    let mut told = Response::new(Bytes::new());
    *told.status_mut() = answer.status();
    *told.headers_mut() = std::mem::take(answer.headers_mut());
    let mut read = 0;
    while let Ok(Some(piece)) = answer.chunk().await {
        read += piece.len();
        if read > LONGEST_ANSWER_BYTES {
            break;
        }
    }
    Ok(told)
}

fn reason(error: &HttpError) -> &'static str {
    match error.downcast_ref::<reqwest::Error>() {
        Some(error) if error.is_timeout() => "it does not answer in time",
        Some(error) if error.is_connect() => "it cannot be reached",
        _ => "it cannot be asked",
    }
}
