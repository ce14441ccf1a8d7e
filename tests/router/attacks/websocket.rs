//! Handshakes that are none, and those of web pages.

use super::*;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

fn shake(headers: &str) -> String {
    format!("GET /v1/responses HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

#[test]
fn a_handshake_that_is_none_is_refused() {
    let whole = format!("{UPGRADE}{VERSION}{KEY}");
    let frame = "\u{1}\u{0}";
    withstands(
        &World::two_accounts(),
        &[
            attack(
                "a foreign origin",
                shake(&format!("{whole}Origin: https://evil.example\r\n")),
                For(403, "origin_not_allowed"),
            ),
            attack(
                "an opaque origin",
                shake(&format!("{whole}Origin: null\r\n")),
                For(403, "origin_not_allowed"),
            ),
            attack(
                "a rebound name",
                shake(&whole).replace("localhost", "evil.example"),
                For(403, "host_not_allowed"),
            ),
            attack(
                "another version",
                shake(&format!("{UPGRADE}{KEY}Sec-WebSocket-Version: 8\r\n")),
                For(426, "upgrade_refused"),
            ),
            attack(
                "no version",
                shake(&format!("{UPGRADE}{KEY}")),
                For(426, "upgrade_refused"),
            ),
            attack(
                "no key",
                shake(&format!("{UPGRADE}{VERSION}")),
                For(400, "invalid_header"),
            ),
            attack(
                "a short key",
                shake(&format!("{UPGRADE}{VERSION}Sec-WebSocket-Key: eA==\r\n")),
                For(400, "invalid_header"),
            ),
            attack(
                "two keys",
                shake(&format!("{whole}{KEY}")),
                For(400, "invalid_header"),
            ),
            attack(
                "no upgrade of the connection",
                shake(&format!("Upgrade: websocket\r\n{VERSION}{KEY}")),
                For(426, "upgrade_refused"),
            ),
            attack(
                "a body",
                shake(&format!("{whole}Content-Length: 2\r\n")) + frame,
                For(400, "invalid_framing"),
            ),
            attack(
                "chunks",
                shake(&format!("{whole}Transfer-Encoding: chunked\r\n")) + "0\r\n\r\n",
                For(400, "invalid_framing"),
            ),
            attack(
                "HTTP/1.0",
                shake(&whole).replace("HTTP/1.1", "HTTP/1.0"),
                For(426, "upgrade_refused"),
            ),
        ],
    );
}
