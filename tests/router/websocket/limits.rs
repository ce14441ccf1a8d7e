//! What a WebSocket tells of limits is read in passing, and passes as it is.

use fake_openai::{FakeOpenAi, Fault, Usage};
use serde_json::{Value, json};

use super::{Socket, asking, kind};
use crate::harness::{World, until, worker};

fn used(world: &World) -> (Value, Value) {
    let usage = &world.home.listed("work")["usage"];
    (
        usage["windows"][0]["used_percent"].clone(),
        usage["source"].clone(),
    )
}

#[tokio::test]
async fn an_event_tells_the_quota_and_reaches_the_client() {
    let builder = FakeOpenAi::builder().rate_limit_events(true);
    let fake = builder.start_on_own_thread().unwrap();
    fake.set_usage("acct-work", Usage::percent(61.0, 5.0));
    let login = fake.auth_json(&worker());
    let world = World::with(fake, &[("work", login)]);
    let mut socket = Socket::to(&world.router).await;
    let events = socket.turn(&asking("hello")).await;
    assert_eq!(kind(&events[0]), "codex.rate_limits");
    assert_eq!(events[0]["rate_limits"]["primary"]["used_percent"], 61.0);
    until("the reading", || {
        used(&world) == (json!(61.0), json!("event"))
    })
    .await;

    // The connection goes on, and so do the readings.
    world.fake.set_usage("acct-work", Usage::percent(62.0, 5.0));
    socket.turn(&asking("more")).await;
    until("the next one", || used(&world).0 == json!(62.0)).await;
}

#[tokio::test]
async fn a_refusal_in_the_middle_tells_that_the_limit_is_reached() {
    let world = World::two_accounts();
    let mut socket = Socket::to(&world.router).await;
    world.fake.fault(Fault::usage_limit_reached("plus", 600));
    let events = socket.turn(&asking("hello")).await;
    assert_eq!(events[0]["error"]["type"], "usage_limit_reached");
    until("the reading", || {
        used(&world) == (json!(100.0), json!("event"))
    })
    .await;
}
