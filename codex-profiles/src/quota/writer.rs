//! When the file is written: soon after a change, once for many.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::memory::lock;

/// How long a write may wait for others to come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pause {
    /// Something is different.
    Short,
    /// The same was read again.
    Long,
}

/// One write at a time is due, or none. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Writer {
    plan: Arc<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    due: Mutex<Option<Instant>>,
    sooner: Notify,
}

impl Writer {
    /// Does `write` after the pause, unless one is due by then anyway. Outside of a runtime nothing
    /// is planned.
    pub(super) fn after(&self, pause: Pause, write: impl Future<Output = ()> + Send + 'static) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let wanted = Instant::now() + pause.length();
        let mut due = lock(&self.plan.due);
        match *due {
            Some(planned) if planned <= wanted => {}
            Some(_) => {
                *due = Some(wanted);
                self.plan.sooner.notify_one();
            }
            None => {
                *due = Some(wanted);
                let plan = self.plan.clone();
                runtime.spawn(async move {
                    plan.come().await;
                    write.await;
                });
            }
        }
    }
}

impl Plan {
    /// Waits until the write is due, and leaves room for the next one.
    async fn come(&self) {
        loop {
            let Some(due) = *lock(&self.due) else { return };
            tokio::select! {
                () = sleep_until(due) => break,
                () = self.sooner.notified() => {}
            }
        }
        *lock(&self.due) = None;
    }
}

impl Pause {
    fn length(self) -> Duration {
        match self {
            Self::Short => Duration::from_millis(500),
            Self::Long => Duration::from_mins(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_changes_are_one_write_and_a_real_one_is_soon() {
        let (writer, written) = (Writer::default(), Arc::new(AtomicUsize::new(0)));
        let after = |pause| {
            let written = written.clone();
            writer.after(pause, async move {
                written.fetch_add(1, Ordering::Relaxed);
            });
        };
        let begun = Instant::now();
        after(Pause::Long);
        tokio::task::yield_now().await;
        after(Pause::Short);
        after(Pause::Short);
        after(Pause::Long);
        while written.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(written.load(Ordering::Relaxed), 1);
        after(Pause::Long);
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(written.load(Ordering::Relaxed), 2);
    }
}
