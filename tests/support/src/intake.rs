//! What happens to every request before and after its handler: read, recognize, record, fault.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::answers;
use crate::faults::{Action, Target, UPGRADE};
use crate::record::{self, RecordedRequest};
use crate::shared::Shared;

/// A request as the handlers see it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    /// The decoded body.
    pub(crate) body: Bytes,
    /// The decoded body as JSON, else `null`.
    pub(crate) json: Arc<Value>,
    /// A fault that the handler itself must act out.
    pub(crate) fault: Option<Action>,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        record::bearer(&self.headers)
    }

    pub(crate) fn has_json_type(&self) -> bool {
        let kind = self.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        kind.split(';')
            .next()
            .is_some_and(|kind| kind.trim() == "application/json")
    }
}

/// Put into a response to have the connection closed instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CloseConnection;

/// The middleware around all routes.
pub(crate) async fn intake(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(raw) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        return closed();
    };
    let Some(body) = decoded(&parts.headers, &raw) else {
        return answers::answer(
            StatusCode::BAD_REQUEST,
            &json!({"detail": "Cannot decode body"}),
        );
    };
    let json = Arc::new(serde_json::from_slice(&body).unwrap_or(Value::Null));
    let account = account_of(&shared, &parts.headers);
    let fault = fault_for(&shared, &parts, account.as_deref());
    record(&shared, &parts, raw, &json, account);
    let call = Call {
        headers: parts.headers.clone(),
        body,
        json,
        fault: fault.clone(),
    };
    parts.extensions.insert(call);
    act_out(fault, next.run(Request::from_parts(parts, Body::empty()))).await
}

/// The answer, with the faults around it that do not concern the handler.
async fn act_out(fault: Option<Action>, handler: impl Future<Output = Response>) -> Response {
    if let Some(answer) = fault.as_ref().and_then(Action::answer) {
        return answer;
    }
    match fault {
        Some(Action::Refused) => closed(),
        Some(Action::SlowHead { milliseconds }) => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            handler.await
        }
        Some(Action::AnswerLost) => {
            handler.await;
            closed()
        }
        Some(Action::AnswerDelayed { milliseconds }) => {
            let answer = handler.await;
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            answer
        }
        _ => handler.await,
    }
}

fn closed() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(CloseConnection);
    response
}

fn decoded(headers: &HeaderMap, raw: &Bytes) -> Option<Bytes> {
    match headers
        .get(CONTENT_ENCODING)
        .map(http::HeaderValue::as_bytes)
    {
        None | Some(b"identity") => Some(raw.clone()),
        Some(b"zstd") => zstd::decode_all(raw.as_ref()).ok().map(Bytes::from),
        Some(_) => None,
    }
}

fn account_of(shared: &Shared, headers: &HeaderMap) -> Option<String> {
    let bearer = record::bearer(headers)?;
    let ledger = shared.ledger();
    let account = ledger
        .owner_of(bearer)
        .map(|account| account.account_id.clone());
    account.or_else(|| ledger.organization_of(bearer).map(str::to_owned))
}

fn fault_for(shared: &Shared, parts: &Parts, account: Option<&str>) -> Option<Action> {
    let upgrade = parts.headers.contains_key(http::header::UPGRADE);
    let target = Target {
        method: if upgrade {
            UPGRADE
        } else {
            parts.method.as_str()
        },
        path: parts.uri.path(),
        bearer: record::bearer(&parts.headers),
        account,
    };
    shared.faults()?.take(&target)
}

fn record(shared: &Shared, parts: &Parts, raw: Bytes, json: &Value, account: Option<String>) {
    if !shared.settings.recording || parts.uri.path().starts_with("/fake/") {
        return;
    }
    let request = RecordedRequest {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers.clone(),
        raw,
        json: json.clone(),
        account,
        at: Timestamp::now(),
    };
    shared.requests().push(request);
}
