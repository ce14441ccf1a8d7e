//! Where the network cuts a stream makes no difference.

use std::fmt;

use codex_proxy::{ApiError, chat::ReasoningFormat};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{
    files,
    generate::answer,
    play::{self, ChatClient},
};

/// All that clients get of a stream.
struct Told {
    chunks: String,
    cut_chunks: String,
    completion: Result<Value, ApiError>,
    relayed: String,
    response: Result<Value, ApiError>,
}

impl Told {
    fn of(pieces: &[&[u8]]) -> Self {
        let plain = ChatClient::default();
        let cutting = ChatClient::new(json!({"stop": ["ing", "sun"], "max_tokens": 4}));
        Self {
            chunks: plain.streamed(pieces, ReasoningFormat::ReasoningContent),
            cut_chunks: cutting.streamed(pieces, ReasoningFormat::ThinkTags),
            completion: plain.whole(pieces, ReasoningFormat::ReasoningContent),
            relayed: String::from_utf8_lossy(&play::relayed(pieces)).into_owned(),
            response: play::response(pieces),
        }
    }

    /// What is not the same, on both sides.
    fn difference(&self, other: &Self) -> Option<String> {
        let told = |ours: &dyn fmt::Debug, theirs: &dyn fmt::Debug| {
            let (ours, theirs) = (format!("{ours:?}"), format!("{theirs:?}"));
            (ours != theirs).then(|| format!("{ours}\nis not\n{theirs}"))
        };
        told(&self.chunks, &other.chunks)
            .or_else(|| told(&self.cut_chunks, &other.cut_chunks))
            .or_else(|| told(&self.completion, &other.completion))
            .or_else(|| told(&self.relayed, &other.relayed))
            .or_else(|| told(&self.response, &other.response))
    }
}

fn cut<'b>(bytes: &'b [u8], at: &[Index]) -> Vec<&'b [u8]> {
    let mut borders: Vec<_> = at.iter().map(|i| i.index(bytes.len() + 1)).collect();
    borders.extend([0, bytes.len()]);
    borders.sort_unstable();
    borders
        .windows(2)
        .map(|pair| &bytes[pair[0]..pair[1]])
        .collect()
}

#[test]
fn a_stream_that_comes_byte_by_byte_is_the_same_stream() {
    for (name, stream) in files::streams() {
        let bytes: Vec<_> = stream.chunks(1).collect();
        let (whole, cut) = (Told::of(&[&stream]), Told::of(&bytes));
        assert_eq!(whole.difference(&cut), None, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_cut_anywhere_is_the_same_stream(
        stream in prop::sample::select(files::streams()),
        at in prop::collection::vec(any::<Index>(), 1..12),
    ) {
        let (name, stream) = stream;
        let (whole, pieces) = (Told::of(&[&stream]), Told::of(&cut(&stream, &at)));
        prop_assert_eq!(whole.difference(&pieces), None, "{}", name);
    }

    #[test]
    fn an_answer_cut_anywhere_is_the_same_answer(
        answer in answer(),
        at in prop::collection::vec(any::<Index>(), 1..12),
    ) {
        let stream = answer.stream();
        let (whole, pieces) = (Told::of(&[&stream]), Told::of(&cut(&stream, &at)));
        prop_assert_eq!(whole.difference(&pieces), None);
    }
}
