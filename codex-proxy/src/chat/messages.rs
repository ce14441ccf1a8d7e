//! Messages of a chat as input items of a Responses request.

use std::{borrow::Cow, collections::HashSet};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::request::invalid;
use crate::{
    error::ApiError,
    json::{JsonStr, Object, is_null},
};

/// An input item. Every one has its `type`: the ChatGPT backend wants it (wire reference 5.5).
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum InputItem<'a> {
    Message {
        role: &'static str,
        content: Vec<Part<'a>>,
    },
    FunctionCall {
        call_id: Id<'a>,
        name: JsonStr<'a>,
        arguments: JsonStr<'a>,
    },
    FunctionCallOutput {
        call_id: Id<'a>,
        output: Output<'a>,
    },
    CustomToolCall {
        call_id: Id<'a>,
        name: JsonStr<'a>,
        input: JsonStr<'a>,
    },
    CustomToolCallOutput {
        call_id: Id<'a>,
        output: Output<'a>,
    },
}

/// A part of a message's content.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Part<'a> {
    Ours(OurPart<'a>),
    /// One that already has the form of the Responses API.
    Theirs(&'a RawValue),
}

impl Part<'_> {
    fn is_silent(&self) -> bool {
        matches!(self, Self::Ours(OurPart::OutputText { text }) if text.is_empty())
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum OurPart<'a> {
    InputText {
        text: JsonStr<'a>,
    },
    OutputText {
        text: JsonStr<'a>,
    },
    Refusal {
        refusal: JsonStr<'a>,
    },
    InputImage {
        image_url: JsonStr<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a RawValue>,
    },
    InputAudio {
        input_audio: &'a RawValue,
    },
    InputFile(FilePart<'a>),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct FilePart<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    filename: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    file_data: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    file_url: Option<&'a RawValue>,
}

/// The id that ties a call to its result. The legacy form has none, so that we count.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Id<'a> {
    Given(JsonStr<'a>),
    Counted(String),
}

/// The result of a tool call.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Output<'a> {
    Text(JsonStr<'a>),
    Parts(Vec<Part<'a>>),
    Nothing(&'static str),
}

impl<'a> Output<'a> {
    /// Nothing is said as an empty text, in whichever form it came.
    fn of_parts(parts: Vec<Part<'a>>) -> Self {
        if parts.is_empty() {
            Self::Nothing("")
        } else {
            Self::Parts(parts)
        }
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: JsonStr<'a>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<JsonStr<'a>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    function_call: Option<Call<'a>>,
    #[serde(borrow)]
    tool_call_id: Option<JsonStr<'a>>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(borrow)]
    id: JsonStr<'a>,
    #[serde(borrow)]
    function: Option<Call<'a>>,
    #[serde(borrow)]
    custom: Option<CustomCall<'a>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    name: JsonStr<'a>,
    #[serde(borrow)]
    arguments: JsonStr<'a>,
}

#[derive(Deserialize)]
struct CustomCall<'a> {
    #[serde(borrow)]
    name: JsonStr<'a>,
    #[serde(borrow)]
    input: JsonStr<'a>,
}

/// The input items of a chat's messages, in order.
///
/// # Errors
/// 400, naming the message.
pub(crate) fn input<'a>(messages: &[&'a RawValue]) -> Result<Vec<InputItem<'a>>, ApiError> {
    let mut input = Input {
        items: Vec::with_capacity(messages.len()),
        ..Input::default()
    };
    for (index, message) in messages.iter().enumerate() {
        input.message(message, &format!("messages[{index}]"))?;
    }
    Ok(input.items)
}

/// The messages that a conversation keeps as it grows: up to the first that is not the client's
/// standing instructions, and that one too.
pub(crate) fn beginning<'m, 'a>(
    messages: &'m [&'a RawValue],
) -> impl Iterator<Item = &'a RawValue> + use<'m, 'a> {
    let standing = |message: &&&RawValue| {
        let role = serde_json::from_str::<Message>(message.get()).map(|m| m.role.decode());
        matches!(role.as_deref(), Ok("system" | "developer"))
    };
    let count = messages.iter().take_while(standing).count();
    messages.iter().copied().take(count + 1)
}

#[derive(Default)]
struct Input<'a> {
    items: Vec<InputItem<'a>>,
    /// Results of custom tools are items of another type.
    custom_ids: HashSet<&'a str>,
    legacy_calls: usize,
}

impl<'a> Input<'a> {
    fn message(&mut self, raw: &'a RawValue, at: &str) -> Result<(), ApiError> {
        let message: Message = serde_json::from_str(raw.get())
            .map_err(|_| invalid(at, "a message with `role` and `content`"))?;
        match message.role.decode().as_ref() {
            "system" | "developer" => self.text("developer", &message, at),
            "user" => self.text("user", &message, at),
            "assistant" => self.assistant(message, at),
            "tool" => self.tool(&message, at),
            "function" => self.function(&message, at),
            _ => Err(invalid(
                format!("{at}.role"),
                "system, developer, user, assistant, tool or function",
            )),
        }
    }

    fn text(
        &mut self,
        role: &'static str,
        message: &Message<'a>,
        at: &str,
    ) -> Result<(), ApiError> {
        let content = (message.content)
            .ok_or_else(|| invalid(format!("{at}.content"), "a text or a list of parts"))?;
        let content = parts(content, Side::Input, at)?;
        self.items.push(InputItem::Message { role, content });
        Ok(())
    }

    fn assistant(&mut self, message: Message<'a>, at: &str) -> Result<(), ApiError> {
        let mut content = match message.content {
            Some(content) if !is_null(content) => parts(content, Side::Output, at)?,
            _ => Vec::new(),
        };
        let refusal = message.refusal.filter(|refusal| !refusal.is_empty());
        content.extend(refusal.map(|refusal| Part::Ours(OurPart::Refusal { refusal })));
        if !content.is_empty() {
            let role = "assistant";
            self.items.push(InputItem::Message { role, content });
        }
        for (index, raw) in message
            .tool_calls
            .unwrap_or_default()
            .into_iter()
            .enumerate()
        {
            self.tool_call(raw, || format!("{at}.tool_calls[{index}]"))?;
        }
        if let Some(call) = message.function_call {
            self.legacy_calls += 1;
            self.function_call(self.legacy_id(), &call);
        }
        Ok(())
    }

    fn tool_call(&mut self, raw: &'a RawValue, at: impl Fn() -> String) -> Result<(), ApiError> {
        let expected = "a call with `id` and `function` or `custom`";
        let call: ToolCall =
            serde_json::from_str(raw.get()).map_err(|_| invalid(at(), expected))?;
        match (call.function, call.custom) {
            (Some(function), _) => self.function_call(Id::Given(call.id), &function),
            (None, Some(custom)) => {
                self.custom_ids.insert(call.id.escaped().as_str());
                self.items.push(InputItem::CustomToolCall {
                    call_id: Id::Given(call.id),
                    name: custom.name,
                    input: custom.input,
                });
            }
            (None, None) => return Err(invalid(at(), expected)),
        }
        Ok(())
    }

    fn function_call(&mut self, call_id: Id<'a>, call: &Call<'a>) {
        self.items.push(InputItem::FunctionCall {
            call_id,
            name: call.name,
            arguments: call.arguments,
        });
    }

    fn legacy_id(&self) -> Id<'a> {
        Id::Counted(format!("call_legacy_{}", self.legacy_calls))
    }

    fn tool(&mut self, message: &Message<'a>, at: &str) -> Result<(), ApiError> {
        let id = (message.tool_call_id)
            .ok_or_else(|| invalid(format!("{at}.tool_call_id"), "the id of the call"))?;
        let output = output(message.content, at)?;
        let call_id = Id::Given(id);
        self.items
            .push(if self.custom_ids.contains(id.escaped().as_str()) {
                InputItem::CustomToolCallOutput { call_id, output }
            } else {
                InputItem::FunctionCallOutput { call_id, output }
            });
        Ok(())
    }

    fn function(&mut self, message: &Message<'a>, at: &str) -> Result<(), ApiError> {
        let item = InputItem::FunctionCallOutput {
            call_id: self.legacy_id(),
            output: output(message.content, at)?,
        };
        self.items.push(item);
        Ok(())
    }
}

fn output<'a>(content: Option<&'a RawValue>, at: &str) -> Result<Output<'a>, ApiError> {
    match content {
        Some(raw) => match JsonStr::new(raw) {
            Some(text) => Ok(Output::Text(text)),
            None => parts(raw, Side::Input, at).map(Output::of_parts),
        },
        None => Ok(Output::Nothing("")),
    }
}

/// Text is named after the side that wrote it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Input,
    Output,
}

impl Side {
    fn text(self, text: JsonStr<'_>) -> Part<'_> {
        Part::Ours(match self {
            Self::Input => OurPart::InputText { text },
            Self::Output => OurPart::OutputText { text },
        })
    }
}

fn parts<'a>(content: &'a RawValue, side: Side, at: &str) -> Result<Vec<Part<'a>>, ApiError> {
    let mut parts = match JsonStr::new(content) {
        Some(text) => vec![side.text(text)],
        None => listed(content, side, at)?,
    };
    // An empty assistant text says nothing, and upstreams have refused it.
    parts.retain(|part| !part.is_silent());
    Ok(parts)
}

fn listed<'a>(content: &'a RawValue, side: Side, at: &str) -> Result<Vec<Part<'a>>, ApiError> {
    let list: Vec<&RawValue> = serde_json::from_str(content.get())
        .map_err(|_| invalid(format!("{at}.content"), "a text or a list of parts"))?;
    let numbered = list.into_iter().enumerate();
    numbered
        .map(|(index, raw)| {
            part(raw, side).ok_or_else(|| {
                invalid(
                    format!("{at}.content[{index}]"),
                    "a text, image, audio or file part",
                )
            })
        })
        .collect()
}

/// A part in its new form; nothing if it cannot be understood.
fn part(raw: &RawValue, side: Side) -> Option<Part<'_>> {
    let fields: Object = serde_json::from_str(raw.get()).ok()?;
    let kind: Cow<'_, str> = JsonStr::new(fields.field("type")?)?.decode();
    let part = match kind.as_ref() {
        "text" => return Some(side.text(JsonStr::new(fields.field("text")?)?)),
        "refusal" => OurPart::Refusal {
            refusal: JsonStr::new(fields.field("refusal")?)?,
        },
        "image_url" => image(&fields)?,
        "input_audio" => OurPart::InputAudio {
            input_audio: fields.field("input_audio")?,
        },
        "file" => OurPart::InputFile(serde_json::from_str(fields.field("file")?.get()).ok()?),
        "input_text" | "input_image" | "input_file" | "output_text" => {
            return Some(Part::Theirs(raw));
        }
        _ => return None,
    };
    Some(Part::Ours(part))
}

/// `image_url` is an object with `url`, or, from some clients, the address itself.
fn image<'a>(fields: &Object<'a>) -> Option<OurPart<'a>> {
    let value = fields.field("image_url")?;
    if let Some(image_url) = JsonStr::new(value) {
        let detail = fields.field("detail");
        return Some(OurPart::InputImage { image_url, detail });
    }
    let image: Object = serde_json::from_str(value.get()).ok()?;
    Some(OurPart::InputImage {
        image_url: JsonStr::new(image.field("url")?)?,
        detail: image.field("detail"),
    })
}
