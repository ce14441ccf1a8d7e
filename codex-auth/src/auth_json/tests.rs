use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn jwt(claims: &Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn access(user: &str, account: &str, exp: i64) -> String {
    jwt(
        &json!({"exp": exp, "iat": exp - 100, "https://api.openai.com/auth": {
        "chatgpt_user_id": user, "chatgpt_account_id": account, "chatgpt_plan_type": "pro"}}),
    )
}

fn chatgpt_file() -> Value {
    let id_token = jwt(&json!({"email": "a@b.c", "https://api.openai.com/auth": {
        "chatgpt_user_id": "user-1", "chatgpt_account_id": "acct-1", "chatgpt_plan_type": "plus"}}));
    json!({"auth_mode": "chatgpt", "OPENAI_API_KEY": null, "future": {"deep": [1.10, null]},
        "tokens": {"id_token": id_token, "access_token": access("user-1", "acct-1", 2_000),
            "refresh_token": "rt_planted", "account_id": "acct-1", "login_owner_id": "owner",
            "oauth_provenance": {"issuer": "https://issuer.example", "client_id": "app_1"}, "novel": true},
        "last_refresh": "2026-11-23T04:46:47.060896040Z"})
}

fn parse(value: &Value) -> Result<AuthDotJson, AuthJsonError> {
    AuthDotJson::parse(value.to_string().as_bytes())
}

fn parsed() -> AuthDotJson {
    parse(&chatgpt_file()).unwrap()
}

#[test]
fn a_chatgpt_login_is_read() {
    let login = parsed();
    assert_eq!(login.mode(), AuthMode::ChatGpt);
    assert_eq!(login.refresh_token().unwrap().expose(), "rt_planted");
    assert_eq!(login.access_token_expires_at().unwrap().as_second(), 2_000);
    assert_eq!(login.provenance().unwrap().client_id, "app_1");
    assert_eq!(
        login.identity(),
        Identity::ChatGpt {
            user_id: Some("user-1".into()),
            account_id: Some("acct-1".into())
        }
    );
}

#[test]
fn every_mode_is_recognised_with_and_without_being_named() {
    let cases = [
        (json!({"OPENAI_API_KEY": "sk-1"}), AuthMode::ApiKey),
        (
            json!({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-1"}),
            AuthMode::ApiKey,
        ),
        (
            json!({"OPENAI_API_KEY": null, "personal_access_token": "at-1"}),
            AuthMode::PersonalAccessToken,
        ),
        (
            json!({"bedrock_api_key": {"api_key": "k", "region": "r"}}),
            AuthMode::BedrockApiKey,
        ),
        (json!({"agent_identity": "jwt"}), AuthMode::AgentIdentity),
        (json!({"auth_mode": "headers"}), AuthMode::Headers),
        (
            json!({"auth_mode": "chatgptAuthTokens", "tokens": {"access_token": "t"}}),
            AuthMode::ChatGptAuthTokens,
        ),
        (json!({"auth_mode": "from the future"}), AuthMode::Other),
    ];
    for (file, mode) in cases {
        assert_eq!(parse(&file).unwrap().mode(), mode, "{file}");
    }
}

#[test]
fn a_file_with_key_and_tokens_follows_its_mode_and_else_the_key() {
    let mut file = chatgpt_file();
    file["OPENAI_API_KEY"] = json!("sk-1");
    assert_eq!(parse(&file).unwrap().mode(), AuthMode::ChatGpt);
    file.as_object_mut().unwrap().remove("auth_mode");
    assert_eq!(parse(&file).unwrap().mode(), AuthMode::ApiKey);
}

#[test]
fn the_states_of_a_bad_file_are_told_apart() {
    let malformed = |bytes: &[u8]| {
        matches!(
            AuthDotJson::parse(bytes).unwrap_err(),
            AuthJsonError::Malformed { .. }
        )
    };
    let whole = chatgpt_file().to_string();
    assert_eq!(
        AuthDotJson::parse(b"").unwrap_err(),
        AuthJsonError::Truncated
    );
    assert_eq!(
        AuthDotJson::parse(&whole.as_bytes()[..90]).unwrap_err(),
        AuthJsonError::Truncated
    );
    assert_eq!(
        AuthDotJson::parse(&vec![b' '; 2 << 20]).unwrap_err(),
        AuthJsonError::TooLarge
    );
    for empty in [
        "{}",
        r#"{"OPENAI_API_KEY":null}"#,
        r#"{"auth_mode":"chatgpt","tokens":null}"#,
    ] {
        assert_eq!(
            AuthDotJson::parse(empty.as_bytes()).unwrap_err(),
            AuthJsonError::NoLogin
        );
    }
    assert!(malformed(b"[]"));
    assert!(malformed(b"\xff\xfe"));
    assert!(malformed(br#"{"tokens":"text"}"#));
    assert!(malformed(br#"{"OPENAI_API_KEY":7}"#));
    assert!(malformed(&[0; 64]));
}

#[test]
fn no_error_and_no_debug_output_quotes_the_content() {
    let broken = r#"{"OPENAI_API_KEY":["planted-secret"]}"#;
    let error = AuthDotJson::parse(broken.as_bytes()).unwrap_err();
    assert!(!format!("{error} {error:?} {:?}", parsed()).contains("planted"));
}

#[test]
fn a_byte_order_mark_is_accepted() {
    let bytes = [
        b"\xef\xbb\xbf".as_slice(),
        chatgpt_file().to_string().as_bytes(),
    ]
    .concat();
    assert_eq!(
        AuthDotJson::parse(&bytes).unwrap().mode(),
        AuthMode::ChatGpt
    );
}

#[test]
fn an_opaque_access_token_and_an_empty_refresh_token_are_accepted() {
    let login = parse(&json!({"tokens": {"access_token": "opaque", "refresh_token": ""}})).unwrap();
    assert!(login.refresh_token().is_none());
    assert!(login.access_token_expires_at().is_none());
    assert!(login.credentials(ProfileRef::new("p")).is_some());
}

#[test]
fn logins_without_any_claim_are_told_apart_by_their_sign_in() {
    let login = |owner: &str| {
        parse(&json!({"tokens": {"access_token": "opaque", "login_owner_id": owner}})).unwrap()
    };
    assert_ne!(login("one").identity(), login("two").identity());
}

#[test]
fn the_account_of_the_file_overrules_the_claim() {
    let mut file = chatgpt_file();
    file["tokens"]["account_id"] = json!("acct-2");
    let login = parse(&file).unwrap();
    assert_eq!(login.display_claims().account_id.as_deref(), Some("acct-2"));
    assert_ne!(login.identity(), parsed().identity());
}

#[test]
fn the_plan_shown_is_the_access_tokens() {
    let claims = parsed().display_claims();
    assert_eq!(claims.plan.unwrap().as_str(), "pro");
    assert_eq!(claims.email.unwrap().as_str(), "a@b.c");
}

#[test]
fn a_rotation_changes_the_tokens_and_nothing_else() {
    let mut login = parsed();
    let at: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    let fresh = FreshTokens {
        access_token: Some(AccessToken::new(access("user-1", "acct-1", 9_000))),
        refresh_token: Some(RefreshToken::new("rt_next")),
        id_token: None,
    };
    let before = login.generation();
    login.rotate(fresh, at);
    assert!(login.generation() > before);

    let written: Value = serde_json::from_slice(&login.to_bytes()).unwrap();
    let mut expected = chatgpt_file();
    expected["tokens"]["access_token"] = json!(access("user-1", "acct-1", 9_000));
    expected["tokens"]["refresh_token"] = json!("rt_next");
    expected["last_refresh"] = json!("2026-12-01T00:00:00Z");
    assert_eq!(written, expected);
    assert_eq!(login.access_token_expires_at().unwrap().as_second(), 9_000);
}

#[test]
fn a_later_token_that_lives_shorter_is_the_newer_one() {
    let at = |iat: i64, exp: i64| {
        parse(&json!({"tokens": {"access_token": jwt(&json!({"iat": iat, "exp": exp}))}}))
            .unwrap()
            .generation()
    };
    assert!(at(200, 300) > at(100, 900));
}

#[test]
fn what_codex_dropped_without_knowing_it_is_carried_over_and_nothing_else() {
    let old = parsed();
    let mut file = chatgpt_file();
    for gone in ["future", "last_refresh"] {
        file.as_object_mut().unwrap().remove(gone);
    }
    for gone in ["novel", "oauth_provenance"] {
        file["tokens"].as_object_mut().unwrap().remove(gone);
    }
    let mut new = parse(&file).unwrap();

    new.carry_unknown_from(&old);

    let written: Value = serde_json::from_slice(&new.to_bytes()).unwrap();
    assert_eq!(written["future"], json!({"deep": [1.10, null]}));
    assert_eq!(written["tokens"]["novel"], json!(true));
    assert!(written["tokens"].get("oauth_provenance").is_none());
    assert!(written.get("last_refresh").is_none());
}

#[test]
fn a_login_of_nobody_in_particular_may_be_followed_by_any_and_others_by_their_own() {
    let anonymous = parse(&json!({"tokens": {"access_token": "opaque", "refresh_token": "r"}}));
    let anonymous = anonymous.unwrap();
    let mut file = chatgpt_file();
    file["tokens"]["account_id"] = json!("acct-2");
    let other = parse(&file).unwrap();
    assert!(parsed().may_follow(&anonymous));
    assert!(parsed().may_follow(&parsed()));
    assert!(!other.may_follow(&parsed()));
}

#[test]
fn only_tokens_and_keys_tell_two_copies_apart_in_secrets() {
    let mut file = chatgpt_file();
    file["last_refresh"] = json!("2026-12-01T00:00:00Z");
    file.as_object_mut().unwrap().remove("OPENAI_API_KEY");
    assert!(parse(&file).unwrap().holds_same_secrets(&parsed()));
    file["tokens"]["refresh_token"] = json!("rt_other");
    assert!(!parse(&file).unwrap().holds_same_secrets(&parsed()));
}

#[test]
fn unknown_values_survive_to_the_byte() {
    let odd = r#"{"tokens":{"access_token":"t","x":1.10,"y":123456789012345678901234567890},"z":1e400,"u":"\u00e9"}"#;
    let written =
        String::from_utf8(AuthDotJson::parse(odd.as_bytes()).unwrap().to_bytes()).unwrap();
    for value in ["1.10", "123456789012345678901234567890", "1e400", r"\u00e9"] {
        assert!(written.contains(value), "{value} is gone from {written}");
    }
}

#[test]
fn a_new_api_key_login_reads_back() {
    let login = AuthDotJson::from_api_key(ApiKey::new("sk-1"));
    let again = AuthDotJson::parse(&login.to_bytes()).unwrap();
    assert_eq!(again.mode(), AuthMode::ApiKey);
    assert_eq!(again.identity(), login.identity());
}

#[test]
fn codex_can_read_a_login_whose_id_token_parses_and_every_key() {
    for (id_token, readable) in [
        (chatgpt_file()["tokens"]["id_token"].clone(), true),
        (Value::Null, false),
        ("".into(), false),
        ("opaque".into(), false),
    ] {
        let mut file = chatgpt_file();
        file["tokens"]["id_token"] = id_token.clone();
        assert_eq!(
            parse(&file).unwrap().codex_can_read(),
            readable,
            "{id_token}"
        );
    }
    assert!(
        parse(&json!({"OPENAI_API_KEY": "sk-x"}))
            .unwrap()
            .codex_can_read()
    );
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = AuthDotJson::parse(&bytes);
    }

    #[test]
    fn a_file_cut_anywhere_is_never_taken_for_a_login(cut in 0_usize..900) {
        let whole = chatgpt_file().to_string();
        prop_assume!(cut < whole.len());
        prop_assert_eq!(AuthDotJson::parse(&whole.as_bytes()[..cut]).unwrap_err(), AuthJsonError::Truncated);
    }

    #[test]
    fn reading_and_writing_changes_no_value(extra in proptest::collection::btree_map("[a-z]{1,8}_x", ".{0,12}", 0..6)) {
        let mut file = chatgpt_file();
        for (name, value) in extra {
            file[name] = json!(value);
        }
        let login = parse(&file).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Value>(&login.to_bytes()).unwrap(), file);
    }
}

#[test]
fn logins_of_an_unknown_kind_are_told_apart_by_all_their_fields() {
    for mode in ["headers", "tomorrow", "personalAccessToken"] {
        let login = |secret: &str, at: &str| {
            let file = json!({"auth_mode": mode, "novel": {"secret": secret}, "last_refresh": at});
            parse(&file).unwrap()
        };
        let (one, other, later) = (login("a", "1"), login("b", "1"), login("a", "2"));
        assert_ne!(one.identity(), other.identity(), "{mode}");
        assert!(!one.holds_same_secrets(&other), "{mode}");
        assert_eq!(one.identity(), later.identity(), "{mode}");
        assert!(one.holds_same_secrets(&later), "{mode}");
    }
}

#[test]
fn the_order_of_fields_and_those_that_are_null_tell_no_unknown_logins_apart() {
    let identity = |text: &str| AuthDotJson::parse(text.as_bytes()).unwrap().identity();
    assert_eq!(
        identity(r#"{"auth_mode":"headers","a":"1","OPENAI_API_KEY":null}"#),
        identity(r#"{"a":"1","auth_mode":"headers"}"#)
    );
    assert_ne!(
        identity(r#"{"auth_mode":"headers","a":"1","b":"2"}"#),
        identity(r#"{"auth_mode":"headers","a":"2","b":"1"}"#)
    );
}

#[test]
fn one_bad_token_in_an_answer_does_not_cost_the_others() {
    let refresh = |body: &str| {
        let fresh = FreshTokens::parse(body.as_bytes()).unwrap();
        fresh.refresh_token.map(|token| token.expose().to_owned())
    };
    for id_token in ["7", "\"\"", "null", "{\"raw\":\"jwt\"}"] {
        let body = format!(
            r#"{{"id_token":{id_token},"access_token":"at","refresh_token":"rt","expires_in":1e400}}"#
        );
        assert_eq!(refresh(&body), Some("rt".to_owned()), "{id_token}");
    }
    assert_eq!(refresh(r#"{"access_token":"at","refresh_token":""}"#), None);
    assert_eq!(refresh(r#"{"access_token":"at","refresh_token":[]}"#), None);
}

#[test]
fn an_answer_without_a_usable_token_is_none() {
    for body in [
        "{}",
        "[]",
        "<html>",
        r#"{"access_token":"","refresh_token":null}"#,
        r#"{"id_token":"jwt"}"#,
    ] {
        assert!(FreshTokens::parse(body.as_bytes()).is_none(), "{body}");
    }
}

#[test]
fn a_copy_that_codex_cannot_read_takes_over_the_id_token_of_one_that_it_can() {
    let with = |id_token: &str| {
        let tokens =
            serde_json::json!({"access_token": "a", "refresh_token": "r", "id_token": id_token});
        let tokens = serde_json::json!({"tokens": tokens}).to_string();
        AuthDotJson::parse(tokens.as_bytes()).unwrap()
    };
    let without =
        || AuthDotJson::parse(br#"{"tokens":{"access_token":"b","refresh_token":"s"}}"#).unwrap();
    let readable = with("e30.e30.c2ln");

    let mut copy = without();
    copy.carry_id_token_from(&readable);
    let text = String::from_utf8(copy.to_bytes()).unwrap();
    assert!(
        copy.codex_can_read() && text.contains("e30.e30.c2ln") && text.contains("\"s\""),
        "{text}"
    );
    assert!(
        AuthDotJson::parse(&copy.to_bytes())
            .unwrap()
            .codex_can_read()
    );

    let mut own = with("e30.e30.b3du");
    own.carry_id_token_from(&readable);
    assert!(String::from_utf8(own.to_bytes()).unwrap().contains("b3du"));
    let mut still = without();
    still.carry_id_token_from(&without());
    assert!(!still.codex_can_read());
}
