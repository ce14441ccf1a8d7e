use std::io;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};

/// A named pipe. Its name is taken for this process alone, it refuses other machines, and by the
/// security that Windows gives a pipe nobody but this person and administrators may write to it: a
/// request of somebody else never arrives.
#[derive(Debug)]
pub(super) struct Pipe {
    path: String,
    /// Waits for the next client; there is always one, or the name could be taken.
    next: NamedPipeServer,
}

impl Pipe {
    /// # Errors
    /// `PermissionDenied` where another program has the name.
    pub(super) fn bind(name: &str) -> io::Result<Self> {
        let path = format!(r"\\.\pipe\{name}");
        let next = options().first_pipe_instance(true).create(&path)?;
        Ok(Self { path, next })
    }

    pub(super) async fn accept(&mut self) -> io::Result<NamedPipeServer> {
        self.next.connect().await?;
        let next = options().create(&self.path)?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

fn options() -> ServerOptions {
    let mut options = ServerOptions::new();
    options.reject_remote_clients(true);
    options
}
