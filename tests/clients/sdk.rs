//! Scripts of the SDKs.

use std::process::Command;
use std::time::Duration;

use crate::child::{Outcome, run};
use crate::corpus;
use crate::fidelity;
use crate::stage::{Backend, Stage};

const LIMIT: Duration = Duration::from_mins(2);

/// Runs a suite everywhere, and compares the table of fidelity with what it proved.
pub(crate) fn suite(script: fn() -> Command, check: fn(&Stage)) {
    fidelity::check(&everywhere(script, check));
}

/// Runs a script against the fake alone, then through the router with either kind of login, and
/// has `check` look at what the fake was sent.
fn everywhere(script: fn() -> Command, check: fn(&Stage)) -> [Outcome; 3] {
    [Backend::Direct, Backend::ChatGpt, Backend::ApiKey].map(|backend| {
        let stage = Stage::new(backend);
        let outcome = play(&stage, &mut script()).succeeded(&format!("{backend:?}"));
        stage.served_as_it_should();
        check(&stage);
        outcome
    })
}

/// Runs a script on this stage.
pub(crate) fn play(stage: &Stage, script: &mut Command) -> Outcome {
    let base_url = format!("http://localhost:{}/v1", stage.address().port());
    let script = script
        .env("OPENAI_BASE_URL", base_url)
        .env("OPENAI_API_KEY", stage.client_key())
        .env("FAKE_URL", format!("http://{}", stage.fake.address()));
    let outcome = run(script, LIMIT);
    corpus::record(stage, script);
    outcome
}

/// Runs a script that asks twice over one connection, with a change of the profile between.
pub(crate) fn follows_a_switch(mut script: Command) {
    let stage = Stage::new(Backend::ChatGpt);
    script.arg(stage.switching_command("other"));
    play(&stage, &mut script).succeeded("a switch between two turns");
    let calls = stage.fake.model_calls();
    let accounts: Vec<_> = calls.iter().map(|call| call.account.as_deref()).collect();
    assert_eq!(accounts, [Some("acct-work"), Some("acct-other")]);
}
