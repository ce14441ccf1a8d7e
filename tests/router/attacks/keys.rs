//! Clients without the key, or with one that is none any more.

use super::*;

#[test]
fn who_has_no_key_is_refused_once_there_is_one() {
    let world = World::two_accounts();
    let create = |name: &str| {
        let ran = world.home.run(&["key", "create", name]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout.trim().to_owned()
    };
    let (key, revoked) = (create("editor"), create("old"));
    assert_eq!(world.home.run(&["key", "revoke", "old"]).code, Some(0));
    let bearer = |key: &str| get_here(&format!("Authorization: Bearer {key}\r\n"));
    withstands(
        &world,
        &[
            attack("no key", get_here(""), For(401, "client_key_required")),
            attack("an empty key", bearer(""), For(401, "client_key_required")),
            attack(
                "a wrong key",
                bearer("crk_wrong"),
                For(401, "invalid_api_key"),
            ),
            attack(
                "a key less its end",
                bearer(&key[..key.len() - 1]),
                For(401, "invalid_api_key"),
            ),
            attack(
                "a key and more",
                bearer(&format!("{key}0")),
                For(401, "invalid_api_key"),
            ),
            attack(
                "a revoked key",
                bearer(&revoked),
                For(401, "invalid_api_key"),
            ),
            attack(
                "a profile's name for a key",
                bearer("profile:work"),
                For(401, "invalid_api_key"),
            ),
            attack(
                "another scheme",
                get_here(&format!("Authorization: Basic {key}\r\n")),
                For(401, "client_key_required"),
            ),
            attack(
                "another header",
                get_here(&format!("X-Api-Key: {key}\r\n")),
                For(401, "client_key_required"),
            ),
            attack(
                "in the address",
                get_here("").replace("models", &format!("models?api_key={key}")),
                For(401, "client_key_required"),
            ),
            attack(
                "a profile that is named",
                get_here("X-Codex-Profile: work\r\n"),
                For(401, "client_key_required"),
            ),
            attack(
                "two keys, one of them right",
                get_here(&format!(
                    "Authorization: Bearer {key}\r\nAuthorization: Bearer x\r\n"
                )),
                For(400, "invalid_header"),
            ),
            attack(
                "Codex's own login",
                get_here("Authorization: Bearer eyJ.eyJ.sig\r\nChatGPT-Account-Id: acct-work\r\n"),
                For(403, "client_key_required"),
            ),
        ],
    );
    let answer = world.router.raw(&bearer(&key));
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "the key itself: {answer}"
    );
}

#[test]
fn a_key_of_one_profile_opens_no_other() {
    let world = World::two_accounts();
    let ran = world
        .home
        .run(&["key", "create", "editor", "--profile", "work"]);
    let key = ran.stdout.trim();
    let other = format!("Authorization: Bearer {key}\r\nX-Codex-Profile: other\r\n");
    let twice = format!("{other}X-Codex-Profile: work\r\n");
    let refused = outcome(&world.router.raw(&get_here(&other)));
    assert!(matches!(refused, Some(For(403, _))), "{refused:?}");
    let refused = outcome(&world.router.raw(&get_here(&twice)));
    assert!(matches!(refused, Some(For(400 | 403, _))), "{refused:?}");
    assert!(world.fake.requests().is_empty());
}
