//! The list of what an answer was given, page by page.

use serde::Serialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use sha2::{Digest, Sha256};

use super::memory::in_brackets;
use crate::{
    chat::request::invalid,
    error::ApiError,
    json::{JsonStr, Object, lenient},
};

/// Which part of the list is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    limit: usize,
    ascending: bool,
    after: Option<String>,
}

impl Page {
    /// *Source:* `OpenAI`'s reference of the input items, for the names and defaults.
    pub(super) fn parse(query: &str) -> Result<Self, ApiError> {
        let mut page = Self {
            limit: 20,
            ascending: false,
            after: None,
        };
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match (name, value) {
                ("limit", _) => page.limit = limit(value)?,
                ("order", "asc") => page.ascending = true,
                ("order", "desc") => page.ascending = false,
                ("order", _) => return Err(invalid("order", "`asc` or `desc`")),
                ("after", _) => page.after = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(page)
    }
}

fn limit(value: &str) -> Result<usize, ApiError> {
    let limit = value.parse().ok().filter(|limit| (1..=100).contains(limit));
    limit.ok_or_else(|| invalid("limit", "a number from 1 to 100"))
}

/// One page of the items in these lists. After an item that is not among them there is nothing.
///
/// A conversation may run to megabytes: nothing is read but where its items begin and end, and what
/// is on the page.
pub(super) fn list(lists: &[&str], page: &Page) -> String {
    let lists: Vec<String> = lists.iter().map(|list| in_brackets(list)).collect();
    let raw = |list| serde_json::from_str::<Vec<&RawValue>>(list).unwrap_or_default();
    let items = lists.iter().flat_map(|list| raw(list)).enumerate();
    let mut items: Vec<Item> = items.map(|(index, raw)| Item { index, raw }).collect();
    if !page.ascending {
        items.reverse();
    }
    if let Some(after) = &page.after {
        let at = items.iter().position(|item| item.id() == *after);
        items.drain(..at.map_or(items.len(), |at| at + 1));
    }
    let has_more = items.len() > page.limit;
    items.truncate(page.limit);
    let list = List {
        object: "list",
        first_id: items.first().map(Item::id),
        last_id: items.last().map(Item::id),
        data: items.iter().map(Item::shown).collect(),
        has_more,
    };
    serde_json::to_string(&list).unwrap_or_default()
}

#[derive(Serialize)]
struct List {
    object: &'static str,
    data: Vec<Box<RawValue>>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

/// An item at its place in the conversation.
struct Item<'a> {
    index: usize,
    raw: &'a RawValue,
}

impl Item<'_> {
    /// With what the public API adds to it. One that nests too deeply is shown as it is.
    fn shown(&self) -> Box<RawValue> {
        let item: Option<Value> = serde_json::from_str(self.raw.get()).ok();
        let shown = item
            .filter(Value::is_object)
            .map(|item| self.completed(item));
        let shown = shown.and_then(|item| to_raw_value(&item).ok());
        shown.unwrap_or_else(|| self.raw.to_owned())
    }

    fn completed(&self, mut item: Value) -> Value {
        let kind = self.kind();
        item["id"] = json!(self.id());
        if kind != "reasoning" && item["status"].is_null() {
            item["status"] = json!("completed");
        }
        if kind == "message"
            && let Some(text) = item["content"].as_str()
        {
            let of_model = item["role"] == "assistant";
            item["content"] = if of_model {
                json!([{"type": "output_text", "text": text, "annotations": []}])
            } else {
                json!([{"type": "input_text", "text": text}])
            };
        }
        item
    }

    fn kind(&self) -> String {
        self.text("type").unwrap_or_else(|| "message".to_owned())
    }

    /// The same each time: items without an id are kept and sent without one.
    fn id(&self) -> String {
        self.text("id").unwrap_or_else(|| self.made_id())
    }

    fn text(&self, name: &str) -> Option<String> {
        let fields: Object = lenient(self.raw)?;
        let text = fields.field(name).and_then(JsonStr::new)?;
        Some(text.decode().into_owned())
    }

    fn made_id(&self) -> String {
        let prefix = match &*self.kind() {
            "message" => "msg",
            "function_call" => "fc",
            "function_call_output" => "fco",
            "custom_tool_call" => "ctc",
            "custom_tool_call_output" => "ctco",
            "reasoning" => "rs",
            _ => "item",
        };
        let digest = Sha256::digest(format!("{} {}", self.index, self.raw));
        let number = u128::from_be_bytes(digest[..16].try_into().unwrap_or_default());
        format!("{prefix}_{number:032x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: [&str; 3] = [
        r#"{"type":"message","role":"user","content":"a"}"#,
        r#"{"type":"message","role":"assistant","id":"m","content":[]},{"type":"reasoning","id":"r"}"#,
        r#"{"type":"function_call_output","call_id":"c","output":"d"}"#,
    ];

    fn page(query: &str) -> Value {
        serde_json::from_str(&list(&LISTS, &Page::parse(query).unwrap())).unwrap()
    }

    #[test]
    fn a_list_is_read_page_by_page_to_its_end() {
        for (order, kinds) in [
            (
                "asc",
                ["message", "message", "reasoning", "function_call_output"],
            ),
            (
                "desc",
                ["function_call_output", "reasoning", "message", "message"],
            ),
        ] {
            let (mut seen, mut after) = (Vec::new(), String::new());
            for left in (0..kinds.len()).rev() {
                let read = page(&format!("order={order}&limit=1{after}"));
                let item = &read["data"][0];
                assert_eq!(
                    (&read["first_id"], &read["last_id"]),
                    (&item["id"], &item["id"])
                );
                seen.push(item["type"].as_str().unwrap().to_owned());
                assert_eq!(read["has_more"], left > 0);
                after = format!("&after={}", item["id"].as_str().unwrap());
            }
            assert_eq!(seen, kinds);
        }
        let newest_first = page("");
        assert_eq!(newest_first["data"][0]["type"], "function_call_output");
    }

    #[test]
    fn an_item_has_what_the_sdks_read() {
        let items = &page("order=asc")["data"];
        assert_eq!(
            items[0]["content"],
            json!([{"type": "input_text", "text": "a"}])
        );
        assert!(items[0]["id"].as_str().unwrap().starts_with("msg_"));
        assert_eq!(
            (&items[1]["id"], &items[1]["status"]),
            (&json!("m"), &json!("completed"))
        );
        assert!(items[2].get("status").is_none());
        assert!(items[3]["id"].as_str().unwrap().starts_with("fco_"));
    }

    #[test]
    fn what_is_not_on_the_page_is_not_read() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let odd = format!(r#"{{"type":"message","id":"odd","content":{deep}}}"#);
        let list_of = |query| list(&[LISTS[0], &odd, LISTS[2]], &Page::parse(query).unwrap());
        let page: Value = serde_json::from_str(&list_of("limit=1&after=odd")).unwrap();
        assert_eq!(page["data"][0]["content"][0]["text"], "a");
        assert!(
            list_of("").contains(&odd),
            "what cannot be read is as it was"
        );
    }

    #[test]
    fn a_page_that_is_not_understood_is_refused_by_name() {
        for (query, param) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("order=up", "order"),
        ] {
            assert_eq!(
                Page::parse(query).unwrap_err().param.as_deref(),
                Some(param)
            );
        }
        assert_eq!(page("after=unknown")["data"], json!([]));
    }
}
