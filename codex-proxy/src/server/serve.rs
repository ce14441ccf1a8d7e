#[cfg(feature = "control")]
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use codex_profiles::ListenAddress;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Limits,
    connection::Host,
    handle::ServerHandle,
    listen::{Accepted, Listening},
};
#[cfg(feature = "control")]
use crate::control::Control;
use crate::{metrics::Metrics, ws::Connections};

/// How long streams under way may go on after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// Without free file descriptors `accept` fails at once and again; a pause keeps the CPU free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Where one goes and one comes, `accept` fails again at once; that is no recovery.
const ACCEPT_CALM: Duration = Duration::from_secs(1);

/// A server that holds its address.
#[derive(Debug)]
pub struct Bound {
    pub(super) listening: Listening,
    pub(super) router: Router,
    pub(super) limits: Limits,
    pub(super) upgraded: Connections,
    pub(super) handle: ServerHandle,
    pub(super) metrics: Option<Metrics>,
    #[cfg(feature = "control")]
    pub(super) control: Option<Control>,
}

/// To another address, which is held already. The sender hears when connections are taken there.
#[derive(Debug)]
pub(super) struct Move {
    pub(super) to: Listening,
    pub(super) done: oneshot::Sender<()>,
}

impl Bound {
    /// The address, with the port that was chosen if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        self.listening.address()
    }

    /// The IP address and port, if it listens at one.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.address().tcp()
    }

    /// What changes it while it serves.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Serves until `shutdown` is done, then lets the streams under way end, for ten seconds.
    ///
    /// # Cancellation
    /// Dropping the future cuts every connection at once.
    pub async fn serve(mut self, shutdown: impl Future<Output = ()>) {
        let mut door = Door::new(self.limits.connections);
        let mut connections = JoinSet::new();
        let stop = CancellationToken::new();
        let mut host = self.host();
        let mut moves = self.moves();
        let mut here = stop.child_token();
        let _cut = Cut(self.upgraded.clone());
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                (accepted, place) = door.next(&mut self.listening) => {
                    let open = self.metrics.as_ref().map(Metrics::connection);
                    let connection = host.clone().serve(accepted, place, here.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(open);
                    });
                }
                Some(_ended) = connections.join_next() => {}
                Some(Move { to, done }) = moves.recv() => {
                    // Whoever looks for the router must not be led to an address that it has
                    // given up.
                    #[cfg(feature = "control")]
                    if let Some(control) = &self.control {
                        control.move_to(super::url(to.address())).await;
                    }
                    self.listening = to;
                    host = self.host();
                    // Those who came to the old address are served to the end of their answers.
                    std::mem::replace(&mut here, stop.child_token()).cancel();
                    // Whoever asked for it may have left.
                    let _ = done.send(());
                }
                () = &mut shutdown => break,
            }
        }
        drop((self.listening, moves));
        self.upgraded.stop();
        // Streams of events have no end of their own.
        #[cfg(feature = "control")]
        if let Some(control) = &self.control {
            control.stop();
        }
        stop.cancel();
        let ended = async {
            while connections.join_next().await.is_some() {}
            self.upgraded.ended().await;
        };
        if timeout(DRAIN, ended).await.is_err() {
            tracing::warn!("streams under way were cut after {} s", DRAIN.as_secs());
        }
        connections.shutdown().await;
    }

    /// From now on it may be moved. Whoever moves it waits until it has moved.
    fn moves(&self) -> mpsc::Receiver<Move> {
        let (sender, moves) = mpsc::channel(1);
        // Nothing else ever sets it, and this happens once.
        let _ = self.handle.moves.set(sender);
        moves
    }

    fn host(&self) -> Host {
        Host {
            router: self.router.clone(),
            limits: self.limits,
            is_in_network: !self.listening.address().is_local(),
        }
    }
}

/// Lets in as many as there is room for.
struct Door {
    places: Arc<Semaphore>,
    most: usize,
    is_full: bool,
    failed_at: Option<Instant>,
}

impl Door {
    fn new(connections: usize) -> Self {
        let most = connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(most)),
            most,
            is_full: false,
            failed_at: None,
        }
    }

    /// The next who comes, once there is room; until then nobody is taken out of the system's queue.
    ///
    /// # Cancellation
    /// Nobody is lost when the future is dropped.
    async fn next(&mut self, listening: &mut Listening) -> (Accepted, OwnedSemaphorePermit) {
        let place = self.place().await;
        loop {
            match listening.accept().await {
                Ok(accepted) => {
                    self.recovered();
                    return (accepted, place);
                }
                Err(error) => self.failed(&error).await,
            }
        }
    }

    async fn place(&mut self) -> OwnedSemaphorePermit {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            // A door at which one goes and one comes is full all the time, and says so once.
            self.is_full &= self.places.available_permits() < self.most / 2;
            return place;
        }
        if !std::mem::replace(&mut self.is_full, true) {
            tracing::warn!("as many connections are open as may be: new ones wait");
        }
        let place = self.places.clone().acquire_owned().await;
        place.expect("the semaphore is never closed")
    }

    /// Says so once, however long it goes on.
    async fn failed(&mut self, error: &std::io::Error) {
        if self.failed_at.replace(Instant::now()).is_none() {
            tracing::warn!(%error, "connections cannot be accepted; it is tried again and again");
        }
        sleep(ACCEPT_PAUSE).await;
    }

    fn recovered(&mut self) {
        let is_calm = |at: &mut Instant| at.elapsed() >= ACCEPT_CALM;
        if self.failed_at.take_if(is_calm).is_some() {
            tracing::warn!("connections are accepted again");
        }
    }
}

/// An address that stands for all of them is none to connect to.
#[cfg(feature = "control")]
pub(super) fn from_this_machine(address: &ListenAddress) -> ListenAddress {
    let Some(mut tcp) = address.tcp() else {
        return address.clone();
    };
    match tcp.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => tcp.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => tcp.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    tcp.into()
}

/// Cuts the upgraded connections, which run on tasks of their own, when it is dropped.
struct Cut(Connections);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.cut();
    }
}
