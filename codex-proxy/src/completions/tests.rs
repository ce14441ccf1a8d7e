use bytes::Bytes;
use codex_auth::{Backend, RouteHint};
use http::{Request, Response};
use http_body_util::{BodyExt, Either, Full};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use super::{CompletionsLayer, request::translate};
use crate::{ApiError, BoxError};

type Sent = Request<Either<Full<Bytes>, Full<Bytes>>>;

fn translated(fields: &Value) -> Result<(Value, Vec<String>), ApiError> {
    let mut body = json!({"model": "m", "prompt": "p"});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let translated = translate(body.to_string().as_bytes())?;
    let body = serde_json::from_slice(&translated.body).unwrap();
    Ok((body, translated.dropped))
}

const EVENTS: &str = concat!(
    "data: {\"type\":\"response.created\",\"response\":{\"model\":\"served\"}}\n\n",
    "data: {\"type\":\"response.reasoning_summary_text.delta\",\"delta\":\"hmm\"}\n\n",
    "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\\n\"}\n\n",
    "data: {\"type\":\"response.output_text.delta\",\"delta\":\"b END c\"}\n\n",
    "data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}\n\n",
);

async fn call(fields: Value, events: &'static str) -> Result<String, BoxError> {
    let inner = service_fn(move |request: Sent| async move {
        assert_eq!(request.uri().path(), "/v1/responses");
        Ok::<_, BoxError>(Response::new(Full::new(Bytes::from(events))))
    });
    let mut body = json!({"model": "asked", "prompt": "p\n"});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let request = Request::post("/v1/completions").body(Full::from(body.to_string()))?;
    let answer = CompletionsLayer::new()
        .layer(inner)
        .oneshot(request)
        .await?;
    let bytes = answer.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec())?)
}

async fn whole(fields: Value) -> Value {
    serde_json::from_str(&call(fields, EVENTS).await.unwrap()).unwrap()
}

/// The chunks, which must end in `[DONE]`.
async fn chunks(mut fields: Value) -> Vec<Value> {
    fields["stream"] = json!(true);
    let text = call(fields, EVENTS).await.unwrap();
    let mut data: Vec<&str> = text
        .lines()
        .filter_map(|l| l.strip_prefix("data: "))
        .collect();
    assert_eq!(data.pop(), Some("[DONE]"));
    data.iter()
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[test]
fn the_prompt_is_the_users_message_and_a_suffix_makes_a_gap_in_it() {
    let (body, _) = translated(&json!({"prompt": ["a\n"]})).unwrap();
    assert_eq!(
        body["input"],
        json!([{"type": "message", "role": "user",
                "content": [{"type": "input_text", "text": "a\n"}]}])
    );
    assert_eq!(
        (&body["store"], &body["stream"]),
        (&json!(false), &json!(true))
    );
    let (gap, _) = translated(&json!({"prompt": "a\n", "suffix": "\nb"})).unwrap();
    let text = "<before>a\n</before><after>\nb</after>";
    assert_eq!(gap["input"][0]["content"][0]["text"], text);
    assert_ne!(gap["instructions"], body["instructions"]);
    let (none, _) = translated(&json!({"suffix": ""})).unwrap();
    assert_eq!(none["input"][0]["content"][0]["text"], "p");
}

#[test]
fn what_cannot_be_served_is_refused_by_name_and_the_rest_is_left_out_by_name() {
    for (name, value) in [
        ("prompt", json!(["a", "b"])),
        ("prompt", json!([1, 2])),
        ("prompt", json!([])),
        ("prompt", json!(null)),
        ("n", json!(2)),
        ("best_of", json!(3)),
        ("logprobs", json!(0)),
        ("max_tokens", json!(0)),
        ("echo", json!("yes")),
    ] {
        let error = translated(&json!({name: value})).unwrap_err();
        assert_eq!(
            (error.status.as_u16(), error.param.as_deref()),
            (400, Some(name))
        );
    }
    let fields = json!({"temperature": 0, "n": 1, "seed": 1, "top_p": 1, "novel": 1, "stop": "x"});
    let mut dropped = translated(&fields).unwrap().1;
    dropped.sort_unstable();
    assert_eq!(dropped, ["novel", "seed", "temperature"]);
}

#[tokio::test]
async fn a_whole_answer_is_the_text_alone() {
    let answer = whole(json!({})).await;
    assert!(answer["id"].as_str().unwrap().starts_with("cmpl-"));
    assert_eq!(
        (&answer["object"], &answer["model"]),
        (&json!("text_completion"), &json!("served"))
    );
    let choice =
        json!({"text": "a\nb END c", "index": 0, "logprobs": null, "finish_reason": "stop"});
    assert_eq!(answer["choices"], json!([choice]));
    assert_eq!(answer["usage"]["total_tokens"], 5);
}

#[tokio::test]
async fn a_stream_is_the_same_text_in_chunks() {
    let all = chunks(json!({})).await;
    let texts: Vec<&str> = all
        .iter()
        .map(|c| c["choices"][0]["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["a\n", "b END c", ""]);
    let reasons: Vec<&Value> = all
        .iter()
        .map(|c| &c["choices"][0]["finish_reason"])
        .collect();
    assert_eq!(reasons, [&Value::Null, &Value::Null, &json!("stop")]);
    for chunk in &all {
        assert_eq!(
            (&chunk["object"], &chunk["id"]),
            (&json!("text_completion"), &all[0]["id"])
        );
        assert!(chunk.get("usage").is_none());
    }
    let counted = chunks(json!({"stream_options": {"include_usage": true}})).await;
    let (last, before) = counted.split_last().unwrap();
    assert_eq!(
        (&last["choices"], &last["usage"]["prompt_tokens"]),
        (&json!([]), &json!(3))
    );
    assert!(
        before
            .iter()
            .all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some())
    );
}

#[tokio::test]
async fn the_text_ends_where_the_client_wants_it_to() {
    for (fields, text, reason) in [
        (json!({"stop": [" END"]}), "a\nb", "stop"),
        (json!({"max_tokens": 1}), "a\nb ", "length"),
    ] {
        let answer = whole(fields.clone()).await;
        let choice = &answer["choices"][0];
        assert_eq!(
            (&choice["text"], &choice["finish_reason"]),
            (&json!(text), &json!(reason))
        );
        let streamed = chunks(fields).await;
        let pieces = streamed
            .iter()
            .map(|c| c["choices"][0]["text"].as_str().unwrap());
        assert_eq!(pieces.collect::<String>(), text);
        assert_eq!(
            streamed.last().unwrap()["choices"][0]["finish_reason"],
            reason
        );
    }
}

#[tokio::test]
async fn an_echo_goes_before_the_text() {
    let answer = whole(json!({"echo": true})).await;
    assert_eq!(answer["choices"][0]["text"], "p\na\nb END c");
    let first = &chunks(json!({"echo": true})).await[0];
    assert_eq!(first["choices"][0]["text"], "p\n");
}

#[tokio::test]
async fn a_failure_is_an_error_and_never_a_clean_end() {
    let failed = "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"x\"}}}\n\n";
    for stream in [true, false] {
        let error = call(json!({"stream": stream}), failed).await.unwrap_err();
        assert_eq!(ApiError::from_boxed(&error).status, 429);
    }
    let cut = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n";
    let text = call(json!({"stream": true}), cut).await.unwrap();
    assert!(
        text.contains("\"error\"") && !text.contains("[DONE]"),
        "{text}"
    );
}

#[tokio::test]
async fn a_login_with_completions_of_its_own_is_left_alone() {
    let inner = service_fn(|request: Sent| async move {
        assert!(matches!(request.body(), Either::Left(_)), "not read");
        assert_eq!(request.uri().path(), "/v1/completions");
        Ok::<_, BoxError>(Response::new(Full::new(Bytes::from("as it is"))))
    });
    let mut request = Request::post("/v1/completions")
        .body(Full::from("no JSON"))
        .unwrap();
    let hint = RouteHint::default().with_backend(Backend::OpenAi);
    request.extensions_mut().insert(hint);
    let answer = CompletionsLayer::new()
        .layer(inner)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "as it is"
    );
}

#[tokio::test]
async fn an_independent_library_reads_whole_answers_and_chunks() {
    use async_openai::types::completions::CreateCompletionResponse as Oracle;

    let answer: Oracle = serde_json::from_value(whole(json!({})).await).unwrap();
    assert_eq!(answer.choices[0].text, "a\nb END c");
    for chunk in chunks(json!({"stream_options": {"include_usage": true}})).await {
        let _: Oracle = serde_json::from_value(chunk).unwrap();
    }
}
