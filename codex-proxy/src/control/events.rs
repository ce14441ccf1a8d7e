//! What is pushed to whoever looks on: the whole at first, then what changes. Nothing is sent, and
//! nothing wakes up, while nothing happens.

use std::{collections::VecDeque, time::Duration};

use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    time::{Instant, sleep_until},
};

use super::{Control, NoticeView, Notices, SignIn};
use crate::requests::RequestEntry;

/// The shortest time between two overviews.
const PAUSE: Duration = Duration::from_millis(100);

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: &'static str,
    /// JSON, which has no line breaks.
    pub(super) data: String,
}

impl Control {
    /// The events for one who looks on, until the server stops.
    pub(super) fn events(&self) -> impl Stream<Item = Event> + Send + use<> {
        stream::unfold(Watching::new(self), async |mut watching| {
            let event = watching.next().await?;
            Some((event, watching))
        })
    }
}

struct Watching {
    control: Control,
    waiting: VecDeque<Event>,
    changes: watch::Receiver<u64>,
    notices: Notices,
    sign_ins: broadcast::Receiver<SignIn>,
    requests: broadcast::Receiver<RequestEntry>,
    stopping: watch::Receiver<bool>,
    /// When an overview is to be sent.
    due: Option<Instant>,
    /// When the last one was, and what it said.
    last: Option<(Instant, String)>,
}

impl Watching {
    fn new(control: &Control) -> Self {
        let mut changes = control.changes();
        changes.mark_unchanged();
        Self {
            waiting: VecDeque::new(),
            changes,
            notices: control.notices(),
            sign_ins: control.inner.sign_ins.subscribe(),
            requests: control.inner.requests.subscribe(),
            stopping: control.stopping(),
            due: Some(Instant::now()),
            last: None,
            control: control.clone(),
        }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let due = self.due;
            tokio::select! {
                biased;
                () = stopped(&mut self.stopping) => return None,
                told = self.notices.next() => {
                    self.queue("notice", &NoticeView::from(&told?));
                }
                told = self.sign_ins.recv() => match told {
                    Ok(sign_in) => self.queue("sign_in", &sign_in),
                    // How it is now is worth more than how it came to be.
                    Err(RecvError::Lagged(_)) => {
                        let latest = self.control.inner.sign_ins.latest();
                        self.waiting.extend(latest.and_then(|latest| event("sign_in", &latest)));
                    }
                    Err(RecvError::Closed) => return None,
                },
                told = self.requests.recv() => match told {
                    Ok(entry) => self.queue("request", &entry),
                    Err(RecvError::Lagged(_)) => self.queue("requests", &self.control.requests()),
                    Err(RecvError::Closed) => return None,
                },
                () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {
                    self.look().await;
                }
                changed = self.changes.changed() => {
                    changed.ok()?;
                    self.plan();
                }
            }
        }
    }

    fn plan(&mut self) {
        let now = Instant::now();
        let last = self.last.as_ref().map_or(now, |(at, _)| *at + PAUSE);
        self.due.get_or_insert(last.max(now));
    }

    /// Sends the overview, if it says something else than the last one.
    async fn look(&mut self) {
        self.due = None;
        let is_first = self.last.is_none();
        match self.control.overview().await {
            Ok(overview) => self.queue_overview(&overview),
            Err(error) => tracing::warn!(%error, "there is no overview just now"),
        }
        if is_first {
            self.queue("requests", &self.control.requests());
            self.show_sign_in();
        }
    }

    /// One that is under way: whoever looks on only now can go on with it.
    fn show_sign_in(&mut self) {
        let latest = self.control.inner.sign_ins.latest();
        if let Some(sign_in) = latest.filter(SignIn::is_under_way) {
            self.queue("sign_in", &sign_in);
        }
    }

    fn queue_overview(&mut self, overview: &impl Serialize) {
        let Some(event) = event("overview", overview) else {
            return;
        };
        let is_new = self
            .last
            .as_ref()
            .is_none_or(|(_, said)| *said != event.data);
        self.last = Some((Instant::now(), event.data.clone()));
        if is_new {
            self.waiting.push_back(event);
        }
    }

    fn queue(&mut self, name: &'static str, value: &impl Serialize) {
        self.waiting.extend(event(name, value));
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Without the sender there is no server any more.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn event(name: &'static str, value: &impl Serialize) -> Option<Event> {
    let data = serde_json::to_string(value).ok()?;
    Some(Event { name, data })
}
