#[cfg(feature = "control")]
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, body::Body};
use futures_util::future::join;
use http::Request;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceExt as _;

#[cfg(feature = "control")]
use crate::control::{Control, FromElsewhere};
use crate::{metrics::Metrics, ws::Connections};

/// How long streams under way may go on after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a client may take over the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// Without free file descriptors `accept` fails at once and again; a pause keeps the CPU free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that holds its address.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    upgraded: Connections,
    metrics: Option<Metrics>,
    #[cfg(feature = "control")]
    control: Option<Control>,
}

impl Bound {
    pub(super) fn new(
        listener: TcpListener,
        router: Router,
        upgraded: Connections,
    ) -> io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            router,
            upgraded,
            metrics: None,
            #[cfg(feature = "control")]
            control: None,
        })
    }

    /// Counts open connections there.
    pub(super) fn with_metrics(self, metrics: Option<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// Tells it where it is served, and later that it is no longer.
    #[cfg(feature = "control")]
    pub(super) fn with_control(self, control: Option<Control>) -> Self {
        if let Some(control) = &control {
            control.set_address(format!("http://{}", from_this_machine(self.address)));
        }
        Self { control, ..self }
    }

    /// The address, with the port that was chosen if 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is done, then lets the streams under way end, for ten seconds.
    ///
    /// # Cancellation
    /// Dropping the future cuts every connection at once.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let _cut = Cut(self.upgraded.clone());
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let open = self.metrics.as_ref().map(Metrics::connection);
                        let connection = connection(stream, &self.router, &graceful);
                        connections.spawn(async move {
                            connection.await;
                            drop(open);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_ended) = connections.join_next() => {}
                () = &mut shutdown => break,
            }
        }
        drop(self.listener);
        self.upgraded.stop();
        // Streams of events have no end of their own.
        #[cfg(feature = "control")]
        if let Some(control) = &self.control {
            control.stop();
        }
        let ended = join(graceful.shutdown(), self.upgraded.ended());
        if timeout(DRAIN, ended).await.is_err() {
            tracing::warn!("streams under way were cut after {} s", DRAIN.as_secs());
        }
        connections.shutdown().await;
    }
}

#[cfg(feature = "control")]
fn is_from_here(stream: &TcpStream) -> bool {
    let peer = stream.peer_addr();
    peer.is_ok_and(|peer| peer.ip().to_canonical().is_loopback())
}

#[cfg(feature = "control")]
fn marked<B>(mut request: Request<B>, is_from_here: bool) -> Request<B> {
    if !is_from_here {
        request.extensions_mut().insert(FromElsewhere);
    }
    request
}

/// An address that stands for all of them is none to connect to.
#[cfg(feature = "control")]
fn from_this_machine(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// Cuts the upgraded connections, which run on tasks of their own, when it is dropped.
struct Cut(Connections);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// One connection from its first byte to its last.
fn connection(
    stream: TcpStream,
    router: &Router,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + 'static {
    // Nagle's algorithm with delayed acknowledgements costs 40 ms at the first token.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    #[cfg(feature = "control")]
    let is_from_here = is_from_here(&stream);
    let service = router.clone().map_request(move |request: Request<_>| {
        #[cfg(feature = "control")]
        let request = marked(request, is_from_here);
        request.map(Body::new)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT);
    builder.http2().timer(TokioTimer::new());
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    let connection = graceful.watch(connection);
    async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
