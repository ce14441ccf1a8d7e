use std::time::Duration;

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// Enough for logins, locks, logs and listeners.
const DESCRIPTORS_FOR_FILES: u64 = 64;
/// With fewer it would hardly be a server; it rather runs out of descriptors, and waits.
const LEAST_CONNECTIONS: usize = 16;
/// The part of all memory, of which there is a little more for everything else.
const SHARE_OF_BODIES: u64 = 8;
/// A usual request.
const LEAST_BODIES_BYTES: usize = 4 << 20;

/// How much a client may ask of a server, and how long it may take. All of it in one place; change
/// what does not fit, and give it to [`ServerBuilder::limits`](super::ServerBuilder::limits).
///
/// Those of connections hold where the server accepts them itself, not for
/// [`Server::into_router`](super::Server::into_router).
///
/// ```
/// use std::time::Duration;
/// use codex_proxy::server::Limits;
///
/// let mut limits = Limits::default();
/// limits.connections = 64;
/// limits.idle = Duration::from_secs(10);
/// assert_eq!(limits.header_bytes, 64 << 10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The size of a request's body, before and after decompression; a larger one is answered 413.
    /// Default: 64 MiB, for histories with images.
    pub body_bytes: usize,
    /// How much of large bodies of requests is held at once, of all clients together; see
    /// [`body_budget`](crate::body_budget). Default: 256 MiB.
    pub bodies_bytes: usize,
    /// How long the upstream may take to the head of its answer. Default: 120 s.
    pub upstream_head: Duration,
    /// The size of a request's head, from its first line to its last header, 8 KiB at least; a
    /// larger one is answered 431. Default: 64 KiB, ten times what Codex sends.
    pub header_bytes: usize,
    /// How many headers a request may have over HTTP/1.1; more are answered 431. Default: 100, up
    /// to which they need no memory of their own.
    pub headers: usize,
    /// How many connections are open at once. Further ones wait in the system's queue, which the
    /// system bounds. Default: 4,096.
    pub connections: usize,
    /// How long a client may take over the head of a request, from the moment it connects or sends
    /// the first byte; within twice this time it is cut. Default: 30 s.
    pub head: Duration,
    /// How long a client may pause within the body of a request, after which it is answered 408.
    /// Default: 60 s.
    pub body_pause: Duration,
    /// How long a client may not take what it is sent, after which it is cut, and the upstream
    /// with it. Default: 120 s.
    pub stall: Duration,
    /// How long a connection may stay open without a request. Default: 100 s, a little longer than
    /// the 90 s for which usual clients keep one, so that they close it first.
    pub idle: Duration,
    /// How many requests are under way at once on one connection of HTTP/2. Default: 128.
    pub streams: u32,
}

impl Limits {
    /// With no more connections than a process with so many file descriptors can serve: each may
    /// need another one to the upstream, and some are needed for files.
    #[must_use]
    pub fn within_descriptors(self, descriptors: u64) -> Self {
        let places = descriptors.saturating_sub(DESCRIPTORS_FOR_FILES) / 2;
        let places = usize::try_from(places).unwrap_or(usize::MAX);
        Self {
            connections: self.connections.min(places.max(LEAST_CONNECTIONS)),
            ..self
        }
    }

    /// With no more of the bodies of requests than fit into what the control group of this process
    /// may take, where it is in one. Reads some files of the system.
    #[must_use]
    pub fn within_control_group(self) -> Self {
        match memory_of_control_group() {
            Some(bytes) => self.within_memory(bytes),
            None => self,
        }
    }

    /// With no more of the bodies of requests than a process with so much memory can hold. To be
    /// translated, a body takes up to five times its size.
    #[must_use]
    pub fn within_memory(self, bytes: u64) -> Self {
        let share = usize::try_from(bytes / SHARE_OF_BODIES).unwrap_or(usize::MAX);
        let share = share.max(LEAST_BODIES_BYTES);
        Self {
            body_bytes: self.body_bytes.min(share),
            bodies_bytes: self.bodies_bytes.min(share),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            bodies_bytes: 256 << 20,
            upstream_head: Duration::from_mins(2),
            header_bytes: 64 << 10,
            headers: 100,
            connections: 4096,
            head: Duration::from_secs(30),
            body_pause: Duration::from_mins(1),
            stall: Duration::from_mins(2),
            idle: Duration::from_secs(100),
            streams: 128,
        }
    }
}

fn memory_of_control_group() -> Option<u64> {
    let this = sysinfo::get_current_pid().ok()?;
    let mut system = System::new().ok()?;
    let nothing = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[this]), false, nothing);
    Some(system.process(this)?.cgroup_limits()?.total_memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_all_else() {
        let connections = |descriptors| {
            Limits::default()
                .within_descriptors(descriptors)
                .connections
        };
        assert_eq!(connections(256), 96);
        assert_eq!(connections(1024), 480);
        assert_eq!(connections(10), 16);
        assert_eq!(connections(u64::MAX), 4096);
    }

    #[test]
    fn bodies_leave_memory_for_what_is_made_of_them() {
        let within = |mebibytes: u64| {
            let limits = Limits::default().within_memory(mebibytes << 20);
            (limits.body_bytes >> 20, limits.bodies_bytes >> 20)
        };
        assert_eq!(within(16), (4, 4));
        assert_eq!(within(256), (32, 32));
        assert_eq!(within(1024), (64, 128));
        assert_eq!(within(64 << 10), (64, 256));
    }
}
