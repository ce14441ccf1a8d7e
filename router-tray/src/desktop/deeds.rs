//! What takes time, on the runtime: the loop of events waits for nothing.

use std::{fmt::Display, time::Duration};

use codex_profiles::ProfileName;
use codex_proxy::control::{Control, Notices};
use tokio::{
    runtime::{Handle, Runtime},
    time::sleep,
};

use super::{
    Bell, Event,
    notify::{Note, Notifier},
    window::{Link, Place},
};

/// Between two looks at the state: much may change in one go.
const PAUSE: Duration = Duration::from_millis(200);

/// Whatever a click asks for.
pub(crate) struct Deeds {
    runtime: Handle,
    control: Control,
    bell: Bell,
    notifier: Notifier,
}

/// Tells the loop of every change and of all that happens, as long as the runtime lives.
pub(crate) fn watch(runtime: &Runtime, control: Control, notices: Notices, bell: &Bell) {
    runtime.spawn(tell_changes(control, bell.clone()));
    runtime.spawn(tell_notices(notices, bell.clone()));
}

async fn tell_changes(control: Control, bell: Bell) {
    let mut changes = control.changes();
    while changes.changed().await.is_ok() {
        tell_overview(&control, &bell).await;
        sleep(PAUSE).await;
    }
}

async fn tell_notices(mut notices: Notices, bell: Bell) {
    while let Some(told) = notices.next().await {
        bell.ring(Event::Told(told.notice));
    }
}

async fn tell_overview(control: &Control, bell: &Bell) {
    match control.overview().await {
        Ok(overview) => bell.ring(Event::Overview(Box::new(overview))),
        Err(error) => tracing::warn!(%error, "the profiles cannot be shown"),
    }
}

impl Deeds {
    pub(crate) fn new(runtime: Handle, control: Control, bell: Bell) -> Self {
        let clicked = bell.clone();
        let notifier =
            Notifier::start(&runtime, move || clicked.ring(Event::Show(Place::Profiles)));
        Self {
            runtime,
            control,
            bell,
            notifier,
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
            Ok(link) => Event::Linked(Link::to(place, &link)),
            Err(error) => Event::Failed(told(error)),
        });
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
        let (control, bell) = (self.control.clone(), self.bell.clone());
        let deed = deed(control.clone());
        self.runtime.spawn(async move {
            match deed.await {
                Ok(Some(event)) => bell.ring(event),
                Ok(None) => {}
                Err(why) => bell.ring(Event::Failed(why)),
            }
            tell_overview(&control, &bell).await;
        });
    }
}

fn told(error: impl Display) -> String {
    error.to_string()
}
