//! The frame with the web view in it.

use std::error::Error;

use router_tray::{
    browser,
    icon::{self, Health, Style},
};
use tao::{
    dpi::LogicalSize,
    event_loop::EventLoopWindowTarget,
    window::{Icon, Window, WindowBuilder},
};
use wry::{NewWindowResponse, WebContext, WebView, WebViewBuilder};

use crate::orders::Order;

const SIZE: LogicalSize<f64> = LogicalSize::new(1080.0, 780.0);
const SMALLEST: LogicalSize<f64> = LogicalSize::new(360.0, 420.0);

/// The window. In the order in which they are dropped:
pub(crate) struct View {
    page: WebView,
    frame: Window,
    _context: Option<WebContext>,
}

impl View {
    /// The window with the page at this address. It never leaves its origin.
    pub(crate) fn at(
        target: &EventLoopWindowTarget<Order>,
        url: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let frame = frame(target)?;
        let mut context = data_folder().map(|folder| WebContext::new(Some(folder)));
        let page = page(context.as_mut(), origin(url)).with_url(url);
        let page = inside(&frame, page)?;
        Ok(Self {
            page,
            frame,
            _context: context,
        })
    }

    /// Shows another address of the page.
    pub(crate) fn open(&self, url: &str) -> wry::Result<()> {
        self.raise();
        self.page.load_url(url)
    }

    /// Brings it to the front.
    pub(crate) fn raise(&self) {
        self.frame.set_minimized(false);
        self.frame.set_visible(true);
        self.frame.set_focus();
    }
}

fn frame(target: &EventLoopWindowTarget<Order>) -> Result<Window, Box<dyn Error>> {
    let pixels = icon::draw(Health::Fine, Style::Tile);
    let frame = WindowBuilder::new()
        .with_title("Codex Router")
        .with_window_icon(Some(Icon::from_rgba(pixels, icon::SIZE, icon::SIZE)?))
        .with_inner_size(SIZE)
        .with_min_inner_size(SMALLEST)
        .build(target)?;
    frame.set_focus();
    Ok(frame)
}

/// A web view that stays on the page of the router and keeps nothing when it is closed.
fn page<'a>(context: Option<&'a mut WebContext>, origin: &str) -> WebViewBuilder<'a> {
    let own = origin.to_owned();
    let builder = context.map_or_else(WebViewBuilder::new, WebViewBuilder::new_with_web_context);
    told_of_the_dark(builder)
        .with_incognito(true)
        .with_navigation_handler(move |url| {
            let stays = is_at(&url, &own) || url == "about:blank";
            if !stays {
                open_in_browser(url);
            }
            stays
        })
        .with_new_window_req_handler(|url, _| {
            open_in_browser(url);
            NewWindowResponse::Deny
        })
}

#[cfg(target_os = "linux")]
fn told_of_the_dark(page: WebViewBuilder<'_>) -> WebViewBuilder<'_> {
    page.with_on_page_load_handler(|event, _| {
        if matches!(event, wry::PageLoadEvent::Finished) {
            crate::appearance::tell_page_again();
        }
    })
}

/// The web views of other systems see to it themselves.
#[cfg(not(target_os = "linux"))]
fn told_of_the_dark(page: WebViewBuilder<'_>) -> WebViewBuilder<'_> {
    page
}

#[cfg(target_os = "linux")]
fn inside(frame: &Window, page: WebViewBuilder<'_>) -> wry::Result<WebView> {
    use tao::platform::unix::WindowExtUnix as _;
    use wry::WebViewBuilderExtUnix as _;

    match frame.default_vbox() {
        Some(area) => page.build_gtk(area),
        None => page.build_gtk(frame.gtk_window()),
    }
}

#[cfg(not(target_os = "linux"))]
fn inside(frame: &Window, page: WebViewBuilder<'_>) -> wry::Result<WebView> {
    page.build(frame)
}

/// Windows wants a folder even for what is not kept, and proposes that of the program, which may
/// not be written to.
fn data_folder() -> Option<std::path::PathBuf> {
    let folder = cfg!(windows).then(|| std::env::var_os("LOCALAPPDATA"))??;
    Some(std::path::PathBuf::from(folder).join("Codex Router"))
}

/// Opens an address of the web in the browser of the system; other kinds of addresses in nothing.
fn open_in_browser(url: String) {
    if !["https://", "http://"].iter().any(|it| url.starts_with(it)) {
        return;
    }
    // Some browsers are waited for.
    std::thread::spawn(move || {
        browser::open(&url);
    });
}

/// The scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url[host..].find(['/', '?', '#']);
    path.map_or(url, |at| &url[..host + at])
}

fn is_at(url: &str, origin: &str) -> bool {
    self::origin(url) == origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_stays_on_the_page_of_the_router() {
        const OWN: &str = "http://127.0.0.1:9876";
        for url in [
            "http://127.0.0.1:9876",
            "http://127.0.0.1:9876/",
            "http://127.0.0.1:9876/#link=x",
            "http://127.0.0.1:9876?x",
        ] {
            assert!(is_at(url, OWN), "{url}");
        }
        for url in [
            "http://127.0.0.1:98765/",
            "http://127.0.0.1:9876@example.com/",
            "http://127.0.0.1:9876.example.com/",
            "https://127.0.0.1:9876/",
            "http://localhost:9876/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "",
        ] {
            assert!(!is_at(url, OWN), "{url}");
        }
    }
}
