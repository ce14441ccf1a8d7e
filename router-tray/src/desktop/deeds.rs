//! What takes time, on the runtime: the loop of events waits for nothing.

use std::{fmt::Display, sync::Arc, time::Duration};

use codex_profiles::ProfileName;
use codex_proxy::control::{Control, Notices, Overview};
use jiff::Timestamp;
use tokio::{
    runtime::{Handle, Runtime},
    sync::Notify,
    time::sleep,
};

use super::{
    Bell, Event,
    notify::{Note, Notifier},
    window::{Link, Place},
};

/// Between two looks at the state: much may change in one go.
const PAUSE: Duration = Duration::from_millis(200);
/// A reset is not waited for in one go: while the machine sleeps, timers stand still.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Whatever a click asks for.
pub(crate) struct Deeds {
    runtime: Handle,
    control: Control,
    bell: Bell,
    notifier: Notifier,
    poke: Poke,
}

/// Asks for a look at the state, where nothing may have changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Poke(Arc<Notify>);

/// Tells the loop of every change and of all that happens, as long as the runtime lives.
pub(crate) fn watch(runtime: &Runtime, control: Control, notices: Notices, bell: &Bell) -> Poke {
    let poke = Poke::default();
    runtime.spawn(tell_changes(control, bell.clone(), poke.clone()));
    runtime.spawn(tell_notices(notices, bell.clone()));
    poke
}

/// The only one that tells the state: of two, the older view could come last.
async fn tell_changes(control: Control, bell: Bell, poke: Poke) {
    let mut changes = control.changes();
    loop {
        let reset = tell_overview(&control, &bell).await;
        sleep(PAUSE).await;
        tokio::select! {
            told = changes.changed() => if told.is_err() { return },
            () = poke.0.notified() => {}
            () = begun_anew(reset) => {}
        }
    }
}

/// Until this time, or a while before it; without one for ever.
async fn begun_anew(at: Option<Timestamp>) {
    match at {
        Some(at) => sleep(wait_until(at, Timestamp::now())).await,
        None => std::future::pending().await,
    }
}

fn wait_until(at: Timestamp, now: Timestamp) -> Duration {
    let wait = Duration::try_from(at.duration_since(now));
    wait.unwrap_or_default().min(LONGEST_WAIT)
}

/// When the next of the windows that are shown begins anew.
fn next_reset(overview: &Overview, now: Timestamp) -> Option<Timestamp> {
    let usages = overview.logins.profiles.iter().flat_map(|it| &it.usage);
    let resets = usages
        .flat_map(|it| &it.windows)
        .filter_map(|it| it.resets_at);
    resets.filter(|at| *at > now).min()
}

async fn tell_notices(mut notices: Notices, bell: Bell) {
    while let Some(told) = notices.next().await {
        bell.ring(Event::Told(told.notice));
    }
}

/// Gives when it would be told again, even if nothing changes.
async fn tell_overview(control: &Control, bell: &Bell) -> Option<Timestamp> {
    let begin = Timestamp::now();
    match control.overview().await {
        Ok(overview) => {
            let reset = next_reset(&overview, begin);
            bell.ring(Event::Overview(Box::new(overview)));
            reset
        }
        Err(error) => {
            tracing::warn!(%error, "the profiles cannot be shown");
            None
        }
    }
}

impl Deeds {
    pub(crate) fn new(runtime: Handle, control: Control, bell: Bell, poke: Poke) -> Self {
        let clicked = bell.clone();
        let notifier =
            Notifier::start(&runtime, move || clicked.ring(Event::Show(Place::Profiles)));
        Self {
            runtime,
            control,
            bell,
            notifier,
            poke,
        }
    }

    pub(crate) fn notify(&self, note: Note) {
        self.notifier.show(note);
    }

    /// Calls `run` soon, unless there is a panel that shows the icon.
    pub(crate) fn watch_for_panel(&self) {
        let bell = self.bell.clone();
        super::display::unless_panel(move || bell.ring(Event::NoPanel));
    }

    /// Asks for a link to the page, which the loop then opens.
    pub(crate) fn link(&self, place: Place) {
        self.bell.ring(match self.control.link() {
            Ok(link) => Event::Linked(place, Link::to(place, &link)),
            Err(error) => Event::Failed(told(error)),
        });
    }

    /// Shows the page in the browser, where no window can.
    pub(crate) fn open_in_browser(&self) {
        match self.control.link() {
            Ok(link) => Link::to(Place::Profiles, &link).open_in_browser(),
            Err(error) => self.bell.ring(Event::Failed(told(error))),
        }
    }

    /// Makes a profile the current one.
    pub(crate) fn use_profile(&self, name: String) {
        self.done(async move |control| {
            let name = ProfileName::parse(&name).map_err(told)?;
            let switched = control.use_profile(&name).await.map_err(told)?;
            Ok(Some(Event::Switched(Box::new(switched))))
        });
    }

    /// Reads the files and the quota anew.
    pub(crate) fn refresh(&self) {
        self.done(async move |control| {
            control.refresh().await.map_err(told)?;
            Ok(None)
        });
    }

    pub(crate) fn set_starts_at_login(&self, starts: bool) {
        self.done(async move |control| {
            control.set_starts_at_login(starts).await.map_err(told)?;
            Ok(None)
        });
    }

    pub(crate) fn set_attached(&self, attached: bool) {
        self.done(async move |control| {
            let done = if attached {
                control.attach().await
            } else {
                control.detach().await
            };
            done.map_err(told)?;
            Ok(None)
        });
    }

    /// Does something, tells what came of it, and how things are then.
    fn done<F>(&self, deed: impl FnOnce(Control) -> F + Send + 'static)
    where
        F: Future<Output = Result<Option<Event>, String>> + Send + 'static,
    {
        let (bell, poke) = (self.bell.clone(), self.poke.clone());
        let deed = deed(self.control.clone());
        self.runtime.spawn(async move {
            match deed.await {
                Ok(Some(event)) => bell.ring(event),
                Ok(None) => {}
                Err(why) => bell.ring(Event::Failed(why)),
            }
            poke.0.notify_one();
        });
    }
}

fn told(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desktop::menu::tests::{at, five_hours, overview, work};

    #[test]
    fn the_next_reset_is_the_first_that_is_still_to_come() {
        let (early, late) = (
            "2026-11-23T16:05[Europe/Berlin]",
            "2026-11-26T09:00[Europe/Berlin]",
        );
        let mut profile = work();
        profile.usage = Some(five_hours(42.0));
        let read = overview(vec![profile]);
        let next = |now: &str| next_reset(&read, at(now));
        assert_eq!(next("2026-11-23T16:04[Europe/Berlin]"), Some(at(early)));
        assert_eq!(next(early), Some(at(late)));
        assert_eq!(next(late), None);
    }

    #[test]
    fn a_reset_is_waited_for_in_pieces_and_a_past_one_not_at_all() {
        let now = at("2026-11-23T16:00[UTC]");
        let wait = |text: &str| wait_until(at(text), now);
        assert_eq!(wait("2026-11-23T16:01[UTC]"), Duration::from_mins(1));
        assert_eq!(wait("2026-11-24T16:00[UTC]"), LONGEST_WAIT);
        assert_eq!(wait("2026-11-23T15:59[UTC]"), Duration::ZERO);
    }
}
