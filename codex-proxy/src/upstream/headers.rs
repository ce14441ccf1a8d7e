use codex_auth::{
    Backend,
    credentials::{CHATGPT_ACCOUNT_ID, X_OPENAI_FEDRAMP},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

const ORIGINATOR: HeaderName = HeaderName::from_static("originator");
/// How this program calls itself to the servers.
const OUR_ORIGINATOR: &str = "codex_router";
pub(crate) const OUR_USER_AGENT: &str = concat!("codex_router/", env!("CARGO_PKG_VERSION"));

/// Meant for one connection only (RFC 9110, section 7.6.1), or about the trailers of a body, which
/// are not passed on.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Put in by the layers outside: no client may take them off again by naming them in `Connection`.
const OURS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    CHATGPT_ACCOUNT_ID,
    X_OPENAI_FEDRAMP,
    HeaderName::from_static("x-openai-account-routing-override"),
];

/// Between the client and this program alone: its cookies, its browser, its idea of encodings.
const NOT_FOR_UPSTREAM: [HeaderName; 16] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::ACCEPT_ENCODING,
    header::COOKIE,
    header::EXPECT,
    header::ORIGIN,
    header::REFERER,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("x-request-id"),
    // Which work of the client's it belongs to, and what that carries along (W3C Trace Context,
    // W3C Baggage): for the collector of whoever runs both.
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
    // Other forms of the key that the client holds for this program.
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
];

/// All that the ChatGPT backend is told by a client that is not Codex.
const FROM_OTHER_CLIENTS: [HeaderName; 9] = [
    header::ACCEPT,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    CHATGPT_ACCOUNT_ID,
    X_OPENAI_FEDRAMP,
    HeaderName::from_static("x-openai-account-routing-override"),
    HeaderName::from_static("session-id"),
    HeaderName::from_static("thread-id"),
];

/// True of this server's connections and state only; the catalogue's `ETag` is the router's own.
const NOT_FOR_CLIENT: [HeaderName; 4] = [
    header::SET_COOKIE,
    header::ALT_SVC,
    header::STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("x-models-etag"),
];

/// Whether a request comes from Codex itself, whose headers and bodies pass untouched, since the
/// backend accepts them as they are.
///
/// By `originator`, else by `user-agent`, either of which begins with `codex` in any case (its
/// desktop program begins with `Codex`); this program, which calls itself `codex_router`, is not
/// Codex. *Source:* wire reference 5.3.
#[must_use]
pub fn is_codex_client(headers: &HeaderMap) -> bool {
    let names_codex = |name: &HeaderName| {
        let value = headers.get(name).map(HeaderValue::as_bytes);
        let value = value.unwrap_or_default();
        begins_with(value, b"codex") && !begins_with(value, OUR_ORIGINATOR.as_bytes())
    };
    names_codex(&ORIGINATOR) || names_codex(&header::USER_AGENT)
}

fn begins_with(value: &[u8], beginning: &[u8]) -> bool {
    (value.get(..beginning.len())).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}

/// Makes a client's headers those of a request to a server of this kind.
pub(super) fn prepare_request(headers: &mut HeaderMap, backend: Backend) {
    remove_hop_by_hop(headers);
    remove_all(headers, &NOT_FOR_UPSTREAM);
    if backend == Backend::ChatGpt && !is_codex_client(headers) {
        introduce_ourselves(headers);
    }
}

/// Makes a server's headers those of an answer to a client. What allows pages of other origins to
/// read an answer (CORS) was said for the server's own pages, never for the router's.
pub(super) fn prepare_answer(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    remove_all(headers, &NOT_FOR_CLIENT);
    let cross_origin: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    remove_all(headers, &cross_origin);
}

/// Says who calls, and nothing of the client that is not needed.
pub(super) fn introduce_ourselves(headers: &mut HeaderMap) {
    let foreign: Vec<HeaderName> = headers
        .keys()
        .filter(|name| !FROM_OTHER_CLIENTS.contains(name))
        .cloned()
        .collect();
    remove_all(headers, &foreign);
    headers.insert(ORIGINATOR, HeaderValue::from_static(OUR_ORIGINATOR));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(OUR_USER_AGENT));
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let named: Vec<HeaderName> = named
        .into_iter()
        .filter(|name| !OURS.contains(name))
        .collect();
    remove_all(headers, &named);
    remove_all(headers, &HOP_BY_HOP);
}

fn remove_all(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn hop_by_hop_headers_and_those_named_by_connection_stay_here() {
        let mut map = headers(&[
            ("connection", "close, x-mine"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("host", "localhost"),
            ("cookie", "a=b"),
            ("accept-encoding", "gzip"),
            ("traceparent", "00-1-2-01"),
            ("tracestate", "a=b"),
            ("baggage", "a=b"),
            ("x-theirs", "1"),
        ]);
        prepare_request(&mut map, Backend::OpenAi);
        assert_eq!(names(&map), ["x-theirs"]);
    }

    #[test]
    fn a_client_cannot_take_the_login_off_its_request() {
        let mut map = headers(&[
            ("connection", "authorization, ChatGPT-Account-Id, x-mine"),
            ("authorization", "Bearer t"),
            ("chatgpt-account-id", "acct"),
            ("x-mine", "1"),
        ]);
        prepare_request(&mut map, Backend::OpenAi);
        assert_eq!(names(&map), ["authorization", "chatgpt-account-id"]);
    }

    #[test]
    fn a_codex_clients_own_headers_are_passed_on() {
        let mut map = headers(&[
            ("originator", "codex_exec"),
            ("user-agent", "codex_exec/0.169.0"),
            ("x-codex-turn-state", "s"),
            ("version", "0.169.0"),
        ]);
        let before = map.clone();
        prepare_request(&mut map, Backend::ChatGpt);
        assert_eq!(map, before);
    }

    #[test]
    fn codex_is_known_by_either_name_in_any_case_and_we_are_not_codex() {
        for (name, value, expected) in [
            ("originator", "codex_exec", true),
            ("originator", "Codex Desktop", true),
            ("user-agent", "codex-tui/0.169.0", true),
            ("x-other", "codex", false),
            ("user-agent", "OpenAI/Python 2.8.0", false),
            ("user-agent", "codex_router/0.1.0", false),
            ("originator", "code", false),
        ] {
            assert_eq!(
                is_codex_client(&headers(&[(name, value)])),
                expected,
                "{value}"
            );
        }
        assert!(!is_codex_client(&HeaderMap::new()));
    }

    #[test]
    fn for_any_other_client_we_call_as_ourselves() {
        let mut map = headers(&[
            ("user-agent", "OpenAI/Python 3"),
            ("x-stainless-os", "Linux"),
            ("authorization", "Bearer t"),
            ("content-type", "application/json"),
        ]);
        prepare_request(&mut map, Backend::ChatGpt);
        assert_eq!(
            names(&map),
            ["authorization", "content-type", "originator", "user-agent"]
        );
        assert_eq!(map["originator"], "codex_router");
        assert!(!is_codex_client(&map), "our own name is not a disguise");
    }

    #[test]
    fn an_api_keys_request_keeps_its_clients_headers() {
        let mut map = headers(&[("user-agent", "OpenAI/Python 3"), ("openai-beta", "x")]);
        prepare_request(&mut map, Backend::OpenAi);
        assert_eq!(names(&map), ["openai-beta", "user-agent"]);
    }

    #[test]
    fn the_servers_cookies_and_cors_headers_do_not_reach_the_client() {
        let mut map = headers(&[
            ("set-cookie", "a"),
            ("connection", "close"),
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "x-request-id"),
            ("x-request-id", "r"),
        ]);
        prepare_answer(&mut map);
        assert_eq!(names(&map), ["x-request-id"]);
    }
}
