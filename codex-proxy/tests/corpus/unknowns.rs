//! What nobody knows yet changes nothing.

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{
    files,
    generate::answer,
    play::{self, ChatClient, FORMATS},
};

/// Events that say nothing to a client of today.
fn noise() -> impl Strategy<Value = String> {
    let event = |event: Value| format!("event: novel\ndata: {event}\n\n");
    prop_oneof![
        Just(": a comment\n\n".to_owned()),
        Just("event: ping\n\n".to_owned()),
        Just("data: not JSON\n\n".to_owned()),
        Just("data: [\"response.completed\"]\n\n".to_owned()),
        Just(event(
            json!({"type": "response.novel.delta", "output_index": 0, "delta": "no"})
        )),
        Just(event(
            json!({"type": "response.novel.done", "item_id": "msg_0", "text": "no"})
        )),
        Just(event(
            json!({"type": "codex.rate_limits", "rate_limits": {"primary": null}})
        )),
        Just(event(
            json!({"type": "response.completed.novel", "response": {"error": {}}})
        )),
        Just(event(json!({"novel": {"type": "response.failed"}}))),
        Just(event(json!({"type": 7, "delta": "no"}))),
        Just(event(json!({
            "type": "response.output_item.added", "output_index": 77,
            "item": {"id": "nov_1", "type": "novel_item", "content": [{"text": "no"}]}
        }))),
    ]
}

/// Fields that nobody reads, in every event.
fn with_novel_fields(event: &str) -> String {
    let Some((before, fields)) = event.rsplit_once("data: {") else {
        return event.to_owned();
    };
    let novel = r#""novel":{"type":"response.failed","delta":"no","item":null}"#;
    let comma = if fields.starts_with('}') { "" } else { "," };
    format!("{before}data: {{{novel}{comma}{fields}")
}

fn told(stream: &[u8]) -> (Vec<String>, Vec<Value>, Value) {
    let client = ChatClient::default();
    let whole = |format| match client.whole(&[stream], format) {
        Ok(answer) => answer,
        Err(error) => error.to_json(),
    };
    let response = match play::response(&[stream]) {
        Ok(response) => response,
        Err(error) => error.to_json(),
    };
    let chunks = FORMATS.map(|format| client.streamed(&[stream], format));
    (chunks.into(), FORMATS.map(whole).into(), response)
}

/// Event streams whose events end in an empty line, so that something can stand between them.
fn plain_streams() -> Vec<Vec<u8>> {
    let plain = |stream: &Vec<u8>| {
        let text = String::from_utf8_lossy(stream);
        text.ends_with("\n\n") && !text.contains('\r') && !text.starts_with('\u{feff}')
    };
    let streams = files::streams().into_iter().map(|(_, stream)| stream);
    streams.filter(plain).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn unknown_events_and_fields_change_nothing(
        stream in prop_oneof![
            prop::sample::select(plain_streams()),
            answer().prop_map(|answer| answer.stream()),
        ],
        noise in vec((any::<Index>(), noise()), 1..8),
        fields in any::<bool>(),
    ) {
        let text = String::from_utf8(stream.clone()).unwrap();
        let mut events: Vec<_> = text.split_inclusive("\n\n").map(str::to_owned).collect();
        if fields {
            events = events.iter().map(|event| with_novel_fields(event)).collect();
        }
        for (at, event) in noise {
            events.insert(at.index(events.len() + 1), event);
        }
        let noisy = events.concat();
        prop_assert_eq!(told(&stream), told(noisy.as_bytes()), "{}", noisy);
    }
}
