use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use codex_auth::{Backend, CredentialError, ProfileRef, RouteHint};
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use proptest::prelude::*;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

use super::{FallbackLayer, FallbackPlan, FallbackRules};
use crate::{
    ApiError,
    auth::ReplayBody,
    meter::{TokenWatch, Tokens},
    route::{ChosenProfile, ProfileTable, RouteLayer, RouteReason},
};

type Sent = Request<ReplayBody<Full<Bytes>>>;
type Answer = Response<Full<Bytes>>;

/// `work` is current; `key` is an API key; `twin` is the account of `work` under another name.
#[derive(Debug, Clone)]
struct Table {
    default_reason: RouteReason,
}

impl ProfileTable for Table {
    async fn choose(&self, wanted: Option<&ProfileRef>) -> Result<ChosenProfile, CredentialError> {
        let profile = wanted.cloned().unwrap_or_else(|| ProfileRef::new("work"));
        let (backend, account) = match profile.as_str() {
            "work" | "twin" => (Backend::ChatGpt, "acct-work"),
            "other" => (Backend::ChatGpt, "acct-other"),
            "key" => (Backend::OpenAi, "acct-key"),
            _ => return Err(CredentialError::UnknownProfile(profile)),
        };
        Ok(ChosenProfile {
            profile,
            backend,
            identity: Some(account.into()),
            default_reason: self.default_reason,
        })
    }
}

#[derive(Debug, Default)]
struct Rules {
    plan: Option<Arc<FallbackPlan>>,
    left: AtomicU64,
    served: Mutex<Vec<(ProfileRef, ProfileRef)>>,
    spent: AtomicU64,
}

impl Rules {
    fn naming(names: &[&str], left: u64) -> Self {
        let plan = FallbackPlan {
            profiles: names.iter().map(ProfileRef::new).collect(),
            on_needs_login: false,
        };
        Self {
            plan: Some(Arc::new(plan)),
            left: left.into(),
            ..Self::default()
        }
    }
}

impl FallbackRules for Rules {
    fn plan(&self) -> BoxFuture<'_, Option<Arc<FallbackPlan>>> {
        std::future::ready(self.plan.clone()).boxed()
    }

    fn take(&self) -> BoxFuture<'_, bool> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        std::future::ready(left > 0).boxed()
    }

    fn served(&self, from: &ProfileRef, to: &ProfileRef) {
        self.served.lock().unwrap().push((from.clone(), to.clone()));
    }

    fn spent(&self, tokens: u64) {
        self.spent.fetch_add(tokens, Ordering::Relaxed);
    }
}

fn error(status: u16, code: &str) -> Answer {
    ApiError::upstream(StatusCode::from_u16(status).unwrap(), code, "told").into_response()
}

fn limit() -> Answer {
    error(429, "usage_limit_reached")
}

/// A stack under test, and what came to the service in it.
struct Stack {
    rules: Arc<Rules>,
    default_reason: RouteReason,
    tries: Arc<Mutex<Vec<Try>>>,
}

/// The profile, the reason and the body that a request was sent with.
type Try = (String, RouteReason, Bytes);

impl Stack {
    fn new(rules: Rules) -> Self {
        Self {
            rules: Arc::new(rules),
            default_reason: RouteReason::Current,
            tries: Arc::default(),
        }
    }

    /// Sends a request to it, where each profile answers like this.
    async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        answer: impl Fn(&str) -> Answer + Clone + Send + 'static,
    ) -> Answer {
        let table = Table {
            default_reason: self.default_reason,
        };
        let tries = self.tries.clone();
        let service = service_fn(move |request: Sent| {
            let (answer, tries) = (answer.clone(), tries.clone());
            async move {
                let seen = seen(request).await;
                let answer = answer(&seen.0);
                tries.lock().unwrap().push(seen);
                Ok::<_, Infallible>(answer)
            }
        });
        let stack = ServiceBuilder::new()
            .layer(RouteLayer::new(table.clone()))
            .layer(FallbackLayer::new(table, self.rules.clone()).with_body_limit(16))
            .service(service);
        stack.oneshot(request).await.unwrap()
    }

    fn asked(&self) -> Vec<String> {
        let tries = self.tries.lock().unwrap();
        tries.iter().map(|(profile, ..)| profile.clone()).collect()
    }
}

async fn seen(request: Sent) -> Try {
    let (parts, body) = request.into_parts();
    let hint: &RouteHint = parts.extensions.get().unwrap();
    let reason: RouteReason = *parts.extensions.get().unwrap();
    if let Some(watch) = parts.extensions.get::<TokenWatch>() {
        watch.tell(Tokens::parse(br#"{"input_tokens":5,"output_tokens":2}"#).unwrap());
    }
    let profile = hint.profile.clone().unwrap().to_string();
    let body = body.collect().await.unwrap().to_bytes();
    (profile, reason, body)
}

fn post(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("/v1/responses")
        .body(Full::from(body))
        .unwrap()
}

/// `work` has reached its limit, and everybody else serves.
fn limited(profile: &str) -> Answer {
    if profile == "work" {
        return limit();
    }
    Response::new(Full::from("served"))
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn another_profile_serves_what_the_current_one_could_not_and_says_so() {
    let stack = Stack::new(Rules::naming(&["gone", "key"], 9));
    let answer = stack.ask(post("whole body"), limited).await;
    assert_eq!(header(&answer, "x-codex-router-profile"), "key");
    assert_eq!(header(&answer, "x-codex-router-reason"), "fallback");
    let body = Bytes::from("whole body");
    let expected = [
        ("work".to_owned(), RouteReason::Current, body.clone()),
        ("key".to_owned(), RouteReason::Fallback, body),
    ];
    assert_eq!(*stack.tries.lock().unwrap(), expected);
    let told = stack.rules.served.lock().unwrap().clone();
    assert_eq!(told, [(ProfileRef::new("work"), ProfileRef::new("key"))]);
    assert_eq!(stack.rules.left.load(Ordering::Relaxed), 8);
}

#[tokio::test]
async fn tokens_are_counted_of_api_keys_alone() {
    for (name, spent) in [("key", 7), ("other", 0)] {
        let stack = Stack::new(Rules::naming(&[name], 9));
        stack.ask(post(""), limited).await;
        assert_eq!(stack.asked(), ["work", name]);
        assert_eq!(stack.rules.spent.load(Ordering::Relaxed), spent, "{name}");
    }
}

#[tokio::test]
async fn who_cannot_serve_either_is_as_if_it_had_not_been_asked() {
    let stack = Stack::new(Rules::naming(&["other", "key"], 9));
    let answer = stack.ask(post(""), |_| limit()).await;
    assert_eq!(stack.asked(), ["work", "other", "key"]);
    assert_eq!(answer.status(), 429);
    assert_eq!(header(&answer, "x-codex-router-profile"), "work");
    assert_eq!(header(&answer, "x-codex-router-reason"), "current");
    assert!(stack.rules.served.lock().unwrap().is_empty());
    assert_eq!(
        stack.rules.left.load(Ordering::Relaxed),
        7,
        "each try counts"
    );
}

#[tokio::test]
async fn nobody_is_asked_without_rules_or_when_nothing_is_left() {
    for rules in [Rules::default(), Rules::naming(&["key"], 0)] {
        let stack = Stack::new(rules);
        assert_eq!(stack.ask(post(""), limited).await.status(), 429);
        assert_eq!(stack.asked(), ["work"]);
    }
}

#[tokio::test]
async fn the_same_account_under_another_name_is_not_asked() {
    let stack = Stack::new(Rules::naming(&["work", "twin"], 9));
    stack.ask(post(""), limited).await;
    assert_eq!(stack.asked(), ["work"]);
}

#[tokio::test]
async fn a_body_that_is_too_long_to_be_kept_is_sent_once() {
    let stack = Stack::new(Rules::naming(&["key"], 9));
    let long = "longer than sixteen bytes";
    assert_eq!(stack.ask(post(long), limited).await.status(), 429);
    let tries = stack.tries.lock().unwrap();
    assert_eq!(tries.len(), 1);
    assert_eq!(tries[0].2, long, "and whole");
}

#[tokio::test]
async fn only_a_request_that_asks_for_something_moves() {
    let stack = Stack::new(Rules::naming(&["key"], 9));
    let get = Request::get("/v1/responses").body(Full::default()).unwrap();
    stack.ask(get, limited).await;
    assert_eq!(stack.asked(), ["work"]);
}

#[tokio::test]
async fn the_live_login_has_no_fallback() {
    let stack = Stack {
        default_reason: RouteReason::LiveLogin,
        ..Stack::new(Rules::naming(&["key"], 9))
    };
    stack.ask(post(""), limited).await;
    assert_eq!(stack.asked(), ["work"]);
}

#[tokio::test]
async fn a_login_that_ended_moves_only_where_that_is_asked_for() {
    let ended = |profile: &str| match profile {
        "work" => error(503, "profile_needs_login"),
        _ => Response::new(Full::default()),
    };
    for on_needs_login in [false, true] {
        let plan = FallbackPlan {
            profiles: vec![ProfileRef::new("key")],
            on_needs_login,
        };
        let stack = Stack::new(Rules {
            plan: Some(Arc::new(plan)),
            ..Rules::naming(&[], 9)
        });
        let answer = stack.ask(post(""), ended).await;
        assert_eq!(answer.status().is_success(), on_needs_login);
    }
}

proptest! {
    /// Whatever goes wrong, and whatever the rules say.
    #[test]
    fn no_request_that_names_its_profile_is_ever_sent_to_another(
        bound in prop::sample::select(vec!["work", "other", "key", "twin"]),
        by_header in any::<bool>(),
        status in prop::sample::select(vec![200_u16, 400, 401, 429, 500, 503]),
        code in prop::sample::select(vec!["usage_limit_reached", "profile_needs_login", "x"]),
        names in prop::collection::vec(prop::sample::select(vec!["work", "other", "key"]), 0..4),
        on_needs_login in any::<bool>(),
    ) {
        let plan = FallbackPlan {
            profiles: names.iter().map(ProfileRef::new).collect(),
            on_needs_login,
        };
        let stack = Stack::new(Rules { plan: Some(Arc::new(plan)), ..Rules::naming(&[], 99) });
        let mut request = post("{}");
        let (name, value) = match by_header {
            true => ("x-codex-profile", bound.to_owned()),
            false => ("authorization", format!("Bearer profile:{bound}")),
        };
        request.headers_mut().insert(name, value.parse().unwrap());
        let answer = stack.ask(request, move |_| error(status, code)).now_or_never().unwrap();
        prop_assert_eq!(stack.asked(), [bound]);
        prop_assert_eq!(header(&answer, "x-codex-router-profile"), bound);
        prop_assert_ne!(header(&answer, "x-codex-router-reason"), "fallback");
    }

    /// The one thing that moves a request of the current profile is the code of its limit.
    #[test]
    fn no_other_failure_moves_a_request(status in 400_u16..600, code in "[a-z_]{1,20}") {
        prop_assume!(code != "usage_limit_reached");
        let stack = Stack::new(Rules::naming(&["key"], 9));
        let _ = stack.ask(post(""), move |_| error(status, &code)).now_or_never().unwrap();
        prop_assert_eq!(stack.asked(), ["work"]);
    }
}
