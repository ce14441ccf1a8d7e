//! A Responses request as the ChatGPT backend accepts it. *Source:* wire reference 5.4, 5.5.

use std::{ops::Range, sync::Arc};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    memory::Turn,
    recall::{Memories, OpenTurn, unknown_item, unknown_response},
};
use crate::{
    error::ApiError,
    json::{JsonStr, Object},
};

/// An adapted request.
#[derive(Debug, Clone)]
pub struct Adapted {
    /// The body to send.
    pub body: Vec<u8>,
    /// Whether the client wants the events as they come.
    pub stream: bool,
    /// The parameters that were left out.
    pub dropped: Vec<String>,
}

/// The backend works by an allow-list; so does this. The rest is dropped.
const FORWARDED: [&str; 9] = [
    "model",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "prompt_cache_key",
    "text",
    "client_metadata",
    "service_tier",
];

/// Looked at and written anew.
const REWRITTEN: [&str; 6] = [
    "input",
    "reasoning",
    "include",
    "store",
    "stream",
    "previous_response_id",
];

/// Values that ask for nothing, so that leaving them out is no loss.
const NEUTRAL: [(&str, &str); 7] = [
    ("temperature", "1"),
    ("temperature", "1.0"),
    ("top_p", "1"),
    ("top_p", "1.0"),
    ("truncation", "\"disabled\""),
    ("background", "false"),
    ("metadata", "{}"),
];

const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

/// Adapts the body of a Responses request, of which nothing is kept.
///
/// # Errors
/// 400, naming the part of the request that cannot be understood or served. No error text quotes
/// the request.
pub fn adapt(body: &[u8]) -> Result<Adapted, ApiError> {
    prepare(body, Memories::default()).map(|prepared| prepared.adapted)
}

/// A request with what must be known when its answer is complete.
pub(super) struct Prepared {
    pub(super) adapted: Adapted,
    /// Nothing where there is no memory.
    pub(super) turn: Option<OpenTurn>,
    /// `"generate": false`: nothing is to be answered, the input is for a later request.
    pub(super) warm_up: bool,
}

/// Adapts the body of a Responses request, and puts what came before it into it.
pub(super) fn prepare(body: &[u8], memories: Memories) -> Result<Prepared, ApiError> {
    let request: Object = serde_json::from_slice(body).map_err(|_| not_json())?;
    refuse_state(&request)?;
    let before = turn_before(&request, &memories)?;
    let warm_up = memories.are_of_a_connection() && is(&request, "generate", "false");
    let stores = !memories.are_none();
    let (service_tier, tier_dropped) = service_tier(&request);
    let adapted = AdaptedRequest {
        include: include(&request)?,
        reasoning: reasoning(&request)?,
        service_tier,
        request: &request,
    };
    let input = Input::parse(&request, &memories)?;
    let mut written = Vec::with_capacity(body.len() + 256);
    serde_json::to_writer(&mut written, &adapted).map_err(|_| not_json())?;
    let new_items = write_input(&mut written, before.as_deref(), &input)?;
    let mut turn = OpenTurn {
        memories,
        before,
        previous_response_id: request.field("previous_response_id").map(ToOwned::to_owned),
        input: "".into(),
        store: !is(&request, "store", "false"),
    };
    if turn.is_kept() {
        turn.input = String::from_utf8_lossy(&written[new_items]).into();
    }
    Ok(Prepared {
        adapted: Adapted {
            body: written,
            stream: is(&request, "stream", "true"),
            dropped: dropped(&request, stores, tier_dropped),
        },
        turn: stores.then_some(turn),
        warm_up,
    })
}

fn turn_before(request: &Object<'_>, memories: &Memories) -> Result<Option<Arc<Turn>>, ApiError> {
    let name = "previous_response_id";
    let Some(given) = request.field(name) else {
        return Ok(None);
    };
    if memories.are_none() {
        return Err(no_state(name));
    }
    let id = JsonStr::new(given).ok_or_else(|| invalid(name, "the id of an answer"))?;
    let turn = memories.turn(&id.decode());
    turn.map(Some).ok_or_else(unknown_response)
}

/// Adds the input as the last field of an object; says where in it the new items are.
fn write_input(
    object: &mut Vec<u8>,
    before: Option<&Turn>,
    input: &Input<'_>,
) -> Result<Range<usize>, ApiError> {
    object.pop();
    object.extend_from_slice(b",\"input\":[");
    let empty = object.len();
    for items in before.map(Turn::conversation).unwrap_or_default() {
        if object.len() > empty && !items.is_empty() {
            object.push(b',');
        }
        object.extend_from_slice(items.as_bytes());
    }
    if object.len() > empty && !input.is_empty() {
        object.push(b',');
    }
    let start = object.len();
    input.write(object).map_err(|_| not_json())?;
    let new_items = start..object.len();
    object.extend_from_slice(b"]}");
    Ok(new_items)
}

fn not_json() -> ApiError {
    ApiError::invalid_request("invalid_json", "the request body is not a JSON object")
}

fn invalid(param: impl Into<String>, expected: &str) -> ApiError {
    crate::chat::request::invalid(param, expected)
}

/// What needs a server that keeps more than answers.
fn refuse_state(request: &Object<'_>) -> Result<(), ApiError> {
    for name in ["conversation", "prompt"] {
        if request.field(name).is_some() {
            return Err(no_state(name));
        }
    }
    if is(request, "background", "true") {
        Err(no_state("background"))
    } else {
        Ok(())
    }
}

fn no_state(name: &str) -> ApiError {
    let message = format!(
        "`{name}` cannot be served: nothing is kept of a ChatGPT login's answers for it; send the \
         whole conversation in `input`, or choose a profile with an API key"
    );
    ApiError::invalid_request("unsupported_parameter", message).with_param(name)
}

fn is(request: &Object<'_>, name: &str, value: &str) -> bool {
    request.field(name).is_some_and(|raw| raw.get() == value)
}

fn dropped(request: &Object<'_>, stores: bool, tier_dropped: bool) -> Vec<String> {
    let known = |name| FORWARDED.contains(&name) || REWRITTEN.contains(&name);
    let neutral =
        |name, value: &RawValue| value.get() == "null" || NEUTRAL.contains(&(name, value.get()));
    let mut names: Vec<String> = request
        .iter()
        .filter(|(name, value)| !known(name) && !neutral(name, value))
        .map(|(name, _)| name.to_owned())
        .collect();
    names.extend((!stores && is(request, "store", "true")).then(|| "store".to_owned()));
    names.extend(tier_dropped.then(|| "service_tier".to_owned()));
    names
}

/// Codex sends `priority` alone; other values were refused.
fn service_tier(request: &Object<'_>) -> (Option<&'static str>, bool) {
    let tier = request.field("service_tier").and_then(JsonStr::new);
    match tier.map(JsonStr::decode).as_deref() {
        Some("priority" | "fast") => (Some("priority"), false),
        None | Some("auto" | "default") => (None, false),
        Some(_) => (None, true),
    }
}

struct AdaptedRequest<'r, 'a> {
    request: &'r Object<'a>,
    include: Vec<Box<RawValue>>,
    reasoning: Option<Object<'a>>,
    service_tier: Option<&'static str>,
}

impl Serialize for AdaptedRequest<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in FORWARDED {
            match (name, self.request.field(name)) {
                ("service_tier", _) => {
                    if let Some(tier) = self.service_tier {
                        map.serialize_entry(name, tier)?;
                    }
                }
                (_, Some(value)) => map.serialize_entry(name, value)?,
                ("instructions", None) => map.serialize_entry(name, "")?,
                (_, None) => {}
            }
        }
        if let Some(reasoning) = &self.reasoning {
            map.serialize_entry("reasoning", &Reasoning(reasoning))?;
        }
        map.serialize_entry("include", &self.include)?;
        map.serialize_entry("store", &false)?;
        map.serialize_entry("stream", &true)?;
        map.end()
    }
}

enum Input<'a> {
    Text(JsonStr<'a>),
    Items(Vec<Item<'a>>),
}

enum Item<'a> {
    AsItIs(&'a RawValue),
    Message(Object<'a>),
    /// One that was referred to.
    Kept(Box<RawValue>),
}

impl<'a> Input<'a> {
    fn parse(request: &Object<'a>, memories: &Memories) -> Result<Self, ApiError> {
        let expected = "a text or a list of items";
        let raw = request
            .field("input")
            .ok_or_else(|| invalid("input", expected))?;
        if let Some(text) = JsonStr::new(raw) {
            return Ok(Self::Text(text));
        }
        let items: Vec<&RawValue> =
            serde_json::from_str(raw.get()).map_err(|_| invalid("input", expected))?;
        let numbered = items.into_iter().enumerate();
        let items = numbered.map(|(index, raw)| Item::parse(raw, index, memories));
        items.collect::<Result<_, _>>().map(Self::Items)
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Items(items) if items.is_empty())
    }

    /// The items with commas between them.
    fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let items = match self {
            Self::Text(text) => return serde_json::to_writer(out, &Said::by_the_user(*text)),
            Self::Items(items) => items,
        };
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            serde_json::to_writer(&mut *out, item)?;
        }
        Ok(())
    }
}

impl<'a> Item<'a> {
    fn parse(raw: &'a RawValue, index: usize, memories: &Memories) -> Result<Self, ApiError> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(borrow, rename = "type")]
            kind: Option<&'a RawValue>,
            #[serde(borrow)]
            role: Option<&'a RawValue>,
            #[serde(borrow)]
            id: Option<&'a RawValue>,
        }

        let not_understood = || invalid(format!("input[{index}]"), "an item with `type` or `role`");
        let head: Head = serde_json::from_str(raw.get()).map_err(|_| not_understood())?;
        let is = |value: Option<&RawValue>, word: &str| {
            value
                .and_then(JsonStr::new)
                .is_some_and(|text| text.is(word))
        };
        // The public API makes the type of a reference optional.
        let nothing_but_an_id = head.kind.or(head.role).is_none() && head.id.is_some();
        if is(head.kind, "item_reference") || nothing_but_an_id {
            let id = head.id.and_then(JsonStr::new);
            let kept = id.and_then(|id| memories.item(&id.decode()));
            return (kept.map(Self::Kept)).ok_or_else(|| unknown_item(format!("input[{index}]")));
        }
        if head.kind.is_some() && !is(head.role, "system") {
            return Ok(Self::AsItIs(raw));
        }
        head.kind.or(head.role).ok_or_else(not_understood)?;
        let message = serde_json::from_str(raw.get()).map_err(|_| not_understood())?;
        Ok(Self::Message(message))
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "message")]
struct Said<'a> {
    role: &'static str,
    content: [Text<'a>; 1],
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "input_text")]
struct Text<'a> {
    text: JsonStr<'a>,
}

impl<'a> Said<'a> {
    fn by_the_user(text: JsonStr<'a>) -> Self {
        Self {
            role: "user",
            content: [Text { text }],
        }
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = match self {
            Self::AsItIs(raw) => return raw.serialize(serializer),
            Self::Kept(raw) => return raw.serialize(serializer),
            Self::Message(fields) => fields,
        };
        let mut map = serializer.serialize_map(None)?;
        if fields.field("type").is_none() {
            map.serialize_entry("type", "message")?;
        }
        for (name, value) in fields.iter() {
            let of_system = JsonStr::new(value).is_some_and(|role| role.is("system"));
            match name {
                "role" if of_system => map.serialize_entry(name, "developer")?,
                "type" if value.get() == "null" => {}
                _ => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

/// Without the encrypted reasoning, a client that keeps its own history would lose it.
fn include(request: &Object<'_>) -> Result<Vec<Box<RawValue>>, ApiError> {
    let listed: Vec<&RawValue> = match request.field("include") {
        Some(raw) => {
            serde_json::from_str(raw.get()).map_err(|_| invalid("include", "a list of texts"))?
        }
        None => Vec::new(),
    };
    let asked =
        |raw: &&RawValue| JsonStr::new(raw).is_some_and(|name| name.is(ENCRYPTED_REASONING));
    let missing = !listed.iter().any(asked);
    let mut include: Vec<_> = listed.into_iter().map(ToOwned::to_owned).collect();
    include.extend(
        missing
            .then(|| to_raw_value(ENCRYPTED_REASONING).ok())
            .flatten(),
    );
    Ok(include)
}

fn reasoning<'a>(request: &Object<'a>) -> Result<Option<Object<'a>>, ApiError> {
    let Some(raw) = request.field("reasoning") else {
        return Ok(None);
    };
    let fields = serde_json::from_str(raw.get()).map_err(|_| invalid("reasoning", "an object"))?;
    Ok(Some(fields))
}

struct Reasoning<'r, 'a>(&'r Object<'a>);

impl Serialize for Reasoning<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.iter() {
            let minimal = JsonStr::new(value).is_some_and(|effort| effort.is("minimal"));
            if name == "effort" && minimal {
                map.serialize_entry(name, "low")?;
            } else {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}
