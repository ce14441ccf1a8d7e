//! Answers that are kept for clients of the Responses API that are not Codex.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, MODEL, World};

/// A request, with these fields in its body.
async fn ask(world: &World, said: &str, fields: Value) -> Answer {
    let mut body = json!({"model": MODEL, "input": said});
    (body.as_object_mut().unwrap()).extend(fields.as_object().unwrap().clone());
    Answer::to(world.router.post("/v1/responses", &body)).await
}

/// The same, and the id of the answer, which is that of the last event of a stream.
async fn id_of(world: &World, said: &str, fields: Value) -> String {
    let answer = ask(world, said, fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let streamed = answer.text().starts_with("event:");
    let object = if streamed {
        answer.events().pop().unwrap()["response"].take()
    } else {
        answer.json()
    };
    object["id"].as_str().unwrap().to_owned()
}

async fn call(world: &World, method: Method, path: &str) -> Answer {
    let url = world.router.url(&format!("/v1/responses/{path}"));
    Answer::to(world.router.client.request(method, url)).await
}

/// What the upstream was sent last: the texts and kinds of the items.
fn sent(world: &World) -> Vec<String> {
    let call = world.fake.model_calls().pop().unwrap();
    let items = call.json["input"].as_array().unwrap().clone();
    items.iter().map(|item| name(item).to_owned()).collect()
}

fn name(item: &Value) -> &str {
    let text = item["content"][0]["text"].as_str();
    text.or(item["type"].as_str()).unwrap()
}

#[tokio::test]
async fn a_conversation_goes_on_by_the_id_of_its_last_answer_streamed_or_not() {
    let world = World::two_accounts();
    for stream in [false, true] {
        let first = id_of(&world, "think first, one", json!({"stream": stream})).await;
        let after = json!({"stream": stream, "previous_response_id": first});
        let second = id_of(&world, "two", after).await;
        let said = "You said: think first, one";
        assert_eq!(sent(&world), ["think first, one", "reasoning", said, "two"]);
        let call = world.fake.model_calls().pop().unwrap().json;
        assert!(call["input"][1]["encrypted_content"].is_string());
        assert!(call.get("previous_response_id").is_none() && call["store"] == false);
        let third = json!({"stream": stream, "previous_response_id": second});
        let answer = ask(&world, "three", third).await;
        assert_eq!(answer.header("x-codex-router-dropped"), None);
        assert!(
            answer
                .text()
                .contains(&format!("\"previous_response_id\":\"{second}\""))
        );
        assert_eq!(sent(&world).len(), 6);
    }
}

#[tokio::test]
async fn an_answer_is_known_to_the_profile_that_gave_it_alone() {
    let world = World::two_accounts();
    let id = id_of(&world, "one", json!({})).await;
    let calls = world.fake.model_calls().len();
    let other = |request: reqwest::RequestBuilder| request.header("x-codex-profile", "other");
    let body = json!({"model": MODEL, "input": "two", "previous_response_id": id});
    let answer = Answer::to(other(world.router.post("/v1/responses", &body))).await;
    assert_eq!(answer.error(400), "previous_response_not_found");
    assert_eq!(answer.json()["error"]["param"], "previous_response_id");
    assert_eq!(
        world.fake.model_calls().len(),
        calls,
        "the upstream was not asked"
    );
    let path = format!("/v1/responses/{id}");
    Answer::to(other(world.router.get(&path))).await.error(404);
    let deletion = world.router.client.delete(world.router.url(&path));
    Answer::to(other(deletion)).await.error(404);
    assert_eq!(call(&world, Method::GET, &id).await.status, 200);
}

#[tokio::test]
async fn an_answer_is_retrieved_listed_and_deleted() {
    let world = World::two_accounts();
    let first = id_of(&world, "one", json!({})).await;
    let second = ask(&world, "two", json!({"previous_response_id": first})).await;
    let id = second.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(call(&world, Method::GET, &id).await.json(), second.json());
    let answer = call(&world, Method::GET, &format!("{id}?stream=true")).await;
    answer.error(400);
    assert_eq!(answer.json()["error"]["param"], "stream");
    let page = call(&world, Method::GET, &format!("{id}/input_items?limit=2"))
        .await
        .json();
    let texts: Vec<&Value> = (page["data"].as_array().unwrap().iter())
        .map(|item| &item["content"][0]["text"])
        .collect();
    assert_eq!(texts, ["two", "You said: one"]);
    assert_eq!(
        (&page["object"], &page["has_more"]),
        (&json!("list"), &json!(true))
    );
    call(&world, Method::POST, &format!("{id}/cancel"))
        .await
        .error(400);
    let deleted = call(&world, Method::DELETE, &id).await.json();
    assert_eq!(
        deleted,
        json!({"id": id, "object": "response", "deleted": true})
    );
    for path in [
        id.clone(),
        format!("{id}/input_items"),
        "resp_unknown".into(),
    ] {
        assert_eq!(
            call(&world, Method::GET, &path).await.error(404),
            "response_not_found"
        );
    }
    call(&world, Method::DELETE, &id).await.error(404);
    let after = json!({"previous_response_id": id});
    ask(&world, "three", after).await.error(400);
    assert_eq!(call(&world, Method::GET, &first).await.status, 200);
}

#[tokio::test]
async fn what_is_not_to_be_stored_and_what_broke_off_is_not_kept() {
    let world = World::two_accounts();
    let unstored = id_of(&world, "one", json!({"store": false})).await;
    call(&world, Method::GET, &unstored).await.error(404);
    world.fake.fault(fake_openai::Fault::cut_after(6));
    let cut = ask(&world, "count to 50", json!({"stream": true})).await;
    let cut = cut.events()[0]["response"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    call(&world, Method::GET, &cut).await.error(404);
    let incomplete = json!({"stream": true});
    let incomplete = id_of(&world, "stop at max_output_tokens", incomplete).await;
    let kept = call(&world, Method::GET, &incomplete).await.json();
    assert_eq!(
        (&kept["status"], &kept["store"]),
        (&json!("incomplete"), &json!(true))
    );
}

#[tokio::test]
async fn an_answer_is_kept_though_the_client_hangs_up_after_it() {
    let world = World::two_accounts();
    let body = json!({"model": MODEL, "input": "one", "stream": true});
    let mut response = world
        .router
        .post("/v1/responses", &body)
        .send()
        .await
        .unwrap();
    let mut text = String::new();
    while !text.contains("response.completed") {
        let chunk = response.chunk().await.unwrap().unwrap();
        text += &String::from_utf8_lossy(&chunk);
    }
    drop(response);
    let events = crate::harness::events(&text);
    let id = events[0]["response"]["id"].as_str().unwrap();
    assert_eq!(call(&world, Method::GET, id).await.status, 200);
}

#[tokio::test]
async fn an_item_is_known_by_its_id() {
    let world = World::two_accounts();
    let first = ask(&world, "think first, one", json!({})).await.json();
    let references: Vec<Value> = (first["output"].as_array().unwrap().iter())
        .map(|item| json!({"type": "item_reference", "id": item["id"]}))
        .collect();
    let answer = ask(&world, "", json!({"input": references})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(sent(&world), ["reasoning", "You said: think first, one"]);
    let unknown = json!({"input": [{"type": "item_reference", "id": "rs_unknown"}]});
    let answer = ask(&world, "", unknown).await;
    assert_eq!(answer.error(400), "item_not_found");
    assert_eq!(answer.json()["error"]["param"], "input[0]");
}

#[tokio::test]
async fn nothing_of_codex_is_kept() {
    let world = World::two_accounts();
    let body = json!({"model": MODEL, "stream": true, "store": true,
        "input": [{"type": "message", "role": "user", "content": "one"}]});
    let codex = |request: reqwest::RequestBuilder| request.header("originator", "codex_exec");
    let answer = Answer::to(codex(world.router.post("/v1/responses", &body))).await;
    // The body passes as it is, and so the backend refuses to store.
    assert_eq!(answer.status, 400, "{}", answer.text());
    let mut body = body;
    body["store"] = json!(false);
    let answer = Answer::to(codex(world.router.post("/v1/responses", &body))).await;
    let id = answer.events()[0]["response"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    call(&world, Method::GET, &id).await.error(404);
    // Its own call of the path is the upstream's to answer.
    let path = format!("/v1/responses/{id}");
    Answer::to(codex(world.router.get(&path))).await;
    let last = world.fake.requests().pop().unwrap();
    assert_eq!(
        (last.method.as_str(), last.path.ends_with(&id)),
        ("GET", true)
    );
}

#[tokio::test]
async fn an_api_key_has_what_the_public_api_keeps() {
    let world = World::api_key();
    let id = id_of(&world, "one", json!({})).await;
    let kept = call(&world, Method::GET, &id).await;
    assert_eq!((kept.status, &kept.json()["id"]), (200, &json!(id)));
    let items = call(&world, Method::GET, &format!("{id}/input_items"))
        .await
        .json();
    assert_eq!(items["data"][0]["content"][0]["text"], "one");
    assert_eq!(
        call(&world, Method::DELETE, &id).await.json()["deleted"],
        true
    );
    let requests = world.fake.requests();
    let paths: Vec<_> = requests
        .iter()
        .map(|request| request.path.as_str())
        .collect();
    assert!(
        paths.iter().all(|path| path.starts_with("/v1/responses")),
        "{paths:?}"
    );
}

#[tokio::test]
async fn other_paths_below_responses_are_passed_on() {
    let world = World::two_accounts();
    for path in ["compact", "input_tokens"] {
        for method in [Method::POST, Method::GET] {
            call(&world, method.clone(), path).await;
            let last = world.fake.requests().pop().unwrap();
            assert_eq!(last.method, method.as_str());
            assert!(last.path.ends_with(path), "{}", last.path);
        }
    }
}
