//! The desktop around the server: the icon in the panel with its menu, the window, notifications.
//!
//! The server is there first, on a runtime of its own; nothing of this can stop it. What the loop of
//! events shows is computed by [`menu`] from the state of the router, and whatever takes time is done
//! on the runtime: see [`deeds`].

mod app;
mod autostart;
mod deeds;
pub(crate) mod display;
mod menu;
mod notify;
mod tray;
mod window;
mod words;

use std::sync::{Arc, Mutex};

use codex_profiles::{CodexHome, Notice, Switched};
use codex_proxy::control::{Desktop, DesktopView, Overview};
use tao::{
    event::Event as LoopEvent,
    event_loop::{ControlFlow, EventLoop, EventLoopBuilder, EventLoopProxy},
    platform::run_return::EventLoopExtRunReturn as _,
};
use tokio::{runtime::Runtime, sync::Notify, task::JoinHandle};
use tray_icon::{TrayIconEvent, menu::MenuEvent};

use self::{
    app::App,
    autostart::Autostart,
    window::{Closed, Link, Place, Window},
};
use crate::{
    cli::{Failure, announce, offer_page, second_start, stop_signal},
    log,
    running::RunningRouter,
    serving::Serving,
};

/// What the loop is told of from elsewhere.
#[derive(Debug)]
pub(crate) enum Event {
    /// An entry of the menu was clicked.
    Chosen(tray_icon::menu::MenuId),
    /// This is to be shown.
    Show(Place),
    /// The link that was asked for, to show this with in the window or the browser.
    Linked(Place, Link),
    /// A window is gone.
    WindowClosed(Closed),
    /// The state of the router now.
    Overview(Box<Overview>),
    /// Something happened to the logins.
    Told(Notice),
    /// A switch to another profile was made.
    Switched(Box<Switched>),
    /// What was asked for did not work out.
    Failed(String),
    /// No panel shows the icon.
    NoPanel,
    /// The program was told to stop.
    Stopping,
    /// The server has come to its end.
    Stopped,
}

/// A way to tell the loop something, from any thread.
#[derive(Clone)]
pub(crate) struct Bell(Arc<Mutex<EventLoopProxy<Event>>>);

impl Bell {
    pub(crate) fn ring(&self, event: Event) {
        let proxy = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // A loop that has ended wants to know nothing more.
        let _ = proxy.send_event(event);
    }
}

/// Runs the server with the desktop around it; without a display, the server alone.
///
/// `chosen_home` says that the home is not the one that a plain start would find.
pub(crate) fn run(home: &CodexHome, chosen_home: bool) -> Result<(), Failure> {
    // Before there is any other thread.
    display::prepare();
    let runtime = Runtime::new()?;
    if let Some(router) = runtime.block_on(RunningRouter::find(home)) {
        return runtime.block_on(second_start(&router));
    }
    let serving = runtime.block_on(Serving::start(home, None))?;
    let screen = display::find();
    if let Err(why) = &screen {
        log::say(&format!("codex-router: {why}; serving without a tray"));
    }
    runtime.block_on(announce(&serving))?;
    if screen.is_ok() {
        around(serving, &runtime, chosen_home.then_some(home));
    } else {
        offer_page(&serving);
        runtime.block_on(serving.run(stop_signal()));
    }
    Ok(())
}

fn around(serving: Serving, runtime: &Runtime, chosen_home: Option<&CodexHome>) {
    let mut events = event_loop();
    let bell = Bell(Arc::new(Mutex::new(events.create_proxy())));
    let control = serving.control().clone();
    let surroundings = Arc::new(Surroundings::new(chosen_home, bell.clone()));
    control.set_desktop(surroundings);

    let quit = Arc::new(Notify::new());
    let notices = control.notices();
    let served = serve(serving, runtime, quit.clone(), bell.clone());
    let first = runtime.block_on(control.overview()).ok();
    let poke = deeds::watch(runtime, control.clone(), notices, &bell);
    listen(&bell);

    let window = Window::new(bell.clone());
    let deeds = deeds::Deeds::new(runtime.handle().clone(), control, bell, poke);
    let mut app = App::new(deeds, window, quit, first);
    events.run_return(|event, _, flow| {
        *flow = ControlFlow::Wait;
        if let LoopEvent::LoopDestroyed = event {
            app.end();
        } else if app.on(event).is_break() {
            *flow = ControlFlow::Exit;
        }
    });
    // A display that went away is no reason to stop serving.
    if let Err(error) = runtime.block_on(served) {
        tracing::error!(%error, "the server ended in a panic");
    }
}

fn event_loop() -> EventLoop<Event> {
    #[cfg_attr(
        not(target_os = "macos"),
        expect(unused_mut, reason = "macOS changes it")
    )]
    let mut events = EventLoopBuilder::with_user_event().build();
    #[cfg(target_os = "macos")]
    {
        use tao::platform::macos::{ActivationPolicy, EventLoopExtMacOS as _};
        // Nothing in the Dock: the window, while it is open, is there for itself.
        events.set_activation_policy(ActivationPolicy::Accessory);
    }
    events
}

/// Serves until a signal or the menu says stop, and tells the loop of both ends.
fn serve(serving: Serving, runtime: &Runtime, quit: Arc<Notify>, bell: Bell) -> JoinHandle<()> {
    let stopping = bell.clone();
    let stop = async move {
        tokio::select! {
            () = stop_signal() => {}
            () = quit.notified() => {}
        }
        stopping.ring(Event::Stopping);
    };
    runtime.spawn(async move {
        let _end = AtTheEnd(|| bell.ring(Event::Stopped));
        serving.run(stop).await;
    })
}

/// Is done however its scope is left: after a panic the loop must end too.
struct AtTheEnd<F: Fn()>(F);

impl<F: Fn()> Drop for AtTheEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Clicks on the icon and in its menu, which come on threads of their own.
fn listen(bell: &Bell) {
    let chosen = bell.clone();
    MenuEvent::set_event_handler(Some(move |event: MenuEvent| {
        chosen.ring(Event::Chosen(event.id));
    }));
    let clicked = bell.clone();
    TrayIconEvent::set_event_handler(Some(move |event| {
        if opens_window(&event) {
            clicked.ring(Event::Show(Place::Profiles));
        }
    }));
}

/// On macOS such a click opens the menu.
fn opens_window(event: &TrayIconEvent) -> bool {
    use tray_icon::{MouseButton, MouseButtonState};
    let is_click = matches!(
        event,
        TrayIconEvent::Click {
            button: MouseButton::Left,
            button_state: MouseButtonState::Up,
            ..
        }
    );
    is_click && !cfg!(target_os = "macos")
}

/// What the page may ask of the desktop.
pub(crate) struct Surroundings {
    bell: Bell,
    has_window: bool,
    autostart: Option<Autostart>,
    starts_at_login: Mutex<Option<bool>>,
}

impl Surroundings {
    fn new(home: Option<&CodexHome>, bell: Bell) -> Self {
        let autostart = Autostart::new(home.map(CodexHome::root)).ok();
        let starts_at_login = autostart.as_ref().and_then(Autostart::is_on);
        Self {
            bell,
            has_window: window::is_installed(),
            autostart,
            starts_at_login: Mutex::new(starts_at_login),
        }
    }
}

impl Desktop for Surroundings {
    fn view(&self) -> DesktopView {
        let starts_at_login = self.starts_at_login.lock();
        DesktopView {
            window: self.has_window,
            starts_at_login: *starts_at_login.unwrap_or_else(std::sync::PoisonError::into_inner),
        }
    }

    fn show_window(&self) {
        self.bell.ring(Event::Show(Place::Profiles));
    }

    fn set_starts_at_login(&self, starts: bool) -> std::io::Result<()> {
        let autostart = self.autostart.as_ref();
        let set = autostart.map_or(Err(std::io::ErrorKind::Unsupported.into()), |autostart| {
            autostart.set(starts)
        });
        let is_on = autostart.and_then(Autostart::is_on);
        let mut known = self.starts_at_login.lock();
        let known = known.as_deref_mut();
        if let Ok(known) = known {
            *known = is_on;
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_loop_is_told_of_an_end_in_a_panic_too() {
        let told = Arc::new(Notify::new());
        let teller = told.clone();
        let ended = tokio::spawn(async move {
            let _end = AtTheEnd(|| teller.notify_one());
            panic!("as a fault in the server would");
        });
        assert!(ended.await.is_err_and(|error| error.is_panic()));
        told.notified().await;
    }
}
