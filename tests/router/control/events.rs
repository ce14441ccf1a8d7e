use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Page, Script};
use crate::harness::{Answer, PATIENCE, World, entry};

/// A page's stream of events.
pub(super) struct Events {
    response: reqwest::Response,
    read: String,
}

impl Events {
    pub(super) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            read: String::new(),
        }
    }

    /// The next event; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let event = parse(event);
                self.read = rest.to_owned();
                return Some(event);
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.expect("an event, or the end").unwrap()?;
            self.read += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// The next event of this name for which something is the case.
    pub(super) async fn until(&mut self, name: &str, is: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (found, value) = self.next().await.expect("the stream goes on");
            if found == name && is(&value) {
                return value;
            }
        }
    }
}

fn parse(event: &str) -> (String, Value) {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    let data = field("data: ").unwrap_or_else(|| panic!("no data: {event}"));
    (
        field("event: ").unwrap().to_owned(),
        serde_json::from_str(data).unwrap(),
    )
}

#[tokio::test]
async fn everything_comes_first_and_then_each_change_whoever_made_it() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let mut events = Events::of(script.ask(Method::GET, "/api/events")).await;
    let (name, overview) = events.next().await.unwrap();
    assert_eq!(
        (name.as_str(), &overview["current"]),
        ("overview", &json!("work"))
    );
    let (name, requests) = events.next().await.unwrap();
    assert_eq!(
        (name.as_str(), requests),
        ("requests", json!({"requests": []}))
    );

    // By the command line.
    assert_eq!(world.home.run(&["use", "other"]).code, Some(0));
    events
        .until("overview", |overview| overview["current"] == "other")
        .await;
    let told = events
        .until("notice", |notice| notice["kind"] == "switched")
        .await;
    assert_eq!(
        (&told["to"], told["text"].as_str()),
        (&json!("other"), Some("now using `other`"))
    );
    // By hand.
    world
        .home
        .add("third", &world.fake.api_key_auth_json("sk-third"));
    let overview = events.until("overview", |overview| {
        overview["profiles"][2]["name"] == "work"
    });
    assert_eq!(entry(&overview.await, "third")["auth_mode"], "apikey");
    // By another page.
    script
        .patch("/api/profiles/third", &json!({"label": "Third"}))
        .await;
    events
        .until("overview", |overview| {
            overview["profiles"][1]["label"] == "Third"
        })
        .await;
}

#[tokio::test]
async fn a_request_is_shown_while_it_runs_and_when_it_is_over() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let page = Page::open(&script).await;
    let mut events = Events::of(page.ask(Method::GET, "/api/events")).await;
    events.until("requests", |_| true).await;
    Answer::to(world.router.say("hello")).await;
    let running = events
        .until("request", |entry| entry["state"] == "running")
        .await;
    let done = events
        .until("request", |entry| entry["state"] == "done")
        .await;
    assert_eq!(
        (&done["id"], &done["status"]),
        (&running["id"], &json!(200))
    );
    assert!(done["output_tokens"].as_u64() > Some(0), "{done}");
}

#[tokio::test]
async fn nothing_is_sent_while_nothing_happens() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let mut events = Events::of(script.ask(Method::GET, "/api/events")).await;
    events.until("requests", |_| true).await;
    // What the upkeep does at its start says nothing new.
    let quiet = timeout(Duration::from_secs(1), events.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

#[tokio::test]
async fn a_router_that_stops_ends_its_streams_and_waits_for_no_page() {
    let mut world = World::two_accounts();
    let mut streams = Vec::new();
    for _ in 0..3 {
        let script = Script::of(&world);
        let mut events = Events::of(script.ask(Method::GET, "/api/events")).await;
        events.until("requests", |_| true).await;
        streams.push(events);
    }
    world.router.terminate();
    for mut events in streams {
        assert_eq!(events.next().await, None);
    }
    // Far less than the streams of models are given.
    assert!(world.router.ended(Duration::from_secs(5)).success());
}
