//! What the fuzz targets check, on the corpus and on what once broke it.

use crate::{files, http_edge};

#[path = "../../../fuzz/checks/chat_request.rs"]
mod chat_request;
#[path = "../../../fuzz/checks/chat_stream.rs"]
mod chat_stream;
#[path = "../../../fuzz/checks/conversation.rs"]
mod conversation;
#[path = "../../../fuzz/checks/responses_request.rs"]
mod responses_request;
#[path = "../../../fuzz/checks/sse.rs"]
mod sse;
#[path = "../../../fuzz/checks/ws_turn.rs"]
mod ws_turn;

type Check = fn(&[u8]);

/// Each fuzz target by its name.
const TARGETS: [(&str, Check); 7] = [
    ("chat_request", chat_request::check),
    ("chat_stream", chat_stream::check),
    ("conversation", conversation::check),
    ("http_edge", http_edge::check),
    ("responses_request", responses_request::check),
    ("sse", sse::check),
    ("ws_turn", ws_turn::check),
];

#[test]
fn what_was_found_by_fuzzing_stays_found() {
    for folder in std::fs::read_dir(files::data("regressions")).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        let target = TARGETS.iter().find(|(target, _)| *target == name);
        let (_, check) = target.unwrap_or_else(|| panic!("no target {name}"));
        for (_, input) in files::named(folder.to_str().unwrap()) {
            check(&input);
        }
    }
}

/// Where fuzzing begins, nothing is broken.
#[test]
fn the_fuzz_targets_accept_the_corpus() {
    for (_, body) in [files::requests("chat"), files::requests("responses")].concat() {
        chat_request::check(&body);
        responses_request::check(&body);
        conversation::check(&body);
        ws_turn::check(&body);
    }
    for (_, stream) in files::streams() {
        for client in [0, 9, 16, 34] {
            chat_stream::check(&[&[client, 200, 1], &stream[..]].concat());
        }
        sse::check(&[&[200, 1], &stream[..]].concat());
    }
}
