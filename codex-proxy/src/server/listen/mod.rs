//! Where connections come from: TCP, a Unix socket, a named pipe, or a socket that a service manager
//! has opened.

mod activated;
#[cfg(windows)]
mod pipe;
#[cfg(unix)]
mod unix;

use std::{io, net::SocketAddr};

use codex_profiles::ListenAddress;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

pub use activated::Activated;

/// An address that is held, and those who connect to it.
#[derive(Debug)]
pub(super) struct Listening {
    listener: Listener,
    address: ListenAddress,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(unix::Socket),
    #[cfg(windows)]
    Pipe(pipe::Pipe),
}

/// The two directions of a connection, whatever they run over.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Somebody has connected.
pub(super) struct Accepted {
    pub(super) stream: Box<dyn Duplex>,
    /// Whether it is a program on this machine, as far as the connection tells.
    pub(super) is_from_here: bool,
}

impl Listening {
    /// Takes the address for this process.
    pub(super) async fn bind(address: &ListenAddress) -> io::Result<Self> {
        let listener = match address {
            ListenAddress::Tcp(address) => {
                return Self::of_tcp(TcpListener::bind(address).await?);
            }
            #[cfg(unix)]
            ListenAddress::Unix(path) => Listener::Unix(unix::Socket::bind(path.clone()).await?),
            #[cfg(windows)]
            ListenAddress::Pipe(name) => Listener::Pipe(pipe::Pipe::bind(name)?),
            _ => return Err(unsupported()),
        };
        Ok(Self {
            listener,
            address: address.clone(),
        })
    }

    fn of_tcp(listener: TcpListener) -> io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?.into(),
            listener: Listener::Tcp(listener),
        })
    }

    /// The address, with the port that was chosen if 0 was asked for.
    pub(super) fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Waits for somebody to connect.
    ///
    /// # Cancellation
    /// Nobody is lost when the future is dropped.
    pub(super) async fn accept(&mut self) -> io::Result<Accepted> {
        match &mut self.listener {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(of_tcp(stream, peer))
            }
            #[cfg(unix)]
            Listener::Unix(socket) => Ok(from_here(socket.accept().await?)),
            #[cfg(windows)]
            Listener::Pipe(pipe) => Ok(from_here(pipe.accept().await?)),
        }
    }
}

fn of_tcp(stream: TcpStream, peer: SocketAddr) -> Accepted {
    // Nagle's algorithm with delayed acknowledgements costs 40 ms at the first token.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    Accepted {
        stream: Box::new(stream),
        is_from_here: peer.ip().to_canonical().is_loopback(),
    }
}

/// Neither a Unix socket nor a pipe that refuses remote clients is reached from elsewhere.
#[cfg(any(unix, windows))]
fn from_here(stream: impl Duplex + 'static) -> Accepted {
    Accepted {
        stream: Box::new(stream),
        is_from_here: true,
    }
}

fn unsupported() -> io::Error {
    let message = "this system has no such addresses";
    io::Error::new(io::ErrorKind::Unsupported, message)
}
