//! Whatever an upstream sends, its chunks are well formed, however the network cuts it.

use bytes::BytesMut;
use codex_proxy::{
    ApiError,
    chat::{
        ReasoningFormat, request::AnswerOptions, response::ChatChunks, stream::Limits,
        wire::Identity,
    },
    responses::Relay,
    translated::{Flow, Translate},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::well_formed;

/// The first byte says what the client is, the next two where to cut the rest.
pub(crate) fn check(input: &[u8]) {
    let Some(([client, cut @ ..], bytes)) = input.split_first_chunk::<3>() else {
        return;
    };
    let (client, cut) = (*client, u16::from_le_bytes(*cut));
    let stream = if client & 64 == 0 {
        bytes.to_vec()
    } else {
        made_up(bytes)
    };
    let cut = usize::from(cut).min(stream.len());
    let pieces = [&stream[..cut], &stream[cut..]];
    let chunks = played(&[&stream], chunks_for(client));
    assert_eq!(chunks, played(&pieces, chunks_for(client)));
    // Half of a surrogate pair goes on as it came, for the client to join.
    if let Ok(chunks) = std::str::from_utf8(&chunks)
        && !chunks.contains("\\ud")
    {
        assert_eq!(well_formed::well_formed(chunks), Ok(()), "{chunks}");
    }
    assert_eq!(
        played(&[&stream], Relay::default()),
        played(&pieces, Relay::default())
    );
}

fn chunks_for(client: u8) -> ChatChunks {
    let reasoning = match client % 3 {
        0 => ReasoningFormat::ReasoningContent,
        1 => ReasoningFormat::ThinkTags,
        _ => ReasoningFormat::None,
    };
    let limits = Limits {
        max_tokens: (client & 16 != 0).then_some(3),
        stop: if client & 32 == 0 {
            vec![]
        } else {
            vec!["END".into(), "ab".into()]
        },
    };
    let options = AnswerOptions {
        model: "gpt-5.5".into(),
        stream: true,
        include_usage: true,
        legacy_functions: client & 8 != 0,
        limits,
    };
    let (id, created) = (well_formed::ID.into(), well_formed::CREATED);
    ChatChunks::new(&options, reasoning, Identity { id, created })
}

/// As the body of an answer plays it.
fn played(pieces: &[&[u8]], mut translate: impl Translate) -> Vec<u8> {
    let mut out = BytesMut::new();
    for piece in pieces {
        let flow = translate.piece(piece, &mut out);
        if matches!(flow, Flow::Ended | Flow::Cut) {
            return out.to_vec();
        }
    }
    let error = ApiError::upstream(
        StatusCode::BAD_GATEWAY,
        "upstream_connection_lost",
        "It broke.",
    );
    translate.broken(&error, &mut out);
    out.to_vec()
}

/// A stream of real kinds of events, in an order that nobody would think of.
fn made_up(bytes: &[u8]) -> Vec<u8> {
    let events = bytes.chunks_exact(4).map(|four| {
        let data = event(four[0], four[1], four[2], four[3]);
        format!("data: {data}\n\n")
    });
    events.collect::<String>().into_bytes()
}

fn event(kind: u8, place: u8, text: u8, more: u8) -> Value {
    let text = [
        "",
        "a",
        "b",
        "END",
        "\u{1f600}",
        "\"\\\n",
        "word ",
        "</think>",
    ][usize::from(text % 8)];
    let part = json!({"type": "output_text", "text": text, "refusal": if more & 64 == 0 { "" } else { text },
        "annotations": [{"type": "url_citation", "url": "https://example.com", "title": text}]});
    let item = match more % 6 {
        0 => json!({"type": "message", "content": [part.clone(), part]}),
        1 => {
            json!({"type": "function_call", "call_id": format!("call_{place}_{kind}_{more}"), "name": text, "arguments": text})
        }
        2 => {
            json!({"type": "custom_tool_call", "call_id": format!("call_{place}_{kind}_{more}"), "name": "n", "input": text})
        }
        3 => json!({"type": "reasoning", "summary": [part], "encrypted_content": "gAAAAAB"}),
        4 => json!({"type": "function_call"}),
        _ => json!({"type": "novel", "content": [part]}),
    };
    let response = json!({"model": text, "output": if more & 32 == 0 { json!([]) } else { json!([item]) },
        "usage": if more & 64 == 0 { Value::Null } else { json!({"input_tokens": 1, "output_tokens": 2}) },
        "incomplete_details": {"reason": text}, "error": {"code": text, "message": text}});
    let kinds = [
        "response.output_text.delta",
        "response.refusal.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.annotation.added",
        "response.created",
        "response.completed",
        "response.incomplete",
        "response.failed",
        "error",
        "response.novel",
        "response.output_item.added",
    ];
    let mut event = json!({"type": kinds[usize::from(kind % 16)], "delta": text});
    match kind % 16 {
        6 | 7 | 15 => event["item"] = item,
        8 => event["annotation"] = json!({"type": "url_citation", "title": text}),
        9..=12 => event["response"] = response,
        _ => {}
    }
    if place & 1 == 0 {
        event["output_index"] = (place >> 4).into();
    }
    if place & 2 == 0 {
        event["item_id"] = format!("item_{}", place >> 5).into();
    }
    if place & 4 == 0 {
        event["content_index"] = (more % 3).into();
    }
    event
}
