//! The control API without its secret.

use super::*;

const REQUIRED: Refused = For(401, "control_auth_required");

#[test]
fn the_control_api_wants_its_own_secret() {
    let world = World::two_accounts();
    let token = std::fs::read_to_string(world.home.path("router/control.token")).unwrap();
    let token = token.trim();
    let key = world.home.run(&["key", "create", "editor"]).stdout;
    let ask = |headers: &str| get_here(headers).replace("/v1/models", "/api/overview");
    let bearer = |text: &str| ask(&format!("Authorization: Bearer {text}\r\n"));
    let right = format!("Authorization: Bearer {token}\r\n");
    let switch =
        "POST /api/profiles/other/use HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    withstands(
        &world,
        &[
            attack("no secret", ask(""), REQUIRED),
            attack("a client's key", bearer(key.trim()), REQUIRED),
            attack("half the secret", bearer(&token[1..]), REQUIRED),
            attack(
                "another scheme",
                ask(&format!("Authorization: Basic {token}\r\n")),
                REQUIRED,
            ),
            attack(
                "the secret in the address",
                ask("").replace("overview", &format!("overview?token={token}")),
                REQUIRED,
            ),
            attack(
                "a cookie alone",
                ask(&format!("Cookie: codex_router={token}\r\n")),
                REQUIRED,
            ),
            attack(
                "a page's key alone",
                ask(&format!("X-Codex-Router-Page: {token}\r\n")),
                REQUIRED,
            ),
            attack(
                "a switch without it",
                format!("{switch}Content-Length: 0\r\n\r\n"),
                REQUIRED,
            ),
            attack(
                "a web page with it",
                ask(&format!("{right}Origin: https://evil.example\r\n")),
                For(403, "origin_not_allowed"),
            ),
            attack(
                "a rebound name with it",
                ask(&right).replace("localhost", "evil.example"),
                For(403, "host_not_allowed"),
            ),
            attack(
                "a proxy with it",
                ask(&format!("{right}X-Forwarded-For: 10.0.0.1\r\n")),
                For(403, "forwarded_request"),
            ),
            attack(
                "a link that was never given",
                "POST /api/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"link\":\"x\"}",
                For(403, "link_not_valid"),
            ),
        ],
    );
    assert_eq!(world.home.run(&["current"]).stdout.trim(), "work");
    let answer = world.router.raw(&bearer(token));
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "the secret itself: {answer}"
    );
}
