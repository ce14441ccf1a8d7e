//! Tools, the choice among them, and the format of the answer, as the Responses API spells them.

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use super::request::{invalid, optional};
use crate::{
    error::ApiError,
    json::{JsonStr, Object},
};

/// A tool.
pub(crate) enum Tool<'a> {
    Function(Object<'a>),
    Custom(Object<'a>),
    WebSearch(Object<'a>),
    /// One that already has the form of the Responses API.
    Theirs(&'a RawValue),
}

/// Which tool to use.
pub(crate) enum Choice<'a> {
    /// `auto`, `none`, `required`, or a form that the Responses API shares.
    Theirs(&'a RawValue),
    Named(&'static str, JsonStr<'a>),
    Allowed(Object<'a>, Vec<Choice<'a>>),
}

/// The format of the answer's text.
pub(crate) enum Format<'a> {
    JsonObject,
    Schema(Object<'a>),
}

/// The tools of a request: `tools`, legacy `functions`, and the web search that
/// `web_search_options` asks for.
///
/// # Errors
/// 400, naming the tool.
pub(crate) fn tools<'a>(request: &Object<'a>) -> Result<Vec<Tool<'a>>, ApiError> {
    let listed: Vec<&RawValue> = optional(request, "tools", "a list")?.unwrap_or_default();
    let mut tools = Vec::with_capacity(listed.len() + 1);
    for (index, raw) in listed.into_iter().enumerate() {
        let expected = "a tool with `type` and its definition";
        tools.push(tool(raw).ok_or_else(|| invalid(format!("tools[{index}]"), expected))?);
    }
    if tools.is_empty() {
        let functions: Option<Vec<Object>> = optional(request, "functions", "a list of functions")?;
        tools.extend(
            functions
                .unwrap_or_default()
                .into_iter()
                .map(Tool::Function),
        );
    }
    let search: Option<Object> = optional(request, "web_search_options", "an object")?;
    tools.extend(search.map(Tool::WebSearch));
    Ok(tools)
}

fn tool(raw: &RawValue) -> Option<Tool<'_>> {
    let fields: Object = serde_json::from_str(raw.get()).ok()?;
    let kind = JsonStr::new(fields.field("type")?)?.decode();
    let definition = fields.field(&kind);
    match (kind.as_ref(), definition) {
        ("function", Some(function)) => parse(function).map(Tool::Function),
        ("custom", Some(custom)) => parse(custom).map(Tool::Custom),
        _ => Some(Tool::Theirs(raw)),
    }
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Function(fields) => write_function(fields, serializer),
            Self::Custom(fields) => write_custom(fields, serializer),
            Self::WebSearch(fields) => write_search(fields, serializer),
            Self::Theirs(raw) => raw.serialize(serializer),
        }
    }
}

fn write_function<S: Serializer>(fields: &Object<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("type", "function")?;
    copy(
        &mut map,
        fields,
        &["name", "description", "parameters", "strict"],
    )?;
    if fields.field("parameters").is_none() {
        map.serialize_entry("parameters", &EmptySchema)?;
    }
    // The Responses API takes a function without it for a strict one; a chat completion does not.
    if fields.field("strict").is_none() {
        map.serialize_entry("strict", &false)?;
    }
    map.end()
}

struct EmptySchema;

impl Serialize for EmptySchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "object")?;
        map.serialize_entry("properties", &Flat("", &Object::default()))?;
        map.end()
    }
}

fn write_custom<S: Serializer>(fields: &Object<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("type", "custom")?;
    copy(&mut map, fields, &["name", "description"])?;
    if let Some(format) = fields.field("format").and_then(parse::<Object>) {
        map.serialize_entry("format", &Flat("grammar", &format))?;
    }
    map.end()
}

fn write_search<S: Serializer>(fields: &Object<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("type", "web_search")?;
    copy(&mut map, fields, &["search_context_size"])?;
    if let Some(place) = fields.field("user_location").and_then(parse::<Object>) {
        map.serialize_entry("user_location", &Flat("approximate", &place))?;
    }
    map.end()
}

fn copy<M: SerializeMap>(map: &mut M, from: &Object<'_>, names: &[&str]) -> Result<(), M::Error> {
    for name in names {
        if let Some(value) = from.field(name) {
            map.serialize_entry(name, value)?;
        }
    }
    Ok(())
}

/// An object whose field of this name is unfolded into it: what chat completions nest, the
/// Responses API has flat.
struct Flat<'f, 'a>(&'static str, &'f Object<'a>);

impl Serialize for Flat<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(nested, fields) = self;
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in fields.iter().filter(|(name, _)| name != nested) {
            map.serialize_entry(name, value)?;
        }
        let inner: Object = fields.field(nested).and_then(parse).unwrap_or_default();
        for (name, value) in inner.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The choice of a request: `tool_choice`, or legacy `function_call`.
///
/// # Errors
/// 400, naming it.
pub(crate) fn choice<'a>(request: &Object<'a>) -> Result<Option<Choice<'a>>, ApiError> {
    let expected = "none, auto, required, or an object that names a tool";
    if let Some(raw) = request.field("tool_choice") {
        return tool_choice(raw)
            .map(Some)
            .ok_or_else(|| invalid("tool_choice", expected));
    }
    (request.field("function_call"))
        .map(|raw| legacy_choice(raw).ok_or_else(|| invalid("function_call", expected)))
        .transpose()
}

fn tool_choice(raw: &RawValue) -> Option<Choice<'_>> {
    if JsonStr::new(raw).is_some() {
        return Some(Choice::Theirs(raw));
    }
    let fields: Object = parse(raw)?;
    let kind = JsonStr::new(fields.field("type")?)?.decode();
    let nested: Option<Object> = fields.field(&kind).and_then(parse);
    match (kind.as_ref(), nested) {
        ("function", Some(inner)) => named("function", &inner),
        ("custom", Some(inner)) => named("custom", &inner),
        ("allowed_tools", Some(inner)) => allowed(inner),
        _ => Some(Choice::Theirs(raw)),
    }
}

fn named<'a>(kind: &'static str, fields: &Object<'a>) -> Option<Choice<'a>> {
    Some(Choice::Named(kind, JsonStr::new(fields.field("name")?)?))
}

fn allowed(fields: Object<'_>) -> Option<Choice<'_>> {
    let tools: Vec<&RawValue> = parse(fields.field("tools")?)?;
    let tools = tools.into_iter().map(tool_choice).collect::<Option<_>>()?;
    Some(Choice::Allowed(fields, tools))
}

fn legacy_choice(raw: &RawValue) -> Option<Choice<'_>> {
    match JsonStr::new(raw) {
        Some(_) => Some(Choice::Theirs(raw)),
        None => named("function", &parse(raw)?),
    }
}

impl Serialize for Choice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Theirs(raw) = self {
            return raw.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Named(kind, name) => {
                map.serialize_entry("type", kind)?;
                map.serialize_entry("name", name)?;
            }
            Self::Allowed(fields, tools) => {
                map.serialize_entry("type", "allowed_tools")?;
                copy(&mut map, fields, &["mode"])?;
                map.serialize_entry("tools", tools)?;
            }
            Self::Theirs(_) => {}
        }
        map.end()
    }
}

/// `response_format`; `text` is what there is without it.
///
/// # Errors
/// 400, naming it.
pub(crate) fn format<'a>(request: &Object<'a>) -> Result<Option<Format<'a>>, ApiError> {
    let expected = "an object of type text, json_object or json_schema";
    let Some(raw) = request.field("response_format") else {
        return Ok(None);
    };
    let format = parse(raw).and_then(|fields| known_format(&fields));
    format.ok_or_else(|| invalid("response_format", expected))
}

#[expect(
    clippy::option_option,
    reason = "unknown, known and none, known and some"
)]
fn known_format<'a>(fields: &Object<'a>) -> Option<Option<Format<'a>>> {
    match JsonStr::new(fields.field("type")?)?.decode().as_ref() {
        "text" => Some(None),
        "json_object" => Some(Some(Format::JsonObject)),
        "json_schema" => {
            let schema: Object = parse(fields.field("json_schema")?)?;
            Some(Some(Format::Schema(schema)))
        }
        _ => None,
    }
}

impl Serialize for Format<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::JsonObject => map.serialize_entry("type", "json_object")?,
            Self::Schema(fields) => {
                map.serialize_entry("type", "json_schema")?;
                copy(
                    &mut map,
                    fields,
                    &["name", "description", "schema", "strict"],
                )?;
            }
        }
        map.end()
    }
}
