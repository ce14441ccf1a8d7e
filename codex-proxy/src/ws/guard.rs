//! Whatever the headers, keys, rules, fallbacks and switches: a request that is bound to a profile
//! is served by that one, or fails.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use codex_auth::{
    Backend, CredentialError, CredentialProvider, Credentials, LoginReason, ProfileRef, RouteHint,
    secret::AccessToken,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, Method, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use proptest::prelude::*;
use serde_json::json;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

use super::{
    bridge::TurnHead,
    course::{Course, Destination, Stop},
    listed::ListedTurns,
};
use crate::{
    ApiError, BoxError,
    auth::CodexAuthLayer,
    error::ErrorLayer,
    fallback::{FallbackLayer, FallbackPlan, FallbackRules},
    gate::{Admission, ClientKeyLayer, ClientKeys, KeyHolder},
    model_rules::{ModelRuleLayer, ModelRules, ModelTable, Ruled, TurnRules},
    responses::memory::ConnectionMemory,
    route::{ChosenProfile, ProfileTable, RouteLayer, RouteReason},
};

/// Profiles there may be; `z` there never is.
const NAMES: [&str; 4] = ["a", "b", "c", "z"];

/// What becomes of a request that is sent with a profile's login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Serves,
    LimitReached,
    /// The upstream refuses the token, and the one that is fetched then.
    Unauthorized,
    /// The login has ended before anything is sent.
    NeedsLogin,
    /// There is no such profile.
    Missing,
}

/// All that decides who serves.
#[derive(Debug, Clone)]
struct World {
    fates: [Fate; 3],
    /// Whose login each profile holds.
    identities: [u8; 3],
    current: Option<usize>,
    /// Who is current once the upstream was asked: switches happen in the middle.
    then: Option<usize>,
    /// Which profile the model `m` is for.
    rule: Option<usize>,
    fallback: Option<(Vec<usize>, bool)>,
    /// The profile that the client's key is bound to, and whose login it was made for.
    key: Option<(usize, Option<u8>)>,
}

#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    fn find(&self, profile: &ProfileRef) -> Result<(Fate, Arc<str>), CredentialError> {
        let world = self.world();
        let index = NAMES.iter().position(|name| *name == profile.as_str());
        let index = index.filter(|it| *it < 3 && world.fates[*it] != Fate::Missing);
        let index = index.ok_or_else(|| CredentialError::UnknownProfile(profile.clone()))?;
        let identity = world.identities[index].to_string();
        Ok((world.fates[index], identity.into()))
    }
}

impl ProfileTable for Shared {
    async fn choose(&self, wanted: Option<&ProfileRef>) -> Result<ChosenProfile, CredentialError> {
        let current = self.world().current.map(|it| ProfileRef::new(NAMES[it]));
        let looked_at = "here".into();
        let profile = wanted.cloned().or(current);
        let profile = profile.ok_or(CredentialError::NotLoggedIn { looked_at })?;
        let (_, identity) = self.find(&profile)?;
        Ok(ChosenProfile {
            profile,
            backend: Backend::ChatGpt,
            identity: Some(identity),
            default_reason: RouteReason::Current,
        })
    }
}

impl CredentialProvider for Shared {
    async fn credentials(&self, hint: &RouteHint) -> Result<Credentials, CredentialError> {
        let profile = self.choose(hint.profile.as_ref()).await?.profile;
        if self.find(&profile)?.0 == Fate::NeedsLogin {
            let reason = LoginReason::Expired;
            return Err(CredentialError::LoginRequired { profile, reason });
        }
        let token = AccessToken::new(format!("token-of-{profile}"));
        Ok(Credentials::chatgpt(profile, &token, None).unwrap())
    }

    async fn refresh(&self, stale: &Credentials) -> Result<Credentials, CredentialError> {
        let profile = stale.profile().clone();
        let token = AccessToken::new(format!("token-of-{profile}"));
        Ok(Credentials::chatgpt(profile, &token, None).unwrap())
    }
}

impl FallbackRules for Shared {
    fn plan(&self) -> BoxFuture<'_, Option<Arc<FallbackPlan>>> {
        let plan = self
            .world()
            .fallback
            .clone()
            .map(|(names, too)| FallbackPlan {
                profiles: names.iter().map(|it| ProfileRef::new(NAMES[*it])).collect(),
                on_needs_login: too,
            });
        std::future::ready(plan.map(Arc::new)).boxed()
    }

    fn take(&self) -> BoxFuture<'_, bool> {
        std::future::ready(true).boxed()
    }
}

impl ModelRules for Shared {
    fn rules(&self) -> BoxFuture<'_, Option<Arc<dyn ModelTable>>> {
        let rule = self.world().rule;
        let table = rule.map(|profile| Arc::new(Rule(profile)) as Arc<dyn ModelTable>);
        std::future::ready(table).boxed()
    }
}

struct Rule(usize);

impl ModelTable for Rule {
    fn rule_for(&self, model: &str) -> Option<Ruled> {
        (model == "m").then(|| Ruled {
            profile: ProfileRef::new(NAMES[self.0]),
            rule: "`m`".into(),
        })
    }
}

impl ClientKeys for Shared {
    async fn admit(&self, _: Option<&str>) -> Result<Admission, BoxError> {
        let key = self.world().key;
        Ok(key.map_or(Admission::Open, |(profile, identity)| {
            Admission::Known(KeyHolder {
                name: "key".into(),
                profile: Some(ProfileRef::new(NAMES[profile])),
                identity: identity.map(|it| it.to_string().into()),
            })
        }))
    }
}

/// How a request names a profile.
#[derive(Debug, Clone, Default)]
struct Named {
    header: Option<usize>,
    bearer: Option<usize>,
    with_model: bool,
}

impl Named {
    fn request<B>(&self, method: Method, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = "/v1/responses".parse().unwrap();
        if let Some(name) = self.header {
            request
                .headers_mut()
                .insert("x-codex-profile", NAMES[name].parse().unwrap());
        }
        if let Some(name) = self.bearer {
            let value = format!("Bearer profile:{}", NAMES[name]);
            request
                .headers_mut()
                .insert(AUTHORIZATION, value.parse().unwrap());
        }
        request
    }

    fn message(&self) -> String {
        let model = if self.with_model { "m" } else { "n" };
        json!({"type": "response.create", "model": model}).to_string()
    }

    /// The one profile that may serve it, if it is bound to any.
    fn bound(&self, world: &World) -> Option<usize> {
        let key = world.key.map(|(profile, _)| profile);
        key.or(self.header).or(self.bearer)
    }
}

/// Whom the upstream was asked for, and the answer.
#[derive(Debug)]
struct Outcome {
    asked: Vec<String>,
    served: Option<String>,
    success: bool,
    told: Option<(RouteHint, RouteReason)>,
    rules: Option<TurnRules>,
}

type Any = UnsyncBoxBody<Bytes, BoxError>;

/// Sends a request through the rings of the server.
async fn send(shared: &Shared, request: Request<Full<Bytes>>) -> Outcome {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::new(Mutex::new((None, None)));
    let (world, log, seen) = (shared.clone(), asked.clone(), heads.clone());
    let any = |body: Any| body;
    let stack = ServiceBuilder::new()
        .layer(ClientKeyLayer::new(shared.clone()))
        .layer(ModelRuleLayer::new(Arc::new(shared.clone())))
        .map_request(|request: Request<_>| {
            request.map(|body: http_body_util::Either<_, _>| {
                BodyExt::map_err(body, Into::<BoxError>::into).boxed_unsync()
            })
        })
        .layer(RouteLayer::new(shared.clone()))
        .layer(FallbackLayer::new(shared.clone(), Arc::new(shared.clone())))
        .map_request(move |request: Request<_>| {
            let parts = request.extensions();
            let head = parts.get::<RouteHint>().cloned();
            let reason = parts.get::<RouteReason>().copied();
            *heads.lock().unwrap() = (head.zip(reason), parts.get::<TurnRules>().cloned());
            request.map(|body: crate::auth::ReplayBody<_>| any(body.boxed_unsync()))
        })
        .layer(ErrorLayer::new())
        .layer(CodexAuthLayer::new(shared.clone()))
        .service(service_fn(move |request: Request<_>| {
            let bearer = request.headers()[AUTHORIZATION]
                .to_str()
                .unwrap()
                .to_owned();
            let profile = bearer.rsplit('-').next().unwrap().to_owned();
            let fate = world.find(&ProfileRef::new(&profile)).unwrap().0;
            log.lock().unwrap().push(profile);
            let mut world = world.world();
            world.current = world.then;
            async move { Ok::<_, BoxError>(answer(fate)) }
        }));
    let answer: Response<Full<Bytes>> = stack.oneshot(request).await.unwrap();
    let header = answer.headers().get("x-codex-router-profile");
    let (told, rules) = seen.lock().unwrap().clone();
    let asked = asked.lock().unwrap().clone();
    Outcome {
        asked,
        served: header.map(|it| it.to_str().unwrap().to_owned()),
        success: answer.status().is_success(),
        told,
        rules,
    }
}

fn answer(fate: Fate) -> Response<Full<Bytes>> {
    let error = |status, code| ApiError::upstream(status, code, "told").into_response();
    match fate {
        Fate::LimitReached => error(StatusCode::TOO_MANY_REQUESTS, "usage_limit_reached"),
        Fate::Unauthorized => error(StatusCode::UNAUTHORIZED, "token_expired"),
        _ => Response::new(Full::default()),
    }
}

fn world() -> impl Strategy<Value = World> {
    let fate = prop_oneof![
        3 => Just(Fate::Serves),
        2 => Just(Fate::LimitReached),
        1 => Just(Fate::Unauthorized),
        1 => Just(Fate::NeedsLogin),
        1 => Just(Fate::Missing),
    ];
    let option = |strategy| prop::option::of(strategy);
    (
        [fate.clone(), fate.clone(), fate],
        [0..3_u8, 0..3_u8, 0..3_u8],
        option(0..4_usize),
        option(0..4_usize),
        option(0..4_usize),
        prop::option::of((prop::collection::vec(0..4_usize, 1..4), any::<bool>())),
        prop::option::of((0..4_usize, prop::option::of(0..3_u8))),
    )
        .prop_map(
            |(fates, identities, current, then, rule, fallback, key)| World {
                fates,
                identities,
                current,
                then,
                rule,
                fallback,
                key,
            },
        )
}

fn named() -> impl Strategy<Value = Named> {
    let name = || prop::option::of(0..4_usize);
    (name(), name(), any::<bool>()).prop_map(|(header, bearer, with_model)| Named {
        header,
        bearer,
        with_model,
    })
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(test)
}

/// Nobody but the profile was asked, and an answer is the profile's own.
fn assert_bound(outcome: &Outcome, bound: usize) -> Result<(), TestCaseError> {
    let name = NAMES[bound];
    prop_assert!(outcome.asked.iter().all(|it| it == name), "{outcome:?}");
    prop_assert!(
        outcome.served.as_deref().is_none_or(|it| it == name),
        "{outcome:?}"
    );
    prop_assert!(!outcome.success || !outcome.asked.is_empty(), "{outcome:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_bound_request_is_served_by_its_profile_or_fails(
        world in world(), named in named(), is_post in any::<bool>(),
    ) {
        let method = if is_post { Method::POST } else { Method::GET };
        let request = named.request(method, Full::from(named.message()));
        let shared = Shared(Arc::new(Mutex::new(world.clone())));
        let outcome = run(send(&shared, request));
        if let Some(bound) = named.bound(&world) {
            assert_bound(&outcome, bound)?;
            let identity = world.key.and_then(|(_, identity)| identity);
            let lost = identity.is_some_and(|it| world.identities.get(bound) != Some(&it));
            // The bearer was the key then, and is gone with it.
            let torn = world.key.is_some() && named.header.is_some_and(|it| it != bound);
            prop_assert!(!(lost || torn) || outcome.asked.is_empty(), "{outcome:?}");
        } else if let Some(rule) = world.rule.filter(|_| named.with_model && is_post) {
            // Nor does what a rule binds ever fall back.
            assert_bound(&outcome, rule)?;
        }
    }

    /// Each turn of a connection that is relayed, whatever has changed since its handshake.
    #[test]
    fn a_bound_connection_stays_with_its_profile_or_ends(
        world in world(), later in world(), named in named(), with_model in any::<bool>(),
    ) {
        let shared = Shared(Arc::new(Mutex::new(world.clone())));
        let mut handshake = named.request(Method::GET, Full::default());
        handshake.headers_mut().insert("upgrade", "websocket".parse().unwrap());
        let outcome = run(send(&shared, handshake));
        let Some((hint, reason)) = outcome.told else { return Ok(()) };
        let connected = hint.profile.clone().unwrap();
        let identity = hint.identity.clone();
        let bound = named.bound(&world);
        if let Some(bound) = bound {
            prop_assert_eq!(connected.as_str(), NAMES[bound]);
            prop_assert!(outcome.rules.is_none(), "no rule is ever asked for it");
        }
        *shared.world() = World { key: world.key, ..later.clone() };
        let destination = Destination::new(shared.clone(), hint, Some(&reason));
        let listed = ListedTurns::of(&http::Extensions::new());
        let course = Course::new(destination, None, listed).with_rules(outcome.rules);
        let turn = Named { with_model, ..Named::default() };
        let passed = run(course.upwards(turn.message().into()));
        let now = match bound {
            Some(bound) => Some(bound),
            None => later.rule.filter(|_| with_model).or(later.current),
        };
        let now = now.map(|it| ProfileRef::new(NAMES[it]));
        let same = now.is_some_and(|now| {
            let found = shared.find(&now).ok();
            now == connected && found.is_some_and(|(_, it)| Some(it) == identity)
        });
        match passed {
            Ok(_) => prop_assert!(same, "it went on with a login that serves no longer"),
            Err(Stop::Moved | Stop::Refused(_)) => prop_assert!(!same, "it could have gone on"),
            Err(Stop::Barred(error)) => prop_assert!(false, "{error}"),
        }
    }

    /// Each turn of a connection that is served as a request of its own.
    #[test]
    fn a_bound_connection_has_bound_turns(
        world in world(), later in world(), named in named(), with_model in any::<bool>(),
    ) {
        let shared = Shared(Arc::new(Mutex::new(world.clone())));
        let handshake = named.request(Method::GET, Full::default());
        let Some((hint, reason)) = run(send(&shared, handshake)).told else { return Ok(()) };
        let Some(bound) = named.bound(&world) else { return Ok(()) };
        // What the stack takes off and leaves behind.
        let mut handshake = Request::new(());
        *handshake.headers_mut() = HeaderMap::new();
        handshake.extensions_mut().insert(hint);
        handshake.extensions_mut().insert(reason);
        let head = TurnHead::of(handshake, ConnectionMemory::new());
        let turn = Named { with_model, ..Named::default() };
        let request = head.request::<Full<Bytes>>(&turn.message()).unwrap();
        *shared.world() = World { key: world.key, ..later };
        assert_bound(&run(send(&shared, request)), bound)?;
    }
}
