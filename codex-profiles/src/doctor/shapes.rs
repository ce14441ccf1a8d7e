//! What secrets and addresses look like, so that none leaves in a report.
//!
//! Reports are made of facts that are harmless by their kind. This is the second line: names that
//! people and other programs have chosen are part of sentences too, and may be anything.

use std::ops::Range;

use codex_auth::text::printable;

/// The longest sentence.
const MAX_CHARS: usize = 2000;
/// What stands in the place of a secret.
const HIDDEN: &str = "[hidden]";
/// How keys and tokens begin: API keys, sessions, refresh tokens (wire reference 1.2 and 3.2), our
/// own client keys, and the JSON of a compact JWS in base64.
const PREFIXES: [&str; 8] = ["sk-", "sk_", "sess-", "rt_", "rt-", "rt.", "crk_", "eyJ"];
/// So many characters behind a prefix make a secret of it.
const MIN_BEHIND_PREFIX: usize = 6;
/// A run of letters in both cases and digits is random from here on: 24 of base64 are 144 bits.
const MIN_MIXED_RUN: usize = 24;
/// A run of letters in one case and digits: an MD5 and a UUID without its dashes have as many.
const MIN_PLAIN_RUN: usize = 32;

/// The kind of secret that is in a text, if there seems to be one.
///
/// ```
/// use codex_profiles::doctor::secret_shape;
///
/// assert_eq!(secret_shape("profile `work` serves since 12:30"), None);
/// assert!(secret_shape("the key sk-proj-abcdef is refused").is_some());
/// assert!(secret_shape("ada@example.com").is_some());
/// ```
#[must_use]
pub fn secret_shape(text: &str) -> Option<&'static str> {
    words(text).find_map(|word| shape_of(&text[word]))
}

/// The text without what has the shape of a secret, nor what steers a terminal.
pub(super) fn scrubbed(text: &str) -> String {
    let text = printable(text, MAX_CHARS);
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for word in words(&text) {
        shown.push_str(&text[end..word.start]);
        end = word.end;
        let word = &text[word];
        shown.push_str(if shape_of(word).is_some() {
            HIDDEN
        } else {
            word
        });
    }
    shown.push_str(&text[end..]);
    shown
}

/// The parts of a text that could be a secret as a whole.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text[from..].find(is_of_word)?;
        let length = text[start..].find(|c| !is_of_word(c));
        from = length.map_or(text.len(), |length| start + length);
        Some(start..from)
    })
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || "._-+=@%~".contains(c)
}

fn shape_of(word: &str) -> Option<&'static str> {
    if is_address(word) {
        return Some("an e-mail address");
    }
    if has_prefix(word) {
        return Some("a token or key");
    }
    let mut runs = word.split(['.', '@', '%', '~']);
    runs.any(is_random).then_some("a long random text")
}

fn is_address(word: &str) -> bool {
    let word = word.replace("%40", "@");
    word.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains(|c: char| c.is_alphanumeric())
    })
}

/// At the beginning of the word, or where a name ends that stands before it.
fn has_prefix(word: &str) -> bool {
    PREFIXES.iter().any(|prefix| {
        word.match_indices(prefix).any(|(at, _)| {
            let before = word[..at].chars().next_back();
            let begins = before.is_none_or(|c| !c.is_alphanumeric());
            let behind = &word[at + prefix.len()..];
            begins && behind.chars().filter(|c| c.is_alphanumeric()).count() >= MIN_BEHIND_PREFIX
        })
    })
}

fn is_random(run: &str) -> bool {
    let has = |is: fn(&char) -> bool| run.chars().any(|c| is(&c));
    let (upper, lower) = (has(char::is_ascii_uppercase), has(char::is_ascii_lowercase));
    let digit = has(char::is_ascii_digit);
    let least = if upper && lower {
        MIN_MIXED_RUN
    } else {
        MIN_PLAIN_RUN
    };
    digit && (upper || lower) && run.chars().count() >= least
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_known_wherever_it_stands() {
        for secret in [
            "sk-planted",
            "x:sk-proj-abc123",
            "key=sk-planted-1",
            "rt_0123abcd",
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
            "crk_abcdefgh",
            "ada@example.com",
            "ada%40example.com",
            "/home/ada@example.com/.codex",
            "0123456789abcdef0123456789abcdef",
            "550e8400-e29b-41d4-a716-446655440000",
            "aB3dEf6hIjKlMnOpQrStUvWx",
        ] {
            assert!(secret_shape(secret).is_some(), "{secret}");
            assert!(secret_shape(&scrubbed(secret)).is_none(), "{secret}");
        }
    }

    #[test]
    fn what_a_report_says_stays_as_it_is() {
        for harmless in [
            "`~/.codex/profiles/work/auth.json` can be read by other users: chmod 600 a b",
            "CODEX_ROUTER_CHATGPT_BASE_URL is http://127.0.0.1:9876/v1",
            "state.json.broken-1795400000000000000, .auth-AbCd12, refresh-ab.lock",
            "cli_auth_credentials_store = \"ephemeral\" and secret_auth_storage",
            "codex-router 0.1.0, codex-cli 0.169.0, Linux (Ubuntu 26.04) 6.8.0-45-generic",
            "/tmp/.tmpAbCd12/profiles, risk-averse-people, task-something",
            "团队 and `ada` at 2026-11-23T21:19:54Z",
        ] {
            assert_eq!(secret_shape(harmless), None, "{harmless}");
            assert_eq!(scrubbed(harmless), harmless);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_left_to_hide_after_it_was_hidden(text in ".{0,60}(sk-|rt_|@|eyJ)?[a-zA-Z0-9]{0,40}.{0,20}") {
            prop_assert_eq!(secret_shape(&scrubbed(&text)), None);
        }

        #[test]
        fn random_bytes_in_any_usual_writing_are_hidden(bytes in prop::collection::vec(any::<u8>(), 32..64)) {
            use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
            let hex = crate::keys::hex(&bytes);
            prop_assert!(secret_shape(&hex).is_some());
            let base64 = URL_SAFE_NO_PAD.encode(&bytes);
            let told = scrubbed(&["a ", &base64, " b"].concat());
            prop_assert!(!told.contains(&base64));
        }
    }
}
