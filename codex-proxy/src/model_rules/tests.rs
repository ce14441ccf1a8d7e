use std::{
    convert::Infallible,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use codex_auth::{Backend, CredentialError, ProfileRef};
use futures_util::{FutureExt as _, future::BoxFuture, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Either, Full, StreamBody};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

use super::{ModelRuleLayer, ModelRules, ModelTable, Ruled};
use crate::{
    auth::ReplayBody,
    gate::KeyHolder,
    route::{ChosenProfile, ProfileTable, RouteLayer},
};

/// `mini` is for `home`, and `lost` for a profile that is not there.
#[derive(Debug)]
struct Rules {
    any: bool,
}

impl ModelRules for Rules {
    fn rules(&self) -> BoxFuture<'_, Option<Arc<dyn ModelTable>>> {
        let table = self.any.then(|| Arc::new(Table) as Arc<dyn ModelTable>);
        std::future::ready(table).boxed()
    }
}

#[derive(Debug, Clone, Copy)]
struct Table;

impl ModelTable for Table {
    fn rule_for(&self, model: &str) -> Option<Ruled> {
        let profile = match model {
            "mini" => "home",
            "lost" => "nobody",
            _ => return None,
        };
        Some(Ruled {
            profile: ProfileRef::new(profile),
            rule: format!("`{model}` → `{profile}`").into(),
        })
    }
}

impl ProfileTable for Table {
    async fn choose(&self, wanted: Option<&ProfileRef>) -> Result<ChosenProfile, CredentialError> {
        let profile = wanted.cloned().unwrap_or_else(|| ProfileRef::new("work"));
        if profile.as_str() == "nobody" {
            return Err(CredentialError::UnknownProfile(profile));
        }
        Ok(ChosenProfile {
            profile,
            backend: Backend::ChatGpt,
            identity: None,
            default_reason: crate::route::RouteReason::Current,
        })
    }
}

/// A body of these pieces that counts how many of them were read.
type Pieces = std::pin::Pin<Box<dyn http_body::Body<Data = Bytes, Error = std::io::Error> + Send>>;

fn pieces(pieces: Vec<Bytes>, read: &Arc<AtomicUsize>) -> Pieces {
    let read = Arc::clone(read);
    let frames = pieces.into_iter().map(move |piece| {
        read.fetch_add(1, Ordering::Relaxed);
        Ok(Frame::data(piece))
    });
    Box::pin(StreamBody::new(stream::iter(frames)))
}

/// The answer, its body what was sent, and how many pieces were read before it was sent.
async fn ask(any: bool, request: Request<Vec<Bytes>>) -> (Response<Full<Bytes>>, usize) {
    let read = Arc::new(AtomicUsize::new(0));
    let before = Arc::new(AtomicUsize::new(0));
    let (seen, noted) = (Arc::clone(&read), Arc::clone(&before));
    let stack = ServiceBuilder::new()
        .layer(ModelRuleLayer::new(Arc::new(Rules { any })).with_body_limit(64 << 10))
        .layer(RouteLayer::new(Table))
        .service(service_fn(
            move |request: Request<Either<Pieces, ReplayBody<Pieces>>>| {
                let seen = seen.load(Ordering::Relaxed);
                noted.store(seen, Ordering::Relaxed);
                async move {
                    let body = request.into_body().collect().await;
                    let body = body.map(http_body_util::Collected::to_bytes);
                    Ok::<_, Infallible>(Response::new(Full::new(body.unwrap_or_default())))
                }
            },
        ));
    let answer = stack.oneshot(request.map(|body| pieces(body, &read)));
    (answer.await.unwrap(), before.load(Ordering::Relaxed))
}

fn post(body: impl Into<Bytes>) -> Request<Vec<Bytes>> {
    Request::post("/v1/responses")
        .body(vec![body.into()])
        .unwrap()
}

fn served(answer: &Response<Full<Bytes>>) -> (&str, &str) {
    let header = |name| {
        answer
            .headers()
            .get(name)
            .map_or("", |it| it.to_str().unwrap())
    };
    (
        header("x-codex-router-profile"),
        header("x-codex-router-reason"),
    )
}

async fn sent(answer: Response<Full<Bytes>>) -> Bytes {
    answer.into_body().collect().await.unwrap().to_bytes()
}

const MINI: &str = r#"{"input":"Hi","model":"mini"}"#;

#[tokio::test]
async fn a_models_own_profile_serves_it_and_other_models_have_the_current_one() {
    for (body, expected) in [
        (MINI, ("home", "model-rule")),
        (r#"{"model":"maxi"}"#, ("work", "current")),
        ("no JSON", ("work", "current")),
        ("", ("work", "current")),
    ] {
        let (answer, _) = ask(true, post(body)).await;
        assert_eq!(served(&answer), expected, "{body}");
        assert_eq!(sent(answer).await, body);
    }
}

#[tokio::test]
async fn without_rules_nothing_of_a_body_is_read_and_with_them_no_more_than_its_model() {
    let body = || {
        let first = Bytes::from(r#"{"model":"mini","input":""#);
        let long = std::iter::repeat_n(Bytes::from("x".repeat(1 << 10)), 200);
        std::iter::once(first).chain(long).collect::<Vec<_>>()
    };
    let request = || Request::post("/v1/responses").body(body()).unwrap();
    let (answer, read) = ask(false, request()).await;
    assert_eq!((served(&answer), read), (("work", "current"), 0));
    let (answer, read) = ask(true, request()).await;
    assert_eq!((served(&answer), read), (("home", "model-rule"), 1));
    assert_eq!(sent(answer).await, body().concat());
}

#[tokio::test]
async fn what_names_its_model_too_far_away_passes_whole_to_the_current_profile() {
    let mut body = vec![Bytes::from("x".repeat(1 << 10)); 200];
    body.insert(0, Bytes::from(r#"{"input":""#));
    body.push(Bytes::from(r#"","model":"mini"}"#));
    let request = Request::post("/v1/responses").body(body.clone()).unwrap();
    let (answer, read) = ask(true, request).await;
    assert_eq!(served(&answer), ("work", "current"));
    assert!(read < 70, "no more than the limit is kept: {read}");
    assert_eq!(sent(answer).await, body.concat());
}

#[tokio::test]
async fn who_names_a_profile_has_no_rule() {
    let named = |name: &str, value: &str| {
        let request = Request::post("/v1/responses").header(name, value);
        request.body(vec![Bytes::from(MINI)]).unwrap()
    };
    for (name, value, reason) in [
        ("x-codex-profile", "other", "header"),
        ("authorization", "bearer profile:other", "key"),
    ] {
        let (answer, read) = ask(true, named(name, value)).await;
        assert_eq!((served(&answer), read), (("other", reason), 0));
    }
    let mut request = post(MINI);
    request.extensions_mut().insert(KeyHolder {
        name: "k".into(),
        profile: Some(ProfileRef::new("other")),
        identity: None,
    });
    assert_eq!(served(&ask(true, request).await.0), ("other", "key"));
    let (answer, _) = ask(true, named("authorization", "Bearer sk-any")).await;
    assert_eq!(served(&answer), ("home", "model-rule"));
}

#[tokio::test]
async fn a_rule_for_nobody_fails_and_is_named() {
    let (answer, _) = ask(true, post(r#"{"model":"lost"}"#)).await;
    assert_eq!(answer.status(), 404);
    let told = String::from_utf8(sent(answer).await.to_vec()).unwrap();
    assert!(
        told.contains("profile_unavailable") && told.contains("`lost` → `nobody`"),
        "{told}"
    );
}

#[cfg(feature = "server")]
#[tokio::test]
async fn a_packed_body_is_looked_into_and_stays_packed() {
    let zstd = zstd::encode_all(MINI.as_bytes(), 3).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(MINI.as_bytes()).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(MINI.as_bytes()).unwrap();
    for (encoding, packed, expected) in [
        ("zstd", zstd.clone(), "home"),
        ("gzip", gzip.finish().unwrap(), "home"),
        ("deflate", zlib.finish().unwrap(), "home"),
        ("identity", MINI.into(), "home"),
        ("zstd", MINI.into(), "work"),
        ("novel", zstd, "work"),
    ] {
        let request = Request::post("/v1/responses").header("content-encoding", encoding);
        let body = packed.chunks(7).map(Bytes::copy_from_slice).collect();
        let (answer, _) = ask(true, request.body(body).unwrap()).await;
        assert_eq!(served(&answer).0, expected, "{encoding}");
        assert_eq!(sent(answer).await, packed, "{encoding}");
    }
}
