//! A client that leaves costs nothing more; a router told to stop lets streams end.

use std::{
    io::Read as _,
    net::{TcpListener, TcpStream},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use fake_openai::FakeOpenAi;
use serde_json::json;

use crate::harness::{Answer, Home, MODEL, PATIENCE, Router, World, fake, until, worker};

/// A model that takes its time between two events.
fn slow() -> World {
    let builder = FakeOpenAi::builder().event_delay(Duration::from_millis(20));
    let fake = builder.start_on_own_thread().unwrap();
    let login = fake.auth_json(&worker());
    World::with(fake, &[("work", login)])
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_upstream_at_once() {
    let world = slow();
    let asked = json!({"model": MODEL, "stream": true, "input": "count to 500"});
    let requests = [
        world.router.say_streaming("count to 500"),
        world.router.post("/v1/responses", &asked),
        // Not a stream for the client, but one from the upstream.
        world.router.say("count to 500"),
    ];
    for (gone, request) in (1..).zip(requests) {
        let call = tokio::spawn(async move {
            let mut response = request.send().await.unwrap();
            while response.chunk().await.unwrap().is_some() {}
        });
        until("the stream", || world.fake.open_streams() == 1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        call.abort();
        let left = Instant::now();
        until("the end of the stream", || {
            world.fake.cancelled_streams() == gone
        })
        .await;
        assert!(
            left.elapsed() < Duration::from_millis(500),
            "{:?}",
            left.elapsed()
        );
        assert_eq!(world.fake.open_streams(), 0);
    }
}

/// An upstream that reads a model call, never answers it, and says when its caller has left.
fn silent_upstream() -> (String, Receiver<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/backend-api", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let tell = tell.clone();
            thread::spawn(move || never_answer(connection.unwrap(), &tell));
        }
    });
    (url, told)
}

fn never_answer(mut connection: TcpStream, tell: &Sender<&'static str>) {
    let mut read = [0; 4096];
    let length = connection.read(&mut read).unwrap_or(0);
    if !read[..length].starts_with(b"POST ") {
        return; // The discovery of the workspace's routing, which may fail here.
    }
    tell.send("called").unwrap();
    while connection.read(&mut read).is_ok_and(|length| length > 0) {}
    tell.send("left").unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_cancels_the_upstream_too() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let (url, told) = silent_upstream();
    let router = Router::start_with(&home, &fake, &[("CODEX_ROUTER_CHATGPT_BASE_URL", &url)]);
    let call = tokio::spawn(router.say("hello").send());
    until("the model call", || told.try_recv() == Ok("called")).await;
    call.abort();
    until("the end of the call", || told.try_recv() == Ok("left")).await;
}

#[tokio::test]
async fn a_router_told_to_stop_ends_its_streams_first() {
    let mut world = slow();
    let mut stream = world
        .router
        .say_streaming("count to 30")
        .send()
        .await
        .unwrap();
    let mut text = Vec::from(stream.chunk().await.unwrap().unwrap());
    world.router.terminate();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    assert!(String::from_utf8_lossy(&text).ends_with("data: [DONE]\n\n"));
    assert_eq!(world.router.ended(PATIENCE).code(), Some(0));
}

#[tokio::test]
async fn a_router_told_twice_to_stop_waits_for_nobody() {
    let mut world = slow();
    let endless = world
        .router
        .say_streaming("count to 5000")
        .send()
        .await
        .unwrap();
    world.router.terminate();
    until("the end of listening", || {
        TcpStream::connect(world.router.address()).is_err()
    })
    .await;
    world.router.terminate();
    assert_eq!(world.router.ended(Duration::from_secs(5)).code(), Some(0));
    drop(endless);
}

#[tokio::test]
async fn a_router_told_to_stop_takes_no_new_requests_and_idle_clients_do_not_hold_it() {
    let mut world = slow();
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    let begun = Instant::now();
    world.router.terminate();
    assert_eq!(world.router.ended(PATIENCE).code(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(TcpStream::connect(world.router.address()).is_err());
}
