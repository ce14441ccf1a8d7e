use std::io::{self, Write as _};

use codex_auth::login::{DeviceSignIn, SignedIn};

use super::Asking;
use crate::cli::exit::Failure;

/// With a code that the person enters on any device.
pub(super) async fn sign_in(asking: Asking) -> Result<SignedIn, Failure> {
    let sign_in = DeviceSignIn::start(asking.client, asking.issuer, asking.options).await?;
    show(&sign_in)?;
    Ok(sign_in.wait().await?)
}

fn show(sign_in: &DeviceSignIn) -> io::Result<()> {
    let (url, code) = (sign_in.verification_url(), sign_in.user_code());
    let minutes = sign_in.time_limit().as_secs().div_ceil(60);
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Open this address on any device and sign in:\n\n  {url}\n"
    )?;
    writeln!(
        out,
        "Then enter this code, within {minutes} minutes:\n\n  {code}\n"
    )?;
    writeln!(
        out,
        "Enter no code that somebody else gave you: it would sign them in as you."
    )?;
    out.flush()
}
