//! What every stream of chunks keeps to, whatever the upstream sent.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    accumulate::{Accumulated, in_short},
    files,
    generate::{Answer, answer},
    play::{CREATED, ChatClient, FORMATS, ID},
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

/// Says what is wrong with a stream of chunks.
pub(crate) fn well_formed(stream: &str) -> Result<(), String> {
    let mut state = State::default();
    if !stream.ends_with("\n\n") {
        return Err("the last event has no end".into());
    }
    for event in stream.split_terminator("\n\n") {
        let data = event
            .strip_prefix("data: ")
            .ok_or("an event without data")?;
        state
            .event(data)
            .map_err(|wrong| format!("{wrong}: {data}"))?;
    }
    let ended = state.stage >= Stage::Done;
    ended.then_some(()).ok_or("there is no end".into())
}

/// How far a stream is.
#[derive(Default, PartialEq, PartialOrd)]
enum Stage {
    #[default]
    Nothing,
    Begun,
    Finished,
    Counted,
    Done,
    Failed,
}

#[derive(Default)]
struct State {
    stage: Stage,
    head: Option<Value>,
    calls: Vec<String>,
}

fn rule(kept: bool, rule: &str) -> Result<(), String> {
    kept.then_some(()).ok_or(rule.to_owned())
}

impl State {
    fn event(&mut self, data: &str) -> Result<(), String> {
        rule(self.stage < Stage::Done, "nothing follows the end")?;
        if data == "[DONE]" {
            rule(
                self.stage >= Stage::Finished,
                "a clean end has a finish_reason before it",
            )?;
            self.stage = Stage::Done;
            return Ok(());
        }
        let chunk: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
        if let Some(error) = chunk.get("error") {
            rule(
                self.stage < Stage::Finished,
                "an answer that was finished cannot fail",
            )?;
            self.stage = Stage::Failed;
            return rule(error["message"].is_string(), "an error has a message");
        }
        self.head(&chunk)?;
        match chunk["choices"].as_array().map(Vec::as_slice) {
            Some([]) => {
                rule(
                    self.stage == Stage::Finished,
                    "usage comes once, after the finish",
                )?;
                self.stage = Stage::Counted;
                rule(
                    chunk["usage"]["total_tokens"].is_u64(),
                    "tokens are counted",
                )
            }
            Some([choice]) => {
                rule(self.stage < Stage::Finished, "no chunk follows the finish")?;
                rule(chunk["usage"].is_null(), "usage comes at the end")?;
                self.choice(choice)
            }
            _ => Err("there is one choice".into()),
        }
    }

    fn head(&mut self, chunk: &Value) -> Result<(), String> {
        let head = json!([
            chunk["id"],
            chunk["created"],
            chunk["object"],
            chunk["model"]
        ]);
        let same = self.head.get_or_insert_with(|| head.clone()) == &head;
        rule(same, "id, time, object and model stay the same")?;
        let ours = json!([ID, CREATED, "chat.completion.chunk", chunk["model"]]);
        rule(
            head == ours && chunk["model"].is_string(),
            "the head is ours",
        )?;
        rule(chunk.get("usage").is_some(), "each chunk has a usage")
    }

    fn choice(&mut self, choice: &Value) -> Result<(), String> {
        rule(choice["index"] == 0, "the choice is the first")?;
        let delta = choice["delta"].as_object().ok_or("no delta")?;
        let is_first = self.stage == Stage::Nothing;
        rule(
            delta.contains_key("role") == is_first,
            "the role comes first, and once",
        )?;
        rule(
            !is_first || delta["role"] == "assistant",
            "the role is the assistant's",
        )?;
        self.stage = Stage::Begun;
        let finished = !choice["finish_reason"].is_null();
        rule(
            finished == delta.is_empty(),
            "the finish, and nothing else, says nothing",
        )?;
        if finished {
            self.stage = Stage::Finished;
        }
        let calls = delta.get("tool_calls").and_then(Value::as_array);
        calls
            .into_iter()
            .flatten()
            .try_for_each(|call| self.call(call))
    }

    fn call(&mut self, call: &Value) -> Result<(), String> {
        let index = call["index"].as_u64().ok_or("a call without index")?;
        let known = u64::try_from(self.calls.len()).unwrap();
        let Some(id) = call["id"].as_str() else {
            return rule(index < known, "arguments follow the call");
        };
        rule(index == known, "calls are counted")?;
        rule(
            !self.calls.iter().any(|known| known == id),
            "each call has an id of its own",
        )?;
        self.calls.push(id.into());
        let kind = call["type"].as_str().unwrap_or_default();
        rule(call[kind]["name"].is_string(), "a call has a name")
    }
}
