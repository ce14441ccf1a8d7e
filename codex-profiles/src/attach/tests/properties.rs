//! Whatever the input is.

use proptest::prelude::*;

use super::*;

/// Texts like those that people write, and some that are broken.
fn configs() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "# [a-z =\\[]{0,8}",
        "",
        "[a-e] = [0-9]",
        "[f-h] = \"[a-z#=\\[]{0,5}\" # [a-z]{0,4}",
        "[i-k]\\.[xy]\\.[a-z] = true",
        "[l-n] = '''\n[a-z\\[=]{0,6}\nopenai_base_url = 1\n'''",
        "[o-p] = \\[\n  1, # x\n  \"\\]\",\n\\]",
        "q = \\{a = 1, b\\.c = \"x\"\\}",
        "\\[[r-t]\\]",
        "\\[\\[u\\]\\]",
        "\\[profiles\\.[a-c]\\]",
        "\\[model_providers\\.(codex-router|x)\\]",
        "base_url = \"https://x\\.example\"",
        "(  )?openai_base_url = (\"https://x\\.example/v1\"|'old'|7)",
        "model_provider = \"(openai|codex-router|x)\"",
        "[a-z]{1,3} [a-z]",
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n")];
    let lines = prop::collection::vec(line, 0..9);
    (any::<bool>(), lines, end, any::<bool>()).prop_map(|(mark, lines, end, ended)| {
        let mark = if mark { "\u{feff}" } else { "" };
        let text = lines.join("\n").replace('\n', end);
        format!("{mark}{text}{}", if ended { end } else { "" })
    })
}

/// Everything but what an attachment may set.
fn rest(text: &str) -> toml::Table {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut table: toml::Table = text.parse().unwrap();
    table.remove(plan::BASE_URL);
    table.remove(plan::MODEL_PROVIDER);
    if let Some(toml::Value::Table(providers)) = table.get_mut(plan::MODEL_PROVIDERS) {
        providers.remove(plan::PROVIDER);
    }
    let has_none = |value: &toml::Value| value.as_table().is_some_and(toml::Table::is_empty);
    if table.get(plan::MODEL_PROVIDERS).is_some_and(has_none) {
        table.remove(plan::MODEL_PROVIDERS);
    }
    table
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_config_is_attached_and_detached_to_identical_bytes(
        text in configs(),
        provider in any::<bool>(),
        wants_key in any::<bool>(),
    ) {
        let form = if provider { Form::Provider } else { Form::BaseUrl };
        // As many of these texts as not are broken, and then there is nothing to attach.
        let draft = plan::attached(&text, router(), form, wants_key);
        prop_assume!(draft.is_ok());
        let draft = draft.unwrap();
        prop_assert_eq!(rest(&draft.text), rest(&text));
        let record = record::Record {
            form,
            url: router().to_string(),
            at: jiff::Timestamp::now(),
            created: false,
            before: record::fingerprint(&text),
            after: record::fingerprint(&draft.text),
            edits: draft.edits,
        };
        let again = plan::attached(&draft.text, router(), form, wants_key).unwrap();
        prop_assert_eq!(&again.text, &draft.text);
        let detached = plan::detached(&draft.text, Some(&record), router()).unwrap();
        prop_assert_eq!(&detached.text, &text);

        // The same when something else came in meanwhile: here a comment in front, and behind.
        let mark = if text.starts_with('\u{feff}') { "\u{feff}" } else { "" };
        let around = |text: &str| {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            format!("{mark}# new\n{text}")
        };
        let detached = plan::detached(&around(&draft.text), Some(&record), router()).unwrap();
        prop_assert_eq!(detached.text, around(&text));
        prop_assert!(detached.left.is_empty());
    }

    #[test]
    fn no_text_at_all_makes_it_panic_or_writes_what_codex_would_not_read(text in "\\PC{0,40}") {
        if let Ok(draft) = plan::attached(&text, router(), Form::BaseUrl, false) {
            prop_assert_eq!(rest(&draft.text), rest(&text));
        }
    }
}
