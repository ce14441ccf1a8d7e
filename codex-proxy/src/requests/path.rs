/// Deeper paths are none of OpenAI's.
const MOST_SEGMENTS: usize = 8;
const LONGEST_WORD: usize = 32;

/// A path without what names one thing alone: `/v1/files/{id}/content`. Only words pass.
pub(super) fn route_of(path: &str) -> String {
    let mut route = String::new();
    for segment in path.split('/').skip(1).take(MOST_SEGMENTS) {
        route.push('/');
        route.push_str(if is_word(segment) { segment } else { "{id}" });
    }
    route
}

fn is_word(segment: &str) -> bool {
    segment == "v1"
        || segment.len() <= LONGEST_WORD
            && (segment.bytes()).all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_and_names_do_not() {
        for (path, route) in [
            ("/v1/responses", "/v1/responses"),
            (
                "/v1/responses/resp_1/input_items",
                "/v1/responses/{id}/input_items",
            ),
            ("/v1/models/gpt-5.2-codex", "/v1/models/{id}"),
            ("/v1/files/ada@example.com", "/v1/files/{id}"),
            ("/v1/chat/completions", "/v1/chat/completions"),
        ] {
            assert_eq!(route_of(path), route);
        }
        assert!(route_of(&"/a".repeat(1000)).len() < 32);
    }
}
