//! One request and its answer, with what came before them.

use std::{ops::Range, sync::Arc};

use memchr::memmem;
use serde_json::value::RawValue;

use crate::json::{JsonStr, Object, lenient};

/// What a turn costs beside its texts: the maps and lists that know of it.
const OVERHEAD_BYTES: usize = 1024;
/// The same for an item that can be referred to.
const ITEM_OVERHEAD_BYTES: usize = 128;

/// Whom an id means something to.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Owner {
    pub(crate) account: Arc<str>,
    /// The only one that finds it, by its number.
    pub(crate) connection: Option<u64>,
}

/// An id, and whom it means something to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(super) owner: Owner,
    id: Box<str>,
}

impl Key {
    pub(crate) fn new(owner: &Owner, id: &str) -> Self {
        Self {
            owner: owner.clone(),
            id: id.into(),
        }
    }
}

/// What is known of a turn once its answer is complete.
pub(crate) struct Draft<'a> {
    pub(crate) owner: &'a Owner,
    /// Id of the answer.
    pub(crate) id: &'a str,
    /// The turn that the request went on from.
    pub(crate) before: Option<Arc<Turn>>,
    /// The new items as they were sent, with commas between them.
    pub(crate) input: Arc<str>,
    /// The response object as the client was given it.
    pub(crate) response: Box<str>,
}

/// A request and its answer. Turns that go on from one another share what came before.
pub(crate) struct Turn {
    pub(super) key: Key,
    pub(super) before: Option<Arc<Self>>,
    input: Arc<str>,
    /// The items of the answer as they are sent back, with commas between them.
    output: Box<str>,
    response: Box<str>,
    pub(super) items: Box<[Item]>,
    chain_bytes: usize,
}

/// Where in a turn an item stands that has an id.
pub(crate) struct Item {
    pub(super) key: Key,
    list: List,
    at: Range<usize>,
}

#[derive(Clone, Copy)]
enum List {
    Input,
    Output,
}

/// An item of a turn, which it shares.
#[derive(Clone)]
pub(crate) struct KeptItem {
    pub(super) turn: Arc<Turn>,
    pub(super) number: usize,
}

impl KeptItem {
    /// The item as it is sent.
    pub(crate) fn json(&self) -> &str {
        let Item { list, at, .. } = &self.turn.items[self.number];
        &self.turn.list(*list)[at.clone()]
    }
}

impl Turn {
    pub(crate) fn new(draft: Draft<'_>) -> Self {
        let Draft {
            owner,
            id,
            before,
            input,
            response,
        } = draft;
        let output = sent_back(&response);
        let mut turn = Self {
            key: Key::new(owner, id),
            items: items(owner, &input, &output),
            chain_bytes: 0,
            before,
            input,
            output,
            response,
        };
        let chain_bytes = turn.before.as_ref().map_or(0, |turn| turn.chain_bytes);
        turn.chain_bytes = chain_bytes + turn.own_bytes();
        turn
    }

    pub(crate) fn response(&self) -> &str {
        &self.response
    }

    /// What it holds that no turn before it does.
    pub(crate) fn own_bytes(&self) -> usize {
        let ids: usize = (self.items.iter())
            .map(|item| 2 * item.key.id.len() + ITEM_OVERHEAD_BYTES)
            .sum();
        self.input.len() + self.output.len() + self.response.len() + ids + OVERHEAD_BYTES
    }

    /// What it holds together with all before it.
    pub(crate) fn chain_bytes(&self) -> usize {
        self.chain_bytes
    }

    /// The conversation up to and with this answer, in order: lists of items, commas between them.
    pub(crate) fn conversation(&self) -> Vec<&str> {
        let mut lists = self.asked();
        lists.push(&self.output);
        lists
    }

    /// The conversation up to this answer, which is not a part of it.
    pub(crate) fn asked(&self) -> Vec<&str> {
        let mut lists = vec![&*self.input];
        let mut turn = self.before.as_deref();
        while let Some(earlier) = turn {
            lists.extend([&*earlier.output, &*earlier.input]);
            turn = earlier.before.as_deref();
        }
        lists.reverse();
        lists
    }

    fn list(&self, list: List) -> &str {
        match list {
            List::Input => &self.input,
            List::Output => &self.output,
        }
    }
}

/// One after the other: dropped within one another, the turns of a long conversation would need
/// more stack than there is.
impl Drop for Turn {
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(mut turn) = next.and_then(Arc::into_inner) {
            next = turn.before.take();
        }
    }
}

/// A list of items as JSON.
pub(crate) fn in_brackets(items: &str) -> String {
    ["[", items, "]"].concat()
}

fn id_of(item: &RawValue) -> Option<JsonStr<'_>> {
    let fields: Object = lenient(item)?;
    fields.field("id").and_then(JsonStr::new)
}

fn items(owner: &Owner, input: &str, output: &str) -> Box<[Item]> {
    let mut items = Vec::new();
    for (list, text) in [(List::Input, input), (List::Output, output)] {
        // Most inputs have none, and may be large.
        if memmem::find(text.as_bytes(), b"\"id\"").is_none() {
            continue;
        }
        let text = in_brackets(text);
        let all: Vec<&RawValue> = serde_json::from_str(&text).unwrap_or_default();
        items.extend(all.into_iter().filter_map(|item| {
            let id = id_of(item)?.decode();
            // Its place in the text, without the bracket before it.
            let start = item.get().as_ptr().addr() - text.as_ptr().addr() - 1;
            Some(Item {
                key: Key::new(owner, &id),
                list,
                at: start..start + item.get().len(),
            })
        }));
    }
    items.into()
}

/// The output of an answer as the next request repeats it.
fn sent_back(response: &str) -> Box<str> {
    let fields: Object = serde_json::from_str(response).unwrap_or_default();
    let items: Vec<Object> = (fields.field("output").and_then(lenient)).unwrap_or_default();
    let texts: Vec<String> = items.iter().filter_map(item_sent_back).collect();
    texts.join(",").into()
}

/// Nothing for reasoning that only its id stands for: the backend has not kept what it means.
///
/// Codex sends no `status` of these kinds; the backend has refused that of reasoning. What the
/// backend did itself, such as a search, keeps its own.
fn item_sent_back(item: &Object<'_>) -> Option<String> {
    let kind = item.field("type").and_then(JsonStr::new)?.decode();
    if kind == "reasoning" && item.field("encrypted_content").is_none() {
        return None;
    }
    let of_codex = ["message", "reasoning", "function_call", "custom_tool_call"];
    let without_status = of_codex.contains(&&*kind);
    let fields = item
        .iter()
        .filter(|(name, value)| value.get() != "null" && !(without_status && *name == "status"));
    let mut text = String::from("{");
    for (at, (name, value)) in fields.enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(name).ok()?);
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(id: &str, before: Option<Arc<Turn>>, output: &str) -> Turn {
        Turn::new(Draft {
            owner: &Owner::default(),
            id,
            before,
            input: format!(r#"{{"type":"message","id":"in_{id}"}}"#).into(),
            response: format!(r#"{{"id":"{id}","output":[{output}]}}"#).into(),
        })
    }

    #[test]
    fn what_the_backend_would_not_understand_is_not_sent_back() {
        let output = r#"{"type":"reasoning","id":"rs_1","summary":[]},
            {"type":"reasoning","id":"rs_2","status":null,"summary":[],"encrypted_content":"x"},
            {"type":"message","id":"m","status":"completed","phase":null,"content":[]},
            {"type":"web_search_call","id":"w","status":"completed"}"#;
        assert_eq!(
            turn("r", None, output).conversation()[1],
            concat!(
                r#"{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"x"},"#,
                r#"{"type":"message","id":"m","content":[]},"#,
                r#"{"type":"web_search_call","id":"w","status":"completed"}"#
            )
        );
    }

    #[test]
    fn a_conversation_is_told_in_order_and_an_item_found_by_its_id() {
        let first = Arc::new(turn("r1", None, r#"{"type":"x","id":"o"}"#));
        let second = Arc::new(turn("r2", Some(first.clone()), ""));
        let lists = second.conversation();
        let ids: Vec<_> = ["in_r1", "\"o\"", "in_r2"].into_iter().collect();
        assert!(lists.iter().zip(ids).all(|(list, id)| list.contains(id)));
        let items = |turn: &Arc<Turn>| -> Vec<String> {
            let turn = turn.clone();
            let item = |number| KeptItem {
                turn: turn.clone(),
                number,
            };
            (0..turn.items.len())
                .map(|number| item(number).json().to_owned())
                .collect()
        };
        let input = |id: &str| format!(r#"{{"type":"message","id":"in_{id}"}}"#);
        assert_eq!(
            items(&first),
            [input("r1"), r#"{"type":"x","id":"o"}"#.to_owned()]
        );
        assert_eq!(items(&second), [input("r2")], "each has its own");
        assert_eq!(second.chain_bytes(), first.own_bytes() + second.own_bytes());
    }

    #[test]
    fn a_very_long_conversation_is_dropped_without_a_deep_stack() {
        let mut last = None;
        for number in 0..30_000 {
            last = Some(Arc::new(turn(&number.to_string(), last, "")));
        }
        drop(last);
    }
}
