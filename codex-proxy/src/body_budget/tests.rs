use std::{convert::Infallible, sync::Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use tokio::sync::oneshot;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use super::*;
use crate::BoxError;

const MIB: usize = 1 << 20;

type Whole = Full<Bytes>;
type Gates = Arc<Mutex<Vec<oneshot::Sender<()>>>>;

fn whole(bytes: usize) -> Request<Whole> {
    Request::new(Full::from(vec![b'x'; bytes]))
}

/// Of unknown length, in pieces of a quarter of a MiB.
fn chunked(
    bytes: usize,
) -> Request<impl http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static> {
    let piece = || Ok(http_body::Frame::data(Bytes::from(vec![b'x'; MIB / 4])));
    let pieces = std::iter::repeat_with(piece).take(bytes / (MIB / 4));
    Request::new(StreamBody::new(futures_util::stream::iter(pieces)))
}

/// Reads the body, says how long it was, and answers when it is let.
fn gated<B>(
    budget: &BodyBudget,
    gates: &Gates,
) -> impl Service<Request<B>, Response = Response<usize>, Error = BoxError, Future: Send>
+ Clone
+ Send
+ 'static
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let gates = gates.clone();
    BodyBudgetLayer::new(budget.clone()).layer(service_fn(
        move |request: Request<http_body_util::Either<B, CountedBody<B>>>| {
            let gates = gates.clone();
            async move {
                let body = request.into_body().collect().await?;
                let (open, opened) = oneshot::channel();
                gates.lock().unwrap().push(open);
                let _ = opened.await;
                Ok::<_, BoxError>(Response::new(body.to_bytes().len()))
            }
        },
    ))
}

fn free_kib(budget: &BodyBudget) -> usize {
    budget.free.available_permits()
}

async fn until(mut is: impl FnMut() -> bool) {
    while !is() {
        tokio::task::yield_now().await;
    }
}

fn refused(error: &BoxError) -> String {
    let error = ApiError::from_boxed(error);
    assert_eq!(error.status, 503);
    assert_eq!(error.retry_after_seconds, Some(RETRY_AFTER));
    error.code.unwrap()
}

#[tokio::test]
async fn a_large_body_waits_until_others_are_answered() {
    let (budget, gates) = (BodyBudget::new(3 * MIB), Gates::default());
    let service = gated(&budget, &gates);
    let first = tokio::spawn(service.clone().oneshot(whole(2 * MIB)));
    until(|| gates.lock().unwrap().len() == 1).await;
    assert_eq!(free_kib(&budget), 1 << 10);
    let second = tokio::spawn(service.clone().oneshot(whole(2 * MIB)));
    // A small one passes it meanwhile.
    let small = tokio::spawn(service.oneshot(whole(1 << 10)));
    until(|| gates.lock().unwrap().len() == 2).await;
    assert!(!second.is_finished());
    for gate in gates.lock().unwrap().drain(..) {
        gate.send(()).unwrap();
    }
    assert_eq!(*first.await.unwrap().unwrap().body(), 2 * MIB);
    assert_eq!(*small.await.unwrap().unwrap().body(), 1 << 10);
    until(|| gates.lock().unwrap().len() == 1).await;
    gates.lock().unwrap().clear();
    assert_eq!(*second.await.unwrap().unwrap().body(), 2 * MIB);
    assert_eq!(free_kib(&budget), 3 << 10, "nothing is kept");
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told() {
    let (budget, gates) = (BodyBudget::new(MIB), Gates::default());
    let service = gated(&budget, &gates);
    let first = tokio::spawn(service.clone().oneshot(whole(MIB)));
    until(|| gates.lock().unwrap().len() == 1).await;
    let error = service.oneshot(whole(MIB)).await.unwrap_err();
    assert_eq!(refused(&error), "router_busy");
    // Who leaves gives its room back.
    first.abort();
    until(|| free_kib(&budget) == 1 << 10).await;
}

#[tokio::test]
async fn one_that_is_larger_than_everything_is_alone_and_served() {
    let (budget, gates) = (BodyBudget::new(MIB), Gates::default());
    for length in [3 * MIB, 100 * MIB] {
        let known = tokio::spawn(gated(&budget, &gates).oneshot(whole(length)));
        until(|| gates.lock().unwrap().len() == 1).await;
        assert_eq!(free_kib(&budget), 0);
        gates.lock().unwrap().clear();
        assert_eq!(*known.await.unwrap().unwrap().body(), length);
        let unknown = tokio::spawn(gated(&budget, &gates).oneshot(chunked(length)));
        until(|| gates.lock().unwrap().len() == 1).await;
        assert_eq!(free_kib(&budget), 0);
        gates.lock().unwrap().clear();
        assert_eq!(*unknown.await.unwrap().unwrap().body(), length);
        assert_eq!(free_kib(&budget), 1 << 10);
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_counted_as_it_comes_and_ends_where_there_is_no_room() {
    let (budget, gates) = (BodyBudget::new(4 * MIB), Gates::default());
    let first = tokio::spawn(gated(&budget, &gates).oneshot(chunked(3 * MIB)));
    until(|| gates.lock().unwrap().len() == 1).await;
    // It was read to its end and is still held.
    assert_eq!(free_kib(&budget), 1 << 10);
    let error = gated(&budget, &gates).oneshot(chunked(2 * MIB)).await;
    assert_eq!(refused(&error.unwrap_err()), "router_busy");
    gates.lock().unwrap().clear();
    assert_eq!(*first.await.unwrap().unwrap().body(), 3 * MIB);
    assert_eq!(free_kib(&budget), 4 << 10);
}

/// A concurrency limit panics when a service that was not ready is called.
#[tokio::test]
async fn the_service_that_was_ready_is_the_one_that_is_called() {
    type Counted = http_body_util::Either<Whole, CountedBody<Whole>>;
    let answer = async |_: Request<Counted>| Ok::<_, Infallible>(Response::new(()));
    let limited = tower::limit::ConcurrencyLimitLayer::new(1).layer(service_fn(answer));
    let mut service = BodyBudgetLayer::new(BodyBudget::new(MIB)).layer(limited);
    for bytes in [1 << 10, 2 * MIB, MIB] {
        let ready = service.ready().await.unwrap();
        ready.call(whole(bytes)).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_sent_is_given_back_before_the_answer_is_there() {
    let budgets = [BodyBudget::new(3 * MIB), BodyBudget::new(2 * MIB)];
    let all_free = || free_kib(&budgets[0]) == 3 << 10 && free_kib(&budgets[1]) == 2 << 10;
    let (heads, asked) = oneshot::channel::<()>();
    let asked = Arc::new(Mutex::new(Some(asked)));
    let upstream = BodySentLayer::new().layer(service_fn(move |_: Request<Whole>| {
        let asked = asked.lock().unwrap().take().unwrap();
        async { asked.await.map_err(BoxError::from).map(Response::new) }
    }));
    let (answer, answered) = oneshot::channel::<()>();
    let answered = Arc::new(Mutex::new(Some(answered)));
    let aggregating = service_fn(move |request: Request<http_body_util::Either<_, _>>| {
        let (upstream, answered) = (upstream.clone(), answered.lock().unwrap().take().unwrap());
        async {
            upstream.oneshot(request.map(plain)).await?;
            answered.await.map_err(BoxError::from).map(Response::new)
        }
    });
    let inner = BodyBudgetLayer::new(budgets[1].clone()).layer(aggregating);
    let inner = tower::util::MapRequest::new(inner, |request: Request<_>| request.map(plain));
    let outer = BodyBudgetLayer::new(budgets[0].clone()).layer(inner);
    let answering = tokio::spawn(outer.oneshot(whole(MIB)));
    until(|| free_kib(&budgets[0]) == 2 << 10 && free_kib(&budgets[1]) == 1 << 10).await;
    heads.send(()).unwrap();
    until(all_free).await;
    assert!(!answering.is_finished());
    answer.send(()).unwrap();
    answering.await.unwrap().unwrap();
    assert!(all_free());
}

fn plain(body: http_body_util::Either<Whole, CountedBody<Whole>>) -> Whole {
    match body {
        http_body_util::Either::Left(body) => body,
        http_body_util::Either::Right(_) => panic!("its length is known"),
    }
}

#[tokio::test]
async fn one_that_says_it_is_larger_than_allowed_claims_nothing_before_it_comes() {
    let budget = BodyBudget::new(4 * MIB).with_largest_body(MIB);
    let (read, reading) = oneshot::channel::<()>();
    let reading = Arc::new(Mutex::new(Some(reading)));
    let service = BodyBudgetLayer::new(budget.clone()).layer(service_fn(
        move |_: Request<http_body_util::Either<Whole, CountedBody<Whole>>>| {
            let reading = reading.lock().unwrap().take().unwrap();
            async { reading.await.map_err(BoxError::from).map(Response::new) }
        },
    ));
    let answering = tokio::spawn(service.oneshot(whole(2 * MIB)));
    tokio::task::yield_now().await;
    assert_eq!(free_kib(&budget), 4 << 10);
    read.send(()).unwrap();
    answering.await.unwrap().unwrap();
}
