//! Whatever a client sends, it gets a clear error, and others are served.

use serde_json::{Value, json};

use crate::harness::{Answer, MODEL, World, chat};

const PATHS: [&str; 2] = ["/v1/chat/completions", "/v1/responses"];

async fn send(
    world: &World,
    path: &str,
    body: impl Into<reqwest::Body>,
    encoding: Option<&str>,
) -> Answer {
    let request = world.router.client.post(world.router.url(path)).body(body);
    let request = request.header("content-type", "application/json");
    Answer::to(match encoding {
        Some(encoding) => request.header("content-encoding", encoding),
        None => request,
    })
    .await
}

#[tokio::test]
async fn what_is_no_json_object_is_400() {
    let world = World::two_accounts();
    let deep = "[".repeat(200_000);
    let deep_object = format!(
        "{{\"model\":\"{MODEL}\",\"messages\":{}",
        "{\"a\":".repeat(100_000)
    );
    for body in [
        "",
        " ",
        "{",
        "{\"model\":",
        "null",
        "7",
        "[]",
        "\"text\"",
        "{'model': 1}",
        "{} {}",
        "\u{feff}{}",
        "{\"a\":\"\u{1}\"}",
        &deep,
        &deep_object,
    ] {
        for path in PATHS {
            let answer = send(&world, path, body.to_owned(), None).await;
            answer.error(400);
            assert_eq!(answer.header("x-codex-router-error"), Some("client"));
            assert!(answer.bytes.len() < 1000);
        }
    }
    let answer = send(&world, PATHS[0], vec![0xff; 100], None).await;
    answer.error(400);
    assert!(world.fake.model_calls().is_empty());
}

#[tokio::test]
async fn deep_nesting_is_no_crash() {
    let world = World::two_accounts();
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [100, 1000, 100_000] {
        for (path, body) in [
            (
                PATHS[0],
                format!("{{\"model\":\"{MODEL}\",\"messages\":{}}}", nested(depth)),
            ),
            (
                PATHS[0],
                format!(
                    "{{\"model\":\"{MODEL}\",\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],\"metadata\":{}}}",
                    nested(depth)
                ),
            ),
            (
                PATHS[1],
                format!("{{\"model\":\"{MODEL}\",\"input\":{}}}", nested(depth)),
            ),
            (
                PATHS[1],
                format!(
                    "{{\"model\":\"{MODEL}\",\"input\":\"x\",\"tools\":{}}}",
                    nested(depth)
                ),
            ),
        ] {
            let answer = send(&world, path, body, None).await;
            assert!(answer.status < 500, "{path} {depth}: {}", answer.text());
        }
    }
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
}

#[tokio::test]
async fn wrong_types_are_400_and_name_the_parameter() {
    let world = World::two_accounts();
    for (param, value) in [
        ("model", json!(7)),
        ("messages", json!("hello")),
        ("messages", json!([])),
        ("tools", json!("weather")),
        ("response_format", json!(7)),
    ] {
        let mut body = chat("hello");
        body[param] = value.clone();
        let answer = Answer::to(world.router.post(PATHS[0], &body)).await;
        answer.error(400);
        let named = answer.json()["error"]["param"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(
            named.starts_with(param),
            "{param}={value}: {}",
            answer.text()
        );
    }
    for message in [
        json!(7),
        json!({}),
        json!({"role": "wizard", "content": "x"}),
        json!({"role": "user", "content": 7}),
        json!(["user", "hello"]),
        json!({"role": "user", "content": [{"type": "smell"}]}),
    ] {
        let body = json!({"model": MODEL, "messages": [message]});
        let answer = Answer::to(world.router.post(PATHS[0], &body)).await;
        answer.error(400);
        assert!(
            answer.json()["error"]["param"]
                .as_str()
                .unwrap()
                .starts_with("messages"),
            "{}",
            answer.text()
        );
    }
    for body in [
        json!({"messages": [{"role": "user", "content": "x"}]}),
        json!({"model": MODEL}),
    ] {
        Answer::to(world.router.post(PATHS[0], &body))
            .await
            .error(400);
    }
    for input in [json!(7), json!([7]), json!({})] {
        let answer = Answer::to(
            world
                .router
                .post(PATHS[1], &json!({"model": MODEL, "input": input})),
        )
        .await;
        answer.error(400);
    }
    assert!(world.fake.model_calls().is_empty());
}

#[tokio::test]
async fn an_error_never_quotes_the_prompt() {
    let world = World::two_accounts();
    let prompt = "my very secret prompt";
    for body in [
        json!({"model": MODEL, "messages": [{"role": prompt, "content": prompt}]}),
        json!({"model": MODEL, "messages": [{"role": "user", "content": [{"type": prompt, "text": prompt}]}]}),
        json!({"model": MODEL, "messages": prompt}),
        json!({"model": MODEL, "n": 3, "messages": [{"role": "user", "content": prompt}]}),
    ] {
        let answer = Answer::to(world.router.post(PATHS[0], &body)).await;
        answer.error(400);
        assert!(!answer.text().contains(prompt), "{}", answer.text());
    }
    let cut = chat(prompt).to_string();
    let answer = send(&world, PATHS[0], cut[..cut.len() - 1].to_owned(), None).await;
    assert!(!answer.text().contains(prompt));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_packed_or_not() {
    let world = World::two_accounts();
    let large = vec![b' '; (64 << 20) + 1];
    let bomb = zstd::encode_all(large.as_slice(), 1).unwrap();
    for path in PATHS {
        send(&world, path, bomb.clone(), Some("zstd"))
            .await
            .error(413);
    }
    send(&world, PATHS[0], large, None).await.error(413);
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    assert_eq!(world.fake.model_calls().len(), 1);
}

#[tokio::test]
async fn packed_bodies_are_understood_and_broken_ones_are_400() {
    let world = World::two_accounts();
    let body = chat("hello").to_string();
    let packed = zstd::encode_all(body.as_bytes(), 3).unwrap();
    let answer = send(&world, PATHS[0], packed.clone(), Some("zstd")).await;
    assert_eq!(answer.said(), "You said: hello");
    for (bytes, encoding) in [
        (body.clone().into_bytes(), "zstd"),
        (packed[..packed.len() / 2].to_vec(), "zstd"),
        (body.clone().into_bytes(), "gzip"),
        (body.clone().into_bytes(), "br"),
    ] {
        for path in PATHS {
            let answer = send(&world, path, bytes.clone(), Some(encoding)).await;
            answer.error(400);
            assert_eq!(
                answer.header("x-codex-router-error"),
                Some("client"),
                "{encoding}"
            );
        }
    }
    for encoding in ["compress", "lz4", "zstd, gzip"] {
        for path in PATHS {
            send(&world, path, body.clone(), Some(encoding))
                .await
                .error(415);
        }
    }
    assert_eq!(world.fake.model_calls().len(), 1);
}

#[tokio::test]
async fn wrong_methods_and_paths_are_405_and_404() {
    let world = World::two_accounts();
    for path in ["/v1/chat/completions", "/v1/responses"] {
        for method in ["PUT", "DELETE", "PATCH"] {
            let request = world
                .router
                .client
                .request(method.parse().unwrap(), world.router.url(path));
            Answer::to(request).await.error(405);
        }
    }
    // Below `/api` not even that is told without the secret.
    let private = world.router.get("/api/nothing");
    assert_eq!(
        Answer::to(private).await.error(401),
        "control_auth_required"
    );
    for path in ["/nothing", "/v2/responses", "/v1x"] {
        assert_eq!(
            Answer::to(world.router.get(path)).await.error(404),
            "not_found"
        );
    }
    assert!(world.fake.requests().is_empty());
}

#[tokio::test]
async fn text_of_every_kind_survives_the_way_there_and_back() {
    let world = World::two_accounts();
    for text in [
        "ü 漢字 🦀 \u{0} \u{7f} \u{2028}",
        "\\ \" / \n \r\n \t",
        "data: [DONE]\n\n",
        "</script>",
        "\u{fffd}",
    ] {
        let said = Answer::to(world.router.say(text)).await.said();
        assert_eq!(said, format!("You said: {text}"));
        let streamed = Answer::to(world.router.say_streaming(text)).await;
        let pieces = streamed.events();
        let pieces = pieces
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
        assert_eq!(pieces.collect::<String>(), format!("You said: {text}"));
    }
    // Half a surrogate pair is JSON, but no text: an error or a replacement, and never a crash.
    let lone = json!({"model": MODEL, "messages": [{"role": "user", "content": "X"}]}).to_string();
    let answer = send(&world, PATHS[0], lone.replace('X', "\\ud83d"), None).await;
    assert!(answer.status < 500, "{}", answer.text());
}

#[tokio::test]
async fn a_large_conversation_is_no_problem() {
    let world = World::two_accounts();
    let long = "word ".repeat(1 << 17);
    let body = json!({"model": MODEL, "messages": [
        {"role": "user", "content": long}, {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "hello"},
    ]});
    let answer = Answer::to(world.router.post(PATHS[0], &body)).await;
    assert_eq!(answer.said(), "You said: hello");
    let sent = world.fake.model_calls().pop().unwrap().json;
    let first: &Value = &sent["input"][0]["content"];
    let text = first
        .as_str()
        .or_else(|| first[0]["text"].as_str())
        .unwrap();
    assert_eq!(text.len(), long.len());
}
