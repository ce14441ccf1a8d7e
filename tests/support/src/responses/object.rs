//! The response object: what surrounds the items.

use serde_json::{Value, json};

use crate::model::{Ending, Envelope, Numbered, Script};

/// A response without its output.
#[derive(Debug)]
pub(super) struct Object {
    fields: Value,
    ending: Ending,
    usage: Value,
}

impl Object {
    pub(super) fn new(body: &Value, serial: u64, script: &Script, input_tokens: usize) -> Self {
        let output_tokens = script.output_tokens();
        let usage = json!({
            "input_tokens": input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output_tokens,
            "output_tokens_details": {"reasoning_tokens": script.reasoning_tokens()},
            "total_tokens": input_tokens + output_tokens,
        });
        Self {
            fields: fields(body, serial),
            ending: script.ending.clone(),
            usage,
        }
    }

    pub(super) fn id(&self) -> String {
        self.fields["id"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn envelope(&self, items: &[Numbered]) -> Envelope {
        Envelope {
            started: self.fields.clone(),
            finished: self.finished(items),
        }
    }

    pub(super) fn finished(&self, items: &[Numbered]) -> Value {
        let mut object = self.fields.clone();
        object["output"] = items.iter().map(Numbered::finished).collect();
        object["usage"] = self.usage.clone();
        match &self.ending {
            Ending::Completed => {
                object["status"] = json!("completed");
                object["completed_at"] = json!(now());
            }
            Ending::Incomplete(reason) => {
                object["status"] = json!("incomplete");
                object["incomplete_details"] = json!({"reason": reason});
            }
            Ending::Failed { code, message } => {
                object["status"] = json!("failed");
                object["error"] = json!({"code": code, "message": message});
                object["usage"] = Value::Null;
            }
        }
        object
    }
}

/// What is known when the response is created: mostly what was asked for, with its defaults.
fn fields(body: &Value, serial: u64) -> Value {
    let or = |name: &str, default: Value| {
        Some(&body[name])
            .filter(|value| !value.is_null())
            .cloned()
            .unwrap_or(default)
    };
    let verbosity = body["text"]["verbosity"].as_str().unwrap_or("medium");
    let tier = body["service_tier"]
        .as_str()
        .filter(|tier| *tier != "auto")
        .unwrap_or("default");
    json!({
        "id": format!("resp_{serial:048x}"),
        "object": "response",
        "created_at": now(),
        "status": "in_progress",
        "background": false,
        "completed_at": null,
        "error": null,
        "incomplete_details": null,
        "instructions": body["instructions"],
        "max_output_tokens": body["max_output_tokens"],
        "max_tool_calls": body["max_tool_calls"],
        "model": body["model"],
        "output": [],
        "parallel_tool_calls": or("parallel_tool_calls", json!(true)),
        "previous_response_id": body["previous_response_id"],
        "prompt_cache_key": body["prompt_cache_key"],
        "reasoning": {
            "effort": body["reasoning"]["effort"], "summary": body["reasoning"]["summary"],
        },
        "safety_identifier": body["safety_identifier"],
        "service_tier": tier,
        "store": or("store", json!(true)),
        "temperature": or("temperature", json!(1.0)),
        "text": {"format": or_plain(&body["text"]["format"]), "verbosity": verbosity},
        "tool_choice": or("tool_choice", json!("auto")),
        "tools": or("tools", json!([])),
        "top_logprobs": or("top_logprobs", json!(0)),
        "top_p": or("top_p", json!(1.0)),
        "truncation": or("truncation", json!("disabled")),
        "usage": null,
        "user": body["user"],
        "metadata": or("metadata", json!({})),
    })
}

/// The format that was asked for, else plain text.
fn or_plain(format: &Value) -> Value {
    if format.is_object() {
        format.clone()
    } else {
        json!({"type": "text"})
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
