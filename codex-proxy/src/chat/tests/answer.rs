use async_openai::types::chat::{CreateChatCompletionResponse, CreateChatCompletionStreamResponse};
use proptest::prelude::*;
use serde_json::Value;

use super::{content, options, sse, stream, stream_pieces, whole};
use crate::{
    chat::{
        ReasoningFormat,
        request::{AnswerOptions, translate},
        stream::{ChatStream, Limits},
    },
    responses::event::Event,
    translated::Flow,
};

const CREATED: &str =
    r#"{"type":"response.created","response":{"id":"resp_1","model":"gpt-5.5-2026-08-01"}}"#;
const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"resp_1","output":[],"usage":{"input_tokens":12,"input_tokens_details":{"cached_tokens":8},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":17}}}"#;

const TEXT: &[&str] = &[
    CREATED,
    r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"msg_1","type":"message","content":[]}}"#,
    r#"{"type":"response.output_text.delta","output_index":0,"item_id":"msg_1","content_index":0,"delta":"Hel"}"#,
    r#"{"type":"response.output_text.delta","output_index":0,"item_id":"msg_1","content_index":0,"delta":"lo \ud83d\ude00\n"}"#,
    r#"{"type":"response.output_text.done","output_index":0,"item_id":"msg_1","text":"Hello \ud83d\ude00\n"}"#,
    r#"{"type":"response.output_text.annotation.added","output_index":0,"annotation":{"type":"url_citation","start_index":0,"end_index":5,"title":"T","url":"https://example.com"}}"#,
    r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"msg_1","type":"message","content":[{"type":"output_text","text":"Hello \ud83d\ude00\n"}]}}"#,
    COMPLETED,
];

const TOOLS: &[&str] = &[
    CREATED,
    r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"fc_1","type":"function_call","call_id":"call_1","name":"look","arguments":""}}"#,
    r#"{"type":"response.function_call_arguments.delta","output_index":0,"item_id":"fc_1","delta":"{\"a\":"}"#,
    r#"{"type":"response.output_item.added","output_index":1,"item":{"id":"fc_2","type":"function_call","call_id":"call_2","name":"find","arguments":""}}"#,
    r#"{"type":"response.function_call_arguments.delta","output_index":1,"item_id":"fc_2","delta":"{}"}"#,
    r#"{"type":"response.function_call_arguments.delta","output_index":0,"item_id":"fc_1","delta":"1}"}"#,
    r#"{"type":"response.function_call_arguments.done","output_index":0,"item_id":"fc_1","arguments":"{\"a\":1}"}"#,
    r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"fc_1","type":"function_call","call_id":"call_1","name":"look","arguments":"{\"a\":1}"}}"#,
    r#"{"type":"response.output_item.done","output_index":1,"item":{"id":"fc_2","type":"function_call","call_id":"call_2","name":"find","arguments":"{}"}}"#,
    COMPLETED,
];

const REASONING: &[&str] = &[
    CREATED,
    r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}}"#,
    r#"{"type":"response.reasoning_summary_part.added","output_index":0,"item_id":"rs_1","summary_index":0}"#,
    r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"item_id":"rs_1","summary_index":0,"delta":"One"}"#,
    r#"{"type":"response.reasoning_summary_part.added","output_index":0,"item_id":"rs_1","summary_index":1}"#,
    r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"item_id":"rs_1","summary_index":1,"delta":"Two"}"#,
    r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"One"},{"type":"summary_text","text":"Two"}],"encrypted_content":"x"}}"#,
    r#"{"type":"response.output_text.delta","output_index":1,"item_id":"msg_1","content_index":0,"delta":"Yes"}"#,
    COMPLETED,
];

/// An upstream that announces, and tells the rest in its last event alone.
const ANNOUNCED: &[&str] = &[
    CREATED,
    r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"msg_1","type":"message","content":[]}}"#,
    r#"{"type":"response.output_item.added","output_index":1,"item":{"id":"fc_1","type":"function_call","call_id":"call_1","name":"look","arguments":""}}"#,
    r#"{"type":"response.function_call_arguments.delta","output_index":2,"item_id":"fc_2","delta":"{}"}"#,
    r#"{"type":"response.completed","response":{"output":[{"id":"msg_1","type":"message","content":[{"type":"output_text","text":"Look:"}]},{"id":"fc_1","type":"function_call","call_id":"call_1","name":"look","arguments":"{\"a\":1}"},{"id":"fc_2","type":"function_call","call_id":"call_2","name":"find","arguments":"{}"}]}}"#,
];

#[test]
fn what_was_only_announced_is_told_at_the_end() {
    let answer = whole(ANNOUNCED, &options()).unwrap();
    let chunks = stream(ANNOUNCED, &options());
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["content"], "Look:");
    let calls: Vec<_> = message["tool_calls"].as_array().unwrap().iter().collect();
    assert_eq!(calls.len(), 2, "{message}");
    assert_eq!(calls[0]["function"]["arguments"], "{\"a\":1}");
    assert_eq!(calls[1]["function"]["name"], "find");
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(content(&chunks), "Look:");
}

#[test]
fn nothing_that_was_said_is_shown_in_debug() {
    let data = br#"{"type":"response.output_text.delta","item_id":"secret","delta":"secret"}"#;
    let said = Limits {
        stop: vec!["secret".into()],
        max_tokens: None,
    };
    let mut chat = ChatStream::new(ReasoningFormat::default(), said.clone());
    let event = Event::parse(data);
    let mut shown = vec![format!("{said:?} {event:?}")];
    chat.on(&event, &mut |delta| shown.push(format!("{delta:?}")));
    let body = br#"{"model":"secret","messages":[{"role":"user","content":"secret"}]}"#;
    let translated = translate(body, ReasoningFormat::default()).unwrap();
    shown.push(format!("{translated:?}"));
    assert!(
        shown.len() > 2 && !shown.concat().contains("secret"),
        "{shown:?}"
    );
}

const REFUSAL: &[&str] = &[
    CREATED,
    r#"{"type":"response.refusal.delta","output_index":0,"item_id":"msg_1","content_index":0,"delta":"I can"}"#,
    r#"{"type":"response.refusal.delta","output_index":0,"item_id":"msg_1","content_index":0,"delta":"not"}"#,
    r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"msg_1","type":"message","content":[{"type":"refusal","refusal":"I cannot"}]}}"#,
    COMPLETED,
];

const FAILED: &[&str] = &[
    CREATED,
    r#"{"type":"response.output_text.delta","output_index":0,"item_id":"msg_1","delta":"Hel"}"#,
    r#"{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded","message":"Slow down. Please try again in 1.5s."}}}"#,
];

const CUSTOM: &[&str] = &[
    r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"ctc_1","type":"custom_tool_call","call_id":"call_1","name":"patch","input":""}}"#,
    r#"{"type":"response.custom_tool_call_input.delta","output_index":0,"item_id":"ctc_1","delta":"*** Begin"}"#,
    r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"ctc_1","type":"custom_tool_call","call_id":"call_1","name":"patch","input":"*** Begin"}}"#,
    COMPLETED,
];

#[test]
fn a_streamed_text() {
    insta::assert_snapshot!(stream(TEXT, &options()));
}

#[test]
fn a_streamed_text_with_usage() {
    let options = AnswerOptions {
        include_usage: true,
        ..options()
    };
    insta::assert_snapshot!(stream(TEXT, &options));
}

#[test]
fn streamed_tool_calls() {
    insta::assert_snapshot!(stream(TOOLS, &options()));
}

#[test]
fn a_streamed_custom_tool_call() {
    insta::assert_snapshot!(stream(CUSTOM, &options()));
}

#[test]
fn streamed_tool_calls_in_the_legacy_form() {
    let options = AnswerOptions {
        legacy_functions: true,
        ..options()
    };
    insta::assert_snapshot!(stream(TOOLS, &options));
}

#[test]
fn streamed_reasoning() {
    insta::assert_snapshot!(stream(REASONING, &options()));
}

#[test]
fn streamed_reasoning_in_think_tags() {
    let text = sse(REASONING);
    let (chunks, _) = stream_pieces(&[text.as_bytes()], &options(), ReasoningFormat::ThinkTags);
    assert_eq!(content(&chunks), "<think>One\n\nTwo</think>\n\nYes");
}

#[test]
fn reasoning_that_is_not_wanted_is_not_shown() {
    let text = sse(REASONING);
    let (chunks, _) = stream_pieces(&[text.as_bytes()], &options(), ReasoningFormat::None);
    assert!(!chunks.contains("One") && content(&chunks) == "Yes");
}

#[test]
fn a_streamed_refusal() {
    insta::assert_snapshot!(stream(REFUSAL, &options()));
}

#[test]
fn a_failure_in_a_stream_has_no_clean_end() {
    let chunks = stream(FAILED, &options());
    assert!(!chunks.contains("[DONE]") && !chunks.contains(r#""finish_reason":""#));
    insta::assert_snapshot!(chunks);
}

#[test]
fn whole_answers() {
    let all = [TEXT, TOOLS, REASONING, REFUSAL, CUSTOM];
    let answers: Vec<Value> = all
        .iter()
        .map(|events| {
            let mut answer = whole(events, &options()).unwrap();
            answer["id"] = "chatcmpl-1".into();
            answer["created"] = 1_700_000_000.into();
            answer
        })
        .collect();
    insta::assert_json_snapshot!(answers);
}

#[test]
fn a_failure_of_a_whole_answer_has_its_status() {
    let error = whole(FAILED, &options()).unwrap_err();
    assert_eq!(error.status, 429);
    assert_eq!(error.retry_after_seconds, Some(2));
    let too_long = r#"{"type":"response.failed","response":{"error":{"code":"context_length_exceeded","message":"x"}}}"#;
    assert_eq!(whole(&[too_long], &options()).unwrap_err().status, 400);
    let unknown = r#"{"type":"error","message":"x"}"#;
    assert_eq!(whole(&[unknown], &options()).unwrap_err().status, 502);
}

#[test]
fn an_independent_library_reads_every_chunk_and_object() {
    for events in [TEXT, TOOLS, REASONING, REFUSAL] {
        let options = AnswerOptions {
            include_usage: true,
            ..options()
        };
        for line in stream(events, &options)
            .lines()
            .filter(|line| line.contains('{'))
        {
            let data = line.strip_prefix("data: ").unwrap();
            let chunk: CreateChatCompletionStreamResponse = serde_json::from_str(data).unwrap();
            assert_eq!(chunk.object, "chat.completion.chunk");
            assert_eq!(
                (chunk.id.as_str(), chunk.created),
                ("chatcmpl-1", 1_700_000_000)
            );
        }
        let answer = whole(events, &options).unwrap();
        let answer: CreateChatCompletionResponse = serde_json::from_value(answer).unwrap();
        assert_eq!(answer.usage.unwrap().total_tokens, 17);
    }
}

#[test]
fn what_no_delta_told_comes_with_the_finished_item_and_never_twice() {
    let done = r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"m","type":"message","content":[{"type":"output_text","text":"Hello"}]}}"#;
    let done_elsewhere = &done.replace("\"output_index\":0,", "");
    let delta =
        r#"{"type":"response.output_text.delta","output_index":0,"item_id":"m","delta":"Hello"}"#;
    let delta_by_id = r#"{"type":"response.output_text.delta","item_id":"m","delta":"Hello"}"#;
    let delta_bare = r#"{"type":"response.output_text.delta","delta":"Hello"}"#;
    let delta_other_id =
        r#"{"type":"response.output_text.delta","output_index":0,"item_id":"zzz","delta":"Hello"}"#;
    let last = r#"{"type":"response.completed","response":{"output":[{"id":"m","type":"message","content":[{"type":"output_text","text":"Hello"}]}]}}"#;
    let streams: &[&[&str]] = &[
        &[done, COMPLETED],
        &[delta, done, COMPLETED],
        &[delta, done, done, last],
        &[delta_by_id, done, last],
        &[delta_by_id, done_elsewhere, last],
        &[delta_bare, done, last],
        &[delta_bare, done_elsewhere, last],
        &[delta_other_id, done, last],
        &[delta, last],
        &[last],
    ];
    for events in streams {
        let chunks = stream(events, &options());
        assert_eq!(content(&chunks), "Hello", "{events:#?}");
        assert!(chunks.ends_with("data: [DONE]\n\n"));
    }
}

#[test]
fn a_citation_is_given_once_however_it_came() {
    let done = r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"msg_1","type":"message","content":[{"type":"output_text","text":"Hello","annotations":[{"type":"url_citation","url":"https://example.com"},{"type":"file_citation"}]}]}}"#;
    for events in [
        &[done, COMPLETED][..],
        &[TEXT[2], done, COMPLETED],
        &[TEXT[2], TEXT[5], done, COMPLETED],
    ] {
        let answer = whole(events, &options()).unwrap();
        let citations = answer["choices"][0]["message"]["annotations"].clone();
        assert_eq!(citations.as_array().unwrap().len(), 1, "{events:?}");
    }
}

#[test]
fn a_call_without_deltas_has_its_arguments_once() {
    let done = TOOLS[7];
    for events in [
        &[done, COMPLETED][..],
        &[TOOLS[1], done, COMPLETED],
        &[TOOLS[2], done, COMPLETED],
    ] {
        let answer = whole(events, &options()).unwrap();
        let call = &answer["choices"][0]["message"]["tool_calls"];
        assert_eq!(call[0]["function"]["arguments"], "{\"a\":1}");
        assert_eq!(call.as_array().unwrap().len(), 1);
        assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    }
}

#[test]
fn the_reason_of_an_incomplete_answer_is_told() {
    let table = [
        ("max_output_tokens", "length"),
        ("content_filter", "content_filter"),
    ];
    for (reason, finish) in table {
        let last = format!(
            r#"{{"type":"response.incomplete","response":{{"incomplete_details":{{"reason":"{reason}"}}}}}}"#
        );
        let answer = whole(&[TEXT[2], &last], &options()).unwrap();
        assert_eq!(answer["choices"][0]["finish_reason"], finish);
        assert_eq!(answer["choices"][0]["message"]["content"], "Hel");
    }
}

#[test]
fn a_stop_string_ends_the_answer_here() {
    let options = AnswerOptions {
        limits: Limits {
            stop: vec!["lo".into()],
            max_tokens: None,
        },
        ..options()
    };
    let text = sse(TEXT);
    let (chunks, flow) = stream_pieces(&[text.as_bytes()], &options, ReasoningFormat::default());
    assert_eq!((content(&chunks).as_str(), flow), ("Hel", Flow::Cut));
    assert_eq!(chunks.matches(r#""finish_reason":"stop""#).count(), 1);
    assert!(chunks.ends_with("data: [DONE]\n\n"));
    assert_eq!(
        whole(TEXT, &options).unwrap()["choices"][0]["message"]["content"],
        "Hel"
    );
}

#[test]
fn nothing_follows_the_end_that_a_stop_string_makes() {
    let part = r#"{"type":"output_text","text":"one END","refusal":"two"}"#;
    let done = format!(
        r#"{{"type":"response.output_item.done","item":{{"type":"message","content":[{part},{part}]}}}}"#
    );
    let options = AnswerOptions {
        limits: Limits {
            stop: vec!["END".into()],
            max_tokens: None,
        },
        ..options()
    };
    let chunks = stream(&[&done, COMPLETED], &options);
    assert_eq!(
        (content(&chunks).as_str(), chunks.contains("two")),
        ("one ", false)
    );
    assert!(chunks.contains(r#""finish_reason":"stop""#) && chunks.ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_limit_of_tokens_ends_the_answer_here() {
    let options = AnswerOptions {
        limits: Limits {
            stop: Vec::new(),
            max_tokens: Some(1),
        },
        ..options()
    };
    let answer = whole(TEXT, &options).unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "Hell");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert!(
        answer.get("usage").is_none(),
        "the upstream has not counted"
    );
}

#[test]
fn tools_are_called_after_the_text_before_them() {
    let options = AnswerOptions {
        limits: Limits {
            stop: vec!["Help".into()],
            max_tokens: None,
        },
        ..options()
    };
    let chunks = stream(&[TEXT[2], TOOLS[3], COMPLETED], &options);
    let (text, call) = (chunks.find("Hel").unwrap(), chunks.find("call_2").unwrap());
    assert!(text < call, "held back text goes first");
}

proptest! {
    #[test]
    fn any_cutting_of_the_stream_gives_the_same_chunks(
        which in 0_usize..6,
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let text = sse([TEXT, TOOLS, REASONING, REFUSAL, FAILED, CUSTOM][which]);
        let bytes = text.as_bytes();
        let mut borders: Vec<_> = at.iter().map(|index| index.index(bytes.len())).collect();
        borders.extend([0, bytes.len()]);
        borders.sort_unstable();
        let pieces: Vec<_> = borders.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let reasoning = ReasoningFormat::default();
        prop_assert_eq!(
            stream_pieces(&pieces, &options(), reasoning),
            stream_pieces(&[bytes], &options(), reasoning)
        );
    }

    #[test]
    fn events_in_any_order_are_no_panic_and_end_at_most_once(
        picks in prop::collection::vec((0_usize..6, any::<prop::sample::Index>()), 0..20),
    ) {
        let all = [TEXT, TOOLS, REASONING, REFUSAL, FAILED, CUSTOM];
        let events: Vec<_> = picks.iter().map(|(set, at)| *at.get(all[*set])).collect();
        let chunks = stream(&events, &options());
        prop_assert!(chunks.matches("[DONE]").count() <= 1);
        prop_assert!(chunks.matches(r#""finish_reason":""#).count() <= 1);
        prop_assert!(chunks.matches(r#""role":"assistant""#).count() <= 1);
    }
}
