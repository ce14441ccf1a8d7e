//! A conversation that stays passes to the byte; one that moves leaves what is not its own behind.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use codex_auth::{Backend, ProfileRef, RouteHint};
use codex_proxy::{ApiError, BoxError, auth::ReplayBody, conversation::ConversationLayer};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Either, Full};
use serde_json::Value;
use tower::{Layer as _, ServiceExt as _, service_fn};

type Sent = Request<Either<ReplayBody<Full<Bytes>>, Full<Bytes>>>;

pub(crate) fn check(body: &[u8]) {
    let layer = ConversationLayer::new();
    assert_eq!(
        sent(&layer, "work", body),
        Ok(Bytes::copy_from_slice(body)),
        "untouched"
    );
    assert_eq!(
        sent(&layer, "work", body),
        Ok(Bytes::copy_from_slice(body)),
        "untouched"
    );
    match sent(&layer, "home", body) {
        Ok(moved) => is_portable(body, &moved),
        Err(error) => assert_eq!(error.status.as_u16() / 100, 4, "{error:?}"),
    }
}

/// What the upstream is sent of a turn that goes to this profile.
fn sent(layer: &ConversationLayer, profile: &str, body: &[u8]) -> Result<Bytes, ApiError> {
    let seen = Arc::new(Mutex::new(Bytes::new()));
    let kept = seen.clone();
    let service = layer.layer(service_fn(move |request: Sent| {
        let seen = kept.clone();
        async move {
            *seen.lock().expect("no panic") = request.into_body().collect().await?.to_bytes();
            Ok::<_, BoxError>(Response::new(Full::<Bytes>::from("{}")))
        }
    }));
    let hint = RouteHint::profile(ProfileRef::new(profile)).with_backend(Backend::ChatGpt);
    let request = Request::post("/v1/responses")
        .header("thread-id", "t")
        .extension(hint);
    let request = request
        .body(Full::from(Bytes::copy_from_slice(body)))
        .expect("a request");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let answered = runtime.block_on(async {
        let answer = service.oneshot(request).await?;
        // A conversation has arrived once its answer has.
        answer.into_body().collect().await.map_err(BoxError::from)
    });
    answered.map_err(|error| ApiError::from_boxed(&error))?;
    let seen = seen.lock().expect("no panic");
    Ok(seen.clone())
}

fn is_portable(body: &[u8], moved: &Bytes) {
    let (Ok(before), Ok(after)) = (
        serde_json::from_slice::<Value>(body),
        serde_json::from_slice::<Value>(moved),
    ) else {
        return;
    };
    assert!(after.get("previous_response_id").is_none());
    let (Some(before), Some(after)) = (before["input"].as_array(), after["input"].as_array())
    else {
        return;
    };
    let mut rest = before.iter();
    for item in after {
        assert!(
            rest.any(|known| known == item),
            "an item that was not there: {item}"
        );
        let is_secret = item["type"] == "reasoning" && item["encrypted_content"].is_string();
        assert!(!is_secret, "{item}");
    }
}
