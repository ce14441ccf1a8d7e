//! The official Python library.

use std::process::Command;
use std::time::Duration;

use fake_openai::FakeOpenAi;

use crate::child::{command, installed};
use crate::sdk::{follows_a_switch, play, suite};
use crate::stage::{Backend, Stage};

pub(crate) fn interpreter() -> Command {
    command(installed(".venv/bin/python"))
}

fn python(script: &str) -> Command {
    let mut command = interpreter();
    // -B: the folder stays as it is committed.
    command.arg("-B").arg(installed("python").join(script));
    command
}

/// The sample as it stands in the README; only the port is another.
#[test]
fn the_sample_prints_its_answer_as_it_streams() {
    let readme = std::fs::read_to_string(installed("../../README.md")).unwrap();
    let (_, rest) = readme.split_once("```python\n").unwrap();
    let (sample, _) = rest.split_once("```").unwrap();
    assert_eq!(sample.matches(":9876/").count(), 1, "{sample}");
    let gap = Duration::from_millis(50);
    let text = "one two three four five ".repeat(8);
    for backend in [Backend::Direct, Backend::ChatGpt, Backend::ApiKey] {
        let fake = FakeOpenAi::builder().event_delay(gap).answer(text.trim());
        let stage = Stage::with(backend, fake);
        let mut sample = sample.replace(":9876/", &format!(":{}/", stage.address().port()));
        if backend == Backend::Direct {
            sample = sample.replace("unused", stage.client_key());
        }
        let outcome = play(&stage, interpreter().args(["-c", &sample]));
        let outcome = outcome.succeeded(&format!("{backend:?}"));
        assert_eq!(outcome.stdout, text.trim(), "{backend:?}");
        // Forty words, 50 ms apart; an answer that was held back would come at once.
        assert!(outcome.printing > gap * 20, "{backend:?}: {outcome:?}");
        stage.served_as_it_should();
        let call = stage.model_call().json;
        let effort = match backend {
            Backend::ChatGpt => &call["reasoning"]["effort"],
            _ => &call["reasoning_effort"],
        };
        assert_eq!(effort, "medium", "{backend:?}");
    }
}

#[test]
fn the_python_library_works_as_the_table_of_fidelity_says() {
    suite(
        || python("suite.py"),
        |stage| {
            // Several system messages arrive, all and in order.
            let sent = stage.fake.model_calls()[0].json.to_string();
            let at = |text| {
                sent.find(text)
                    .unwrap_or_else(|| panic!("{text} is not in {sent}"))
            };
            let rules = [
                at("First rule"),
                at("Second rule"),
                at("Good morning"),
                at("Third rule"),
            ];
            assert!(rules.is_sorted(), "{sent}");
        },
    );
}

#[test]
fn python_goes_on_from_answers() {
    suite(|| python("responses_state.py"), |_| {});
}

#[test]
fn python_completes_text() {
    suite(|| python("completions.py"), |_| {});
}

#[test]
fn the_very_next_request_is_served_by_the_profile_that_was_chosen() {
    let stage = Stage::new(Backend::ChatGpt);
    let ask = |wanted: &str, expected: &str, reason: &str, account: &str| {
        stage.fake.forget_requests();
        let mut script = python("profile.py");
        script.args([wanted, expected, reason]);
        play(&stage, &mut script).succeeded("profile.py");
        stage.served_by(account);
    };
    ask("", "work", "current", "acct-work");
    stage.choose("other");
    ask("", "other", "current", "acct-other");
    // A request may name its profile, whatever the current one is.
    ask("work", "work", "header", "acct-work");
    ask("", "other", "current", "acct-other");
}

#[test]
fn python_uses_responses_over_websocket() {
    suite(|| python("responses_ws.py"), |_| {});
}

#[test]
fn the_next_turn_on_a_websocket_is_served_by_the_profile_that_was_chosen() {
    follows_a_switch(python("responses_ws.py"));
}
