//! A Responses request as the ChatGPT backend accepts it. *Source:* wire reference 5.4, 5.5.

use std::{fmt, ops::Range, sync::Arc};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    memory::{KeptItem, Turn},
    parameters::{self, PARAMETERS, Treatment},
    recall::{Memories, OpenTurn, Room, unknown_item, unknown_response},
};
use crate::{
    chat::request::{not_json, token_limit},
    error::ApiError,
    json::{JsonStr, Object},
};

/// An adapted request.
#[derive(Clone)]
pub struct Adapted {
    /// The body to send.
    pub body: Vec<u8>,
    /// Whether the client wants the events as they come.
    pub stream: bool,
    /// The parameters that were left out.
    pub dropped: Vec<String>,
}

/// What was said is never shown.
impl fmt::Debug for Adapted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapted")
            .field("stream", &self.stream)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

const MAX_OUTPUT_TOKENS: &str = "max_output_tokens";
const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

/// Adapts the body of a Responses request, of which nothing is kept, and whose answer nobody cuts.
///
/// # Errors
/// 400, naming the part of the request that cannot be understood or served. No error text quotes
/// the request.
pub fn adapt(body: &[u8]) -> Result<Adapted, ApiError> {
    let prepared = prepare(body, Memories::default(), usize::MAX)?;
    let mut adapted = prepared.adapted;
    let limited = prepared.max_output_tokens.is_some();
    adapted
        .dropped
        .extend(limited.then(|| MAX_OUTPUT_TOKENS.to_owned()));
    Ok(adapted)
}

/// A request with what must be known when its answer is complete.
pub(super) struct Prepared {
    pub(super) adapted: Adapted,
    /// Nothing where there is no memory.
    pub(super) turn: Option<OpenTurn>,
    /// `"generate": false`: nothing is to be answered, the input is for a later request.
    pub(super) warm_up: bool,
    /// Where the text of the answer is to be cut.
    pub(super) max_output_tokens: Option<u64>,
}

/// Adapts the body of a Responses request, and puts what came before it into it, as long as both
/// together are no larger than a body may be.
pub(super) fn prepare(
    body: &[u8],
    memories: Memories,
    body_limit_bytes: usize,
) -> Result<Prepared, ApiError> {
    let request: Object = serde_json::from_slice(body).map_err(|_| not_json())?;
    let mut dropped = parameters::check(&request)?;
    let mut room = Room::beside(body, body_limit_bytes);
    let before = turn_before(&request, &memories, &mut room)?;
    let warm_up = memories.are_of_a_connection() && is(&request, "generate", "false");
    let stores = !memories.are_none();
    not_emulated(&request, &memories, &mut dropped);
    let (service_tier, tier_dropped) = service_tier(&request);
    dropped.extend(tier_dropped.then(|| "service_tier".to_owned()));
    let adapted = AdaptedRequest {
        include: include(&request)?,
        reasoning: reasoning(&request)?,
        service_tier,
        request: &request,
    };
    let input = Input::parse(&request, &memories, &mut room)?;
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
            dropped,
        },
        turn: stores.then_some(turn),
        warm_up,
        max_output_tokens: token_limit(&request, MAX_OUTPUT_TOKENS)?,
    })
}

fn turn_before(
    request: &Object<'_>,
    memories: &Memories,
    room: &mut Room,
) -> Result<Option<Arc<Turn>>, ApiError> {
    let name = "previous_response_id";
    let Some(given) = request.field(name) else {
        return Ok(None);
    };
    if memories.are_none() {
        return Err(no_memory(name));
    }
    let id = JsonStr::new(given).ok_or_else(|| invalid(name, "the id of an answer"))?;
    let turn = memories.turn(&id.decode()).ok_or_else(unknown_response)?;
    let lists = turn.conversation();
    room.take(lists.iter().map(|list| list.len()).sum(), name)?;
    Ok(Some(turn))
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

fn invalid(param: impl Into<String>, expected: &str) -> ApiError {
    crate::chat::request::invalid(param, expected)
}

fn no_memory(name: &str) -> ApiError {
    let message = format!(
        "`{name}` cannot be served: no answers are kept here; send the whole conversation in \
         `input`, or choose a profile with an API key"
    );
    ApiError::invalid_request("unsupported_parameter", message).with_param(name)
}

fn is(request: &Object<'_>, name: &str, value: &str) -> bool {
    request.field(name).is_some_and(|raw| raw.get() == value)
}

/// What the table says is done here, where there is nothing to do it with.
fn not_emulated(request: &Object<'_>, memories: &Memories, dropped: &mut Vec<String>) {
    if memories.are_none() && is(request, "store", "true") {
        dropped.push("store".to_owned());
    }
    if !memories.are_of_a_connection() && request.field("generate").is_some() {
        dropped.push("generate".to_owned());
    }
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

/// The backend works by an allow-list; so does this.
fn forwarded() -> impl Iterator<Item = &'static str> {
    let all = PARAMETERS.iter();
    let forwarded = all.filter(|parameter| parameter.treatment == Treatment::Forwarded);
    forwarded.map(|parameter| parameter.name)
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
        for name in forwarded() {
            match (name, self.request.field(name)) {
                // Written anew.
                ("input" | "reasoning" | "include" | "stream", _) => {}
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
    Kept(KeptItem),
}

impl<'a> Input<'a> {
    fn parse(request: &Object<'a>, memories: &Memories, room: &mut Room) -> Result<Self, ApiError> {
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
        let items = numbered.map(|(index, raw)| Item::parse(raw, index, memories, room));
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
            match item {
                Item::Kept(item) => out.extend_from_slice(item.json().as_bytes()),
                Item::AsItIs(raw) => out.extend_from_slice(raw.get().as_bytes()),
                Item::Message(fields) => serde_json::to_writer(&mut *out, &Message(fields))?,
            }
        }
        Ok(())
    }
}

impl<'a> Item<'a> {
    fn parse(
        raw: &'a RawValue,
        index: usize,
        memories: &Memories,
        room: &mut Room,
    ) -> Result<Self, ApiError> {
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
            let kept = kept.ok_or_else(|| unknown_item(format!("input[{index}]")))?;
            room.take(kept.json().len(), "input")?;
            return Ok(Self::Kept(kept));
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

/// A message that is given its type, and `developer` for `system`.
struct Message<'r, 'a>(&'r Object<'a>);

impl Serialize for Message<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.0;
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
