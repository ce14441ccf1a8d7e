//! A stream cut in two at any place is the same stream.
#![no_main]

use codex_proxy::sse::Decoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let cut = usize::from(cut).min(bytes.len());
    assert_eq!(events(&[bytes]), events(&[&bytes[..cut], &bytes[cut..]]));
});

fn events(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for piece in pieces {
        let _ = decoder.push(piece, |event| events.push(event.to_vec()));
    }
    events
}
