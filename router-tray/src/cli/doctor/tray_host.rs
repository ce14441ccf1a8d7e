//! Whether there is a panel that shows the icon.

use codex_profiles::doctor::{Check, Finding};

use crate::desktop::display;

const REMEDY: &str = "on GNOME, install the extension `AppIndicator and KStatusNotifierItem \
    Support`; without a panel, `codex-router open` shows the page";

/// Asks the session bus, which answers within a second or not at all.
pub(super) fn look() -> Finding {
    if !display::is_named() {
        let message = "There is no display here: `codex-router` serves without an icon.";
        return Finding::info(Check::TrayHost, message);
    }
    if display::has_panel() {
        return Finding::ok(Check::TrayHost, "A panel is there that shows the icon.");
    }
    let message = "No panel is there that shows the icon (no StatusNotifierWatcher).";
    Finding::warning(Check::TrayHost, message, REMEDY)
}
