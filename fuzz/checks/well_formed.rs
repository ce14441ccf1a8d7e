//! The rules of a stream of chunks.

use serde_json::{Value, json};

/// The id of every streamed answer in these tests.
pub(crate) const ID: &str = "chatcmpl-1";
/// When every answer in these tests was made.
pub(crate) const CREATED: i64 = 1_700_000_000;

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
    calls: u64,
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
        let known = self.calls;
        if call["id"].is_null() {
            return rule(index < known, "arguments follow the call");
        }
        rule(index == known, "calls are counted")?;
        self.calls += 1;
        let kind = call["type"].as_str().unwrap_or_default();
        rule(call[kind]["name"].is_string(), "a call has a name")
    }
}
