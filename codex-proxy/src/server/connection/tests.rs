use std::{sync::Arc, time::Duration};

use axum::routing::get;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::Semaphore,
    time::{Instant, sleep},
};

use super::*;

/// More than what lies between server and client.
const ANSWER_BYTES: usize = 200 << 10;

/// Serves one connection, with so much room for what the client has not read.
fn served(room: usize) -> (DuplexStream, impl Future<Output = ()>) {
    let (near, far) = duplex(room);
    let accepted = Accepted {
        stream: Box::new(near),
        is_from_here: true,
    };
    let limits = Limits {
        head: Duration::from_secs(3),
        idle: Duration::from_secs(10),
        stall: Duration::from_secs(20),
        ..Limits::default()
    };
    let host = Host {
        router: Router::new().route("/", get(async || vec![b'x'; ANSWER_BYTES])),
        limits,
        is_in_network: false,
    };
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    (far, host.serve(accepted, place, CancellationToken::new()))
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_read_to_its_end_however_slowly() {
    let (mut client, serving) = served(1 << 10);
    let serving = tokio::spawn(serving);
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client.write_all(request).await.unwrap();
    let (mut read, mut piece) = (0, [0; 1 << 10]);
    while read < ANSWER_BYTES {
        sleep(Duration::from_secs(1)).await;
        let length = client.read(&mut piece).await.unwrap();
        assert_ne!(length, 0, "cut after {read} bytes");
        read += length;
    }
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_is_told_and_has_time_to_leave() {
    let (mut client, serving) = served(1 << 20);
    let began = Instant::now();
    client.write_all(&request_with_room()).await.unwrap();
    serving.await;
    assert_eq!(began.elapsed().as_secs(), 13);
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.unwrap();
    let told = said.windows(5).any(|frame| frame == [0, 0, 8, 7, 0]);
    assert!(told, "GOAWAY");
}

#[tokio::test(start_paused = true)]
async fn bursts_of_pings_keep_no_idle_client() {
    let (mut client, serving) = served(1 << 20);
    let began = Instant::now();
    client.write_all(&request_with_room()).await.unwrap();
    let serving = tokio::spawn(serving);
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    while !serving.is_finished() {
        sleep(Duration::from_secs(1)).await;
        // In the end there is nobody to take it.
        let _ = client.write_all(&ping.repeat(8)).await;
        assert!(began.elapsed() < Duration::from_mins(1), "still there");
    }
    assert!(began.elapsed().as_secs() <= 14, "{:?}", began.elapsed());
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.unwrap();
    let answers = said.windows(17).filter(|frame| {
        let (head, payload) = frame.split_at(9);
        head == [0, 0, 8, 6, 1, 0, 0, 0, 0] && payload == &ping[9..]
    });
    assert!(answers.count() >= 8 * 9, "each is answered");
}

/// A request over HTTP/2 whose whole answer may come at once.
fn request_with_room() -> Vec<u8> {
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    let block = b"\x82\x86\x84\x41\x09localhost";
    request.extend_from_slice(&[0, 0, u8::try_from(block.len()).unwrap(), 1, 5, 0, 0, 0, 1]);
    request.extend_from_slice(block);
    // As much as the whole answer may come at once, on the stream and in all.
    for stream in [0, 1] {
        request.extend_from_slice(&[0, 0, 4, 8, 0, 0, 0, 0, stream, 0, 0x10, 0, 0]);
    }
    request
}
