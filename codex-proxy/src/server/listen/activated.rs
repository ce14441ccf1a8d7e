use std::io;

#[cfg(unix)]
use std::os::unix::net::UnixListener;

#[cfg(unix)]
use codex_profiles::ListenAddress;

use super::Listening;
#[cfg(unix)]
use super::{Listener, unix};

/// A socket that a service manager opened, and handed over to this process when somebody connected
/// to it (`LISTEN_FDS`, as `sd_listen_fds(3)` says): a TCP one, or a Unix one.
#[derive(Debug)]
pub struct Activated {
    #[cfg(unix)]
    socket: Handed,
    #[cfg(not(unix))]
    never: std::convert::Infallible,
}

#[cfg(unix)]
#[derive(Debug)]
enum Handed {
    Tcp(std::net::TcpListener),
    Unix(UnixListener),
}

impl Activated {
    /// What was handed over, which can be asked once. Call it while the process has one thread: it
    /// takes the variables out of the environment, so that no child believes that they are its own.
    ///
    /// # Errors
    /// `InvalidInput`: it is no listening stream socket, or there are several of them.
    #[cfg(unix)]
    pub fn from_env() -> io::Result<Option<Self>> {
        let addressed = std::env::var_os("LISTEN_PID").is_some_and(|pid| !pid.is_empty());
        // Without the number of a process it may be meant for another one.
        if !addressed {
            return Ok(None);
        }
        let mut handed = listenfd::ListenFd::from_env();
        if handed.len() > 1 {
            let message = "several sockets were handed over, and one is served";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if handed.len() == 0 {
            return Ok(None);
        }
        let socket = match handed.take_unix_listener(0) {
            Ok(socket) => socket.map(Handed::Unix),
            Err(_) => handed.take_tcp_listener(0)?.map(Handed::Tcp),
        };
        Ok(socket.map(|socket| Self { socket }))
    }

    /// Nothing: sockets are not handed over here.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub fn from_env() -> io::Result<Option<Self>> {
        Ok(None)
    }
}

impl Listening {
    /// Serves on a socket of somebody else, which stays when this process ends.
    #[cfg(unix)]
    pub(in crate::server) fn adopt(activated: Activated) -> io::Result<Self> {
        match activated.socket {
            Handed::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Self::of_tcp(tokio::net::TcpListener::from_std(listener)?)
            }
            Handed::Unix(listener) => {
                let path = listener.local_addr()?.as_pathname().map(ToOwned::to_owned);
                let socket = unix::Socket::adopt(listener)?;
                Ok(Self {
                    listener: Listener::Unix(socket),
                    address: ListenAddress::Unix(path.unwrap_or_default()),
                })
            }
        }
    }

    #[cfg(not(unix))]
    pub(in crate::server) fn adopt(activated: Activated) -> io::Result<Self> {
        match activated.never {}
    }
}
