//! Many clients, slow clients, clients that do nothing.

use std::{sync::Arc, time::Duration};

use fake_openai::FakeOpenAi;
use futures_util::future::join_all;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::Semaphore, time::timeout};

use crate::{
    Scale, does_not_grow,
    harness::{Answer, PATIENCE, World, fake, until, worker},
    is_well,
};

/// A model that takes its time between two words.
fn slow(delay: Duration) -> World {
    let builder = FakeOpenAi::builder()
        .event_delay(delay)
        .record_requests(false);
    let fake = builder.start_on_own_thread().unwrap();
    let login = fake.auth_json(&worker());
    World::with(fake, &[("work", login)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_slow_streams_end_whole_and_leave_nothing() {
    let scale = Scale::chosen();
    let (streams, words) = (scale.of(150, 2000), "word ".repeat(scale.of(5, 60)));
    let world = Arc::new(slow(Duration::from_millis(100)));
    scale.note("at rest", &world.router);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut after_rounds = Vec::new();
    while scale.goes_on(after_rounds.len(), 3) {
        // A client has only so many connections under way at once, as the queue of the system has.
        let connecting = Arc::new(Semaphore::new(100));
        let all = (0..streams).map(|number| {
            let (world, connecting) = (world.clone(), connecting.clone());
            let client = client.clone();
            let said = format!("{number} {words}");
            tokio::spawn(async move {
                let place = connecting.acquire().await.unwrap();
                let mut body = crate::harness::chat(&said);
                body["stream"] = true.into();
                let url = world.router.url("/v1/chat/completions");
                let mut answer = client.post(url).json(&body).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                drop(place);
                let mut whole = Vec::new();
                while let Some(chunk) = answer.chunk().await.unwrap() {
                    whole.extend_from_slice(&chunk);
                }
                let whole = String::from_utf8(whole).unwrap();
                assert!(whole.trim_end().ends_with("data: [DONE]"), "{whole}");
                assert!(!whole.contains("\"error\""), "{whole}");
            })
        });
        for ended in join_all(all).await {
            ended.unwrap();
        }
        after_rounds.push(scale.note(&format!("after {streams} streams"), &world.router));
    }
    assert_eq!(world.fake.open_streams(), 0);
    does_not_grow(&after_rounds);
}

#[tokio::test]
async fn idle_and_half_said_connections_keep_nobody_waiting() {
    let scale = Scale::chosen();
    let fake = fake();
    let login = fake.auth_json(&worker());
    let world = World::with(fake, &[("work", login)]);
    is_well(&world).await;
    let (idle, slow) = (scale.of(200, 500), scale.of(50, 200));
    let mut after_rounds = Vec::new();
    while scale.goes_on(after_rounds.len(), 3) {
        let mut connections = Vec::new();
        for number in 0..idle + slow {
            let mut connection = TcpStream::connect(world.router.address()).await.unwrap();
            if number >= idle {
                connection
                    .write_all(b"POST /v1/responses HTTP/1.1\r\nx-")
                    .await
                    .unwrap();
            }
            connections.push(connection);
        }
        for _ in 0..scale.of(5, 50) {
            for connection in &mut connections[idle..] {
                // It may have been cut by now.
                let _ = connection.write_all(b"a").await;
            }
            timeout(PATIENCE, is_well(&world))
                .await
                .expect("served meanwhile");
        }
        scale.note(&format!("with {} connections", idle + slow), &world.router);
        drop(connections);
        is_well(&world).await;
        after_rounds.push(scale.note("without them", &world.router));
    }
    does_not_grow(&after_rounds);
}

#[tokio::test]
async fn clients_that_leave_in_the_middle_leave_nothing() {
    let scale = Scale::chosen();
    let world = slow(Duration::from_millis(20));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut after_rounds = Vec::new();
    while scale.goes_on(after_rounds.len(), 3) {
        let streams = scale.of(40, 500);
        let before = world.fake.cancelled_streams();
        let begun = (0..streams).map(|_| async {
            let mut body = crate::harness::chat(&"word ".repeat(2000));
            body["stream"] = true.into();
            let url = world.router.url("/v1/chat/completions");
            let mut answer = client.post(url).json(&body).send().await.unwrap();
            answer.chunk().await.unwrap().unwrap();
        });
        join_all(begun).await;
        let cancelled = || world.fake.cancelled_streams() == before + streams;
        until("the upstream hears of all of them", cancelled).await;
        after_rounds.push(scale.note(&format!("after {streams} that left"), &world.router));
    }
    does_not_grow(&after_rounds);
    let answer = Answer::to(world.router.get("/healthz")).await;
    assert_eq!(answer.status, 200);
}
