use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};

use super::{activity::Activity, frames::Frames};
use crate::server::listen::Duplex;

/// A connection that notes what comes and what is taken, and waits so long and no longer for a client to take what
/// goes. It holds its place among the connections until it is dropped, upgraded or not.
pub(super) struct Patient {
    io: Box<dyn Duplex>,
    activity: Activity,
    frames: Frames,
    limit: Duration,
    /// Runs as long as the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Patient {
    pub(super) fn new(
        io: Box<dyn Duplex>,
        activity: Activity,
        limit: Duration,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            io,
            activity,
            frames: Frames::default(),
            limit,
            stalled: None,
            _place: place,
        }
    }

    /// Passes on what became of an attempt to write, unless there were none but failed ones for too
    /// long.
    fn patiently(
        &mut self,
        cx: &mut Context<'_>,
        offered: &[io::IoSlice<'_>],
        tried: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(done) = &tried {
            self.stalled = None;
            if let Ok(taken) = done {
                self.activity.took(self.frames.pass(offered, *taken));
            }
            return tried;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(cx));
        let message = "the client does not take what it is sent";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.activity.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.patiently(cx, &[io::IoSlice::new(bytes)], tried)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.patiently(cx, slices, tried)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
        sync::Semaphore,
        time::Instant,
    };

    use super::*;

    fn patient(io: impl Duplex + 'static, places: &Arc<Semaphore>) -> Patient {
        let place = places.clone().try_acquire_owned().unwrap();
        let limit = Duration::from_secs(5);
        Patient::new(Box::new(io), Activity::new(), limit, place)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (near, far) = duplex(16);
        let places = Arc::new(Semaphore::new(1));
        let mut patient = patient(near, &places);
        let began = Instant::now();
        let error = patient.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 5);
        assert_eq!(places.available_permits(), 0);
        drop((patient, far));
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_slow_is_not() {
        let (near, mut far) = duplex(16);
        let mut patient = patient(near, &Arc::new(Semaphore::new(1)));
        let reading = tokio::spawn(async move {
            for _ in 0..64 {
                tokio::time::sleep(Duration::from_secs(4)).await;
                far.read_u8().await.unwrap();
            }
        });
        patient.write_all(&[0; 64]).await.unwrap();
        reading.await.unwrap();
    }
}
