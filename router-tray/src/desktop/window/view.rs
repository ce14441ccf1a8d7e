use std::error::Error;

use tao::{
    dpi::LogicalSize,
    event_loop::EventLoopWindowTarget,
    window::{Icon, WindowBuilder, WindowId},
};
use wry::{NewWindowResponse, WebContext, WebView, WebViewBuilder};

use super::{Link, Place, open_in_browser};
use crate::desktop::{
    Event,
    icon::{self, Health, Style},
};

const SIZE: LogicalSize<f64> = LogicalSize::new(1080.0, 780.0);
const SMALLEST: LogicalSize<f64> = LogicalSize::new(360.0, 420.0);

/// The window, while it is open.
#[derive(Default)]
pub(crate) struct Window {
    open: Option<Open>,
}

/// In the order in which they are dropped.
struct Open {
    page: WebView,
    origin: String,
    frame: tao::window::Window,
    _context: Option<WebContext>,
}

impl Window {
    /// Brings it to the front and the page to this place, if it is there.
    pub(crate) fn bring_to_front(&self, place: Place) -> bool {
        let Some(open) = &self.open else {
            return false;
        };
        // Another fragment of the page that is there: nothing is loaded.
        let url = format!("{}/#{}", open.origin, place.mark());
        open.bring_to_front(place, &url);
        true
    }

    /// The same by a link, for a page that may not have been let in yet.
    pub(crate) fn follow(&self, place: Place, link: &Link) -> bool {
        let Some(open) = &self.open else {
            return false;
        };
        open.bring_to_front(place, link.expose());
        true
    }

    /// Opens it, if the system can.
    pub(crate) fn show(&mut self, target: &EventLoopWindowTarget<Event>, link: &Link) -> bool {
        match Open::at(target, link) {
            Ok(open) => self.open = Some(open),
            Err(error) => tracing::warn!(%error, "there is no window"),
        }
        self.open.is_some()
    }

    /// Whether this is it.
    pub(crate) fn is(&self, window: WindowId) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.frame.id() == window)
    }

    /// Gives back all that it held, and says whether it was there.
    pub(crate) fn close(&mut self) -> bool {
        self.open.take().is_some()
    }
}

impl Open {
    fn at(target: &EventLoopWindowTarget<Event>, link: &Link) -> Result<Self, Box<dyn Error>> {
        let frame = frame(target)?;
        let origin = origin(link.expose()).to_owned();
        let mut context = data_folder().map(|folder| WebContext::new(Some(folder)));
        let page = page(context.as_mut(), &origin).with_url(link.expose());
        let page = inside(&frame, page)?;
        Ok(Self {
            page,
            origin,
            frame,
            _context: context,
        })
    }

    fn bring_to_front(&self, place: Place, url: &str) {
        self.frame.set_minimized(false);
        self.frame.set_visible(true);
        self.frame.set_focus();
        if place != Place::Profiles
            && let Err(error) = self.page.load_url(url)
        {
            tracing::warn!(%error, "the page cannot be moved");
        }
    }
}

fn frame(target: &EventLoopWindowTarget<Event>) -> Result<tao::window::Window, Box<dyn Error>> {
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
    builder
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
fn inside(frame: &tao::window::Window, page: WebViewBuilder<'_>) -> wry::Result<WebView> {
    use tao::platform::unix::WindowExtUnix as _;
    use wry::WebViewBuilderExtUnix as _;

    match frame.default_vbox() {
        Some(area) => page.build_gtk(area),
        None => page.build_gtk(frame.gtk_window()),
    }
}

#[cfg(not(target_os = "linux"))]
fn inside(frame: &tao::window::Window, page: WebViewBuilder<'_>) -> wry::Result<WebView> {
    page.build(frame)
}

/// Windows wants a folder even for what is not kept, and proposes that of the program, which may
/// not be written to.
fn data_folder() -> Option<std::path::PathBuf> {
    let folder = cfg!(windows).then(|| std::env::var_os("LOCALAPPDATA"))??;
    Some(std::path::PathBuf::from(folder).join("Codex Router"))
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
