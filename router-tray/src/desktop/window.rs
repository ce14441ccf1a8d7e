//! The window, as the program that starts it sees it: a process that shows the page, made when it is
//! asked for and gone when it is closed. Where there is none, the browser shows the same page.

use std::{
    env::{consts::EXE_SUFFIX, current_exe},
    io::{self, BufRead, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};

use router_tray::browser;

use super::{Bell, Event};

/// Where the page opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Profiles,
    AddAccount,
}

/// The address of the page with a secret in it that works once. It does not print.
#[derive(Clone)]
pub(crate) struct Link(String);

impl Link {
    /// A link of the router, which is to open the page at this place.
    pub(crate) fn to(place: Place, link: &str) -> Self {
        match place {
            Place::Profiles => Self(link.to_owned()),
            Place::AddAccount => Self(format!("{link}&add")),
        }
    }

    /// Opens it in the browser of the system.
    pub(crate) fn open_in_browser(self) {
        // Some browsers are waited for.
        thread::spawn(move || browser::open(&self.0));
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link([redacted])")
    }
}

/// Whether the program of the window is there.
pub(crate) fn is_installed() -> bool {
    program().is_some()
}

/// Beside this program, or where Debian keeps what only programs start.
fn program() -> Option<PathBuf> {
    let own = current_exe().ok()?;
    let folder = own.parent()?;
    let name = format!("codex-router-window{EXE_SUFFIX}");
    let places = [folder.to_owned(), folder.join("../libexec/codex-router")];
    let mut programs = places.into_iter().map(|place| place.join(&name));
    programs.find(|program| program.is_file())
}

/// The window, while it is open.
pub(crate) struct Window {
    bell: Bell,
    open: Option<Open>,
    opened: u64,
}

/// A window closes when its orders end, so with this program too, however that ends.
struct Open {
    number: u64,
    orders: ChildStdin,
    /// How many orders it was given: one that was closing may not have heard the last.
    given: usize,
    /// The address of the page, for a window that has been let in.
    page: String,
}

impl Window {
    /// None yet; that one has closed is told by this bell.
    pub(crate) fn new(bell: Bell) -> Self {
        Self {
            bell,
            open: None,
            opened: 0,
        }
    }

    /// Brings it to the front and the page to this place, if it is there.
    pub(crate) fn bring_to_front(&mut self, place: Place) -> bool {
        let order = |open: &Open| match place {
            Place::Profiles => String::new(),
            Place::AddAccount => format!("{}#add", open.page),
        };
        self.order(order)
    }

    /// The same by a link, for a page that may not have been let in yet.
    pub(crate) fn follow(&mut self, place: Place, link: &Link) -> bool {
        self.order(|_| match place {
            Place::Profiles => String::new(),
            Place::AddAccount => link.0.clone(),
        })
    }

    /// Opens it, if the system can. If it turns out later that it cannot, the bell tells so.
    pub(crate) fn show(&mut self, link: &Link) -> bool {
        self.opened += 1;
        match Open::start(self.opened, link, self.bell.clone()) {
            Ok(open) => self.open = Some(open),
            Err(error) => tracing::debug!(%error, "there is no window"),
        }
        self.open.is_some()
    }

    /// Closes it.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    /// Takes notice that a window is gone. Says whether it was asked for while it was about to go.
    pub(crate) fn has_closed(&mut self, closed: Closed) -> bool {
        let open = self.open.take_if(|open| open.number == closed.number);
        open.is_some_and(|open| open.given > closed.heard)
    }

    fn order(&mut self, order: impl FnOnce(&Open) -> String) -> bool {
        let given = self.open.as_mut().map(|open| {
            let order = order(open);
            open.given += 1;
            writeln!(open.orders, "{order}")
        });
        // One that takes no orders is on its way out.
        if let Some(Err(_)) = given {
            self.open = None;
        }
        self.open.is_some()
    }
}

impl Open {
    fn start(number: u64, link: &Link, bell: Bell) -> io::Result<Self> {
        let program = program().ok_or(io::ErrorKind::NotFound)?;
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take();
        thread::spawn(move || bell.ring(Event::WindowClosed(Closed::of(number, child))));
        let mut orders = orders.ok_or(io::ErrorKind::BrokenPipe)?;
        // One that takes no orders has ended already, which the bell tells.
        let _ = writeln!(orders, "{}", link.0);
        let page = link.0.split('#').next().unwrap_or_default().to_owned();
        Ok(Self {
            number,
            orders,
            given: 1,
            page,
        })
    }
}

/// A window that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    number: u64,
    /// How many orders it had carried out.
    heard: usize,
    /// How it came to its end.
    pub(crate) end: End,
}

impl Closed {
    /// Waits for it. It says a line for each order.
    fn of(number: u64, mut child: Child) -> Self {
        let said = child.stdout.take().map(BufReader::new);
        let lines = said.map(BufRead::lines).into_iter().flatten();
        Self {
            number,
            heard: lines.map_while(Result::ok).count(),
            end: end_of(child),
        }
    }
}

/// How a window came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was closed.
    Closed,
    /// It could not show the page.
    Failed,
    /// It was killed or crashed.
    Broken,
}

/// Waits for it.
fn end_of(mut child: Child) -> End {
    match child.wait().map(|status| status.code()) {
        Ok(Some(0)) => End::Closed,
        Ok(Some(_)) => End::Failed,
        Ok(None) | Err(_) => End::Broken,
    }
}
