use std::time::Duration;

use futures_util::future::{self, Ready};
use http::Request;
use tower::retry::Policy;

use crate::{BoxError, auth::ReplayBody, error::find};

/// How long a connection to the upstream may take to stand.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The longest silence within an answer. *Source:* Codex's own idle limit (wire reference 6.1).
const IDLE_LIMIT: Duration = Duration::from_mins(5);
/// How long an unused connection is kept for the next request.
const KEEP_IDLE: Duration = Duration::from_secs(90);

/// A client with the time limits of a relay of event streams; redirects are passed on, never
/// followed, and nothing is decompressed. Proxies are taken from the environment, as Codex does.
pub fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .read_timeout(IDLE_LIMIT)
        .pool_idle_timeout(KEEP_IDLE)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
}

/// Tries once more when the upstream could not be connected to: nothing was processed, and the
/// login stays the same.
#[derive(Debug, Clone)]
pub struct ConnectRetry {
    tries_left: u8,
}

impl Default for ConnectRetry {
    fn default() -> Self {
        Self { tries_left: 1 }
    }
}

impl<B, R> Policy<Request<ReplayBody<B>>, R, BoxError> for ConnectRetry
where
    B: http_body::Body<Error: Into<BoxError>> + Unpin,
{
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<ReplayBody<B>>,
        result: &mut Result<R, BoxError>,
    ) -> Option<Ready<()>> {
        let error = result.as_ref().err()?;
        let unconnected =
            find::<reqwest::Error>(error.as_ref()).is_some_and(is_quick_connect_error);
        self.tries_left = self.tries_left.checked_sub(1).filter(|_| unconnected)?;
        Some(future::ready(()))
    }

    fn clone_request(
        &mut self,
        request: &Request<ReplayBody<B>>,
    ) -> Option<Request<ReplayBody<B>>> {
        let body = request.body().replay()?;
        let mut copy = Request::new(body);
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        Some(copy)
    }
}

/// A connection that ran into its time limit has made the person wait long enough.
fn is_quick_connect_error(error: &reqwest::Error) -> bool {
    error.is_connect() && !error.is_timeout()
}
