use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header, uri::Authority};

use crate::ApiError;

/// Says that a proxy forwarded the request, so that its peer address is not its author's.
const FORWARDING_HEADERS: [&str; 4] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Why a request is refused, if it is. `hosts` are the names it may be addressed to.
pub(super) fn refusal<B>(request: &Request<B>, hosts: &[String]) -> Option<ApiError> {
    let headers = request.headers();
    let Some(host) = effective_host(request) else {
        return Some(bad_request("the request names no host, or more than one"));
    };
    if !is_allowed_host(host.host(), hosts) {
        let message = format!(
            "the router does not answer to the host `{}`: use http://localhost or http://127.0.0.1",
            host.host()
        );
        return Some(forbidden("host_not_allowed", message));
    }
    if FORWARDING_HEADERS
        .iter()
        .any(|name| headers.contains_key(*name))
    {
        let message = "a forwarded request is not a local one: call the router directly";
        return Some(forbidden("forwarded_request", message));
    }
    if is_cross_site(headers) || has_foreign_origin(headers, &host) {
        let message = "web pages of other origins may not use the router";
        return Some(forbidden("origin_not_allowed", message));
    }
    wants_json(request).then(|| {
        let message = "send the body with `Content-Type: application/json`";
        ApiError::invalid_request("unsupported_media_type", message)
            .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    })
}

/// The authority a request is addressed to (RFC 9110, section 7.2). Two `Host` fields are an
/// attempt at smuggling.
fn effective_host<B>(request: &Request<B>) -> Option<Authority> {
    let named = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => host_field(request.headers())?,
    };
    // A name and password before it belong to no HTTP address (RFC 9110, section 4.2.4).
    Some(named).filter(|authority| !authority.as_str().contains('@'))
}

fn host_field(headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, None) = (hosts.next()?, hosts.next()) else {
        return None;
    };
    Authority::try_from(host.as_bytes()).ok()
}

fn is_allowed_host(host: &str, extra: &[String]) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
        || extra.iter().any(|name| name.eq_ignore_ascii_case(host))
}

fn is_cross_site(headers: &HeaderMap) -> bool {
    let own = |value: &HeaderValue| value == "none" || value == "same-origin";
    headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|value| !own(value))
}

fn has_foreign_origin(headers: &HeaderMap, host: &Authority) -> bool {
    let own = format!("http://{host}");
    headers
        .get_all(header::ORIGIN)
        .iter()
        .any(|origin| origin.as_bytes() != own.as_bytes())
}

/// The bodies of these routes are JSON; a page could send any other type without a preflight.
fn wants_json<B>(request: &Request<B>) -> bool {
    let json_route = matches!(
        request.uri().path(),
        "/v1/responses" | "/v1/chat/completions" | "/v1/completions" | "/v1/embeddings"
    );
    request.method() == Method::POST && json_route && !is_json(request.headers())
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn forbidden(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::invalid_request(code, message).with_status(StatusCode::FORBIDDEN)
}

fn bad_request(message: &str) -> ApiError {
    ApiError::invalid_request("invalid_host", message)
}
