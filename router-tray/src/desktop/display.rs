//! Whether there is anything to show the desktop parts on.

#[cfg(target_os = "linux")]
pub(crate) use linux::{find, has_panel, is_named, prepare, unless_panel};

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{find, prepare, unless_panel};

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use gtk::{
        gio::{self, BusType, DBusCallFlags},
        glib::{self, ToVariant as _, VariantTy},
    };

    const PANELS: &str = "org.kde.StatusNotifierWatcher";
    /// A panel that starts at the same time as this program is there after as long.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// The session bus answers at once, or not at all.
    const CALL_LIMIT_MS: i32 = 1000;

    /// To be called while the program has one thread.
    ///
    /// GTK loads the drivers of the graphics card even for an icon, a third of this program's memory,
    /// unless it is told not to. A person may have set something else.
    pub(crate) fn prepare() {
        let _ = glib::setenv("GDK_GL", "disable", false);
    }

    /// Finds a display, or says why there is none.
    pub(crate) fn find() -> Result<(), &'static str> {
        if !is_named() {
            return Err("there is no display");
        }
        gtk::init().map_err(|_| "the display cannot be opened")
    }

    /// Whether the environment names a display.
    pub(crate) fn is_named() -> bool {
        let names = ["DISPLAY", "WAYLAND_DISPLAY"];
        names.iter().any(|name| std::env::var_os(name).is_some())
    }

    /// Calls `run` soon, unless a panel is there that shows icons.
    pub(crate) fn unless_panel(run: impl FnOnce() + 'static) {
        if !has_panel() {
            glib::timeout_add_local_once(PATIENCE, move || {
                if !has_panel() {
                    run();
                }
            });
        }
    }

    /// Whether a panel is there that shows icons. Blocks, a second at most.
    pub(crate) fn has_panel() -> bool {
        let Ok(bus) = gio::bus_get_sync(BusType::Session, gio::Cancellable::NONE) else {
            return false;
        };
        let answer = bus.call_sync(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "NameHasOwner",
            Some(&(PANELS,).to_variant()),
            Some(VariantTy::TUPLE),
            DBusCallFlags::NONE,
            CALL_LIMIT_MS,
            gio::Cancellable::NONE,
        );
        answer.is_ok_and(|answer| answer.get::<(bool,)>() == Some((true,)))
    }
}

/// Where there always is a display, with a place for icons.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    pub(crate) fn prepare() {}

    #[expect(clippy::unnecessary_wraps, reason = "as where there may be none")]
    pub(crate) fn find() -> Result<(), &'static str> {
        Ok(())
    }

    pub(crate) fn unless_panel(_run: impl FnOnce() + 'static) {}
}
