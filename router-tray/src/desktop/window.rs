//! The window: the page of the router in a web view, made when it is asked for and gone when it is
//! closed. Where there is none, the browser shows the same page.

#[cfg(not(feature = "webview"))]
mod none;
#[cfg(feature = "webview")]
mod view;

#[cfg(not(feature = "webview"))]
pub(crate) use none::Window;
#[cfg(feature = "webview")]
pub(crate) use view::Window;

use crate::browser;

/// Where the page opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Profiles,
    AddAccount,
}

impl Place {
    /// What is put behind the address of the page.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Profiles => "",
            Self::AddAccount => "add",
        }
    }
}

/// The address of the page with a secret in it that works once. It does not print.
#[derive(Clone)]
pub(crate) struct Link(String);

impl Link {
    /// A link of the router, which is to open the page at this place.
    pub(crate) fn to(place: Place, link: &str) -> Self {
        match place {
            Place::Profiles => Self(link.to_owned()),
            Place::AddAccount => Self(format!("{link}&{}", place.mark())),
        }
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link([redacted])")
    }
}

/// Opens an address of the web in the browser of the system; other kinds of addresses in nothing.
pub(crate) fn open_in_browser(url: String) {
    if !["https://", "http://"].iter().any(|it| url.starts_with(it)) {
        return;
    }
    // Some browsers are waited for.
    std::thread::spawn(move || {
        browser::open(&url);
    });
}
