//! Directives in a prompt.

use serde_json::Value;

use super::arguments;
use super::item::Item;
use super::prompt::{Prompt, Tool, ToolChoice};

/// The calls that the prompt asks for, that `tool_choice` demands, or that a question leads to.
pub(super) fn calls(prompt: &Prompt) -> Vec<Item> {
    let mut calls = asked_for(prompt);
    if calls.is_empty() {
        let tool = demanded(prompt).or_else(|| led_to(prompt));
        calls.extend(tool.map(|tool| call(prompt, tool, None)));
    }
    if !prompt.parallel {
        calls.truncate(1);
    }
    calls
}

/// Every `call NAME …` of a tool that is offered.
fn asked_for(prompt: &Prompt) -> Vec<Item> {
    let tools = prompt.callable();
    let rest = prompt.last_user_text.split("call ").skip(1);
    let named = rest.filter_map(|rest| Some((find(tools, rest)?, rest)));
    named
        .map(|(tool, rest)| call(prompt, tool, Some(after_name(rest))))
        .collect()
}

fn demanded(prompt: &Prompt) -> Option<&Tool> {
    let tools = prompt.callable();
    let said = prompt.last_user_text.to_lowercase();
    match &prompt.tool_choice {
        ToolChoice::Named(name) => tools.iter().find(|tool| tool.name == *name),
        ToolChoice::Required => mentioned(tools, &said).or_else(|| tools.first()),
        _ if said.contains("use the tool") => mentioned(tools, &said).or_else(|| tools.first()),
        _ => None,
    }
}

/// The tool whose whole name was said.
fn mentioned<'a>(tools: &'a [Tool], said: &str) -> Option<&'a Tool> {
    let longest = |tool: &&Tool| tool.name.len();
    let said_so = |tool: &&Tool| said.contains(&tool.name.to_lowercase());
    tools.iter().filter(said_so).max_by_key(longest)
}

/// The tool that a question is about: a word of five letters or more is in its name.
fn led_to(prompt: &Prompt) -> Option<&Tool> {
    let said = prompt.last_user_text.trim_end().to_lowercase();
    let said = said.strip_suffix('?')?;
    let asked: Vec<_> = said.split(|c: char| !c.is_alphanumeric()).collect();
    let about = |tool: &&Tool| {
        let name = tool.name.to_lowercase();
        name.split('_')
            .any(|word| word.len() >= 5 && asked.contains(&word))
    };
    prompt.callable().iter().find(about)
}

/// The tool whose name, or `namespace.name`, the text begins with.
fn find<'a>(tools: &'a [Tool], text: &str) -> Option<&'a Tool> {
    let name = name(text);
    tools.iter().find(|tool| {
        let full = tool
            .namespace
            .as_deref()
            .map(|space| format!("{space}.{}", tool.name));
        tool.name == name || full.as_deref() == Some(name)
    })
}

fn name(text: &str) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

fn after_name(text: &str) -> &str {
    text[name(text).len()..].trim_start()
}

fn call(prompt: &Prompt, tool: &Tool, said: Option<&str>) -> Item {
    let json = said.and_then(first_json);
    let (name, namespace) = (tool.name.clone(), tool.namespace.clone());
    if tool.custom {
        return Item::CustomToolCall {
            name,
            namespace,
            input: input(said, json),
        };
    }
    let arguments = json
        .filter(|(value, _)| value.is_object())
        .map(|(_, text)| text);
    let made_up = || arguments::made_up(&tool.parameters, &prompt.last_user_text).to_string();
    let arguments = arguments.unwrap_or_else(made_up);
    Item::FunctionCall {
        name,
        namespace,
        arguments,
    }
}

/// A string's contents, other JSON as it is written, else the rest of the line.
fn input(said: Option<&str>, json: Option<(Value, String)>) -> String {
    if let Some((value, written)) = json {
        return value.as_str().map_or(written, str::to_owned);
    }
    let line = said
        .and_then(|said| said.lines().next())
        .unwrap_or_default()
        .trim();
    if line.is_empty() {
        "example".to_owned()
    } else {
        line.to_owned()
    }
}

/// The JSON value a text begins with, and how it is written.
fn first_json(text: &str) -> Option<(Value, String)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, text[..values.byte_offset()].to_owned()))
}

/// The number after these words.
pub(super) fn number_after(text: &str, words: &str) -> Option<usize> {
    word_after(text, words)?.parse().ok()
}

/// The word after these words.
pub(super) fn word_after(text: &str, words: &str) -> Option<String> {
    let (_, rest) = text.split_once(words)?;
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    (end > 0).then(|| rest[..end].to_owned())
}
