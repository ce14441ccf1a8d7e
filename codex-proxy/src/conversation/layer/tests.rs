use std::sync::Mutex;

use codex_auth::ProfileRef;
use serde_json::{Value, json};
use tower::service_fn;

use super::*;

type Seen = Arc<Mutex<Vec<(Option<String>, Bytes)>>>;
type Answer = Result<Response<Full<Bytes>>, BoxError>;

/// Refuses encrypted reasoning as a strange account does; notes turn state and body of each call.
fn upstream(
    seen: Seen,
) -> impl Service<
    Request<Outgoing<Full<Bytes>>>,
    Response = Response<Full<Bytes>>,
    Error = BoxError,
    Future = impl Future<Output = Answer> + Send,
> + Clone
+ Send
+ 'static {
    service_fn(move |request: Request<Outgoing<Full<Bytes>>>| {
        let seen = seen.clone();
        async move {
            let state = request
                .headers()
                .get(TURN_STATE)
                .map(|it| it.to_str().unwrap().to_owned());
            let body = request.into_body().collect().await?.to_bytes();
            seen.lock().unwrap().push((state, body.clone()));
            let plain = unpack(&body).unwrap_or(body);
            let foreign = memchr::memmem::find(&plain, b"of-home").is_some();
            let refusal = json!({"error": {"code": "invalid_encrypted_content"}});
            let (status, answer) = if foreign {
                (400, refusal)
            } else {
                (200, json!({}))
            };
            Ok(Response::builder()
                .status(status)
                .body(Full::from(answer.to_string()))?)
        }
    })
}

fn body(encrypted: &str) -> Value {
    json!({"input": [{"type": "message"}, {"type": "reasoning", "encrypted_content": encrypted}]})
}

fn request(profile: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::post("/v1/responses")
        .header("thread-id", "t")
        .header(TURN_STATE, "s");
    let hint = RouteHint::profile(ProfileRef::new(profile)).with_backend(Backend::ChatGpt);
    request.extensions_mut().unwrap().insert(hint);
    request.body(Full::from(body.into())).unwrap()
}

fn stripped() -> Bytes {
    json!({"input": [{"type": "message"}]}).to_string().into()
}

#[tokio::test]
async fn reasoning_that_the_account_cannot_read_is_taken_out_and_the_turn_goes_on() {
    let seen = Seen::default();
    let service = ConversationLayer::new().layer(upstream(seen.clone()));
    let sent: Bytes = body("of-home").to_string().into();
    let answer = service
        .oneshot(request("work", sent.clone()))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let seen = seen.lock().unwrap();
    assert_eq!(*seen, [(Some("s".into()), sent), (None, stripped())]);
}

#[tokio::test]
async fn a_packed_body_is_unpacked_only_when_it_must_change() {
    let seen = Seen::default();
    let service = ConversationLayer::new().layer(upstream(seen.clone()));
    let packed = Bytes::from(zstd::encode_all(body("of-home").to_string().as_bytes(), 3).unwrap());
    let mut request = request("work", packed.clone());
    request
        .headers_mut()
        .insert(header::CONTENT_ENCODING, "zstd".parse().unwrap());
    assert_eq!(
        service.oneshot(request).await.unwrap().status(),
        StatusCode::OK
    );
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].1, packed);
    assert_eq!(seen[1].1, stripped());
}

#[tokio::test]
async fn a_thread_that_is_known_to_have_moved_is_not_refused_first() {
    let seen = Seen::default();
    let service = ConversationLayer::new().layer(upstream(seen.clone()));
    let turns = [
        ("home", body("old")),
        ("work", body("old")),
        ("work", body("new")),
    ];
    for (profile, body) in &turns {
        let turn = request(profile, body.to_string());
        assert_eq!(
            service.clone().oneshot(turn).await.unwrap().status(),
            StatusCode::OK
        );
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[1], (None, stripped()), "moved");
    let own = turns[2].1.to_string();
    assert_eq!(seen[2].1, own, "what it has thought since is its own");
}

#[tokio::test]
async fn a_refusal_of_another_kind_is_handed_back_as_it_came() {
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let service =
        ConversationLayer::new().layer(service_fn(move |_: Request<Outgoing<Full<Bytes>>>| {
            *count.lock().unwrap() += 1;
            let answer = Response::builder()
                .status(400)
                .body(Full::from(r#"{"error":{"code":"x"}}"#));
            async move { Ok::<Response<Full<Bytes>>, BoxError>(answer?) }
        }));
    let answer = service.oneshot(request("work", "{}")).await.unwrap();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        r#"{"error":{"code":"x"}}"#
    );
    assert_eq!(*asked.lock().unwrap(), 1);
}

#[tokio::test]
async fn an_api_keys_request_is_nobodys_conversation() {
    let seen = Seen::default();
    let service = ConversationLayer::new().layer(upstream(seen.clone()));
    let mut request = request("key", body("of-home").to_string());
    let hint = RouteHint::profile(ProfileRef::new("key")).with_backend(Backend::OpenAi);
    request.extensions_mut().insert(hint);
    let answer = service.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_profile_that_was_only_renamed_is_the_same_account() {
    let seen = Seen::default();
    let service = ConversationLayer::new().layer(upstream(seen.clone()));
    for label in ["live", "work"] {
        let mut turn = request(label, body("readable").to_string());
        let hint = turn.extensions().get::<RouteHint>().unwrap().clone();
        turn.extensions_mut()
            .insert(hint.with_identity(Some("one person".into())));
        service.clone().oneshot(turn).await.unwrap();
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn the_turn_state_of_the_account_before_is_left_behind_to_the_turns_end() {
    let seen = Seen::default();
    let service = ConversationLayer::new().layer(upstream(seen.clone()));
    for profile in ["home", "work", "work"] {
        let turn = request(profile, body("old").to_string());
        service.clone().oneshot(turn).await.unwrap();
    }
    let states: Vec<_> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|(state, _)| state.clone())
        .collect();
    assert_eq!(states, [Some("s".to_owned()), None, None]);
}
