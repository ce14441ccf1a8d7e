//! How this program calls the issuer.

use std::time::Duration;

use http::header::{HeaderName, USER_AGENT};

/// The program that calls, in the header that OpenAI's services read.
const ORIGINATOR_HEADER: HeaderName = HeaderName::from_static("originator");
/// We say who we are, and never that we are Codex.
pub(crate) const ORIGINATOR: &str = "codex_router";

/// A POST that is given up after `limit`.
pub(crate) fn post(
    client: &reqwest::Client,
    url: &str,
    limit: Duration,
) -> reqwest::RequestBuilder {
    client
        .post(url)
        .header(ORIGINATOR_HEADER, ORIGINATOR)
        .header(
            USER_AGENT,
            concat!("codex_router/", env!("CARGO_PKG_VERSION")),
        )
        .timeout(limit)
}

/// Whether the request never left this machine.
pub(crate) fn was_not_sent(error: &reqwest::Error) -> bool {
    error.is_connect() || error.is_builder()
}
