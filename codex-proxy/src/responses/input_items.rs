//! The list of what an answer was given, page by page.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::memory::in_brackets;
use crate::{chat::request::invalid, error::ApiError};

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
pub(super) fn list(lists: &[&str], page: &Page) -> String {
    let items = lists.iter().flat_map(|list| {
        let items: Vec<Value> = serde_json::from_str(&in_brackets(list)).unwrap_or_default();
        items
    });
    let mut items: Vec<Value> = items.enumerate().map(shown).collect();
    if !page.ascending {
        items.reverse();
    }
    if let Some(after) = &page.after {
        let at = items.iter().position(|item| item["id"] == **after);
        items.drain(..at.map_or(items.len(), |at| at + 1));
    }
    let has_more = items.len() > page.limit;
    items.truncate(page.limit);
    let id = |item: Option<&Value>| item.map(|item| item["id"].clone());
    let (first, last) = (id(items.first()), id(items.last()));
    json!({
        "object": "list", "data": items, "first_id": first, "last_id": last, "has_more": has_more,
    })
    .to_string()
}

/// An item with what the public API adds to it.
fn shown((index, mut item): (usize, Value)) -> Value {
    let kind = item["type"].as_str().unwrap_or("message").to_owned();
    if !item["id"].is_string() {
        item["id"] = json!(id(&kind, index, &item));
    }
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

/// The same each time: items without an id are kept and sent without one.
fn id(kind: &str, index: usize, item: &Value) -> String {
    let prefix = match kind {
        "message" => "msg",
        "function_call" => "fc",
        "function_call_output" => "fco",
        "custom_tool_call" => "ctc",
        "custom_tool_call_output" => "ctco",
        "reasoning" => "rs",
        _ => "item",
    };
    let digest = Sha256::digest(format!("{index} {item}"));
    let number = u128::from_be_bytes(digest[..16].try_into().unwrap_or_default());
    format!("{prefix}_{number:032x}")
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
            loop {
                let read = page(&format!("order={order}&limit=1{after}"));
                let item = &read["data"][0];
                assert_eq!(
                    (&read["first_id"], &read["last_id"]),
                    (&item["id"], &item["id"])
                );
                seen.push(item["type"].as_str().unwrap().to_owned());
                if read["has_more"] == false {
                    break;
                }
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
