use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use codex_auth::AuthMode;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::put;

const ISSUED_AT: i64 = 1_770_000_000;
const WRITTEN_AT: i64 = 1_780_000_000;
/// A secret of every file below, in every kind of token.
const PLANTED: &str = "planted";

fn jwt(account: &str) -> String {
    let claims = json!({"iat": ISSUED_AT, "exp": ISSUED_AT + 864_000, "sub": PLANTED,
        "https://api.openai.com/auth": {"chatgpt_user_id": "u", "chatgpt_account_id": account}});
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("e30.{claims}.{PLANTED}")
}

fn read_value(file: &Value) -> Result<Contents, ImportError> {
    let written_at = Timestamp::from_second(WRITTEN_AT).unwrap();
    read(file.to_string().as_bytes(), written_at)
}

/// Name, account, refresh token, and whether Codex can read it.
type Expected = (Option<&'static str>, &'static str, &'static str, bool);

#[track_caller]
fn check(file: &Value, format: Format, expected: &[Expected]) {
    let contents = read_value(file).unwrap_or_else(|error| panic!("{format}: {error}"));
    assert_eq!(contents.format, format);
    assert_eq!(contents.entries.len(), expected.len(), "{format}");
    for (entry, (name, account, refresh, codex)) in contents.entries.iter().zip(expected) {
        let login = entry.login.as_ref().unwrap();
        assert_eq!(
            entry.name.as_ref().map(ProfileName::as_str),
            *name,
            "{format}"
        );
        assert_eq!(login.mode(), AuthMode::ChatGpt, "{format}");
        let claims = login.display_claims();
        assert_eq!(claims.account_id.as_deref(), Some(*account), "{format}");
        assert_eq!(
            login.refresh_token().unwrap().expose(),
            *refresh,
            "{format}"
        );
        assert_eq!(login.codex_can_read(), *codex, "{format}");
        assert!(login.last_refresh().is_some(), "{format}: Codex needs it");
        assert!(!format!("{entry:?}").contains(PLANTED), "{format}");
    }
}

#[test]
fn every_format_is_told_by_its_content() {
    let (a, b) = (jwt("a"), jwt("b"));
    let codex = json!({"auth_mode": "chatgpt", "OPENAI_API_KEY": null, "tokens": {"id_token": a,
        "access_token": a, "refresh_token": "rt_a", "account_id": "a"},
        "last_refresh": "2026-01-01T00:00:00Z"});
    check(&codex, Format::Codex, &[(None, "a", "rt_a", true)]);
    check(
        &json!({"format": "codex-router-login", "version": 1, "name": "work", "label": "W",
            "auth": codex}),
        Format::Export,
        &[(Some("work"), "a", "rt_a", true)],
    );
    check(
        &json!({"id_token": a, "access_token": a, "refresh_token": "rt_a", "account_id": "a",
            "last_refresh": "2026-01-01T00:00:00+08:00", "email": "a@b.c", "type": "codex",
            "expired": "2026-01-11T00:00:00+08:00"}),
        Format::CliProxyApi,
        &[(None, "a", "rt_a", true)],
    );
    check(
        &json!({"anthropic": {"type": "oauth", "refresh": "x", "access": "x", "expires": 1},
            "openai": {"type": "oauth", "refresh": "rt_a", "access": a, "expires": 1,
                "accountId": "a"}}),
        Format::Agent,
        &[(None, "a", "rt_a", false)],
    );
    check(
        &json!({"openai-codex": {"type": "oauth", "access": b, "refresh": "rt_b", "expires": 1},
            "openai": {"type": "api_key", "key": "OPENAI_API_KEY"}}),
        Format::Agent,
        &[(None, "b", "rt_b", false)],
    );
    check(
        &json!({"openai": {"type": "oauth", "strategy": "sticky", "accounts": [
            {"access": a, "refresh": "rt_a", "email": "a@b.c"}, {"identityKey": "no tokens"},
            {"access": b, "refresh": "rt_b"}]}}),
        Format::Agent,
        &[(None, "a", "rt_a", false), (None, "b", "rt_b", false)],
    );
    check(
        &json!({"version": 1, "profiles": {
            "openai-codex:default": {"type": "oauth", "provider": "openai-codex", "access": a,
                "refresh": "rt_a", "expires": 1},
            "openai-codex:work": {"type": "oauth", "provider": "openai-codex", "access": b,
                "refresh": "rt_b", "expires": 1, "accountId": "b"},
            "anthropic:x": {"type": "oauth", "provider": "anthropic", "access": "x",
                "refresh": "x", "expires": 1}}}),
        Format::OpenClaw,
        &[
            (None, "a", "rt_a", false),
            (Some("work"), "b", "rt_b", false),
        ],
    );
    check(
        &json!({"version": 1, "active_account_id": null, "accounts": [
            {"id": "1", "name": "Work a@b.c", "auth_mode": "chat_g_p_t",
                "auth_data": {"type": "chat_g_p_t", "id_token": a, "access_token": a,
                    "refresh_token": "rt_a", "account_id": "a"}}]}),
        Format::CodexSwitcher,
        &[(Some("Work-a"), "a", "rt_a", true)],
    );
    check(
        &json!({"exported_at": "2026-01-01T00:00:00Z", "proxies": [], "accounts": [
            {"name": "one", "platform": "openai", "type": "oauth", "credentials": {
                "access_token": a, "refresh_token": "rt_a", "chatgpt_account_id": "a"}},
            {"name": "two", "platform": "gemini", "type": "oauth", "credentials": {
                "access_token": "x", "refresh_token": "x"}}]}),
        Format::Sub2Api,
        &[(Some("one"), "a", "rt_a", false)],
    );
    check(
        &json!({"version": 3, "activeIndex": 0, "accounts": [{"accountId": "a",
            "refreshToken": "rt_a", "accessToken": a, "addedAt": 1, "lastUsed": 1}]}),
        Format::OpencodeAccounts,
        &[(None, "a", "rt_a", false)],
    );
    let cockpit = json!({"id": "codex_1", "email": "a@b.c", "auth_mode": "oauth",
        "account_id": "a", "account_name": "Team", "tokens": {"id_token": a, "access_token": a,
        "refresh_token": "rt_a"}});
    check(
        &cockpit,
        Format::CockpitTools,
        &[(Some("Team"), "a", "rt_a", true)],
    );
    check(
        &json!([cockpit]),
        Format::CockpitTools,
        &[(Some("Team"), "a", "rt_a", true)],
    );
    check(
        &json!({"filename": "x", "account": {"email": "a@b.c"}, "codexAuthJson": codex}),
        Format::CodexLb,
        &[(None, "a", "rt_a", true)],
    );
    check(
        &json!({"access_token": a, "refresh_token": "rt_a", "id_token": a, "expires_at": 1,
            "account_id": "a"}),
        Format::LiteLlm,
        &[(None, "a", "rt_a", true)],
    );
}

#[test]
fn what_is_no_login_of_ours_is_unknown_and_the_error_names_what_was_looked_for() {
    for file in [
        json!({}),
        json!([]),
        json!("text"),
        json!({"type": "gemini", "access_token": "x", "refresh_token": "x"}),
        json!({"access_token": "opaque", "refresh_token": "x", "account_id": "not-a-proof"}),
        json!({"anthropic": {"type": "oauth", "access": "x", "refresh": "x", "expires": 1}}),
        json!({"openai": {"type": "api_key", "key": "!command"}}),
        json!({"profiles": {}, "accounts": []}),
        json!({"format": "codex-router-login", "version": 2, "auth": {"OPENAI_API_KEY": "sk-x"}}),
    ] {
        assert_eq!(
            read_value(&file).unwrap_err(),
            ImportError::Unknown,
            "{file}"
        );
    }
    let text = ImportError::Unknown.to_string();
    for format in Format::ALL {
        assert!(text.contains(&format.to_string()), "{text}");
    }
}

#[test]
fn what_is_encrypted_is_told_apart() {
    let age = b"  \n-----BEGIN AGE ENCRYPTED FILE-----\nx";
    let binary = b"age-encryption.org/v1\n-> scrypt x 18";
    for file in [&age[..], binary] {
        let error = read(file, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error, ImportError::Encrypted);
    }
    let bundle = json!({"format": "codex-lb-account-bundle", "version": 1, "ciphertext": "x"});
    assert_eq!(read_value(&bundle).unwrap_err(), ImportError::CodexLbBundle);
    let large = vec![b' '; usize::try_from(MAX_BYTES).unwrap() + 1];
    let error = read(&large, Timestamp::UNIX_EPOCH).unwrap_err();
    assert_eq!(error, ImportError::TooLarge);
}

#[test]
fn api_keys_are_logins_too_and_a_byte_order_mark_is_no_hindrance() {
    for file in [
        json!({"OPENAI_API_KEY": "sk-planted"}),
        json!({"openai": {"type": "api", "key": "sk-planted"}}),
        json!({"accounts": [{"name": "k", "auth_data": {"type": "api_key", "key": "sk-planted"}}]}),
    ] {
        let text = format!("\u{feff}{file}");
        let contents = read(text.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
        let login = contents.entries[0].login.as_ref().unwrap();
        assert_eq!(login.mode(), AuthMode::ApiKey, "{file}");
        assert!(!format!("{contents:?}").contains("planted"));
    }
}

#[test]
fn a_refresh_token_alone_is_no_login_and_does_not_hide_the_others() {
    let contents = read_value(&json!({"version": 3, "accounts": [
        {"refreshToken": "rt_a"}, {"refreshToken": "rt_b", "accessToken": jwt("b")}]}))
    .unwrap();
    assert_eq!(
        contents.entries[0].login.as_ref().unwrap_err(),
        &EntryError::NoAccessToken
    );
    assert!(contents.entries[1].login.is_ok());
}

#[test]
fn the_time_of_the_last_refresh_is_the_best_that_is_known() {
    let opaque = |last: Value| {
        json!({"type": "codex", "access_token": "opaque",
        "refresh_token": "rt", "account_id": "a", "last_refresh": last})
    };
    let seconds = |file: &Value| {
        let contents = read_value(file).unwrap();
        let login = contents.entries[0].login.as_ref().unwrap();
        login.last_refresh().unwrap().as_second()
    };
    assert_eq!(
        seconds(&opaque("2026-01-01T08:00:00+08:00".into())),
        1_767_225_600
    );
    assert_eq!(seconds(&opaque("".into())), WRITTEN_AT);
    assert_eq!(
        seconds(&json!({"type": "codex", "access_token": jwt("a")})),
        ISSUED_AT
    );
}

#[test]
fn a_folder_gives_its_logins_and_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for path in [
        "auth.json",
        "config.json",
        "profiles/work/auth.json",
        "profiles/.removed-x-1/auth.json",
        "profiles/bash.json",
        "accounts/dXNlcg.auth.json",
        "accounts/registry.json",
        "plain/profiles",
        "plain/codex-a.json",
        "plain/b.age",
        "plain/notes.txt",
    ] {
        put(&root.join(path), &json!({}));
    }
    let found = |folder: &str| -> Vec<(String, Option<String>)> {
        let files = files_in(&root.join(folder)).unwrap();
        let inside = |file: &ImportFile| {
            let path = file.path.strip_prefix(root).unwrap().to_str().unwrap();
            (path.to_owned(), file.name.as_ref().map(ToString::to_string))
        };
        files.iter().map(inside).collect()
    };
    let named = |path: &str, name: &str| (path.to_owned(), Some(name.to_owned()));
    let plain = |path: &str| (path.to_owned(), None);
    assert_eq!(
        found(""),
        [
            plain("auth.json"),
            named("profiles/bash.json", "bash"),
            named("profiles/work/auth.json", "work"),
            plain("accounts/dXNlcg.auth.json"),
        ]
    );
    assert_eq!(
        found("plain"),
        [plain("plain/b.age"), plain("plain/codex-a.json")]
    );
    assert!(files_in(&root.join("nothing")).is_err());
    assert!(files_in(&root.join("profiles/work/auth.json")).is_ok());
}

/// JSON of the words that files of logins are made of.
fn files_like_those_of_others() -> impl Strategy<Value = Value> {
    let words = [
        "codex",
        "openai",
        "openai-codex",
        "oauth",
        "sk-planted",
        "rt_planted",
        "",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!(1)),
        Just(json!(jwt("a"))),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
    ];
    let names = "type tokens access_token refresh_token id_token account_id auth_mode accounts \
        profiles provider access refresh openai openai-codex auth_data credentials platform key \
        id email refreshToken accessToken codexAuthJson OPENAI_API_KEY last_refresh";
    let names: Vec<&str> = names.split_whitespace().collect();
    leaf.prop_recursive(4, 48, 8, move |inner| {
        let name = prop::sample::select(names.clone()).prop_map(str::to_owned);
        let fields = prop::collection::hash_map(name, inner.clone(), 0..8);
        prop_oneof![
            4 => fields.prop_map(Value::from_iter),
            1 => prop::collection::vec(inner, 0..3).prop_map(Value::from),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_others_may_write_is_an_answer_that_gives_nothing_away(
        file in files_like_those_of_others()
    ) {
        let read = read_value(&file);
        let error = read.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let shown = format!("{read:?} {error}");
        prop_assert!(!shown.contains(PLANTED), "{}", shown);
        if let Ok(contents) = read {
            prop_assert!(!contents.entries.is_empty());
        }
    }

    #[test]
    fn any_content_is_an_answer_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(read(&bytes, Timestamp::UNIX_EPOCH));
    }
}
