//! What the public API keeps of a response: `/v1/responses/{id}` and below.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::{ApiError, organization};
use crate::answers::answer;
use crate::intake::Call;
use crate::shared::Shared;

/// A response that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    owner: String,
    /// The items before the answer, those of earlier answers included, oldest first.
    input: Vec<Value>,
    object: Value,
}

impl Stored {
    /// A finished response to this body, which may go on from an earlier one.
    pub(super) fn new(owner: &str, body: &Value, before: Option<&Self>, object: Value) -> Self {
        let mut input = Vec::new();
        if let Some(before) = before {
            let output = before.object["output"].as_array().into_iter().flatten();
            input.extend(before.input.iter().chain(output).cloned());
        }
        let said = json!([{"role": "user", "content": body["input"]}]);
        let items = body["input"].as_array().or(said.as_array());
        let serial = object["id"].as_str().unwrap_or_default();
        let numbered = items.into_iter().flatten().enumerate();
        input.extend(numbered.map(|(index, item)| listed(item, &format!("{serial}_{index}"))));
        let owner = owner.to_owned();
        Self {
            owner,
            input,
            object,
        }
    }

    pub(super) fn belongs_to(&self, owner: &str) -> bool {
        self.owner == owner
    }

    /// An item of the answer, or of what was said before it.
    fn item(&self, id: &str) -> Option<&Value> {
        let output = self.object["output"].as_array().into_iter().flatten();
        self.input
            .iter()
            .chain(output)
            .find(|item| item["id"] == *id)
    }
}

/// The call with kept items in place of the references to them. Other references stay, to be
/// refused.
pub(super) fn resolved(shared: &Shared, mut call: Call) -> Call {
    let mut items = call.json["input"].as_array().into_iter().flatten();
    if !items.any(is_reference) {
        return call;
    }
    let Ok(owner) = organization(shared, &call) else {
        return call;
    };
    let body = Arc::make_mut(&mut call.json);
    let items = body.get_mut("input").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        if let Some(kept) = referred(shared, &owner, item) {
            *item = kept;
        }
    }
    call
}

fn is_reference(item: &Value) -> bool {
    item["type"] == "item_reference"
}

fn referred(shared: &Shared, owner: &str, item: &Value) -> Option<Value> {
    let id = item["id"].as_str().filter(|_| is_reference(item))?;
    shared.find_stored(|kept| kept.item(id).filter(|_| kept.belongs_to(owner)).cloned())
}

/// An input item as the list of them shows it.
fn listed(item: &Value, id: &str) -> Value {
    let mut item = item.clone();
    for (name, value) in [("type", "message"), ("id", id), ("status", "completed")] {
        if item[name].is_null() {
            item[name] = json!(value);
        }
    }
    if item["content"].is_string() {
        item["content"] = json!([{"type": "input_text", "text": item["content"]}]);
    }
    item
}

type Fake = State<Arc<Shared>>;

pub(super) async fn retrieve(
    State(shared): Fake,
    Path(id): Path<String>,
    Extension(call): Extension<Call>,
) -> Response {
    with(&shared, &call, &id, |stored| stored.object.clone())
}

pub(super) async fn delete(
    State(shared): Fake,
    Path(id): Path<String>,
    Extension(call): Extension<Call>,
) -> Response {
    let response = with(
        &shared,
        &call,
        &id,
        |_| json!({"id": id, "object": "response", "deleted": true}),
    );
    if response.status() == StatusCode::OK {
        shared.forget(&id);
    }
    response
}

pub(super) async fn input_items(
    State(shared): Fake,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    Extension(call): Extension<Call>,
) -> Response {
    with(&shared, &call, &id, |stored| page(&stored.input, &query))
}

pub(super) async fn cancel(
    State(shared): Fake,
    Path(id): Path<String>,
    Extension(call): Extension<Call>,
) -> Response {
    let found = with(&shared, &call, &id, |_| Value::Null);
    if found.status() != StatusCode::OK {
        return found;
    }
    let message = "Cannot cancel a synchronous response.";
    ApiError::bad_request(message, None, None).into_response()
}

fn with(shared: &Shared, call: &Call, id: &str, show: impl FnOnce(&Stored) -> Value) -> Response {
    let owner = match organization(shared, call) {
        Ok(owner) => owner,
        Err(error) => return error.into_response(),
    };
    if let Some(stored) = shared.stored(id).filter(|kept| kept.belongs_to(&owner)) {
        return answer(StatusCode::OK, &show(&stored));
    }
    let message = format!("Response with id '{id}' not found.");
    ApiError::new(StatusCode::NOT_FOUND, &message, None, None).into_response()
}

fn page(oldest_first: &[Value], query: &HashMap<String, String>) -> Value {
    let mut items = oldest_first.to_vec();
    if query.get("order").is_none_or(|order| order != "asc") {
        items.reverse();
    }
    if let Some(after) = query.get("after") {
        let at = items.iter().position(|item| item["id"] == **after);
        items.drain(..at.map_or(0, |at| at + 1));
    }
    let limit = query.get("limit").and_then(|limit| limit.parse().ok());
    let limit = limit.unwrap_or(20);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let id = |item: Option<&Value>| item.map(|item| item["id"].clone());
    let (first, last) = (id(items.first()), id(items.last()));
    json!({"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": has_more})
}
