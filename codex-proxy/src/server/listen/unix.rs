use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use codex_profiles::fs::{
    atomic,
    lock::{FileLock, LockError},
};
use tokio::{
    net::{UnixListener, UnixStream},
    task::spawn_blocking,
};

/// Whoever holds the lock holds it for as long as it serves.
const LOCK_LIMIT: Duration = Duration::from_millis(100);

/// A Unix socket of this person alone: its file is 0600 from the first moment on, and programs of
/// other users are not served even where something lets them connect.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    /// Whose programs are served.
    owner: u32,
    /// The file, if this process has made it.
    _file: Option<SocketFile>,
}

impl Socket {
    /// Makes the socket, in the place of one that a process left which is no more.
    ///
    /// # Errors
    /// `AddrInUse` where somebody serves, or something else lies there; else what the system says.
    pub(super) async fn bind(path: PathBuf) -> io::Result<Self> {
        let making = spawn_blocking(move || SocketFile::make(path)).await;
        let (listener, file) = making.map_err(io::Error::other)??;
        Self::of(listener, Some(file))
    }

    /// One that was made by somebody else, who removes it too.
    pub(super) fn adopt(listener: net::UnixListener) -> io::Result<Self> {
        Self::of(listener, None)
    }

    fn of(listener: net::UnixListener, file: Option<SocketFile>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener: UnixListener::from_std(listener)?,
            owner: rustix::process::geteuid().as_raw(),
            _file: file,
        })
    }

    /// The next program of this person that connects.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = stream.peer_cred().map(|peer| peer.uid());
            match peer {
                Ok(uid) if uid == self.owner => return Ok(stream),
                Ok(uid) => tracing::warn!(uid, "a program of another user was turned away"),
                // It has left already.
                Err(error) => tracing::debug!(%error, "nobody knows whose program connected"),
            }
        }
    }
}

/// The file of a socket, removed when it is dropped, unless somebody else's lies there by then.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// Held as long as the socket is served: a socket without it is nobody's.
    _lock: FileLock,
}

impl SocketFile {
    /// Blocks.
    fn make(path: PathBuf) -> io::Result<(net::UnixListener, Self)> {
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        atomic::create_folder(&folder)?;
        let lock = FileLock::acquire(&lock_of(&path), 0o600, LOCK_LIMIT).map_err(not_locked)?;
        make_room(&path)?;
        // No mode can be given to a socket that is made, so it is made where nobody else looks.
        let mut private = tempfile::Builder::new();
        let private = private.prefix(".").rand_bytes(6);
        let private = private.permissions(Permissions::from_mode(0o700));
        let private = private.tempdir_in(folder)?;
        let made = private.path().join("s");
        let listener = net::UnixListener::bind(&made)?;
        fs::set_permissions(&made, Permissions::from_mode(0o600))?;
        let identity = identity(&made)?;
        put(&made, &path)?;
        let file = Self {
            path,
            identity,
            _lock: lock,
        };
        Ok((listener, file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // What stays is replaced by whoever serves there next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn lock_of(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Nothing but a socket at which nobody answers is ever replaced.
fn make_room(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        return Err(taken("something lies there that is no socket"));
    }
    match net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(taken("another program serves there")),
        Err(error) => Err(error),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a socket does not outlive its process, so there is nothing to sync"
)]
fn put(made: &Path, path: &Path) -> io::Result<()> {
    fs::rename(made, path)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn not_locked(error: LockError) -> io::Error {
    match error {
        LockError::Io { source, .. } => source,
        _ => taken("another router serves there"),
    }
}

fn taken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/router.sock");
        (folder, path)
    }

    #[tokio::test]
    async fn the_socket_is_its_owners_alone_and_gone_at_the_end() {
        let (_folder, path) = place();
        let socket = Socket::bind(path.clone()).await.unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let folder = fs::metadata(path.parent().unwrap()).unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
        let beside = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 2, "the socket and its lock");
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_a_dead_router_left_is_replaced_and_a_live_one_is_not() {
        let (_folder, path) = place();
        fs::create_dir(path.parent().unwrap()).unwrap();
        drop(net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = Socket::bind(path.clone()).await.unwrap();
        let second = Socket::bind(path.clone()).await.unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        assert!(net::UnixStream::connect(&path).is_ok());
        drop(socket);
    }

    #[tokio::test]
    async fn another_programs_socket_or_file_is_never_replaced() {
        let (_folder, path) = place();
        fs::create_dir(path.parent().unwrap()).unwrap();
        let theirs = net::UnixListener::bind(&path).unwrap();
        let refused = Socket::bind(path.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(theirs);
        fs::remove_file(&path).unwrap();
        atomic::write(&path, b"precious").unwrap();
        let refused = Socket::bind(path.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn a_socket_that_somebody_put_in_its_place_stays() {
        let (_folder, path) = place();
        let socket = Socket::bind(path.clone()).await.unwrap();
        fs::remove_file(&path).unwrap();
        let theirs = net::UnixListener::bind(&path).unwrap();
        drop(socket);
        assert!(path.exists());
        drop(theirs);
    }

    #[tokio::test]
    async fn a_program_of_another_user_is_turned_away() {
        let (_folder, path) = place();
        let mut socket = Socket::bind(path.clone()).await.unwrap();
        let own = socket.owner;
        socket.owner = own + 1;
        let stranger = net::UnixStream::connect(&path).unwrap();
        let accepting = tokio::time::timeout(Duration::from_millis(50), socket.accept());
        assert!(accepting.await.is_err(), "nobody is let in");
        let closed = std::io::Read::read(&mut &stranger, &mut [0]).unwrap();
        assert_eq!(closed, 0);
        socket.owner = own;
        let _friend = net::UnixStream::connect(&path).unwrap();
        assert!(socket.accept().await.is_ok());
    }
}
