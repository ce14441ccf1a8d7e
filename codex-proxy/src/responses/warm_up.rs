//! `"generate": false`: the input waits for a request that goes on from it.

use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::{recall::OpenTurn, relay::Relay};
use crate::{
    error::ApiError,
    json::Object,
    translated::{TranslatedBody, answer_headers},
};

/// A response without output.
#[derive(Serialize)]
struct Empty<'a> {
    id: String,
    object: &'static str,
    created_at: i64,
    status: &'static str,
    error: (),
    incomplete_details: (),
    instructions: Option<&'a RawValue>,
    model: Option<&'a RawValue>,
    output: [(); 0],
    parallel_tool_calls: bool,
    previous_response_id: Option<&'a RawValue>,
    store: bool,
    tool_choice: &'static str,
    tools: [(); 0],
    usage: serde_json::Value,
}

/// Answers at once: a new id, under which the input is kept on this connection.
///
/// # Errors
/// 413: it is too large to be kept.
pub(super) fn answer<R>(
    body: &[u8],
    turn: &OpenTurn,
    stream: bool,
) -> Result<Response<TranslatedBody<R, Relay>>, ApiError> {
    let request: Object = serde_json::from_slice(body).unwrap_or_default();
    let mut object = Empty {
        id: format!("resp_{}", uuid::Uuid::new_v4().simple()),
        object: "response",
        created_at: jiff::Timestamp::now().as_second(),
        status: "in_progress",
        error: (),
        incomplete_details: (),
        instructions: request.field("instructions"),
        model: request.field("model"),
        output: [],
        parallel_tool_calls: true,
        previous_response_id: turn.previous_response_id.as_deref(),
        store: false,
        tool_choice: "auto",
        tools: [],
        usage: json!({
            "input_tokens": 0, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        }),
    };
    let started = serde_json::to_string(&object).unwrap_or_default();
    object.status = "completed";
    let ended = serde_json::to_string(&object).unwrap_or_default();
    // It is of use to this connection alone.
    if !turn.keep_on_connection(&ended) {
        return Err(too_large());
    }
    let body = if stream {
        events(&started, &ended)
    } else {
        ended
    };
    let mut answer = Response::new(TranslatedBody::whole(body));
    answer_headers(answer.headers_mut(), stream, &[]);
    Ok(answer)
}

fn too_large() -> ApiError {
    let message = "the input is larger than what is kept for connections: send it with the request \
                   that is to be answered";
    ApiError::invalid_request("request_too_large", message)
        .with_status(StatusCode::PAYLOAD_TOO_LARGE)
        .with_param("input")
}

fn events(started: &str, ended: &str) -> String {
    let event = |number: u8, kind: &str, object: &str| {
        format!(
            "event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{number},\
             \"response\":{object}}}\n\n"
        )
    };
    event(0, "response.created", started) + &event(1, "response.completed", ended)
}
