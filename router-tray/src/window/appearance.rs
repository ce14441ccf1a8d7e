//! Light or dark as the person has set it in the settings of a Linux desktop, now and later. GTK 3
//! itself looks only at the name of its theme, which newer desktops leave as it is.

use std::{cell::Cell, time::Duration};

use gtk::{
    Settings,
    gio::{self, BusType, DBusCallFlags, DBusConnection, DBusSignalFlags},
    glib::{self, ToVariant as _, Variant},
    prelude::GtkSettingsExt as _,
};

/// The settings portal of desktops: <https://flatpak.github.io/xdg-desktop-portal>.
const PORTAL: &str = "org.freedesktop.portal.Desktop";
const PATH: &str = "/org/freedesktop/portal/desktop";
const INTERFACE: &str = "org.freedesktop.portal.Settings";
const NAMESPACE: &str = "org.freedesktop.appearance";
const KEY: &str = "color-scheme";
/// What the setting is where dark is preferred.
const DARK: u32 = 1;
/// A portal that has to be started first is not waited for longer: the window would come late.
const PATIENCE: Duration = Duration::from_millis(300);

/// What a page that was just loaded may still not notice.
const SETTLING: Duration = Duration::from_secs(1);

thread_local! {
    /// Whether the setting has changed since a page was last told of it. GTK has one thread.
    static UNCERTAIN: Cell<bool> = const { Cell::new(false) };
}

/// The connection over which changes are told.
pub(crate) struct Appearance(#[expect(dead_code, reason = "it is only kept")] DBusConnection);

/// Follows the setting until what it gives is dropped. GTK must have begun.
pub(crate) fn follow() -> Option<Appearance> {
    let settings = Settings::default()?;
    let bus = gio::bus_get_sync(BusType::Session, gio::Cancellable::NONE).ok()?;
    // Otherwise GTK's own settings may still say dark.
    if read(&bus) == Some(DARK) {
        settings.set_gtk_application_prefer_dark_theme(true);
    }
    bus.signal_subscribe(
        Some(PORTAL),
        Some(INTERFACE),
        Some("SettingChanged"),
        Some(PATH),
        Some(NAMESPACE),
        DBusSignalFlags::NONE,
        move |_, _, _, _, _, change| {
            if let Some(scheme) = changed(change) {
                settings.set_gtk_application_prefer_dark_theme(scheme == DARK);
                UNCERTAIN.set(true);
            }
        },
    );
    Some(Appearance(bus))
}

/// To be called when a page has been loaded: the web view forgets a change that comes while it loads one,
/// and tells a page nothing that it believes to have told.
pub(crate) fn tell_page_again() {
    tell_again();
    glib::timeout_add_local_once(SETTLING, tell_again);
}

fn tell_again() {
    if !UNCERTAIN.take() {
        return;
    }
    let Some(settings) = Settings::default() else {
        return;
    };
    let dark = settings.is_gtk_application_prefer_dark_theme();
    settings.set_gtk_application_prefer_dark_theme(!dark);
    settings.set_gtk_application_prefer_dark_theme(dark);
}

fn read(bus: &DBusConnection) -> Option<u32> {
    let answer = bus.call_sync(
        Some(PORTAL),
        PATH,
        INTERFACE,
        "Read",
        Some(&(NAMESPACE, KEY).to_variant()),
        None,
        DBusCallFlags::NONE,
        i32::try_from(PATIENCE.as_millis()).unwrap_or(i32::MAX),
        gio::Cancellable::NONE,
    );
    number(&answer.ok()?.try_child_value(0)?)
}

fn changed(change: &Variant) -> Option<u32> {
    let (_, key, value) = change.get::<(String, String, Variant)>()?;
    (key == KEY).then(|| number(&value)).flatten()
}

/// Some portals wrap the value once more than others.
fn number(value: &Variant) -> Option<u32> {
    if value.is::<Variant>() {
        return number(&value.get::<Variant>()?);
    }
    value.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_however_often_it_is_wrapped() {
        let plain = DARK.to_variant();
        let once = plain.to_variant();
        assert_eq!(number(&plain), Some(DARK));
        assert_eq!(number(&once.to_variant()), Some(DARK));
        assert_eq!(number(&once), Some(DARK));
        assert_eq!(number(&"dark".to_variant()), None);
    }

    #[test]
    fn only_a_change_of_this_setting_counts() {
        let change = |key: &str| (NAMESPACE, key, DARK.to_variant()).to_variant();
        assert_eq!(changed(&change(KEY)), Some(DARK));
        assert_eq!(changed(&change("contrast")), None);
    }
}
