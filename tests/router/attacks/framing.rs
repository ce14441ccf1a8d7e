//! What is no HTTP, or could hide a second request behind the first.

use super::*;

const TYPED: &str = "Content-Type: application/json\r\n";
const HIDDEN: &str = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A body with these lines about its length.
fn framed(lines: &str, body: &str) -> String {
    post_here(&format!("{TYPED}{lines}"), body)
}

#[test]
fn a_body_of_two_lengths_is_refused() {
    let length = HIDDEN.len();
    withstands(
        &World::two_accounts(),
        &[
            attack(
                "two lengths",
                framed(
                    &format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
                    HIDDEN,
                ),
                NoHttp(400),
            ),
            attack(
                "a list of lengths",
                framed(&format!("Content-Length: {length}, 0\r\n"), HIDDEN),
                NoHttp(400),
            ),
            attack(
                "a length with a sign",
                framed("Content-Length: +5\r\n", "12345"),
                NoHttp(400),
            ),
            attack(
                "a negative length",
                framed("Content-Length: -1\r\n", HIDDEN),
                NoHttp(400),
            ),
            attack(
                "a length in hexadecimal",
                framed("Content-Length: 0x5\r\n", "12345"),
                NoHttp(400),
            ),
            attack(
                "a length beyond all",
                framed("Content-Length: 99999999999999999999\r\n", HIDDEN),
                NoHttp(400),
            ),
            attack(
                "an empty length",
                framed("Content-Length:\r\n", HIDDEN),
                NoHttp(400),
            ),
        ],
    );
}

#[test]
fn chunks_in_disguise_are_refused() {
    let hidden = format!("0\r\n\r\n{HIDDEN}");
    let coded = |coding: &str| framed(&format!("Transfer-Encoding:{coding}\r\n"), &hidden);
    withstands(
        &World::two_accounts(),
        &[
            attack("another word", coded(" xchunked"), NoHttp(400)),
            attack("none", coded(" identity"), NoHttp(400)),
            attack("chunks not last", coded(" chunked, gzip"), NoHttp(400)),
            attack("quotes", coded(" \"chunked\""), NoHttp(400)),
            attack(
                "a control character before",
                coded(" \u{b}chunked"),
                NoHttp(400),
            ),
            attack(
                "a space before the colon",
                framed("Transfer-Encoding : chunked\r\n", &hidden),
                NoHttp(400),
            ),
            attack(
                "a line that goes on",
                framed("Transfer-Encoding:\r\n chunked\r\n", &hidden),
                NoHttp(400),
            ),
            attack(
                "a space before the name",
                framed(" Transfer-Encoding: chunked\r\n", &hidden),
                NoHttp(400),
            ),
            attack(
                "in HTTP/1.0",
                coded(" chunked").replace("HTTP/1.1\r\nHost", "HTTP/1.0\r\nHost"),
                NoHttp(400),
            ),
        ],
    );
}

#[test]
fn chunks_that_are_none_are_refused() {
    let chunks = |chunks: &str| framed("Transfer-Encoding: chunked\r\n", chunks);
    let invalid = For(400, "invalid_body");
    withstands(
        &World::two_accounts(),
        &[
            attack("no number", chunks("x\r\n{}\r\n0\r\n\r\n"), invalid),
            attack(
                "a negative number",
                chunks("-2\r\n{}\r\n0\r\n\r\n"),
                invalid,
            ),
            attack(
                "a number with 0x",
                chunks("0x2\r\n{}\r\n0\r\n\r\n"),
                invalid,
            ),
            attack(
                "a number beyond all",
                chunks("FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n"),
                invalid,
            ),
            attack(
                "a chunk longer than it says",
                chunks("2\r\n{}}}}\r\n0\r\n\r\n"),
                invalid,
            ),
            attack("a bare line feed", chunks("2\n{}\n0\n\n"), invalid),
            attack(
                "a line feed in an extension",
                chunks("2;a\nb\r\n{}\r\n0\r\n\r\n"),
                invalid,
            ),
            attack(
                "extensions without end",
                chunks(&format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "a".repeat(64 << 10))),
                invalid,
            ),
        ],
    );
}

#[test]
fn a_head_that_is_none_is_refused() {
    withstands(
        &World::two_accounts(),
        &[
            attack(
                "a line that goes on",
                get_here("X-A: 1\r\n two\r\n"),
                NoHttp(400),
            ),
            attack(
                "a carriage return in a value",
                get_here("X-A: 1\rHost: evil.example\r\n"),
                NoHttp(400),
            ),
            attack(
                "an end of text in a value",
                get_here("X-A: a\0b\r\n"),
                NoHttp(400),
            ),
            attack(
                "an escape in a value",
                get_here("X-A: a\u{1b}b\r\n"),
                NoHttp(400),
            ),
            attack(
                "an end of text in a name",
                get_here("X\0A: 1\r\n"),
                NoHttp(400),
            ),
            attack("a space in a name", get_here("X A: 1\r\n"), NoHttp(400)),
            attack("brackets in a name", get_here("X(A): 1\r\n"), NoHttp(400)),
            attack(
                "letters beyond ASCII in a name",
                get_here("X-ü: 1\r\n"),
                NoHttp(400),
            ),
            attack("no name", get_here(": 1\r\n"), NoHttp(400)),
            attack("no colon", get_here("X-A\r\n"), NoHttp(400)),
            attack(
                "a space in the target",
                get_here("").replace("/v1/models", "/v1/mo dels"),
                NoHttp(400),
            ),
            attack(
                "no target",
                get_here("").replace("/v1/models ", ""),
                NoHttp(400),
            ),
            attack(
                "another version",
                get_here("").replace("HTTP/1.1", "HTTP/1.2"),
                NoHttp(400),
            ),
            attack("no version", "GET /v1/models\r\n\r\n", NoHttp(400)),
            attack(
                "another protocol",
                "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}hello\r\n\r\n",
                NoHttp(400),
            ),
            attack(
                "a word to the mail server",
                "HELO evil.example\r\n\r\n",
                NoHttp(400),
            ),
            attack(
                "more headers than may be",
                get_here(&"X-A: 1\r\n".repeat(150)),
                NoHttp(431),
            ),
            attack(
                "a head larger than may be",
                get_here(&format!("X-A: {}\r\n", "a".repeat(100 << 10))),
                NoHttp(431),
            ),
        ],
    );
}
