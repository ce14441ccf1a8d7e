use std::io::{self, Write as _};

use codex_auth::login::{DeviceSignIn, SignedIn};

use super::Asking;
use crate::cli::exit::Failure;

/// With a code that the person enters on any device.
pub(super) async fn sign_in(asking: Asking) -> Result<SignedIn, Failure> {
    let starting = DeviceSignIn::start(asking.client, asking.issuer, asking.options);
    let sign_in = tokio::select! {
        sign_in = starting => sign_in?,
        () = asking.stop.told() => return Err(Failure::cancelled()),
    };
    show(&sign_in)?;
    asking
        .stop
        .done(sign_in.wait_unless(asking.stop.told()).await)
}

fn show(sign_in: &DeviceSignIn) -> io::Result<()> {
    let (url, code) = (sign_in.verification_url(), sign_in.user_code());
    let limit = match sign_in.time_limit().as_secs().div_ceil(60) {
        0 | 1 => "a minute".to_owned(),
        more => format!("{more} minutes"),
    };
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Open this address on any device and sign in:\n\n  {url}\n"
    )?;
    writeln!(out, "Then enter this code, within {limit}:\n\n  {code}\n")?;
    writeln!(
        out,
        "Enter no code that somebody else gave you: it would sign them in as you."
    )?;
    out.flush()
}
