//! The loop of events: what is on the screen, and what a click means.

use std::{ops::ControlFlow, sync::Arc};

use codex_profiles::report::ProfileReport;
use codex_proxy::control::{AttachmentView, Language, Overview};
use jiff::Zoned;
use tao::event::{Event as LoopEvent, StartCause};
use tokio::sync::Notify;

use super::{
    Event,
    deeds::Deeds,
    menu::{Action, Menu},
    notify::{Note, Said},
    tray::Tray,
    window::{Closed, End, Link, Place, Window},
    words::Words,
};
use crate::log;

/// Everything on the screen.
pub(crate) struct App {
    deeds: Deeds,
    quit: Arc<Notify>,
    overview: Option<Overview>,
    system_language: Option<String>,
    tray: Option<Tray>,
    window: Window,
    is_stopping: bool,
}

impl App {
    pub(crate) fn new(
        deeds: Deeds,
        window: Window,
        quit: Arc<Notify>,
        overview: Option<Overview>,
    ) -> Self {
        Self {
            deeds,
            quit,
            overview,
            system_language: sys_locale::get_locale(),
            tray: None,
            window,
            is_stopping: false,
        }
    }

    /// Breaks when the program is to end.
    pub(crate) fn on(&mut self, event: LoopEvent<'_, Event>) -> ControlFlow<()> {
        match event {
            LoopEvent::NewEvents(StartCause::Init) => self.begin(),
            // macOS may hide an icon; starting the program again is the other way in.
            LoopEvent::Reopen { .. } => self.show(Place::Profiles),
            LoopEvent::UserEvent(Event::Stopped) => return ControlFlow::Break(()),
            LoopEvent::UserEvent(event) => self.take(event),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// Takes everything from the screen.
    pub(crate) fn end(&mut self) {
        self.window.close();
        self.tray = None;
    }

    /// Not before the loop runs: macOS shows no icon that is older.
    fn begin(&mut self) {
        match Tray::show(self.menu()) {
            Ok(tray) => {
                self.tray = Some(tray);
                self.deeds.watch_for_panel();
            }
            Err(error) => {
                tracing::debug!(%error, "no icon");
                self.without_panel();
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Chosen(id) => self.choose(&id),
            Event::Show(place) => self.show(place),
            Event::Linked(place, link) => self.open(place, link),
            Event::WindowClosed(closed) => self.window_closed(closed),
            Event::Overview(overview) => {
                self.overview = Some(*overview);
                self.draw();
            }
            Event::Told(notice) => {
                if let Some(note) = Note::of(&notice, &self.said()) {
                    self.deeds.notify(note);
                }
            }
            Event::Switched(switched) => {
                let note = Note::of_switch(&switched, self.is_attached(), &self.said());
                self.deeds.notify(note);
            }
            Event::Failed(why) => {
                tracing::warn!("what the menu asked for was not done: {why}");
                self.deeds.notify(Note::of_failure(&why, self.words()));
            }
            Event::NoPanel => self.without_panel(),
            Event::Stopping => self.stop(),
            Event::Stopped => {}
        }
    }

    fn choose(&mut self, id: &tray_icon::menu::MenuId) {
        let Some(tray) = &self.tray else { return };
        let action = tray.action(id);
        tray.restore_marks();
        let Some(action) = action else { return };
        match action {
            Action::Use(name) => self.deeds.use_profile(name),
            Action::Save | Action::Open => self.show(Place::Profiles),
            Action::Add => self.show(Place::AddAccount),
            Action::Refresh => self.deeds.refresh(),
            Action::Attach => self.deeds.set_attached(!self.is_attached()),
            Action::StartAtLogin => self.deeds.set_starts_at_login(!self.starts_at_login()),
            Action::Quit => self.quit.notify_one(),
        }
    }

    fn show(&mut self, place: Place) {
        if !self.is_stopping && !self.window.bring_to_front(place) {
            self.deeds.link(place);
        }
    }

    /// Two clicks in a row ask for two links; the second finds the window of the first.
    fn open(&mut self, place: Place, link: Link) {
        if !self.is_stopping && !self.window.follow(place, &link) && !self.window.show(&link) {
            link.open_in_browser();
        }
    }

    /// The link of a window that could not show the page may be used up.
    fn window_closed(&mut self, closed: Closed) {
        let was_asked_for = self.window.has_closed(closed);
        match closed.end {
            _ if self.is_stopping => {}
            End::Closed if was_asked_for => self.show(Place::Profiles),
            End::Closed => {}
            End::Failed => self.deeds.open_in_browser(),
            End::Broken => tracing::warn!("the window ended by itself"),
        }
    }

    /// Streams under way may go on for a while; the window would be one of them.
    fn stop(&mut self) {
        self.is_stopping = true;
        self.window.close();
        self.draw();
    }

    fn without_panel(&mut self) {
        log::say(
            "codex-router: no panel here shows icons: opening the window instead; \
             `codex-router` opens it again",
        );
        self.show(Place::Profiles);
    }

    fn draw(&mut self) {
        let menu = self.menu();
        if let Some(tray) = &mut self.tray {
            tray.apply(menu);
        }
    }

    fn menu(&self) -> Menu {
        let words = self.words();
        match &self.overview {
            Some(overview) if !self.is_stopping => Menu::new(overview, &Zoned::now(), words),
            Some(_) => Menu::stopping(words),
            None => Menu::unknown(words),
        }
    }

    fn words(&self) -> &'static Words {
        let setting = self.overview.as_ref().map(|overview| overview.language);
        let setting = setting.unwrap_or(Language::Auto);
        Words::of(setting, self.system_language.as_deref())
    }

    /// Profiles by their labels or names: an e-mail address would stay in a list of notifications.
    fn said(&self) -> Said<'_> {
        let profiles = self.overview.iter().flat_map(|it| &it.logins.profiles);
        Said {
            words: self.words(),
            now: Zoned::now(),
            labels: profiles.filter_map(label).collect(),
        }
    }

    fn is_attached(&self) -> bool {
        let attachment = self.overview.as_ref().map(|overview| overview.attachment);
        attachment == Some(AttachmentView::Attached)
    }

    fn starts_at_login(&self) -> bool {
        let desktop = self.overview.as_ref().and_then(|it| it.desktop.as_ref());
        desktop.and_then(|desktop| desktop.starts_at_login) == Some(true)
    }
}

fn label(profile: &ProfileReport) -> Option<(&str, &str)> {
    Some((&profile.name, profile.label.as_deref()?))
}
