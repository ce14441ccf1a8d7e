//! The window of Codex Router: its page in a web view.
//!
//! `codex-router` starts this program when the window is asked for, and tells it by [`orders`] on its
//! standard input what to show. It is a program of its own because a web view never gives back what
//! it loads: while there is no window, nothing of it takes memory. Where it cannot show anything it
//! fails, and the page opens in the browser instead.

#![cfg_attr(windows, windows_subsystem = "windows")]

#[cfg(target_os = "linux")]
mod appearance;
#[cfg(target_os = "macos")]
mod menu_bar;
mod orders;
mod view;

use std::{
    error::Error,
    io::{IsTerminal as _, stdin},
    process::ExitCode,
};

use tao::{
    event::{Event, WindowEvent},
    event_loop::{ControlFlow, EventLoop, EventLoopBuilder, EventLoopWindowTarget},
    platform::run_return::EventLoopExtRunReturn as _,
};

use self::{orders::Order, view::View};

fn main() -> ExitCode {
    if stdin().is_terminal() {
        eprintln!(
            "codex-router-window: `codex-router` starts this; run that, then `codex-router open`"
        );
        return ExitCode::from(2);
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("codex-router: there is no window: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    prepare()?;
    #[cfg(target_os = "linux")]
    let _appearance = appearance::follow();
    let mut events = event_loop();
    orders::read(stdin(), events.create_proxy());
    #[cfg(target_os = "macos")]
    let _menu_bar = menu_bar::MenuBar::show();

    let mut view = None;
    let mut outcome = Ok(());
    events.run_return(|event, target, flow| {
        *flow = ControlFlow::Wait;
        match on(event, target, &mut view) {
            Ok(true) => {}
            Ok(false) => *flow = ControlFlow::Exit,
            Err(error) => {
                outcome = Err(error);
                *flow = ControlFlow::Exit;
            }
        }
    });
    outcome
}

/// Whether there is more to come.
fn on(
    event: Event<'_, Order>,
    target: &EventLoopWindowTarget<Order>,
    view: &mut Option<View>,
) -> Result<bool, Box<dyn Error>> {
    match event {
        Event::UserEvent(Order::Open(url)) => {
            match view {
                Some(view) => view.open(&url)?,
                None => *view = Some(View::at(target, &url)?),
            }
            orders::done()?;
        }
        Event::UserEvent(Order::Raise) => {
            view.iter().for_each(View::raise);
            orders::done()?;
        }
        // A click on the icon in the Dock of macOS.
        Event::Reopen { .. } => view.iter().for_each(View::raise),
        Event::UserEvent(Order::Close)
        | Event::WindowEvent {
            event: WindowEvent::CloseRequested,
            ..
        } => return Ok(false),
        _ => {}
    }
    Ok(true)
}

fn event_loop() -> EventLoop<Order> {
    #[cfg_attr(
        not(target_os = "macos"),
        expect(unused_mut, reason = "macOS changes it")
    )]
    let mut events = EventLoopBuilder::with_user_event().build();
    #[cfg(target_os = "macos")]
    {
        use tao::platform::macos::{ActivationPolicy, EventLoopExtMacOS as _};
        // In the Dock and among those to switch to, unlike the icon in the menu bar.
        events.set_activation_policy(ActivationPolicy::Regular);
    }
    events
}

/// To be called while the program has one thread.
#[cfg(target_os = "linux")]
fn prepare() -> Result<(), Box<dyn Error>> {
    use gtk::glib;
    // By this name panels find the icon and the title of the program that the window belongs to.
    glib::set_prgname(Some("codex-router"));
    // The web view stays blank on some graphics drivers, and takes half as much memory again on all,
    // unless it is told to leave them alone. A person may have set something else.
    glib::setenv("WEBKIT_DISABLE_DMABUF_RENDERER", "1", false)?;
    // Otherwise the loop of events panics for want of a display.
    gtk::init()?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as where it may fail")]
fn prepare() -> Result<(), Box<dyn Error>> {
    Ok(())
}
