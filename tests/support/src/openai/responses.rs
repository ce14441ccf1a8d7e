//! `POST /v1/responses`, streamed and not.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::Value;

use super::{ApiError, Stored, body_with_model, check_fields, organization, stored};
use crate::answers::{answer, set};
use crate::intake::Call;
use crate::responses::{Problem, Reply, check_input};
use crate::shared::Shared;
use crate::socket::{self, Endpoint};

const KNOWN: [&str; 31] = [
    "background",
    "client_metadata",
    "context_management",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Call>,
) -> Response {
    let call = stored::resolved(&shared, call);
    match accepted(&shared, &call) {
        Ok(organization) => reply(&shared, &call, &organization),
        Err(error) => error.into_response(),
    }
}

/// `GET` with an upgrade: a WebSocket.
pub(super) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Response {
    if call.header("upgrade").is_none() {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return ApiError::new(status, "Method not allowed", None, None).into_response();
    }
    let organization = match organization(&shared, &call) {
        Ok(organization) => organization,
        Err(error) => return error.into_response(),
    };
    let endpoint = Endpoint {
        owner: organization.clone(),
        repeats_output: true,
        limits: |_, _| None,
        check: |shared, call| {
            accepted(shared, call)
                .map(drop)
                .map_err(|error| (error.status, error.body))
        },
    };
    let mut response = socket::accept(&shared, request, &call, endpoint);
    set_headers(&mut response, &shared, &organization);
    response
}

fn accepted(shared: &Shared, call: &Call) -> Result<String, ApiError> {
    let organization = organization(shared, call)?;
    let body = body_with_model(call)?;
    check_fields(body, &KNOWN)?;
    if !body["input"].is_array() && !body["input"].is_string() {
        return Err(Problem::missing("input").into());
    }
    let continued = body["previous_response_id"].as_str();
    let unknown = |id: &str| {
        let response = shared.stored(id);
        !response.is_some_and(|response| response.belongs_to(&organization))
    };
    if continued.is_some_and(unknown) {
        let message = format!(
            "Previous response with id '{}' not found.",
            continued.unwrap_or("")
        );
        let (param, code) = ("previous_response_id", "previous_response_not_found");
        return Err(ApiError::bad_request(&message, Some(param), Some(code)));
    }
    check_input(body, &organization, false, continued.is_none())?;
    Ok(organization)
}

fn reply(shared: &Arc<Shared>, call: &Call, organization: &str) -> Response {
    let reply = Reply::new(shared, call, organization);
    if call.json["store"] != false {
        let before = call.json["previous_response_id"].as_str();
        let before = before.and_then(|id| shared.stored(id));
        let response = Stored::new(organization, &call.json, before.as_ref(), reply.whole());
        shared.store(reply.id(), response);
    }
    let mut response = if call.json["stream"] == Value::Bool(true) {
        let mut response = reply.stream(shared, call, true);
        set(
            &mut response,
            "content-type",
            "text/event-stream; charset=utf-8",
        );
        response
    } else {
        answer(StatusCode::OK, &reply.whole())
    };
    set_headers(&mut response, shared, organization);
    response
}

/// Headers of every answer of a model.
pub(super) fn set_headers(response: &mut Response, shared: &Shared, organization: &str) {
    let serial = shared.next_serial();
    set(response, "x-request-id", &format!("req_{serial:032x}"));
    set(response, "openai-organization", organization);
    set(response, "openai-version", "2020-10-01");
    set(response, "openai-processing-ms", "1");
    set(response, "x-ratelimit-limit-requests", "10000");
    set(response, "x-ratelimit-remaining-requests", "9999");
}
