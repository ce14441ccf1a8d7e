//! `login [NAME]`: a sign-in of our own.

mod browser;
mod device;
mod key;
mod stopping;
mod told;

use std::time::Duration;

use codex_auth::{
    AuthDotJson, Issuer,
    login::{SignInOptions, SignedIn},
};
use codex_profiles::{CodexHome, KeptSignIn, ProfileName, ProfileStore};
use tokio::time::{Instant, sleep};

use stopping::Stopping;

use super::{args::LoginArgs, client, exit::Failure, stop::stop_signal};

/// How often, and for how long, a login that no disk takes is tried to be kept.
const PAUSE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_mins(5);

/// What a sign-in needs to know.
struct Asking {
    client: reqwest::Client,
    issuer: Issuer,
    options: SignInOptions,
    stop: Stopping,
}

/// Signs in, keeps the login as a profile, and says where.
pub(crate) async fn login(home: &CodexHome, args: &LoginArgs) -> Result<(), Failure> {
    let wanted = args.name.as_deref().map(ProfileName::parse).transpose();
    let wanted = wanted.map_err(Failure::usage)?;
    let client = client::issuer_client()?;
    let store = client::store(home)?;
    // A person who has signed in shall not be told then that there is no room.
    store.probe_room().await?;
    let (login, note) = if args.way.api_key {
        (AuthDotJson::from_api_key(key::read()?), None)
    } else {
        let signed_in = sign_in(args, client).await?;
        let note = (args.with_openai_key && !signed_in.has_openai_key).then_some(told::NO_KEY);
        (signed_in.login, note)
    };
    let kept = keep(&store, &login, wanted.as_ref()).await?;
    let current = store.current().await.ok().flatten();
    told::tell(&login, &kept, wanted.as_ref(), current.as_ref(), note)
}

async fn sign_in(args: &LoginArgs, client: reqwest::Client) -> Result<SignedIn, Failure> {
    let stop = Stopping::default();
    let asking = Asking {
        stop: stop.clone(),
        client,
        issuer: Issuer::from_env(),
        options: SignInOptions::default()
            .with_time_limit(Duration::from_secs(args.timeout))
            .with_openai_key(args.with_openai_key),
    };
    let signing_in = async {
        match &args.way {
            way if way.device => device::sign_in(asking).await,
            way if way.paste => browser::by_pasting(asking).await,
            _ => browser::sign_in(asking).await,
        }
    };
    tokio::select! {
        done = signing_in => done,
        () = stop.twice() => Err(Failure::because(
            "given up; a login that nobody holds may have stayed behind at OpenAI",
        )),
    }
}

/// Keeps the login, which exists nowhere else: tried again while the disk does not take it.
async fn keep(
    store: &ProfileStore,
    login: &AuthDotJson,
    wanted: Option<&ProfileName>,
) -> Result<KeptSignIn, Failure> {
    let began = Instant::now();
    loop {
        let error = match store.keep_sign_in(login, wanted.cloned()).await {
            Ok(kept) => return Ok(kept),
            Err(error) => error,
        };
        eprintln!("codex-router: you are signed in, but the login cannot be written: {error}");
        if began.elapsed() > PATIENCE {
            return Err(error.into());
        }
        eprintln!("Mend that, and it is written; Ctrl-C gives the login up.");
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = stop_signal() => return Err(error.into()),
        }
    }
}
