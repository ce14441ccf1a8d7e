//! Heads of requests, made of what was used in attacks.

use proptest::{collection::vec, prelude::*, sample::select};

use crate::http_edge;

const METHODS: [&str; 6] = ["GET", "POST", "OPTIONS", "TRACE", "CONNECT", "get"];
const TARGETS: [&str; 14] = [
    "/",
    "/v1",
    "/v1/",
    "/responses",
    "/models",
    "/..",
    "/%2e%2e",
    "/%2f",
    "%5c",
    "/./",
    "//",
    "?a=/../",
    "http://localhost",
    "http://evil.example",
];
const NAMES: [&str; 10] = [
    "host",
    "origin",
    "sec-fetch-site",
    "forwarded",
    "x-forwarded-for",
    "content-type",
    "content-length",
    "transfer-encoding",
    "x-codex-profile",
    "authorization",
];
const VALUES: [&str; 14] = [
    "localhost",
    "127.0.0.1:1",
    "[::1]",
    "LOCALHOST.",
    "evil.example",
    "a@localhost",
    "http://localhost",
    "null",
    "none",
    "cross-site",
    "application/json",
    "chunked",
    "5",
    "work",
];

proptest! {
    #[test]
    fn any_head_is_refused_or_read_alike_by_everybody(
        method in select(&METHODS[..]),
        target in vec(prop_oneof![select(&TARGETS[..]).prop_map(str::to_owned), "[ -~]{0,3}"], 1..5),
        fields in vec((select(&NAMES[..]), prop_oneof![select(&VALUES[..]).prop_map(str::to_owned), "[ -~]{0,6}"]), 0..4),
        host in prop_oneof![Just(""), Just("host: localhost\n")],
    ) {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let head = format!("{method} {}\n{host}{}", target.concat(), fields.concat());
        http_edge::check(head.as_bytes());
    }
}
