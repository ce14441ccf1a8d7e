//! Whatever head a request has, it is refused with a reason, or it is one that a local program sends
//! and that everybody behind the gate reads alike.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use codex_auth::{Backend, CredentialError, ProfileRef, RouteHint};
use codex_proxy::{
    BoxError,
    gate::ClientGateLayer,
    route::{ChosenProfile, ProfileTable, RouteLayer, RouteReason},
};
use http::{Request, Response, header};
use http_body_util::Full;
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

/// The first line has a method and a target, the others are headers.
pub(crate) fn check(head: &[u8]) {
    let Some(request) = std::str::from_utf8(head).ok().and_then(parse) else {
        return;
    };
    let (answer, passed) = sent(request);
    if let Some(request) = passed {
        is_plain(&request);
        return;
    }
    assert!(answer.status().is_client_error(), "{answer:?}");
    let json: Value = serde_json::from_slice(answer.body()).expect("an error in JSON");
    assert!(json["error"]["code"].is_string(), "{json}");
}

fn parse(head: &str) -> Option<Request<()>> {
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        request = request.header(name, value.trim());
    }
    request.body(()).ok()
}

/// Every profile exists; `current` is the current one.
#[derive(Clone)]
struct AnyProfile;

impl ProfileTable for AnyProfile {
    async fn choose(&self, wanted: Option<&ProfileRef>) -> Result<ChosenProfile, CredentialError> {
        Ok(ChosenProfile {
            profile: wanted
                .cloned()
                .unwrap_or_else(|| ProfileRef::new("current")),
            backend: Backend::OpenAi,
            identity: None,
            default_reason: RouteReason::Current,
        })
    }
}

/// What is answered, and what came through.
fn sent(request: Request<()>) -> (Response<Bytes>, Option<Request<()>>) {
    let passed = Arc::new(Mutex::new(None));
    let kept = passed.clone();
    let inner = service_fn(move |request: Request<()>| {
        *kept.lock().expect("no panic") = Some(request);
        async { Ok::<_, BoxError>(Response::new(Full::<Bytes>::default())) }
    });
    let service = ServiceBuilder::new()
        .layer(ClientGateLayer::loopback())
        .layer(RouteLayer::new(AnyProfile))
        .service(inner);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let answer = runtime.expect("a runtime").block_on(async {
        let answer = service.oneshot(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        let body = http_body_util::BodyExt::collect(body).await;
        Response::from_parts(head, body.expect("a body in memory").to_bytes())
    });
    let passed = passed.lock().expect("no panic").take();
    (answer, passed)
}

fn is_plain(request: &Request<()>) {
    let headers = request.headers();
    let host = request.uri().host().map(str::to_owned).or_else(|| {
        let host = headers.get(header::HOST)?.to_str().ok()?;
        let authority: http::uri::Authority = host.parse().ok()?;
        Some(authority.host().to_owned())
    });
    let host = host.expect("a host");
    let bare = host.trim_matches(['[', ']']);
    let is_loopback = bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    assert!(
        is_loopback || bare.eq_ignore_ascii_case("localhost"),
        "{host}"
    );
    for origin in headers.get_all(header::ORIGIN) {
        assert!(origin.as_bytes().starts_with(b"http://"), "{origin:?}");
    }
    for name in headers.keys() {
        assert!(!name.as_str().starts_with("x-forwarded-"), "{name}");
    }
    let lengths = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    assert!(!lengths.iter().all(|name| headers.contains_key(name)));
    assert!(!["TRACE", "CONNECT"].contains(&request.method().as_str()));
    reads_alike(request.uri().path());
    let hint = request.extensions().get::<RouteHint>();
    let profile = hint.and_then(|hint| hint.profile.as_ref());
    assert!(profile.is_some(), "nobody was chosen");
}

/// Decoded or not, it leads to the same place.
fn reads_alike(path: &str) {
    let once = decoded(path);
    for read in [path, &once] {
        // A name in the control API, which passes nothing on, may have any letters.
        if read == path || !path.starts_with("/api/") {
            assert!(!read.contains("//") && !read.contains('\\'), "{path}");
            assert!(
                !read.split('/').any(|part| part == "." || part == ".."),
                "{path}"
            );
        }
    }
    assert!(
        path.starts_with("/api/") || once.matches('/').count() == path.matches('/').count(),
        "{path}"
    );
    assert!(
        !once.contains(|letter: char| letter.is_ascii_control()),
        "{path}"
    );
}

fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let byte = byte.filter(|_| first == b'%');
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
