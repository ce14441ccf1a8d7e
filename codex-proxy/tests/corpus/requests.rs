//! What becomes of each request of the corpus: read by a person, then kept.

use codex_proxy::{
    ApiError,
    chat::{
        ReasoningFormat,
        request::{AnswerOptions, translate},
    },
    responses::adapt::adapt,
};
use serde_json::Value;

use crate::{files, play::FORMATS, streams::told_error};

#[test]
fn each_chat_request_becomes_what_was_reviewed() {
    for (name, body) in files::requests("chat") {
        kept("snapshots/chat", &name, &chat(&body));
    }
}

#[test]
fn each_responses_request_becomes_what_was_reviewed() {
    for (name, body) in files::requests("responses") {
        let told = match adapt(&body) {
            Ok(adapted) => {
                let how = format!("stream: {}\ndropped: {:?}", adapted.stream, adapted.dropped);
                format!("{how}\n{}", pretty(&adapted.body))
            }
            Err(error) => refused(&error),
        };
        kept("snapshots/responses", &name, &told);
    }
}

/// How reasoning is shown decides over nothing but whether a summary of it is asked for.
#[test]
fn reasoning_that_is_not_shown_is_not_asked_for() {
    for (name, body) in files::requests("chat") {
        let [shown, in_tags, hidden] = FORMATS.map(|format| translate(&body, format));
        let (Ok(shown), Ok(in_tags), Ok(hidden)) = (shown, in_tags, hidden) else {
            continue;
        };
        assert_eq!(shown.body, in_tags.body, "{name}");
        let mut shown: Value = serde_json::from_slice(&shown.body).unwrap();
        let hidden: Value = serde_json::from_slice(&hidden.body).unwrap();
        let reasoning = shown["reasoning"].as_object_mut().unwrap();
        if reasoning["summary"] == "auto" {
            reasoning.remove("summary");
        }
        if reasoning.is_empty() {
            shown.as_object_mut().unwrap().remove("reasoning");
        }
        assert_eq!(shown, hidden, "{name}");
    }
}

fn chat(body: &[u8]) -> String {
    match translate(body, ReasoningFormat::default()) {
        Ok(translated) => format!(
            "{}\ndropped: {:?}\n{}",
            answer(&translated.answer),
            translated.dropped,
            pretty(&translated.body)
        ),
        Err(error) => refused(&error),
    }
}

fn answer(options: &AnswerOptions) -> String {
    let AnswerOptions {
        model,
        stream,
        include_usage,
        legacy_functions,
        limits,
    } = options;
    format!(
        "model: {model}\nstream: {stream}, include_usage: {include_usage}, \
         legacy_functions: {legacy_functions}\nmax_tokens: {:?}, stop: {:?}",
        limits.max_tokens, limits.stop
    )
}

fn refused(error: &ApiError) -> String {
    format!("{} {:#}\n", told_error(error), error.to_json())
}

fn pretty(json: &[u8]) -> String {
    let json: Value = serde_json::from_slice(json).unwrap();
    format!("{json:#}\n")
}

fn kept(folder: &str, name: &str, told: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, told));
}
