/// Deeper paths are none of OpenAI's.
const MOST_SEGMENTS: usize = 8;

/// What the paths of the public API are made of. Any other word may be somebody's name.
const WORDS: [&str; 42] = [
    "v1",
    "api",
    "healthz",
    "metrics",
    "readyz",
    "audio",
    "batches",
    "cancel",
    "chat",
    "checkpoints",
    "compact",
    "complete",
    "completions",
    "containers",
    "content",
    "conversations",
    "edits",
    "embeddings",
    "evals",
    "events",
    "files",
    "fine_tuning",
    "generations",
    "images",
    "input_items",
    "input_tokens",
    "items",
    "jobs",
    "messages",
    "models",
    "moderations",
    "parts",
    "realtime",
    "responses",
    "runs",
    "speech",
    "transcriptions",
    "translations",
    "uploads",
    "variations",
    "vector_stores",
    "videos",
];

/// A path without what names one thing alone: `/v1/files/{id}/content`.
pub(crate) fn route_of(path: &str) -> String {
    let mut route = String::new();
    for segment in path.split('/').skip(1).take(MOST_SEGMENTS) {
        route.push('/');
        let is_word = WORDS.contains(&segment);
        route.push_str(if is_word { segment } else { "{id}" });
    }
    route
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
            ("/v1/files/planted", "/v1/files/{id}"),
            ("/v1/chat/completions", "/v1/chat/completions"),
        ] {
            assert_eq!(route_of(path), route);
        }
        assert!(route_of(&"/a".repeat(1000)).len() <= 40);
    }
}
