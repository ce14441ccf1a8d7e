use http::{HeaderMap, header::USER_AGENT};

/// The longest name of a program.
const LONGEST_NAME: usize = 32;
/// More words than these before a version are prose.
const MOST_WORDS: usize = 3;

/// The program that calls, and the first two numbers of its version, from its `User-Agent`: such as
/// `OpenAI/Python 3.54`. What has not the form of a program's name is left out, whatever it is.
pub(super) fn client_of(headers: &HeaderMap) -> Option<String> {
    let agent = headers.get(USER_AGENT)?.to_str().ok()?;
    let mut name = String::new();
    for word in agent.split_whitespace().take(MOST_WORDS) {
        let (product, version) = split(word, name.is_empty());
        if let Some(version) = version {
            return named(name, product).map(|name| format!("{name} {version}"));
        }
        match named(name.clone(), product) {
            Some(longer) => name = longer,
            None => break,
        }
    }
    // Without a version, what follows the first word may be anything.
    let first = name.split(' ').next().unwrap_or_default();
    (!first.is_empty()).then(|| first.to_owned())
}

/// A word's part of the name, and the version that it ends with or is.
fn split(word: &str, is_first: bool) -> (&str, Option<String>) {
    if let Some((product, version)) = word.rsplit_once('/')
        && let Some(version) = short_version(version)
    {
        return (product, Some(version));
    }
    match short_version(word) {
        Some(version) if !is_first => ("", Some(version)),
        _ => (word, None),
    }
}

/// `0.169` of `0.169.0-alpha.1`.
fn short_version(text: &str) -> Option<String> {
    let mut numbers = text.split('.').map(|part| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        &part[..digits]
    });
    let major = numbers.next().filter(|major| is_short_number(major))?;
    let minor = numbers.next().filter(|minor| is_short_number(minor));
    Some(minor.map_or(major.to_owned(), |minor| format!("{major}.{minor}")))
}

fn is_short_number(text: &str) -> bool {
    (1..=6).contains(&text.len())
}

/// A name with one more word.
fn named(mut name: String, word: &str) -> Option<String> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._+-/".contains(&c);
    if !word.bytes().all(allowed) {
        return None;
    }
    if !name.is_empty() && !word.is_empty() {
        name.push(' ');
    }
    name.push_str(word);
    (!name.is_empty() && name.len() <= LONGEST_NAME).then_some(name)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn client(agent: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_str(agent).ok()?);
        client_of(&headers)
    }

    #[test]
    fn a_program_is_named_with_two_numbers_of_its_version() {
        for (agent, name) in [
            ("OpenAI/Python 3.54.0", "OpenAI/Python 3.54"),
            ("AsyncOpenAI/JS 5.0.1-beta.2", "AsyncOpenAI/JS 5.0"),
            (
                "codex_exec/0.169.0 (Debian 12; x86_64) xterm (codex_exec; 0.169)",
                "codex_exec 0.169",
            ),
            ("Codex Desktop/26.1.7 (macOS)", "Codex Desktop 26.1"),
            ("curl/8.5.0", "curl 8.5"),
            ("node", "node"),
            ("Go-http-client/2", "Go-http-client 2"),
            ("Mozilla/5.0 (X11) Firefox/140", "Mozilla 5.0"),
            ("my great program that never ends", "my"),
        ] {
            assert_eq!(client(agent).as_deref(), Some(name), "{agent}");
        }
    }

    #[test]
    fn what_is_no_program_is_not_shown() {
        let key = format!("sk-proj-{}", "a".repeat(40));
        for agent in [
            "ada@example.com",
            "<script>/1.0",
            "(nothing)",
            "8.5",
            &key,
            &format!("{key}/1.0"),
        ] {
            let shown = client(agent);
            assert!(
                shown.as_deref().is_none_or(|shown| shown == "8.5"),
                "{agent}: {shown:?}"
            );
        }
        assert_eq!(client_of(&HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn any_agent_is_short_and_plain(agent in "[ -~]{0,80}") {
            if let Some(shown) = client(&agent) {
                prop_assert!(shown.len() <= LONGEST_NAME + 14, "{}", shown);
                prop_assert!(!shown.contains(['@', '<', '"', '(', ';']), "{}", shown);
            }
        }
    }
}
