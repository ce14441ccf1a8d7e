//! A conversation that is sent as chat messages is the same conversation in the Responses API.
//!
//! The messages are written, and the input items read, as OpenAI's reference has them: nothing of
//! the translation is used to check it.

use codex_proxy::chat::{ReasoningFormat, request::translate};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

/// What one side says or does.
#[derive(Debug, Clone, PartialEq)]
enum Turn {
    Said {
        role: Role,
        parts: Vec<Part>,
    },
    Called {
        id: String,
        name: String,
        arguments: String,
        custom: bool,
    },
    Answered {
        id: String,
        result: Vec<Part>,
        custom: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    /// `system` or `developer`: the newer API has one word for both.
    Rules,
    User,
    Assistant,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Refusal(String),
    Image {
        url: String,
        detail: Option<String>,
    },
    Audio {
        data: String,
        format: String,
    },
    File {
        id: Option<String>,
        name: Option<String>,
        data: Option<String>,
    },
}

/// How the messages are written, where there is a choice.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// `system` or `developer`.
    rules: &'static str,
    text_alone: bool,
    bare_image: bool,
    calls_with_text: bool,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-zA-Z ]{1,12}", 1 => "\\PC{1,6}", 1 => "[\"\\\\\n\r\t/\u{2028}]{1,4}"]
}

fn said_by_the_client() -> impl Strategy<Value = Part> {
    let detail = prop::option::of(prop::sample::select(vec!["low", "high", "auto"]));
    prop_oneof![
        4 => text().prop_map(Part::Text),
        1 => (text(), detail).prop_map(|(url, detail)| Part::Image {
            url, detail: detail.map(str::to_owned),
        }),
        1 => ("[A-Za-z0-9+/]{4,8}", "wav|mp3").prop_map(|(data, format)| Part::Audio { data, format }),
        1 => (prop::option::of("file-[a-z]{3}"), prop::option::of(text()), prop::option::of(text()))
            .prop_map(|(id, name, data)| Part::File { id, name, data }),
    ]
}

fn said_by_the_model() -> impl Strategy<Value = Part> {
    prop_oneof![3 => text().prop_map(Part::Text), 1 => text().prop_map(Part::Refusal)]
}

fn turn() -> impl Strategy<Value = Turn> {
    let said =
        |role| vec(said_by_the_client(), 1..4).prop_map(move |parts| Turn::Said { role, parts });
    let rules = vec(text().prop_map(Part::Text), 1..3).prop_map(|parts| Turn::Said {
        role: Role::Rules,
        parts,
    });
    let model = vec(said_by_the_model(), 1..3).prop_map(|parts| Turn::Said {
        role: Role::Assistant,
        parts,
    });
    let call =
        (any::<bool>(), "[a-z_]{1,8}", text()).prop_map(|(custom, name, arguments)| Turn::Called {
            id: String::new(),
            name,
            arguments,
            custom,
        });
    prop_oneof![1 => rules, 3 => said(Role::User), 2 => model, 3 => call]
}

/// Turns in which each call has its result, at once or after the calls beside it.
fn conversation() -> impl Strategy<Value = Vec<Turn>> {
    let result = vec(
        prop_oneof![
            3 => text().prop_map(Part::Text),
            1 => text().prop_map(|url| Part::Image { url, detail: None }),
        ],
        1..3,
    );
    vec((turn(), result, any::<bool>()), 1..8).prop_map(|drawn| {
        let (mut turns, mut open): (Vec<Turn>, Vec<Turn>) = Default::default();
        for (number, (turn, result, at_once)) in drawn.into_iter().enumerate() {
            match turn {
                Turn::Called {
                    name,
                    arguments,
                    custom,
                    ..
                } => {
                    let id = format!("call_{number}");
                    open.push(Turn::Answered {
                        id: id.clone(),
                        result,
                        custom,
                    });
                    turns.push(Turn::Called {
                        id,
                        name,
                        arguments,
                        custom,
                    });
                    if at_once {
                        turns.append(&mut open);
                    }
                }
                said => {
                    turns.append(&mut open);
                    turns.push(said);
                }
            }
        }
        turns.append(&mut open);
        turns
    })
}

fn manner() -> impl Strategy<Value = Manner> {
    let rules = prop::sample::select(vec!["system", "developer"]);
    let choices = (rules, any::<bool>(), any::<bool>(), any::<bool>());
    choices.prop_map(|(rules, text_alone, bare_image, calls_with_text)| Manner {
        rules,
        text_alone,
        bare_image,
        calls_with_text,
    })
}

impl Manner {
    fn messages(self, turns: &[Turn]) -> Vec<Value> {
        let mut messages: Vec<Value> = Vec::new();
        for turn in turns {
            match turn {
                Turn::Said { role, parts } => messages.push(self.said(*role, parts)),
                Turn::Called {
                    id,
                    name,
                    arguments,
                    custom,
                } => {
                    let call = Self::call(id, name, arguments, *custom);
                    let last = messages.last_mut();
                    let joins = |last: &&mut Value| {
                        let by_text = self.calls_with_text || last.get("tool_calls").is_some();
                        last["role"] == "assistant" && by_text
                    };
                    match last.filter(joins) {
                        Some(last) if last.get("tool_calls").is_some() => {
                            last["tool_calls"].as_array_mut().unwrap().push(call);
                        }
                        Some(last) => last["tool_calls"] = json!([call]),
                        None => messages.push(
                            json!({"role": "assistant", "content": null, "tool_calls": [call]}),
                        ),
                    }
                }
                Turn::Answered { id, result, .. } => messages.push(
                    json!({"role": "tool", "tool_call_id": id, "content": self.content(result)}),
                ),
            }
        }
        messages
    }

    fn said(self, role: Role, parts: &[Part]) -> Value {
        let role = match role {
            Role::Rules => self.rules,
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        match parts {
            [Part::Refusal(text)] if self.text_alone => {
                json!({"role": role, "content": null, "refusal": text})
            }
            parts => json!({"role": role, "content": self.content(parts)}),
        }
    }

    fn content(self, parts: &[Part]) -> Value {
        match parts {
            [Part::Text(text)] if self.text_alone => text.clone().into(),
            parts => parts.iter().map(|part| self.part(part)).collect(),
        }
    }

    fn part(self, part: &Part) -> Value {
        match part {
            Part::Text(text) => json!({"type": "text", "text": text}),
            Part::Refusal(text) => json!({"type": "refusal", "refusal": text}),
            Part::Image { url, detail: None } if self.bare_image => {
                json!({"type": "image_url", "image_url": url})
            }
            Part::Image { url, detail } => {
                let mut image = json!({"url": url});
                if let Some(detail) = detail {
                    image["detail"] = detail.clone().into();
                }
                json!({"type": "image_url", "image_url": image})
            }
            Part::Audio { data, format } => {
                json!({"type": "input_audio", "input_audio": {"data": data, "format": format}})
            }
            Part::File { id, name, data } => {
                let mut file = json!({});
                for (field, value) in [("file_id", id), ("filename", name), ("file_data", data)] {
                    if let Some(value) = value {
                        file[field] = value.clone().into();
                    }
                }
                json!({"type": "file", "file": file})
            }
        }
    }

    fn call(id: &str, name: &str, arguments: &str, custom: bool) -> Value {
        if custom {
            let custom = json!({"name": name, "input": arguments});
            json!({"id": id, "type": "custom", "custom": custom})
        } else {
            let function = json!({"name": name, "arguments": arguments});
            json!({"id": id, "type": "function", "function": function})
        }
    }
}

/// Input items of a Responses request, read as the reference has them.
fn read(items: &Value) -> Vec<Turn> {
    items.as_array().unwrap().iter().map(read_item).collect()
}

fn read_item(item: &Value) -> Turn {
    let field = |name: &str| {
        item[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {item}"))
            .to_owned()
    };
    match item["type"].as_str().unwrap() {
        "message" => {
            let role = match item["role"].as_str().unwrap() {
                "developer" => Role::Rules,
                "user" => Role::User,
                "assistant" => Role::Assistant,
                role => panic!("no role of the API: {role}"),
            };
            let side = if role == Role::Assistant {
                "output_text"
            } else {
                "input_text"
            };
            let parts = item["content"].as_array().unwrap().iter();
            Turn::Said {
                role,
                parts: parts.map(|part| read_part(part, side)).collect(),
            }
        }
        kind @ ("function_call" | "custom_tool_call") => {
            let custom = kind == "custom_tool_call";
            let arguments = field(if custom { "input" } else { "arguments" });
            Turn::Called {
                id: field("call_id"),
                name: field("name"),
                arguments,
                custom,
            }
        }
        kind @ ("function_call_output" | "custom_tool_call_output") => {
            let result = match &item["output"] {
                Value::String(text) => vec![Part::Text(text.clone())],
                parts => parts
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|p| read_part(p, "input_text"))
                    .collect(),
            };
            let custom = kind == "custom_tool_call_output";
            Turn::Answered {
                id: field("call_id"),
                result,
                custom,
            }
        }
        kind => panic!("no item of a chat: {kind}"),
    }
}

fn read_part(part: &Value, text: &str) -> Part {
    let field = |name: &str| part[name].as_str().map(str::to_owned);
    match part["type"].as_str().unwrap() {
        kind if kind == text => Part::Text(field("text").unwrap()),
        "refusal" if text == "output_text" => Part::Refusal(field("refusal").unwrap()),
        "input_image" => Part::Image {
            url: field("image_url").unwrap(),
            detail: field("detail"),
        },
        "input_audio" => {
            let inside = |name: &str| part["input_audio"][name].as_str().unwrap().to_owned();
            Part::Audio {
                data: inside("data"),
                format: inside("format"),
            }
        }
        "input_file" => Part::File {
            id: field("file_id"),
            name: field("filename"),
            data: field("file_data"),
        },
        kind => panic!("no part of this side: {kind}"),
    }
}

proptest! {
    #[test]
    fn a_conversation_keeps_its_meaning(turns in conversation(), manner in manner()) {
        let messages = manner.messages(&turns);
        let request = json!({"model": "gpt-5.5", "messages": messages}).to_string();
        let translated = translate(request.as_bytes(), ReasoningFormat::default()).unwrap();
        let body: Value = serde_json::from_slice(&translated.body).unwrap();
        prop_assert_eq!(read(&body["input"]), turns, "{}", request);
    }

    /// The legacy form has no ids: what belongs together is told by the order.
    #[test]
    fn a_conversation_in_the_legacy_form_keeps_its_meaning(
        calls in vec(("[a-z]{1,8}", text(), text()), 1..5),
    ) {
        let mut messages = vec![json!({"role": "user", "content": "hi"})];
        for (name, arguments, result) in &calls {
            messages.extend([
                json!({"role": "assistant", "content": null,
                       "function_call": {"name": name, "arguments": arguments}}),
                json!({"role": "function", "name": name, "content": result}),
            ]);
        }
        let functions: Vec<_> = calls.iter().map(|(name, ..)| json!({"name": name})).collect();
        let request = json!({"model": "gpt-5.5", "messages": messages, "functions": functions});
        let request = request.to_string();
        let translated = translate(request.as_bytes(), ReasoningFormat::default()).unwrap();
        let body: Value = serde_json::from_slice(&translated.body).unwrap();
        let turns = read(&body["input"]);
        let mut ids = Vec::new();
        let pairs: Vec<_> = turns[1..].chunks(2).map(|pair| match pair {
            [
                Turn::Called { id, name, arguments, custom: false },
                Turn::Answered { id: answered, result, custom: false },
            ] if id == answered && !ids.contains(id) => {
                ids.push(id.clone());
                (name.clone(), arguments.clone(), result.clone())
            }
            _ => panic!("{pair:?} after {ids:?}"),
        }).collect();
        let calls: Vec<_> = calls
            .into_iter()
            .map(|(name, arguments, result)| (name, arguments, vec![Part::Text(result)]))
            .collect();
        prop_assert_eq!(pairs, calls, "{}", request);
    }
}
