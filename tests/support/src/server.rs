//! The accept loop and the map of all paths.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::intake::{CloseConnection, intake};
use crate::shared::Shared;
use crate::{chatgpt, control, issuer, openai};

/// Accepts until it is dropped; dropping it closes every connection.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let router = router(&shared);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                connections.spawn(connection(stream, router.clone()));
            }
            Some(_) = connections.join_next() => {}
            // Out of file descriptors: give others time to close theirs.
            else => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    // Without it, the kernel would hold small events back.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(router.clone(), request));
    let builder = auto::Builder::new(TokioExecutor::new());
    // A client that hangs up is noted where its stream is dropped.
    let _ = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}

async fn answer(router: Router, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let Ok(response) = router.oneshot(request.map(Body::new)).await;
    match response.extensions().get::<CloseConnection>() {
        Some(CloseConnection) => Err(io::ErrorKind::ConnectionAborted.into()),
        None => Ok(response),
    }
}

fn router(shared: &Arc<Shared>) -> Router {
    Router::new()
        .merge(issuer::routes())
        .nest("/backend-api", chatgpt::routes())
        .nest("/v1", openai::routes())
        .nest("/fake", control::routes())
        .fallback(chatgpt::not_found)
        .layer(from_fn_with_state(Arc::clone(shared), intake))
        .with_state(Arc::clone(shared))
}
