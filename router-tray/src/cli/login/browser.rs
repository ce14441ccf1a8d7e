use std::{
    io::{self, IsTerminal as _, Write as _},
    thread,
};

use codex_auth::login::{BrowserSignIn, PasteBox, PasteError, SignInError, SignedIn};
use tokio::sync::oneshot;

use super::{Asking, device};
use crate::cli::exit::Failure;

/// With a browser on this machine; with a device code where no port can be had.
pub(super) async fn sign_in(asking: Asking) -> Result<SignedIn, Failure> {
    let (client, issuer) = (asking.client.clone(), asking.issuer.clone());
    let started = tokio::select! {
        started = BrowserSignIn::start(client, issuer, asking.options.clone()) => started,
        () = asking.stop.told() => return Err(Failure::cancelled()),
    };
    let sign_in = match started {
        Ok(sign_in) => sign_in,
        Err(error @ (SignInError::PortsTaken { .. } | SignInError::Listen(_))) => {
            eprintln!("codex-router: {error}. Signing in with a device code instead.");
            return device::sign_in(asking).await;
        }
        Err(error) => return Err(error.into()),
    };
    show(sign_in.authorize_url())?;
    if io::stdin().is_terminal() {
        told("If your browser is on another machine, paste the address that it ends at here.")?;
        // That nothing is pasted is the usual case.
        drop(listen_for_pastes(sign_in.paste_box()));
    }
    open(sign_in.authorize_url());
    asking
        .stop
        .done(sign_in.wait_unless(asking.stop.told()).await)
}

/// With a browser anywhere; no port is bound.
pub(super) async fn by_pasting(asking: Asking) -> Result<SignedIn, Failure> {
    let sign_in = BrowserSignIn::by_pasting(asking.client, asking.issuer, asking.options)?;
    show(sign_in.authorize_url())?;
    told("The browser ends at an address that it cannot load: paste that address here.")?;
    let pasted = listen_for_pastes(sign_in.paste_box());
    tokio::select! {
        done = sign_in.wait_unless(asking.stop.told()) => asking.stop.done(done),
        Err(_) = pasted => Err(Failure::because("standard input ended and no address was pasted")),
    }
}

fn show(url: &str) -> io::Result<()> {
    told(&format!(
        "Open this address in a browser and sign in:\n\n  {url}\n"
    ))?;
    told("Ctrl-C cancels and changes nothing.")
}

fn told(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Takes lines until one of them is an address of this sign-in. A thread of its own, since reading
/// a terminal cannot be broken off.
fn listen_for_pastes(paste: PasteBox) -> oneshot::Receiver<()> {
    let (taken, pasted) = oneshot::channel();
    thread::spawn(move || {
        let lines = io::stdin().lines().map_while(Result::ok);
        for line in lines.filter(|line| !line.trim().is_empty()) {
            match paste.submit(&line) {
                Ok(()) | Err(PasteError::Ended) => {
                    // Only whoever waits for a paste alone wants to know.
                    let _ = taken.send(());
                    return;
                }
                Err(problem) => eprintln!("codex-router: {problem}"),
            }
        }
    });
    pasted
}

/// Opens a browser, where there is a screen to show it on. The address was printed; so it is no
/// error when this fails.
fn open(url: &str) {
    let url = url.to_owned();
    thread::spawn(move || router_tray::browser::open(&url));
}
