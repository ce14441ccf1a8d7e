use http::{Request, StatusCode, Version};

use super::rules::refusal;

fn judged(path: &str, headers: &[(&str, &str)]) -> Option<(StatusCode, String)> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let error = refusal(
        &request.body(()).unwrap(),
        &["router.test:1".into(), "router.test".into()],
    )?;
    Some((error.status, error.code.unwrap()))
}

fn refused(headers: &[(&str, &str)]) -> Option<String> {
    judged("/v1/models", headers).map(|(_, code)| code)
}

#[test]
fn a_local_program_passes() {
    for host in [
        "localhost:9876",
        "LOCALHOST",
        "127.0.0.1:9876",
        "127.0.0.53",
        "[::1]:9876",
        "router.test",
    ] {
        assert_eq!(refused(&[("host", host)]), None, "{host}");
    }
}

#[test]
fn a_name_that_was_rebound_to_loopback_is_refused() {
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "192.168.1.2:9876",
        "0.0.0.0",
    ] {
        assert_eq!(
            refused(&[("host", host)]).as_deref(),
            Some("host_not_allowed"),
            "{host}"
        );
    }
}

#[test]
fn a_request_without_one_clear_host_is_refused() {
    assert_eq!(refused(&[]).as_deref(), Some("invalid_host"));
    let twice = [("host", "localhost"), ("host", "evil.example")];
    assert_eq!(refused(&twice).as_deref(), Some("invalid_host"));
    let with_a_name_before_it = [("host", "user@localhost")];
    assert_eq!(
        refused(&with_a_name_before_it).as_deref(),
        Some("invalid_host")
    );
}

#[test]
fn a_page_of_another_origin_is_refused_whatever_the_method() {
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost:3000",
        "https://localhost:9876",
    ] {
        let headers = [("host", "localhost:9876"), ("origin", origin)];
        assert_eq!(
            refused(&headers).as_deref(),
            Some("origin_not_allowed"),
            "{origin}"
        );
    }
    for site in ["cross-site", "same-site", "new-word"] {
        let headers = [("host", "localhost:9876"), ("sec-fetch-site", site)];
        assert_eq!(
            refused(&headers).as_deref(),
            Some("origin_not_allowed"),
            "{site}"
        );
    }
}

#[test]
fn the_routers_own_page_passes() {
    let headers = [
        ("host", "localhost:9876"),
        ("origin", "http://localhost:9876"),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(refused(&headers), None);
    assert_eq!(
        refused(&[("host", "localhost:9876"), ("sec-fetch-site", "none")]),
        None
    );
}

#[test]
fn a_forwarded_request_is_not_a_local_one() {
    for name in [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-real-ip",
    ] {
        let headers = [("host", "localhost"), (name, "x")];
        assert_eq!(
            refused(&headers).as_deref(),
            Some("forwarded_request"),
            "{name}"
        );
    }
}

#[test]
fn the_http_2_authority_counts_as_the_host() {
    let request = Request::get("http://evil.example/v1/models").version(Version::HTTP_2);
    let error = refusal(&request.body(()).unwrap(), &[]).unwrap();
    assert_eq!(error.code.as_deref(), Some("host_not_allowed"));
}

#[test]
fn a_json_route_wants_a_json_body() {
    let post = |content_type: Option<&str>| {
        let mut request = Request::post("/v1/responses").header("host", "localhost");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        refusal(&request.body(()).unwrap(), &[]).map(|error| error.status)
    };
    assert_eq!(post(Some("application/json")), None);
    assert_eq!(post(Some("Application/JSON; charset=utf-8")), None);
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("jsonish"),
    ] {
        assert_eq!(post(content_type), Some(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
}

#[test]
fn two_hosts_that_are_not_the_same_are_none() {
    let judged = |uri: &str, host: &str| {
        let request = Request::get(uri).header("host", host).body(()).unwrap();
        refusal(&request, &[]).map(|error| error.code.unwrap())
    };
    assert_eq!(judged("http://localhost:1/x", "LOCALHOST:1"), None);
    for host in ["localhost:2", "evil.example"] {
        let refused = judged("http://localhost:1/x", host);
        assert_eq!(refused.as_deref(), Some("invalid_host"), "{host}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let judged = |request: http::request::Builder| {
        let request = request.header("host", "localhost").body(()).unwrap();
        refusal(&request, &[]).map(|error| (error.status.as_u16(), error.code.unwrap()))
    };
    let code = |code: &str, status| Some((status, code.to_owned()));
    for method in ["TRACE", "CONNECT"] {
        let request = Request::builder().method(method).uri("/v1/models");
        assert_eq!(judged(request), code("method_not_allowed", 405));
    }
    assert_eq!(judged(Request::get("/v1/%2e/x")), code("invalid_path", 400));
    let framed = Request::post("/v1/files")
        .header("content-length", "5")
        .header("transfer-encoding", "chunked");
    assert_eq!(judged(framed), code("invalid_framing", 400));
    let typed = Request::post("/v1/responses/")
        .header("content-type", "application/json")
        .header("content-type", "text/plain");
    assert_eq!(judged(typed), code("unsupported_media_type", 415));
}
