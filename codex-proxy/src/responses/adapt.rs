//! A Responses request as the ChatGPT backend accepts it. *Source:* wire reference 5.4, 5.5.

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    error::ApiError,
    json::{JsonStr, Object, same_json},
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
const REWRITTEN: [&str; 5] = ["input", "reasoning", "include", "store", "stream"];

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

/// Adapts the body of a Responses request.
///
/// # Errors
/// 400, naming the part of the request that cannot be understood or served. No error text quotes
/// the request.
pub fn adapt(body: &[u8]) -> Result<Adapted, ApiError> {
    let request: Object = serde_json::from_slice(body).map_err(|_| not_json())?;
    refuse_state(&request)?;
    let (service_tier, tier_dropped) = service_tier(&request);
    let adapted = AdaptedRequest {
        input: Input::parse(&request)?,
        include: include(&request)?,
        reasoning: reasoning(&request)?,
        service_tier,
        request: &request,
    };
    let mut written = Vec::with_capacity(body.len() + 256);
    serde_json::to_writer(&mut written, &adapted).map_err(|_| not_json())?;
    Ok(Adapted {
        body: written,
        stream: is(&request, "stream", "true"),
        dropped: dropped(&request, tier_dropped),
    })
}

fn not_json() -> ApiError {
    ApiError::invalid_request("invalid_json", "the request body is not a JSON object")
}

fn invalid(param: impl Into<String>, expected: &str) -> ApiError {
    crate::chat::request::invalid(param, expected)
}

/// What needs a server that keeps answers.
fn refuse_state(request: &Object<'_>) -> Result<(), ApiError> {
    let refused = |name: &str| {
        let message = format!(
            "`{name}` cannot be served: ChatGPT logins keep no answers; send the whole \
             conversation in `input`, or choose a profile with an API key"
        );
        ApiError::invalid_request("unsupported_parameter", message).with_param(name)
    };
    for name in ["previous_response_id", "conversation", "prompt"] {
        if request.field(name).is_some() {
            return Err(refused(name));
        }
    }
    if is(request, "background", "true") {
        Err(refused("background"))
    } else {
        Ok(())
    }
}

fn is(request: &Object<'_>, name: &str, value: &str) -> bool {
    request.field(name).is_some_and(|raw| raw.get() == value)
}

fn dropped(request: &Object<'_>, tier_dropped: bool) -> Vec<String> {
    let known = |name| FORWARDED.contains(&name) || REWRITTEN.contains(&name);
    let neutral = |name: &str, value: &RawValue| {
        let same = |(of, neutral): &(&str, &str)| *of == name && same_json(neutral, value.get());
        value.get() == "null" || NEUTRAL.iter().any(same)
    };
    let mut names: Vec<String> = request
        .iter()
        .filter(|(name, value)| !known(name) && !neutral(name, value))
        .map(|(name, _)| name.to_owned())
        .collect();
    names.extend(is(request, "store", "true").then(|| "store".to_owned()));
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
    input: Input<'a>,
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
        map.serialize_entry("input", &self.input)?;
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
}

impl<'a> Input<'a> {
    fn parse(request: &Object<'a>) -> Result<Self, ApiError> {
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
        let items = numbered.map(|(index, raw)| {
            Item::parse(raw)
                .ok_or_else(|| invalid(format!("input[{index}]"), "an item with `type` or `role`"))
        });
        items.collect::<Result<_, _>>().map(Self::Items)
    }
}

impl<'a> Item<'a> {
    fn parse(raw: &'a RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(borrow, rename = "type")]
            kind: Option<&'a RawValue>,
            #[serde(borrow)]
            role: Option<&'a RawValue>,
        }

        let head: Head = serde_json::from_str(raw.get()).ok()?;
        let of_system = head
            .role
            .and_then(JsonStr::new)
            .is_some_and(|role| role.is("system"));
        if head.kind.is_some() && !of_system {
            return Some(Self::AsItIs(raw));
        }
        head.kind.or(head.role)?;
        serde_json::from_str(raw.get()).ok().map(Self::Message)
    }
}

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(tag = "type", rename = "message")]
        struct Message<'a> {
            role: &'static str,
            content: [Text<'a>; 1],
        }

        #[derive(Serialize)]
        #[serde(tag = "type", rename = "input_text")]
        struct Text<'a> {
            text: JsonStr<'a>,
        }

        match self {
            Self::Text(text) => [Message {
                role: "user",
                content: [Text { text: *text }],
            }]
            .serialize(serializer),
            Self::Items(items) => items.serialize(serializer),
        }
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = match self {
            Self::AsItIs(raw) => return raw.serialize(serializer),
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
