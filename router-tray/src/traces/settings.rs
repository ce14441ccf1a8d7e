//! Whether traces are to be sent, as far as the libraries do not read it by themselves.
//! *Source:* OpenTelemetry, environment variable specification; OTLP exporter specification.

use std::time::Duration;

/// The specification's own.
const TIMEOUT: Duration = Duration::from_secs(10);

/// They are to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// `OTEL_SERVICE_NAME`.
    pub(super) service_name: Option<String>,
    /// How long one batch may take.
    pub(super) timeout: Duration,
}

/// A setting that says something else than what can be done.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unknown {
    #[error("OTEL_TRACES_EXPORTER is neither `otlp` nor `none`")]
    Exporter,
    #[error("this program speaks OTLP as `http/protobuf` alone, and {0} is something else")]
    Protocol(&'static str),
}

/// Reads what the environment says. An empty variable is none.
pub(super) fn wanted(read: impl Fn(&str) -> Option<String>) -> Result<Option<Wanted>, Unknown> {
    let read = |name: &str| read(name).filter(|value| !value.trim().is_empty());
    let is_disabled = read("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"));
    let endpoints = [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ];
    if is_disabled || endpoints.iter().all(|name| read(name).is_none()) {
        return Ok(None);
    }
    match read("OTEL_TRACES_EXPORTER").as_deref() {
        None | Some("otlp") => {}
        Some("none") => return Ok(None),
        Some(_) => return Err(Unknown::Exporter),
    }
    let protocols = [
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ];
    if let Some(name) = protocols.into_iter().find(|name| read(name).is_some())
        && read(name).as_deref() != Some("http/protobuf")
    {
        return Err(Unknown::Protocol(name));
    }
    let timeouts = [
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
    ];
    let timeout = timeouts.iter().find_map(|name| read(name)?.parse().ok());
    Ok(Some(Wanted {
        service_name: read("OTEL_SERVICE_NAME"),
        timeout: timeout.map_or(TIMEOUT, Duration::from_millis),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");

    fn of(variables: &[(&str, &str)]) -> Result<Option<Wanted>, Unknown> {
        wanted(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_is_sent_unless_an_endpoint_is_named() {
        for variables in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            &[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_SERVICE_NAME", "x")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert_eq!(of(variables), Ok(None), "{variables:?}");
        }
        for variables in [
            &[ENDPOINT][..],
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost/x")],
            &[
                ENDPOINT,
                ("OTEL_SDK_DISABLED", "no"),
                ("OTEL_TRACES_EXPORTER", "otlp"),
            ],
            &[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
        ] {
            assert!(of(variables).unwrap().is_some(), "{variables:?}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_said_by_its_name() {
        let exporter = of(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "zipkin")]);
        assert_eq!(exporter, Err(Unknown::Exporter));
        let protocol = of(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert_eq!(
            protocol,
            Err(Unknown::Protocol("OTEL_EXPORTER_OTLP_PROTOCOL"))
        );
    }

    #[test]
    fn the_variable_for_traces_goes_before_the_one_for_all() {
        let all = ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2000");
        let timeout = |variables: &[_]| of(variables).unwrap().unwrap().timeout;
        assert_eq!(timeout(&[ENDPOINT]), TIMEOUT);
        assert_eq!(timeout(&[ENDPOINT, all]), Duration::from_secs(1));
        assert_eq!(timeout(&[ENDPOINT, all, traces]), Duration::from_secs(2));
    }
}
