//! What we emit, read by a library that knows nothing of us.

use async_openai::{
    error::WrappedError,
    types::{
        chat::{CreateChatCompletionResponse, CreateChatCompletionStreamResponse},
        responses::{Response, ResponseStreamEvent},
    },
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{
    files,
    play::{self, ChatClient, FORMATS},
    sse,
};

/// Whether the library reads it; if not, why not.
fn read<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| format!("{error}: {json}"))
}

#[test]
fn every_chunk_and_every_error_in_a_chat_stream_is_understood() {
    let clients = [
        ChatClient::default(),
        ChatClient::new(json!({"functions": [{"name": "f"}]})),
    ];
    for (name, stream) in files::streams() {
        for (client, format) in clients
            .iter()
            .flat_map(|it| FORMATS.map(|format| (it, format)))
        {
            let streamed = client.streamed(&[&stream], format);
            for data in sse::data(streamed.as_bytes())
                .iter()
                .filter(|data| *data != "[DONE]")
            {
                // The library's chunks have no custom tools, which the API itself has.
                let data = &data.replace(r#""type":"custom""#, r#""type":"function""#);
                let chunk = read::<CreateChatCompletionStreamResponse>(data).map(|_| ());
                let understood = chunk.or_else(|chunk| {
                    let error = read::<WrappedError>(data).map(|_| ());
                    error.map_err(|_| chunk)
                });
                assert_eq!(understood, Ok(()), "{name}");
            }
        }
    }
}

#[test]
fn every_chat_completion_and_every_error_is_understood() {
    for (name, stream) in files::streams() {
        for format in FORMATS {
            match ChatClient::default().whole(&[&stream], format) {
                Ok(answer) => {
                    // The library has another name for a custom tool's call than the API.
                    let answer = answer
                        .to_string()
                        .replace(r#""custom":"#, r#""custom_tool":"#);
                    let answer = read::<CreateChatCompletionResponse>(&answer);
                    assert!(answer.is_ok(), "{name}: {answer:?}");
                }
                Err(error) => {
                    let error = read::<WrappedError>(&error.to_json().to_string());
                    assert!(error.is_ok(), "{name}: {error:?}");
                }
            }
        }
    }
}

/// An upstream may send what the library does not know; what we write ourselves it knows.
#[test]
fn every_event_of_ours_is_understood() {
    let (mut amended, mut errors) = (0, 0);
    for (name, stream) in files::streams() {
        let came = sse::data(&stream);
        let sent = sse::data(&play::relayed(&[&stream]));
        for event in sent.iter().filter(|event| !came.contains(event)) {
            let ours = read::<ResponseStreamEvent>(event);
            match ours {
                Ok(ResponseStreamEvent::ResponseError(_)) => errors += 1,
                Ok(_) => amended += 1,
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
    assert!(
        amended > 5 && errors > 5,
        "{amended} amended, {errors} errors"
    );
}

#[test]
fn every_response_that_the_upstream_made_well_is_understood() {
    let mut understood = 0;
    for (name, stream) in files::streams() {
        let Ok(whole) = play::response(&[&stream]) else {
            continue;
        };
        let made_well = sse::data(&stream)
            .iter()
            .filter(|data| *data != "[DONE]")
            .all(|event| read::<ResponseStreamEvent>(event).is_ok());
        if made_well {
            let response = read::<Response>(&whole.to_string());
            assert!(response.is_ok(), "{name}: {response:?}");
            understood += 1;
        }
    }
    assert!(
        understood > 30,
        "only {understood} of the corpus are as OpenAI documents them"
    );
}

/// The corpus is to be as the API is: what is not understood of it is odd on purpose.
#[test]
fn the_streams_of_the_corpus_are_as_the_api_has_them() {
    let on_purpose = [
        "after-the-end",
        "error-event-",
        "failed-usage-limit-reached",
        "places-",
        "rate-limits-between",
        "response-done",
        "unknown-",
        "usage-",
    ];
    for (name, stream) in files::streams() {
        if on_purpose.iter().any(|odd| name.starts_with(odd)) {
            continue;
        }
        for event in sse::data(&stream).iter().filter(|data| *data != "[DONE]") {
            let event: Result<ResponseStreamEvent, _> = read(event);
            assert!(event.is_ok(), "{name}: {event:?}");
        }
    }
}
