//! Two sockets over a pipe, and a raw end where what is sent must be wrong.

use std::io::Write as _;

use flate2::{Compress, Compression as Level, FlushCompress, write::DeflateEncoder};
use futures_util::future::join;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_tungstenite::tungstenite::{
    Utf8Bytes,
    error::{CapacityError, ProtocolError},
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::*;

const BOTH: Compression = Compression {
    window_bits: Some(15),
    takeover: true,
};

async fn pair(
    client: Option<Compression>,
    server: Option<Compression>,
) -> (Socket<DuplexStream>, Socket<DuplexStream>) {
    let (near, far) = duplex(1 << 14);
    (
        Socket::new(near, Role::Client, client).await,
        Socket::new(far, Role::Server, server).await,
    )
}

/// A server's socket, and the pipe that its client would hold.
async fn raw(compression: Option<Compression>) -> (DuplexStream, Socket<DuplexStream>) {
    let (near, far) = duplex(1 << 20);
    (near, Socket::new(far, Role::Server, compression).await)
}

async fn send(io: &mut DuplexStream, opcode: Data, payload: &[u8], rsv1: bool, last: bool) {
    let mut frame = Frame::message(payload.to_vec(), OpCode::Data(opcode), last);
    frame.header_mut().rsv1 = rsv1;
    frame.header_mut().mask = Some([1, 2, 3, 4]);
    let mut bytes = Vec::new();
    frame.format(&mut bytes).unwrap();
    io.write_all(&bytes).await.unwrap();
}

/// Without the tail, as on the wire.
fn deflated(compress: &mut Compress, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 100);
    compress
        .compress_vec(data, &mut out, FlushCompress::Sync)
        .unwrap();
    out.truncate(out.len() - 4);
    out
}

fn fresh() -> Compress {
    Compress::new(Level::best(), false)
}

#[tokio::test]
async fn a_large_message_goes_compressed_and_a_small_one_as_it_is() {
    let (mut far, mut socket) = raw(Some(BOTH)).await;
    let large = "a prompt of many words. ".repeat(2000);
    for text in [large.as_str(), "a delta"] {
        socket.send(Message::text(text)).await.unwrap();
    }
    let mut bytes = vec![0; 1000];
    let read = far.read(&mut bytes).await.unwrap();
    assert_eq!(bytes[0], 0xC1, "final, compressed, text");
    assert!(bytes[..read].ends_with(b"\x81\x07a delta"), "{read} bytes");
}

#[tokio::test]
async fn what_does_not_get_smaller_goes_as_it_is() {
    let (mut client, mut server) = pair(Some(BOTH), None).await;
    let noise = Message::binary(proptest_noise(5000));
    let (sent, received) = join(client.send(noise.clone()), server.next()).await;
    sent.unwrap();
    assert_eq!(
        received.unwrap().unwrap(),
        noise,
        "which knows no compression"
    );
}

fn proptest_noise(length: u32) -> Vec<u8> {
    let mut state = 1_u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}

#[tokio::test]
async fn messages_may_refer_to_those_before_them_where_that_was_agreed() {
    for (takeover, understood) in [(true, true), (false, false)] {
        let window_bits = None;
        let (mut io, mut socket) = raw(Some(Compression {
            window_bits,
            takeover,
        }))
        .await;
        let mut compress = fresh();
        let text = "words that are said again and again, and not a byte of them twice";
        let first = deflated(&mut compress, text.as_bytes());
        let again = deflated(&mut compress, text.as_bytes());
        assert!(again.len() * 4 < first.len());
        for payload in [first, again] {
            send(&mut io, Data::Text, &payload, true, true).await;
        }
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
        match socket.next().await.unwrap() {
            Ok(message) => assert!(understood && message == Message::text(text)),
            Err(error) => assert!(!understood && matches!(error, SocketError::NotDeflate)),
        }
    }
}

#[tokio::test]
async fn a_message_in_fragments_is_one_with_pings_between_them() {
    let (mut io, mut socket) = raw(Some(BOTH)).await;
    let text = "a text, in three parts ".repeat(9);
    let payload = deflated(&mut fresh(), text.as_bytes());
    let (first, rest) = payload.split_at(5);
    send(&mut io, Data::Text, first, true, false).await;
    io.write_all(b"\x89\x80\0\0\0\0").await.unwrap();
    send(&mut io, Data::Continue, rest, false, false).await;
    send(&mut io, Data::Continue, b"", false, true).await;
    assert!(socket.next().await.unwrap().unwrap().is_ping());
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
}

#[tokio::test]
async fn a_final_block_ends_a_message_and_the_next_one_begins_anew() {
    let (mut io, mut socket) = raw(Some(BOTH)).await;
    for text in ["one of them", "another"] {
        let mut encoder = DeflateEncoder::new(Vec::new(), Level::best());
        encoder.write_all(text.as_bytes()).unwrap();
        let mut payload = encoder.finish().unwrap();
        payload.push(0);
        send(&mut io, Data::Text, &payload, true, true).await;
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
}

#[tokio::test]
async fn an_empty_message_may_be_compressed() {
    let (mut io, mut socket) = raw(Some(BOTH)).await;
    send(&mut io, Data::Text, &[0], true, true).await;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(""));
}

#[test]
fn a_bomb_ends_one_byte_past_the_limit() {
    for limit_bytes in [1000, 1 << 20, (1 << 20) + 7] {
        let payload = deflated(&mut fresh(), &vec![0; 4 * limit_bytes]);
        let mut inflater = Inflater::new(false, limit_bytes);
        inflater.begin(payload.into(), false);
        let error = loop {
            match inflater.step() {
                Ok(None) => {}
                Ok(Some(_)) => panic!("it was taken"),
                Err(error) => break error,
            }
        };
        let SocketError::Library(Error::Capacity(CapacityError::MessageTooLong { size, .. })) =
            error
        else {
            panic!("{error}");
        };
        assert_eq!(size, limit_bytes + 1);
    }
}

#[tokio::test]
async fn a_bomb_ends_a_connection() {
    let (mut io, mut socket) = raw(Some(BOTH)).await;
    let payload = deflated(&mut fresh(), &vec![0; MESSAGE_LIMIT_BYTES + (1 << 20)]);
    assert!(payload.len() < 100_000);
    send(&mut io, Data::Binary, &payload, true, true).await;
    let error = socket.next().await.unwrap().unwrap_err();
    let SocketError::Library(Error::Capacity(CapacityError::MessageTooLong { size, max_size })) =
        error
    else {
        panic!("{error}");
    };
    assert_eq!((size, max_size), (max_size + 1, MESSAGE_LIMIT_BYTES));
}

#[tokio::test]
async fn a_message_of_just_the_limit_is_none() {
    let (mut io, mut socket) = raw(Some(BOTH)).await;
    let payload = deflated(&mut fresh(), &vec![0; MESSAGE_LIMIT_BYTES]);
    send(&mut io, Data::Binary, &payload, true, true).await;
    let message = socket.next().await.unwrap().unwrap();
    assert_eq!(message.len(), MESSAGE_LIMIT_BYTES);
}

#[tokio::test]
async fn what_is_not_compressed_as_it_says_is_an_error() {
    let cut = deflated(&mut fresh(), &[b'x'; 100])[..3].to_vec();
    for payload in [b"\x07not compressed".to_vec(), cut, vec![0xFF; 40]] {
        let (mut io, mut socket) = raw(Some(BOTH)).await;
        send(&mut io, Data::Text, &payload, true, true).await;
        let error = socket.next().await.unwrap().unwrap_err();
        assert!(
            matches!(error, SocketError::NotDeflate),
            "{payload:?}: {error}"
        );
    }
}

#[tokio::test]
async fn compressed_text_is_utf_8_too() {
    let (mut io, mut socket) = raw(Some(BOTH)).await;
    let payload = deflated(&mut fresh(), b"\xC3\x28");
    send(&mut io, Data::Text, &payload, true, true).await;
    let error = socket.next().await.unwrap().unwrap_err();
    assert!(
        matches!(error, SocketError::Library(Error::Utf8(_))),
        "{error}"
    );
}

#[tokio::test]
async fn a_mark_without_an_agreement_or_where_none_belongs_is_refused() {
    for (compression, opcode) in [(None, Data::Text), (Some(BOTH), Data::Continue)] {
        let (mut io, mut socket) = raw(compression).await;
        if opcode == Data::Continue {
            send(&mut io, Data::Text, b"", false, false).await;
        }
        send(&mut io, opcode, b"", true, true).await;
        let error = socket.next().await.unwrap().unwrap_err();
        let refused = ProtocolError::NonZeroReservedBits;
        let SocketError::Library(Error::Protocol(error)) = error else {
            panic!("{error}");
        };
        assert_eq!(error, refused);
    }
}

/// Whatever the others are, they have this many turns while that goes on.
async fn turns_during<F: Future>(task: F) -> (F::Output, usize) {
    let mut turns = 0;
    let others = async {
        loop {
            tokio::task::yield_now().await;
            turns += 1;
        }
    };
    // Else it is left to chance whether the last of them counts.
    tokio::select! {
        biased;
        () = others => unreachable!(),
        done = task => (done, turns),
    }
}

#[tokio::test]
async fn inflating_a_large_message_lets_others_have_their_turn() {
    let (mut io, mut socket) = raw(Some(BOTH)).await;
    let data = vec![7; 8 << 20];
    let payload = deflated(&mut fresh(), &data);
    send(&mut io, Data::Binary, &payload, true, true).await;
    let (message, turns) = turns_during(socket.next()).await;
    assert!(message.unwrap().unwrap() == Message::binary(data));
    assert!(turns >= 31, "{turns}: one for each 256 KiB");
}

#[tokio::test]
async fn deflating_a_large_message_lets_others_have_their_turn() {
    let (_io, mut socket) = raw(Some(BOTH)).await;
    let message = Message::binary(vec![7; 8 << 20]);
    let (sent, turns) = turns_during(socket.send(message)).await;
    sent.unwrap();
    assert!(turns >= 31, "{turns}: one for each 256 KiB");
}

#[tokio::test]
async fn nothing_that_was_said_is_shown() {
    let said = "planted ".repeat(1000);
    let (mut io, mut socket) = raw(Some(BOTH)).await;
    let mut shown = Vec::new();
    let mut inflater = Inflater::new(true, MESSAGE_LIMIT_BYTES);
    inflater.begin(b"planted".as_slice().into(), true);
    shown.push(format!("{inflater:?}"));
    let deflating = Deflating::new(Message::text(&said), 15).unwrap();
    shown.push(format!("{deflating:?}"));
    // Half a message that is read, and one that is being sent.
    io.write_all(b"\x81\xFE\x10\x00\0\0\0\0planted")
        .await
        .unwrap();
    assert!(futures_util::poll!(socket.next()).is_pending());
    socket.feed(Message::text(&said)).await.unwrap();
    shown.push(format!("{socket:?}"));
    for shown in shown {
        let bytes = format!("{:?}", b"planted");
        let bytes = bytes.trim_matches(['[', ']']);
        assert!(
            !shown.contains("planted") && !shown.contains(bytes),
            "{shown}"
        );
    }
}

fn any_compression() -> impl Strategy<Value = Option<Compression>> {
    prop::option::of((prop::option::of(9..=15_u8), any::<bool>()).prop_map(
        |(window_bits, takeover)| Compression {
            window_bits,
            takeover,
        },
    ))
}

fn any_message() -> impl Strategy<Value = Message> {
    let words = prop::sample::select(vec!["delta ", "\u{1F980}", "{\"type\":\"x\"}", "\0"]);
    let text = (words, 0..9000_usize).prop_map(|(word, times)| word.repeat(times));
    prop_oneof![
        text.prop_map(|text| Message::Text(Utf8Bytes::from(text))),
        ".{0,300}".prop_map(Message::text),
        prop::collection::vec(any::<u8>(), 0..5000).prop_map(Message::binary),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever was agreed on, of either role, what is received is what was sent.
    #[test]
    fn any_messages_survive_both_ways(
        compression in any_compression(),
        up in prop::collection::vec(any_message(), 0..6),
        down in prop::collection::vec(any_message(), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (client, server) = pair(compression, compression).await;
            let (got_down, got_up) = join(
                talk(client, up.clone(), down.len()),
                talk(server, down.clone(), up.len()),
            ).await;
            prop_assert!(got_down == down && got_up == up);
            Ok(())
        })?;
    }
}

/// Says all of these, and hears so many.
async fn talk(socket: Socket<DuplexStream>, say: Vec<Message>, hear: usize) -> Vec<Message> {
    let (mut to, mut from) = socket.split();
    let say = async {
        for message in say {
            to.feed(message).await.unwrap();
        }
        to.flush().await.unwrap();
    };
    let hear = async {
        let mut heard = Vec::new();
        while heard.len() < hear {
            heard.push(from.next().await.unwrap().unwrap());
        }
        heard
    };
    join(say, hear).await.1
}
