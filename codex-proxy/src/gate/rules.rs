use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header, uri::Authority,
};

use super::path;
use crate::ApiError;

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
    if let Some(error) = ambiguous(request) {
        return Some(error);
    }
    if headers.keys().any(is_of_proxy) {
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

/// Why a request could be another one to whoever reads it next.
fn ambiguous<B>(request: &Request<B>) -> Option<ApiError> {
    let headers = request.headers();
    // An answer to TRACE would show the login (RFC 9110, section 9.3.8); CONNECT is for proxies.
    if [Method::TRACE, Method::CONNECT].contains(request.method()) {
        let message = format!("{} is not answered here", request.method());
        let error = ApiError::invalid_request("method_not_allowed", message);
        return Some(error.with_status(StatusCode::METHOD_NOT_ALLOWED));
    }
    if !path::is_plain(request.uri().path()) {
        let message = "the path could be read in more than one way: write it without `//`, dots, \
                       or characters encoded that need it not";
        return Some(ApiError::invalid_request("invalid_path", message));
    }
    // Each of them says where the body ends (RFC 9112, section 6.3).
    if headers.contains_key(header::CONTENT_LENGTH)
        && headers.contains_key(header::TRANSFER_ENCODING)
    {
        let message = "the request says in two ways how long its body is";
        return Some(ApiError::invalid_request("invalid_framing", message));
    }
    None
}

/// Says that a proxy forwarded the request, so that its peer address is not its author's.
fn is_of_proxy(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "forwarded" | "x-real-ip") || name.starts_with("x-forwarded-")
}

/// The authority a request is addressed to (RFC 9110, section 7.2). Two that are not the same are
/// an attempt at smuggling.
fn effective_host<B>(request: &Request<B>) -> Option<Authority> {
    let named = match request.uri().authority() {
        Some(authority) if !request.headers().contains_key(header::HOST) => authority.clone(),
        Some(authority) => host_field(request.headers()).filter(|host| host == authority)?,
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
        request.uri().path().trim_end_matches('/'),
        "/v1/responses" | "/v1/chat/completions" | "/v1/completions" | "/v1/embeddings"
    );
    request.method() == Method::POST && json_route && !is_json(request.headers())
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let Ok(value) = value.to_str() else {
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
