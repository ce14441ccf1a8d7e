//! The model list, live from the login's upstream, in one shape that every client reads.
//!
//! OpenAI's SDKs want `{"object":"list","data":[…]}`, Codex wants `{"models":[…]}`; one object with
//! both satisfies either (wire reference 8.1). [`Models`] is a service over a stack that adds the
//! login; it keeps each profile's list for five minutes, and longer while the upstream fails.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use codex_auth::{Backend, RouteHint};
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tower::Service;

use crate::{ApiError, BoxError};

/// How long a list is taken for current. *Source:* Codex keeps its own as long (wire reference 1.1).
const FRESH: Duration = Duration::from_mins(5);
/// A catalogue with every model's base prompt is about half a megabyte.
const LONGEST_LIST_BYTES: usize = 16 << 20;
/// A few profiles times a few versions of Codex; a client that invents queries must not fill memory.
const MOST_LISTS: usize = 64;
/// The catalogue leaves out models that are too new for the version named here: that of the Codex
/// whose catalogue this program was written against.
const CATALOGUE_VERSION: &str = "0.169.0";

/// Answers `GET /v1/models` and `GET /v1/models/{id}`.
#[derive(Debug, Clone)]
pub struct Models<S> {
    inner: S,
    cache: Arc<Mutex<HashMap<Key, Entry>>>,
}

impl<S> Models<S> {
    /// Asks `inner`, which must add the login of the request's [`RouteHint`].
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            cache: Arc::default(),
        }
    }
}

/// What a list depends on: the account, its servers, and the version that asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    account: String,
    backend: Option<Backend>,
    query: String,
}

#[derive(Debug, Clone)]
struct Entry {
    list: Arc<ModelList>,
    read_at: Instant,
}

impl<S, B, R> Service<Request<B>> for Models<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    B: From<Bytes> + Send + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<R>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let question = Question {
            inner: mem::replace(&mut self.inner, next),
            cache: self.cache.clone(),
            parts: request.into_parts().0,
        };
        Box::pin(question.answer())
    }
}

struct Question<S> {
    inner: S,
    cache: Arc<Mutex<HashMap<Key, Entry>>>,
    parts: Parts,
}

impl<S> Question<S> {
    async fn answer<B, R>(mut self) -> Result<Response<R>, BoxError>
    where
        S: Service<Request<B>, Response = Response<R>, Error = BoxError>,
        B: From<Bytes>,
        R: Body<Data = Bytes, Error: Into<BoxError>> + From<Bytes>,
    {
        let key = self.key();
        let known = self.lock().get(&key).cloned();
        if let Some(entry) = known
            .as_ref()
            .filter(|entry| entry.read_at.elapsed() < FRESH)
        {
            return self.render(&entry.list);
        }
        match (self.fetch(&key).await?, known) {
            (Fetched::List(list), _) => {
                let list = Arc::new(list);
                self.keep(
                    key,
                    Entry {
                        list: list.clone(),
                        read_at: Instant::now(),
                    },
                );
                self.render(&list)
            }
            // A list of yesterday serves better than an error.
            (Fetched::Failed(_), Some(entry)) => self.render(&entry.list),
            (Fetched::Failed(response), None) => Ok(response),
        }
    }

    async fn fetch<B, R>(&mut self, key: &Key) -> Result<Fetched<R>, BoxError>
    where
        S: Service<Request<B>, Response = Response<R>, Error = BoxError>,
        B: From<Bytes>,
        R: Body<Data = Bytes, Error: Into<BoxError>> + From<Bytes>,
    {
        let mut parts = self.parts.clone();
        parts.uri = format!("/v1/models{}", key.query).parse()?;
        // A HEAD is answered from a list too.
        parts.method = Method::GET;
        // The cached list must be a whole one.
        parts.headers.remove(header::IF_NONE_MATCH);
        parts.headers.remove(header::IF_MODIFIED_SINCE);
        let response = match self
            .inner
            .call(Request::from_parts(parts, B::from(Bytes::new())))
            .await
        {
            Ok(response) => response,
            Err(error) => {
                return Ok(Fetched::Failed(
                    ApiError::from_boxed(&error).into_response(),
                ));
            }
        };
        if response.status() != StatusCode::OK {
            return Ok(Fetched::Failed(response));
        }
        let body = Limited::new(response.into_body(), LONGEST_LIST_BYTES)
            .collect()
            .await;
        let list = body
            .ok()
            .and_then(|body| ModelList::parse(&body.to_bytes()));
        let unreadable = || Fetched::Failed(unreadable_list().into_response());
        Ok(list.map_or_else(unreadable, Fetched::List))
    }

    fn render<R: From<Bytes>>(&self, list: &ModelList) -> Result<Response<R>, BoxError> {
        let path = self.parts.uri.path();
        if let Some(id) = path.strip_prefix("/v1/models/") {
            return Ok(json_answer(list.model(id)?.to_string().into()));
        }
        let asked = self.parts.headers.get_all(header::IF_NONE_MATCH);
        let mut response = if asked.iter().any(|tag| names(tag, &list.etag)) {
            let mut unchanged = Response::new(R::from(Bytes::new()));
            *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
            unchanged
        } else {
            json_answer(list.body.clone())
        };
        response
            .headers_mut()
            .insert(header::ETAG, list.etag.clone());
        Ok(response)
    }

    fn key(&self) -> Key {
        let hint = self.parts.extensions.get::<RouteHint>();
        let backend = hint.and_then(|hint| hint.backend);
        let query = match (self.parts.uri.query(), backend) {
            (Some(query), _) => format!("?{query}"),
            (None, Some(Backend::OpenAi)) => String::new(),
            (None, _) => format!("?client_version={CATALOGUE_VERSION}"),
        };
        let account = hint
            .and_then(RouteHint::account)
            .unwrap_or_default()
            .to_owned();
        Key {
            account,
            backend,
            query,
        }
    }

    fn keep(&self, key: Key, entry: Entry) {
        let mut cache = self.lock();
        if cache.len() >= MOST_LISTS {
            cache.clear();
        }
        cache.insert(key, entry);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        // The map is whole at every moment, so a panic elsewhere does not spoil it.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Fetched<R> {
    List(ModelList),
    Failed(Response<R>),
}

/// A list in both shapes, ready to send.
#[derive(Debug)]
struct ModelList {
    body: Bytes,
    etag: HeaderValue,
    data: Vec<Value>,
}

impl ModelList {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let upstream: Value = serde_json::from_slice(bytes).ok()?;
        let data = match (upstream.get("data"), upstream.get("models")) {
            (Some(Value::Array(data)), _) => data.clone(),
            (_, Some(Value::Array(models))) => models.iter().filter_map(openai_model).collect(),
            _ => return None,
        };
        let models = upstream.get("models").cloned().unwrap_or_else(|| json!([]));
        let body = json!({"object": "list", "data": data, "models": models}).to_string();
        let digest = uuid::Uuid::from_slice(&Sha256::digest(&body)[..16]).ok()?;
        let etag = HeaderValue::try_from(format!("\"{}\"", digest.simple())).ok()?;
        Some(Self {
            body: body.into(),
            etag,
            data,
        })
    }

    fn model(&self, id: &str) -> Result<&Value, ApiError> {
        self.data
            .iter()
            .find(|model| model["id"] == id)
            .ok_or_else(|| {
                let message = format!("the profile's login has no model named `{id}`");
                ApiError::invalid_request("model_not_found", message)
                    .with_status(StatusCode::NOT_FOUND)
                    .with_param("model")
            })
    }
}

/// A catalogue entry as the SDKs know models; those hidden from Codex's picker stay hidden.
fn openai_model(entry: &Value) -> Option<Value> {
    let slug = entry.get("slug")?.as_str()?;
    let hidden = matches!(
        entry.get("visibility").and_then(Value::as_str),
        Some("hide" | "none")
    );
    (!hidden).then(|| json!({"id": slug, "object": "model", "created": 0, "owned_by": "openai"}))
}

fn json_answer<R: From<Bytes>>(body: Bytes) -> Response<R> {
    let mut response = Response::new(R::from(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn names(tags: &HeaderValue, etag: &HeaderValue) -> bool {
    let listed = |tag: &str| tag.trim().trim_start_matches("W/").as_bytes() == etag.as_bytes();
    tags.to_str()
        .is_ok_and(|tags| tags.trim() == "*" || tags.split(',').any(listed))
}

fn unreadable_list() -> ApiError {
    let message = "the upstream's model list could not be understood";
    ApiError::upstream(StatusCode::BAD_GATEWAY, "upstream_invalid", message)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use codex_auth::ProfileRef;
    use http_body_util::Full;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    const CATALOGUE: &str = r#"{"models":[{"slug":"gpt-6.1-sol","visibility":"list","x":1.5},
        {"slug":"gpt-daybreak","visibility":"hide"}]}"#;

    type Answer = Result<Response<Full<Bytes>>, BoxError>;

    /// Answers with the catalogue until told to fail; counts the questions.
    fn upstream(
        asked: Arc<AtomicUsize>,
        works_for: usize,
    ) -> impl Service<
        Request<Full<Bytes>>,
        Response = Response<Full<Bytes>>,
        Error = BoxError,
        Future = impl Future<Output = Answer> + Send,
    > + Clone
    + Send
    + 'static {
        service_fn(move |request: Request<Full<Bytes>>| {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            async move {
                assert_eq!(request.uri(), "/v1/models?client_version=0.169.0");
                let works = number < works_for;
                let status = if works { 200 } else { 500 };
                Ok(Response::builder()
                    .status(status)
                    .body(Full::from(CATALOGUE))?)
            }
        })
    }

    fn request(path: &str) -> Request<Full<Bytes>> {
        let mut request = Request::get(path).body(Full::default()).unwrap();
        request
            .extensions_mut()
            .insert(RouteHint::profile(ProfileRef::new("work")));
        request
    }

    async fn body(answer: Answer) -> Value {
        serde_json::from_slice(
            &answer
                .unwrap()
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes(),
        )
        .unwrap()
    }

    #[tokio::test]
    async fn one_object_satisfies_codex_and_the_sdks() {
        let models = Models::new(upstream(Arc::default(), 9));
        let list = body(models.oneshot(request("/v1/models")).await).await;
        assert_eq!(list["object"], "list");
        assert_eq!(
            list["data"].as_array().unwrap().len(),
            1,
            "hidden models stay hidden"
        );
        assert_eq!(list["data"][0]["id"], "gpt-6.1-sol");
        assert_eq!(list["models"][0]["x"], 1.5);
        assert_eq!(list["models"].as_array().unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_is_kept_for_five_minutes_and_longer_while_the_upstream_fails() {
        let asked = Arc::<AtomicUsize>::default();
        let models = Models::new(upstream(asked.clone(), 1));
        for (minutes, questions) in [(0, 1), (4, 1), (6, 2), (60, 3)] {
            tokio::time::advance(Duration::from_mins(minutes)).await;
            let list = body(models.clone().oneshot(request("/v1/models")).await).await;
            assert_eq!(list["data"][0]["id"], "gpt-6.1-sol");
            assert_eq!(
                asked.load(Ordering::SeqCst),
                questions,
                "after {minutes} minutes more"
            );
        }
    }

    #[tokio::test]
    async fn an_unchanged_list_is_not_sent_again() {
        let models = Models::new(upstream(Arc::default(), 9));
        let first = models.clone().oneshot(request("/v1/models")).await.unwrap();
        let etag = first.headers()[header::ETAG].clone();
        assert!(
            etag.to_str().unwrap().starts_with('"'),
            "a strong validator"
        );
        let mut again = request("/v1/models");
        again.headers_mut().insert(header::IF_NONE_MATCH, etag);
        let second = models.oneshot(again).await.unwrap();
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
    }

    #[tokio::test]
    async fn one_model_can_be_asked_for() {
        let models = Models::new(upstream(Arc::default(), 9));
        let model = body(
            models
                .clone()
                .oneshot(request("/v1/models/gpt-6.1-sol"))
                .await,
        )
        .await;
        assert_eq!(model["object"], "model");
        let error = models
            .oneshot(request("/v1/models/nope"))
            .await
            .unwrap_err();
        assert_eq!(ApiError::from_boxed(&error).status, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn without_any_list_the_upstreams_error_is_told() {
        let models = Models::new(upstream(Arc::default(), 0));
        let answer = models.oneshot(request("/v1/models")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn the_list_of_the_public_api_gains_an_empty_catalogue() {
        let list =
            ModelList::parse(br#"{"object":"list","data":[{"id":"gpt-5","object":"model"}]}"#);
        let body: Value = serde_json::from_slice(&list.unwrap().body).unwrap();
        assert_eq!(body["models"], json!([]));
        assert_eq!(body["data"][0]["id"], "gpt-5");
    }
}
