//! What a connection is doing, so that it can be told how long it may go on with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Version;
use tokio::time::{Instant, sleep_until};

use crate::server::Limits;

/// What goes on on one connection. Clones are one.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<Marks>>);

/// Why a connection is not to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The head of a request does not come to its end.
    Head,
    /// Nothing was asked for a long time.
    Idle,
    /// The client does not take its answers.
    Stalled,
}

#[derive(Debug)]
struct Marks {
    /// Requests under way, from their head to the end of their answer.
    serving: usize,
    /// Those of them of which the client holds up the answer.
    held_up: usize,
    /// When a part of an answer was handed out or asked for, or taken by the client.
    moved_at: Instant,
    /// When the last answer ended, or the last of it was taken by the client.
    quiet_since: Instant,
    /// When the head began that has not come to its end.
    head_since: Option<Instant>,
    /// What comes between two requests may be frames of HTTP/2 that ask for nothing.
    has_frames: bool,
    /// When the client was told that it ends.
    ending_since: Option<Instant>,
}

impl Activity {
    /// Of a connection that was made just now, whose first request is due.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Marks {
            serving: 0,
            held_up: 0,
            moved_at: now,
            quiet_since: now,
            head_since: Some(now),
            has_frames: false,
            ending_since: None,
        })))
    }

    /// Bytes have come.
    pub(super) fn heard(&self) {
        let mut marks = self.marks();
        if marks.serving == 0 && !marks.has_frames {
            marks.head_since.get_or_insert_with(Instant::now);
        }
    }

    /// The client has taken some of what it was sent. Over HTTP/2 its own frames are answered, too:
    /// whoever takes nothing but that takes nothing of an answer, and asks for nothing.
    pub(super) fn took(&self, has_frame_of_answer: bool) {
        let mut marks = self.marks();
        if marks.has_frames && !has_frame_of_answer {
            return;
        }
        let now = Instant::now();
        marks.moved_at = now;
        marks.quiet_since = now;
    }

    /// The client is told that the connection ends, and has as long as for a head to let it end.
    pub(super) fn ending(&self) {
        self.marks().ending_since = Some(Instant::now());
    }

    /// A request has come, which is under way until what is returned is dropped.
    pub(super) fn begin(&self, version: Version) -> Serving {
        let mut marks = self.marks();
        marks.serving += 1;
        marks.head_since = None;
        marks.moved_at = Instant::now();
        marks.has_frames = version == Version::HTTP_2;
        drop(marks);
        Serving {
            activity: self.clone(),
            is_held_up: false,
        }
    }

    /// Waits until the connection is not to go on.
    pub(super) async fn overdue(&self, limits: &Limits) -> Overdue {
        loop {
            let (deadline, overdue) = self.marks().deadline(limits);
            let now = Instant::now();
            if deadline <= now {
                return overdue;
            }
            // A look now and then costs less than waking this task at every change.
            sleep_until(deadline.min(now + limits.head)).await;
        }
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        // What is inside is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Marks {
    /// Until when it may go on as it does, and what it is then.
    fn deadline(&self, limits: &Limits) -> (Instant, Overdue) {
        if self.serving > 0 {
            let is_held_up = self.held_up == self.serving;
            let since = if is_held_up {
                self.moved_at
            } else {
                Instant::now()
            };
            return (since + limits.stall, Overdue::Stalled);
        }
        match (self.head_since, self.ending_since) {
            (Some(since), _) => (since + limits.head, Overdue::Head),
            (None, Some(since)) => (self.quiet_since.max(since) + limits.head, Overdue::Idle),
            (None, None) => (self.quiet_since + limits.idle, Overdue::Idle),
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Serving {
    activity: Activity,
    is_held_up: bool,
}

impl Serving {
    /// The connection has room for more of the answer.
    pub(super) fn asked(&mut self) {
        if std::mem::take(&mut self.is_held_up) {
            let mut marks = self.activity.marks();
            marks.held_up -= 1;
            marks.moved_at = Instant::now();
        }
    }

    /// A part of the answer was handed out: it is the client's turn.
    pub(super) fn handed(&mut self) {
        if !std::mem::replace(&mut self.is_held_up, true) {
            let mut marks = self.activity.marks();
            marks.held_up += 1;
            marks.moved_at = Instant::now();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.asked();
        let mut marks = self.activity.marks();
        marks.serving -= 1;
        if marks.serving == 0 {
            marks.quiet_since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{advance, timeout};

    use super::*;

    const NEVER: Duration = Duration::from_hours(1);

    fn limits() -> Limits {
        Limits {
            head: Duration::from_secs(3),
            idle: Duration::from_secs(10),
            stall: Duration::from_secs(20),
            ..Limits::default()
        }
    }

    /// What it is overdue for, and after how many seconds.
    async fn overdue(activity: &Activity) -> (Overdue, u64) {
        let began = Instant::now();
        let overdue = activity.overdue(&limits()).await;
        (overdue, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn who_connects_and_says_nothing_has_the_time_of_a_head() {
        assert_eq!(overdue(&Activity::new()).await, (Overdue::Head, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_trickle_in_prolong_no_head() {
        let activity = Activity::new();
        advance(Duration::from_secs(2)).await;
        activity.heard();
        assert_eq!(overdue(&activity).await, (Overdue::Head, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_has_no_end_but_its_own() {
        let activity = Activity::new();
        let serving = activity.begin(Version::HTTP_11);
        assert!(timeout(NEVER, activity.overdue(&limits())).await.is_err());
        drop(serving);
        assert_eq!(overdue(&activity).await, (Overdue::Idle, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_is_one_that_stalls() {
        let activity = Activity::new();
        let mut serving = activity.begin(Version::HTTP_2);
        serving.handed();
        serving.asked();
        assert!(timeout(NEVER, activity.overdue(&limits())).await.is_err());
        serving.handed();
        let mut other = activity.begin(Version::HTTP_2);
        assert!(timeout(NEVER, activity.overdue(&limits())).await.is_err());
        other.handed();
        advance(Duration::from_secs(15)).await;
        // The answer to a PING is none that was asked for.
        activity.took(false);
        assert_eq!(overdue(&activity).await, (Overdue::Stalled, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_at_a_time_neither_stalls_nor_is_idle() {
        let activity = Activity::new();
        let mut serving = activity.begin(Version::HTTP_11);
        serving.handed();
        advance(Duration::from_secs(19)).await;
        activity.took(false);
        assert_eq!(overdue(&activity).await, (Overdue::Stalled, 20));
        drop(serving);
        advance(Duration::from_secs(9)).await;
        activity.took(false);
        assert_eq!(overdue(&activity).await, (Overdue::Idle, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn whose_pings_alone_are_answered_is_idle() {
        let activity = Activity::new();
        drop(activity.begin(Version::HTTP_2));
        advance(Duration::from_secs(9)).await;
        activity.heard();
        activity.took(false);
        assert_eq!(overdue(&activity).await, (Overdue::Idle, 1));
        // The rest of an answer that is longer than its request was under way.
        activity.took(true);
        assert_eq!(overdue(&activity).await, (Overdue::Idle, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_head_has_its_time_and_frames_are_no_head() {
        let activity = Activity::new();
        drop(activity.begin(Version::HTTP_11));
        advance(Duration::from_secs(9)).await;
        activity.heard();
        assert_eq!(overdue(&activity).await, (Overdue::Head, 3));
        let activity = Activity::new();
        drop(activity.begin(Version::HTTP_2));
        activity.heard();
        assert_eq!(overdue(&activity).await, (Overdue::Idle, 10));
    }
}
