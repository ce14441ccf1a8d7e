//! Web pages, rebound names, proxies, and paths in disguise.

use super::*;
use crate::harness::chat;

#[test]
fn a_request_for_another_host_is_refused() {
    withstands(
        &World::two_accounts(),
        &[
            attack(
                "a foreign name",
                get("Host: evil.example\r\n"),
                For(403, "host_not_allowed"),
            ),
            attack(
                "a name bound to loopback",
                get("Host: 127.0.0.1.nip.io\r\n"),
                For(403, "host_not_allowed"),
            ),
            attack(
                "a name that begins well",
                get("Host: localhost.evil.example\r\n"),
                For(403, "host_not_allowed"),
            ),
            attack(
                "an address of the network",
                get("Host: 192.168.1.2:9876\r\n"),
                For(403, "host_not_allowed"),
            ),
            attack(
                "the address of all",
                get("Host: 0.0.0.0:9876\r\n"),
                For(403, "host_not_allowed"),
            ),
            attack("no host", get(""), For(400, "invalid_host")),
            attack("an empty host", get("Host: \r\n"), For(400, "invalid_host")),
            attack(
                "two hosts",
                get("Host: localhost\r\nHost: evil.example\r\n"),
                For(400, "invalid_host"),
            ),
            attack(
                "one host twice",
                get("Host: localhost\r\nHost: localhost\r\n"),
                For(400, "invalid_host"),
            ),
            attack(
                "a host with a user",
                get("Host: evil.example@localhost\r\n"),
                For(400, "invalid_host"),
            ),
            attack(
                "a host with a path",
                get("Host: localhost/x\r\n"),
                For(400, "invalid_host"),
            ),
            attack(
                "two hosts in a list",
                get("Host: localhost, evil.example\r\n"),
                For(400, "invalid_host"),
            ),
            attack(
                "a target elsewhere",
                get_here("").replace("GET /", "GET http://evil.example/"),
                For(400, "invalid_host"),
            ),
            attack(
                "a target here, a host elsewhere",
                get("Host: evil.example\r\n").replace("GET /", "GET http://localhost/"),
                For(400, "invalid_host"),
            ),
            attack(
                "a target elsewhere and its host",
                get("Host: evil.example\r\n").replace("GET /", "GET http://evil.example/"),
                For(403, "host_not_allowed"),
            ),
            attack(
                "a target with a user",
                get("Host: u@localhost\r\n").replace("GET /", "GET http://u@localhost/"),
                For(400, "invalid_host"),
            ),
        ],
    );
}

#[test]
fn a_web_page_of_another_origin_is_refused() {
    withstands(
        &World::two_accounts(),
        &[
            attack(
                "a foreign origin",
                get_here("Origin: https://evil.example\r\n"),
                For(403, "origin_not_allowed"),
            ),
            attack(
                "an opaque origin",
                get_here("Origin: null\r\n"),
                For(403, "origin_not_allowed"),
            ),
            attack(
                "another port",
                get_here("Origin: http://localhost:3000\r\n"),
                For(403, "origin_not_allowed"),
            ),
            attack(
                "another scheme",
                get_here("Origin: https://localhost\r\n"),
                For(403, "origin_not_allowed"),
            ),
            attack(
                "two origins",
                get_here("Origin: http://localhost\r\nOrigin: https://evil.example\r\n"),
                For(403, "origin_not_allowed"),
            ),
            attack(
                "a cross-site fetch",
                get_here("Sec-Fetch-Site: cross-site\r\n"),
                For(403, "origin_not_allowed"),
            ),
            attack(
                "a same-site fetch",
                get_here("Sec-Fetch-Site: same-site\r\n"),
                For(403, "origin_not_allowed"),
            ),
            attack(
                "two sites",
                get_here("Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n"),
                For(403, "origin_not_allowed"),
            ),
            attack(
                "a preflight",
                get_here("Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n")
                    .replace("GET", "OPTIONS"),
                For(403, "origin_not_allowed"),
            ),
        ],
    );
}

#[test]
fn what_a_form_could_send_is_refused() {
    let body = chat("hello").to_string();
    let typed = |kind: &str| post_here(&format!("{kind}Content-Length: {}\r\n", body.len()), &body);
    let elsewhere =
        |path: &str| typed("Content-Type: text/plain\r\n").replace("/v1/chat/completions", path);
    withstands(
        &World::two_accounts(),
        &[
            attack(
                "plain text",
                typed("Content-Type: text/plain\r\n"),
                For(415, "unsupported_media_type"),
            ),
            attack(
                "a form",
                typed("Content-Type: application/x-www-form-urlencoded\r\n"),
                For(415, "unsupported_media_type"),
            ),
            attack("no type", typed(""), For(415, "unsupported_media_type")),
            attack(
                "two types",
                typed("Content-Type: application/json\r\nContent-Type: text/plain\r\n"),
                For(415, "unsupported_media_type"),
            ),
            attack(
                "a type in a parameter",
                typed("Content-Type: text/plain; application/json\r\n"),
                For(415, "unsupported_media_type"),
            ),
            attack(
                "to the other API",
                elsewhere("/v1/responses"),
                For(415, "unsupported_media_type"),
            ),
            attack(
                "with a slash behind",
                elsewhere("/v1/responses/"),
                For(415, "unsupported_media_type"),
            ),
            attack(
                "with two slashes",
                elsewhere("/v1//responses"),
                For(400, "invalid_path"),
            ),
            attack(
                "with a letter in disguise",
                elsewhere("/v1/%72esponses"),
                For(400, "invalid_path"),
            ),
        ],
    );
}

#[test]
fn what_a_proxy_forwards_is_refused() {
    withstands(
        &World::two_accounts(),
        &[
            attack(
                "for somebody",
                get_here("X-Forwarded-For: 127.0.0.1\r\n"),
                For(403, "forwarded_request"),
            ),
            attack(
                "for a host",
                get_here("X-Forwarded-Host: localhost\r\n"),
                For(403, "forwarded_request"),
            ),
            attack(
                "of a scheme",
                get_here("X-Forwarded-Proto: http\r\n"),
                For(403, "forwarded_request"),
            ),
            attack(
                "of a port",
                get_here("X-Forwarded-Port: 9876\r\n"),
                For(403, "forwarded_request"),
            ),
            attack(
                "by the standard",
                get_here("Forwarded: for=127.0.0.1\r\n"),
                For(403, "forwarded_request"),
            ),
            attack(
                "by nginx",
                get_here("X-Real-IP: 127.0.0.1\r\n"),
                For(403, "forwarded_request"),
            ),
        ],
    );
}

#[test]
fn a_path_in_disguise_and_a_method_for_others_are_refused() {
    let path = |path: &str| get_here("").replace("/v1/models", path);
    let method = |method: &str| get_here("").replace("GET", method);
    withstands(
        &World::two_accounts(),
        &[
            attack(
                "dots",
                path("/v1/responses/../../wham/usage"),
                For(400, "invalid_path"),
            ),
            attack(
                "encoded dots",
                path("/v1/%2e%2e/%2E%2e/wham/usage"),
                For(400, "invalid_path"),
            ),
            attack(
                "an encoded slash",
                path("/v1/models/..%2f..%2fwham"),
                For(400, "invalid_path"),
            ),
            attack(
                "an encoded backslash",
                path("/v1/models/..%5cwham"),
                For(400, "invalid_path"),
            ),
            attack(
                "a host in the path",
                path("//evil.example/v1/models"),
                For(400, "invalid_path"),
            ),
            attack(
                "an empty segment",
                path("/v1//models"),
                For(400, "invalid_path"),
            ),
            attack(
                "an encoded line",
                path("/v1/models/x%0d%0aHost:%20evil"),
                For(400, "invalid_path"),
            ),
            attack(
                "an encoded end",
                path("/v1/models%00"),
                For(400, "invalid_path"),
            ),
            attack(
                "half an encoding",
                path("/v1/models/%2"),
                For(400, "invalid_path"),
            ),
            attack(
                "the backend's own path",
                path("/backend-api/wham/usage"),
                For(404, "not_found"),
            ),
            attack("no API", path("/v1/../"), For(400, "invalid_path")),
            attack("a trace", method("TRACE"), For(405, "method_not_allowed")),
            attack(
                "a proxy's method",
                "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n",
                For(405, "method_not_allowed"),
            ),
            attack(
                "all of it",
                get_here("").replace("GET /v1/models", "OPTIONS *"),
                For(404, "not_found"),
            ),
        ],
    );
}
