//! The legacy completions of text, with a ChatGPT login.

use fake_openai::Fault;
use serde_json::{Value, json};

use crate::harness::{Answer, MODEL, World};

async fn complete(world: &World, fields: Value) -> Answer {
    let mut body = json!({"model": MODEL, "prompt": "count to 20"});
    (body.as_object_mut().unwrap()).extend(fields.as_object().unwrap().clone());
    Answer::to(world.router.post("/v1/completions", &body)).await
}

fn text(answer: &Answer) -> String {
    let events = answer.events();
    let pieces = events
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["text"].as_str());
    pieces.collect()
}

#[tokio::test]
async fn a_text_is_completed_whole_and_streamed() {
    let world = World::two_accounts();
    let counted = (1..=20)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    let whole = complete(&world, json!({"temperature": 0.2})).await;
    assert_eq!(whole.header("x-codex-router-dropped"), Some("temperature"));
    assert_eq!(whole.served_by(), ("work", "current"));
    let json = whole.json();
    assert_eq!(
        (&json["object"], &json["choices"][0]["text"]),
        (&json!("text_completion"), &json!(counted))
    );
    let streamed = complete(&world, json!({"stream": true})).await;
    assert_eq!(streamed.header("content-type"), Some("text/event-stream"));
    assert_eq!(text(&streamed), counted);
    assert!(streamed.text().ends_with("data: [DONE]\n\n"));
    let call = world.fake.model_calls().pop().unwrap();
    assert!(call.path.ends_with("/codex/responses"), "{}", call.path);
}

#[tokio::test]
async fn a_text_ends_at_a_stop_string_or_a_limit() {
    let world = World::two_accounts();
    let stopped = complete(&world, json!({"stop": " 4", "stream": true})).await;
    assert_eq!(text(&stopped), "1 2 3");
    let cut = complete(&world, json!({"max_tokens": 2})).await.json();
    assert_eq!(
        cut["choices"][0],
        json!({
        "text": "1 2 3 4 ", "index": 0, "logprobs": null, "finish_reason": "length"})
    );
}

#[tokio::test]
async fn a_gap_before_a_suffix_is_filled() {
    let world = World::two_accounts();
    let answer = complete(&world, json!({"prompt": "count to 3\n", "suffix": "\nend"})).await;
    assert_eq!(answer.json()["choices"][0]["text"], "1 2 3");
    let sent = world.fake.model_calls().pop().unwrap().json;
    let said = "<before>count to 3\n</before><after>\nend</after>";
    assert_eq!(sent["input"][0]["content"][0]["text"], said);
}

#[tokio::test]
async fn what_goes_wrong_is_told_as_openai_does() {
    let world = World::two_accounts();
    for (name, value) in [
        ("prompt", json!([[1, 2, 3]])),
        ("n", json!(2)),
        ("logprobs", json!(3)),
    ] {
        let answer = complete(&world, json!({name: value})).await;
        answer.error(400);
        assert_eq!(answer.json()["error"]["param"], name);
    }
    assert!(world.fake.model_calls().is_empty());
    world.fake.fault(Fault::cut_after(6));
    let cut = complete(&world, json!({"stream": true})).await;
    assert!(
        cut.events().pop().unwrap()["error"].is_object(),
        "{}",
        cut.text()
    );
    assert!(!cut.text().contains("[DONE]"));
    let unknown = complete(&world, json!({"model": "no-such-model"})).await;
    unknown.error(400);
}

#[tokio::test]
async fn an_api_key_has_them_natively() {
    let world = World::api_key();
    let answer = complete(&world, json!({"logit_bias": {"1": 1}})).await;
    assert_eq!(answer.json()["choices"][0]["finish_reason"], "length");
    assert_eq!(
        world.fake.model_calls().pop().unwrap().path,
        "/v1/completions"
    );
}
