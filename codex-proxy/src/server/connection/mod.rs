//! One connection, from its first byte to its last.

mod activity;
mod body;
mod frames;
mod patient;

use std::{convert::Infallible, pin::pin};

use axum::{Router, body::Body};
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use self::{
    activity::{Activity, Overdue},
    body::Served,
    patient::Patient,
};
use super::{Limits, listen::Accepted};
#[cfg(feature = "control")]
use crate::control::FromElsewhere;
use crate::gate::FromNetwork;

/// The least that hyper takes for the size of a buffer.
const LEAST_BUFFER_BYTES: usize = 8 << 10;

/// What all connections have in common.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) router: Router,
    pub(super) limits: Limits,
    /// Whether other machines can connect, so that a key is needed even if none has been made.
    pub(super) is_in_network: bool,
}

impl Host {
    /// Serves one connection until it ends, or until `stop`, after which it ends with the answers
    /// that are under way.
    pub(super) async fn serve(
        self,
        accepted: Accepted,
        place: OwnedSemaphorePermit,
        stop: CancellationToken,
    ) {
        let activity = Activity::new();
        let io = Patient::new(accepted.stream, activity.clone(), self.limits.stall, place);
        let limits = self.limits;
        let builder = builder(&limits);
        let is_from_here = accepted.is_from_here;
        let service = service_fn(|request| self.answer(request, &activity, is_from_here));
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(io), service);
        let mut connection = pin!(connection);
        let mut is_ending = false;
        loop {
            tokio::select! {
                // what it was told goes out before it is cut
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
                () = stop.cancelled(), if !is_ending => {
                    is_ending = true;
                    activity.ending();
                    connection.as_mut().graceful_shutdown();
                }
                overdue = activity.overdue(&limits) => {
                    // An idle client may be told; the others would not hear it.
                    if is_ending || overdue != Overdue::Idle {
                        tracing::debug!(?overdue, "a connection was cut");
                        return;
                    }
                    is_ending = true;
                    activity.ending();
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    fn answer(
        &self,
        request: Request<Incoming>,
        activity: &Activity,
        is_from_here: bool,
    ) -> impl Future<Output = Result<Response<Served<Body>>, Infallible>> + use<> {
        let serving = activity.begin(request.version());
        let request = self.marked(request, is_from_here);
        let answer = self.router.clone().oneshot(request.map(Body::new));
        async move {
            let answer = answer.await?;
            Ok(answer.map(|body| Served::new(body, serving)))
        }
    }

    /// Says where it came from, for the layers that ask.
    fn marked<B>(&self, mut request: Request<B>, is_from_here: bool) -> Request<B> {
        if self.is_in_network {
            request.extensions_mut().insert(FromNetwork);
        }
        #[cfg(feature = "control")]
        if !is_from_here {
            request.extensions_mut().insert(FromElsewhere);
        }
        #[cfg(not(feature = "control"))]
        let _ = is_from_here;
        request
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let header_bytes = limits.header_bytes.max(LEAST_BUFFER_BYTES);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1
        .timer(TokioTimer::new())
        // `Activity` sees the time between connecting and the first byte too, and HTTP/2
        .header_read_timeout(None)
        .max_buf_size(header_bytes);
    if limits.headers != Limits::default().headers {
        // Any number that is set costs an allocation for each request.
        http1.max_headers(limits.headers);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams);
    builder
}

#[cfg(test)]
mod tests;
