//! Where traces are sent, and what becomes of the router when nobody takes them.

use std::{
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::net::TcpSocket;

use super::{CHAT, Collector, environment, started};
use crate::harness::{Answer, PATIENCE, fake};

#[tokio::test]
async fn the_program_says_what_it_is_and_the_collector_is_shown_its_key() {
    let collector = Collector::start();
    let mut settings = environment(&collector);
    let attributes = "deployment.environment.name=home,service.version=9".to_owned();
    settings.extend([
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20of-the-collector".to_owned(),
        ),
        ("OTEL_RESOURCE_ATTRIBUTES", attributes),
    ]);
    let world = started(fake(), &settings);
    Answer::to(world.router.say("hello")).await;
    collector.spans_with(1, CHAT).await;
    let headers = &collector.headers()[0];
    assert_eq!(headers["authorization"], "Bearer of-the-collector");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let resource = collector.resource();
    for (name, value) in [
        ("service.name", "codex-router"),
        ("service.version", "9"),
        ("deployment.environment.name", "home"),
    ] {
        assert_eq!(resource[name], json!(value), "{resource:?}");
    }
    assert!(!world.router.printed().contains("of-the-collector"));
}

#[tokio::test]
async fn nothing_is_sent_unless_the_environment_says_where() {
    let collector = Collector::start();
    let named = environment(&collector);
    let with = |more: &[(&'static str, &str)]| {
        let more = more
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        named.iter().cloned().chain(more).collect::<Vec<_>>()
    };
    // A collector at the usual address would be called `localhost`, and so asked over the proxy.
    let nowhere = vec![
        ("OTEL_SERVICE_NAME", "named".to_owned()),
        ("HTTP_PROXY", collector.url()),
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ];
    for settings in [
        nowhere,
        with(&[("OTEL_SDK_DISABLED", "true")]),
        with(&[("OTEL_TRACES_EXPORTER", "none")]),
        with(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]),
    ] {
        let mut world = started(fake(), &settings);
        assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
        world.router.terminate();
        assert!(world.router.ended(PATIENCE).success());
        assert_eq!(collector.headers().len(), 0, "{settings:?}");
    }
}

#[tokio::test]
async fn a_setting_that_cannot_be_followed_is_said_and_the_router_serves() {
    let secret = "http://user:planted-password@[";
    for (name, value, told) in [
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ),
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            secret,
            "no traces are sent",
        ),
    ] {
        let endpoint = "http://127.0.0.1:9".to_owned();
        let settings = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            (name, value.to_owned()),
        ];
        let world = started(fake(), &settings);
        assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
        let printed = world.router.printed();
        assert!(printed.contains(told), "{name}: {printed}");
        assert!(!printed.contains("planted"), "{printed}");
    }
}

#[tokio::test]
async fn what_is_left_is_sent_at_the_end() {
    let collector = Collector::start();
    let settings = [
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            format!("{}/v1/traces", collector.url()),
        ),
        ("OTEL_BSP_SCHEDULE_DELAY", "600000".to_owned()),
    ];
    let mut world = started(fake(), &settings);
    Answer::to(world.router.say("hello")).await;
    assert_eq!(collector.spans().len(), 0, "it waits for more");
    world.router.terminate();
    assert!(world.router.ended(PATIENCE).success());
    collector.spans_with(1, CHAT).await;
}

/// A collector that refuses connections, and one that takes them and never says a word. Their ports
/// are theirs as long as the sockets are held.
fn dead() -> ([String; 2], (TcpSocket, TcpListener)) {
    let refusing = TcpSocket::new_v4().unwrap();
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    refusing.bind(any_port).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [refusing.local_addr(), silent.local_addr()];
    let urls = addresses.map(|address| format!("http://{}", address.unwrap()));
    (urls, (refusing, silent))
}

#[tokio::test]
async fn a_dead_collector_costs_one_warning_and_no_time() {
    let (urls, _held) = dead();
    for url in urls {
        let settings = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
            // So long that whoever waits for it several times is out of time, however busy the
            // machine is: requests in all, or the end with its full queue.
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "4000".to_owned()),
            ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "16".to_owned()),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4".to_owned()),
        ];
        let mut world = started(fake(), &settings);
        let begun = Instant::now();
        for _ in 0..20 {
            assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
        }
        let all = begun.elapsed();
        assert!(all < Duration::from_secs(15), "{all:?}");
        let warned = || {
            world
                .router
                .printed()
                .matches("does not take the traces")
                .count()
        };
        crate::harness::until("a warning", || warned() > 0).await;
        world.router.terminate();
        assert!(world.router.ended(PATIENCE).success());
        assert_eq!(
            world
                .router
                .logged()
                .matches("does not take the traces")
                .count(),
            1
        );
    }
}
