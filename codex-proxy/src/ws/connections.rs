use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The open WebSocket connections of a server, which outlive the calls that made them.
///
/// Clones are handles to the same ones.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    tasks: TaskTracker,
    stopping: CancellationToken,
    cut: CancellationToken,
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    #[must_use]
    pub fn open(&self) -> usize {
        self.tasks.len()
    }

    /// Closes each connection (1001, "going away") as soon as no turn is under way on it.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Waits for the last one to end. Without [`Self::stop`] that may be never.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Cuts what is still open.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    /// Runs a connection to its end; it is given what tells it to stop.
    pub(super) fn spawn<F>(&self, connection: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let connection = connection(self.stopping.clone());
        let cut = self.cut.clone();
        self.tasks.spawn(async move {
            cut.run_until_cancelled(connection).await;
        });
    }
}
