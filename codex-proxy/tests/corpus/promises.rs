//! What every stream of chunks keeps to, whatever the upstream sent.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    accumulate::{Accumulated, in_short},
    files,
    generate::{Answer, answer},
    play::{ChatClient, FORMATS},
    well_formed::well_formed,
};

#[test]
fn every_stream_of_chunks_is_well_formed() {
    for (name, stream) in files::streams() {
        for format in FORMATS {
            for client in clients() {
                let chunks = client.streamed(&[&stream], format);
                assert_eq!(well_formed(&chunks), Ok(()), "{name}, {format:?}: {chunks}");
            }
        }
    }
}

#[test]
fn chunks_put_together_are_the_answer_that_is_not_streamed() {
    for (name, stream) in files::streams() {
        for format in FORMATS {
            for client in clients() {
                let streamed = client.streamed(&[&stream], format);
                let whole = client.whole(&[&stream], format);
                assert_eq!(same(&streamed, whole), Ok(()), "{name}, {format:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_answer_is_told_as_it_was_given(answer in answer()) {
        let stream = answer.stream();
        let client = ChatClient::default();
        for format in FORMATS {
            let streamed = client.streamed(&[&stream], format);
            prop_assert_eq!(well_formed(&streamed), Ok(()), "{}", streamed);
            let whole = client.whole(&[&stream], format);
            prop_assert_eq!(same(&streamed, whole), Ok(()), "{}", streamed);
            prop_assert_eq!(told(&answer, &streamed), answer.expected(format));
        }
    }
}

/// Clients that differ in what of an answer they take.
fn clients() -> [ChatClient; 4] {
    [
        ChatClient::default(),
        ChatClient::new(json!({"functions": [{"name": "f"}]})),
        ChatClient::new(json!({"stop": ["nin", " the "]})),
        ChatClient::new(json!({"max_tokens": 2})),
    ]
}

/// What a client holds at the end, as far as the answer says it.
fn told(answer: &Answer, streamed: &str) -> Value {
    let whole = Accumulated::of(streamed);
    let finish_reason = whole.finish_reason.clone();
    let failed = whole.error.is_some();
    let mut message = whole.into_message();
    if answer.is_cut() {
        // What came before the cut is told; how much that is, other tests say.
        message.clear();
    }
    json!({"message": message, "finish_reason": finish_reason, "failed": failed})
}

fn same(streamed: &str, whole: Result<Value, codex_proxy::ApiError>) -> Result<(), String> {
    let streamed = Accumulated::of(streamed);
    let whole = match whole {
        Ok(whole) => whole,
        Err(error) => {
            let told = streamed.error.unwrap_or_default();
            let same = told == error.to_json()["error"];
            return same.then_some(()).ok_or(format!("{told} is not {error:?}"));
        }
    };
    let choice = &whole["choices"][0];
    let (finish_reason, usage) = (streamed.finish_reason.clone(), streamed.usage.clone());
    let streamed = Value::from(streamed.into_message());
    let message = Value::from(in_short(choice["message"].as_object().unwrap().clone()));
    if streamed != message {
        return Err(format!("{streamed} is not {message}"));
    }
    if finish_reason.as_deref() != choice["finish_reason"].as_str() {
        return Err(format!("{finish_reason:?} is not {choice}"));
    }
    let counted = whole.get("usage").cloned().unwrap_or_default();
    (usage == counted)
        .then_some(())
        .ok_or(format!("{usage} is not {counted}"))
}
