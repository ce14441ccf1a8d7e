//! What becomes of each stream of the corpus, for each kind of client: read by a person, then kept.

use std::fmt::Write as _;

use codex_proxy::{ApiError, chat::ReasoningFormat};
use serde_json::Value;

use crate::{
    files,
    play::{self, ChatClient, FORMATS},
    sse,
};

#[test]
fn each_stream_becomes_what_was_reviewed() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/streams");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (name, stream) in files::streams() {
        settings.bind(|| insta::assert_snapshot!(name.as_str(), told(&stream)));
    }
}

/// A snapshot whose stream is gone would be reviewed for nothing.
#[test]
fn each_snapshot_is_of_a_file_that_is_there() {
    for (kind, files) in [
        ("streams", files::streams()),
        ("chat", files::requests("chat")),
        ("responses", files::requests("responses")),
    ] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/snapshots/");
        let kept = files::named(&format!("{folder}{kind}"));
        let names = |files: Vec<(String, Vec<u8>)>| -> Vec<_> {
            files.into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(kept), names(files), "{kind}");
    }
}

fn told(stream: &[u8]) -> String {
    let pieces = [stream];
    let client = ChatClient::default();
    let mut told = String::new();
    chat(&mut told, "chunks", |format| {
        chunks(&client.streamed(&pieces, format))
    });
    chat(&mut told, "chat completion", |format| {
        object(client.whole(&pieces, format))
    });
    let relayed = String::from_utf8(play::relayed(&pieces)).unwrap();
    let _ = writeln!(
        told,
        "== events\n{}",
        difference(&String::from_utf8_lossy(stream), &relayed)
    );
    let _ = writeln!(
        told,
        "== response\n{}",
        response(stream, play::response(&pieces))
    );
    told
}

/// Where it is not that of the upstream's last event.
fn response(stream: &[u8], answer: Result<Value, ApiError>) -> String {
    let Ok(answer) = answer else {
        return object(answer);
    };
    let events = sse::data(stream).into_iter();
    let last = events
        .filter_map(|data| serde_json::from_str::<Value>(&data).ok())
        .find(|event| {
            let kind = event["type"].as_str().unwrap_or_default();
            matches!(
                kind,
                "response.completed" | "response.incomplete" | "response.done"
            )
        });
    let last = &last.unwrap()["response"];
    assert_eq!(fields_of(last).count(), fields_of(&answer).count());
    let others = fields_of(&answer).filter(|(name, value)| last[name.as_str()] != **value);
    let others: serde_json::Map<_, _> = others.map(|(n, v)| (n.clone(), v.clone())).collect();
    let but = if others.is_empty() { "" } else { ", but" };
    format!(
        "200, that of the last event{but}\n{}",
        fields(&others.into())
    )
}

fn fields_of(object: &Value) -> serde_json::map::Iter<'_> {
    object.as_object().unwrap().iter()
}

/// For each way of showing reasoning, unless it makes no difference.
fn chat(told: &mut String, what: &str, shown: impl Fn(ReasoningFormat) -> String) {
    let first = shown(FORMATS[0]);
    let _ = writeln!(told, "== {what}\n{first}");
    for format in &FORMATS[1..] {
        let other = shown(*format);
        if other != first {
            let _ = writeln!(told, "== {what}, reasoning as {format:?}\n{other}");
        }
    }
}

/// What is the same in all chunks once, then the rest of each as it stands.
fn chunks(stream: &str) -> String {
    let mut told = String::new();
    let mut head = None;
    for event in stream.split_terminator("\n\n") {
        let data = event.strip_prefix("data: ").unwrap();
        let Some((same, rest)) = data.split_once(r#","choices":"#) else {
            let _ = writeln!(told, "{data}");
            continue;
        };
        if head.is_none() {
            head = Some(same);
            let _ = writeln!(told, "{same},…");
        }
        assert_eq!(head, Some(same), "{stream}");
        let _ = writeln!(told, r#"  "choices":{rest}"#);
    }
    told
}

fn object(answer: Result<Value, ApiError>) -> String {
    match answer {
        Ok(answer) => format!("200\n{}", fields(&answer)),
        Err(error) => format!(
            "{}\n{}",
            told_error(&error),
            fields(&error.to_json()["error"])
        ),
    }
}

/// A line for each field, and for each value of a list.
fn fields(object: &Value) -> String {
    let mut told = String::new();
    for (name, value) in fields_of(object) {
        match value.as_array().filter(|values| !values.is_empty()) {
            Some(values) => {
                let _ = writeln!(told, "{name}:");
                for value in values {
                    let _ = writeln!(told, "  {value}");
                }
            }
            None => {
                let _ = writeln!(told, "{name}: {value}");
            }
        }
    }
    told
}

pub(crate) fn told_error(error: &ApiError) -> String {
    let origin = error.origin.as_str();
    let after = error
        .retry_after_seconds
        .map(|s| format!(", retry after {s} s"));
    format!(
        "{} of the {origin}{}",
        error.status.as_u16(),
        after.unwrap_or_default()
    )
}

/// What is sent to the client beside what came from the upstream. A CR is shown as one.
fn difference(came: &str, sent: &str) -> String {
    if came == sent {
        return "as they came\n".into();
    }
    let same = came
        .bytes()
        .zip(sent.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let blank_lines = ["\n\n", "\r\r", "\r\n\r\n"];
    let last = |end: &str| sent[..same].rfind(end).map(|at| at + end.len());
    let from = blank_lines
        .into_iter()
        .filter_map(last)
        .max()
        .unwrap_or_default();
    let sent = sent[from..]
        .replace('\r', "\\r\n")
        .replace("\\r\n\n", "\\r\\n\n");
    let left = came[from..].len();
    if sent.is_empty() {
        return format!("the first {from} bytes as they came, the last {left} left out\n");
    }
    format!("the first {from} bytes as they came, in place of the last {left}:\n{sent}")
}
