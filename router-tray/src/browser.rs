//! The person's browser.

use webbrowser::{Browser, BrowserOptions};

/// Whether there is a screen to show one on.
#[must_use]
pub fn has_screen() -> bool {
    let set =
        |name| std::env::var_os(name).is_some_and(|value: std::ffi::OsString| !value.is_empty());
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"]
        .into_iter()
        .any(set);
    !cfg!(target_os = "linux") || has_screen
}

/// Opens an address in it, and says whether that worked as far as can be told. Blocks for a moment.
pub fn open(url: &str) -> bool {
    if !has_screen() {
        return false;
    }
    let mut options = BrowserOptions::new();
    options.with_suppress_output(true);
    let opened = webbrowser::open_browser_with_options(Browser::Default, url, &options);
    if opened.is_err() {
        tracing::debug!("no browser could be opened");
    }
    opened.is_ok()
}
