//! Which variables a service is given: those that a person names, and never a password.

use std::ffi::OsString;

use super::{ServiceError, plain};

/// Those that the program knows. *Source:* the contract, section 11.
const KNOWN: &[&str] = &[
    "CODEX_HOME",
    "CODEX_ROUTER_LISTEN",
    "CODEX_ROUTER_CHATGPT_BASE_URL",
    "CODEX_ROUTER_OPENAI_BASE_URL",
    "CODEX_ROUTER_AUTH_ISSUER",
    "CODEX_REFRESH_TOKEN_URL_OVERRIDE",
    "CODEX_REVOKE_TOKEN_URL_OVERRIDE",
    "CODEX_ROUTER_LOG",
    "CODEX_ROUTER_LOG_FORMAT",
    "RUST_LOG",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "CODEX_CA_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
];

/// The variables of these names with their values. The home is an argument, and none of them.
///
/// # Errors
/// A name that the program does not know, one that is not set, and a value that holds a password.
pub(crate) fn chosen(
    names: &[String],
    read: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<(String, String)>, ServiceError> {
    let mut chosen = Vec::new();
    for name in names {
        if !KNOWN.contains(&name.as_str()) {
            let known = KNOWN.join(", ");
            return Err(usage(format!("`--env` takes one of {known}")));
        }
        let value = read(name).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| usage(format!("{name} is not set here")))?;
        let value = value.into_string();
        let value = value.map_err(|_| usage(format!("{name} is not UTF-8")))?;
        plain(&value)?;
        if holds_login(name, &value) {
            let told = "holds a user name or a password, which a service's file is no place for";
            return Err(usage(format!("{name} {told}")));
        }
        if name != "CODEX_HOME" && chosen.iter().all(|(known, _)| known != name) {
            chosen.push((name.clone(), value));
        }
    }
    chosen.sort_unstable();
    Ok(chosen)
}

/// Those that are set here and were not named.
pub(crate) fn left_out(
    names: &[String],
    home_is_given: bool,
    read: impl Fn(&str) -> Option<OsString>,
) -> Vec<&'static str> {
    let known = KNOWN.iter().copied();
    known
        .filter(|name| read(name).is_some_and(|value| !value.is_empty()))
        .filter(|name| names.iter().all(|named| named != name))
        .filter(|name| *name != "CODEX_HOME" || !home_is_given)
        .collect()
}

/// What stands before an `@` in an address, whether or not it is a whole URL.
fn holds_login(name: &str, value: &str) -> bool {
    let ends = [
        "_PROXY",
        "_proxy",
        "_URL",
        "_OVERRIDE",
        "_ISSUER",
        "_LISTEN",
        "_ENDPOINT",
    ];
    value.contains('@') && ends.iter().any(|end| name.ends_with(end))
}

fn usage(told: String) -> ServiceError {
    ServiceError::Usage(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Option<OsString> {
        let value = match name {
            "HTTPS_PROXY" | "ALL_PROXY" => "http://ann:secret@proxy:8080",
            "https_proxy" => "ann:secret@proxy:8080",
            "NO_PROXY" => "localhost",
            "RUST_LOG" => "a\nb",
            "CODEX_HOME" => "/h",
            "CODEX_ROUTER_LOG" => "",
            "CODEX_ROUTER_LOG_FORMAT" => "json",
            _ => return None,
        };
        Some(value.into())
    }

    fn chosen_of(names: &[&str]) -> Result<Vec<(String, String)>, String> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        chosen(&names, read).map_err(|error| error.to_string())
    }

    #[test]
    fn a_password_never_gets_into_a_file_nor_into_what_is_said() {
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
            let told = chosen_of(&[name]).unwrap_err();
            assert!(
                told.contains("password") && !told.contains("secret"),
                "{told}"
            );
        }
    }

    #[test]
    fn only_what_is_known_and_set_is_taken_over() {
        let one = ("NO_PROXY".to_owned(), "localhost".to_owned());
        assert_eq!(
            chosen_of(&["NO_PROXY", "CODEX_HOME", "NO_PROXY"]),
            Ok(vec![one])
        );
        for (name, said) in [
            ("LD_PRELOAD", "`--env` takes one of"),
            ("SSL_CERT_FILE", "is not set here"),
            ("CODEX_ROUTER_LOG", "is not set here"),
            ("RUST_LOG", "control characters"),
        ] {
            let told = chosen_of(&[name]).unwrap_err();
            assert!(told.contains(said), "{told}");
        }
    }

    #[test]
    fn what_is_set_and_left_out_is_said_by_name_alone() {
        let left = left_out(&["NO_PROXY".to_owned()], true, read);
        assert_eq!(
            left,
            [
                "CODEX_ROUTER_LOG_FORMAT",
                "RUST_LOG",
                "HTTPS_PROXY",
                "https_proxy",
                "ALL_PROXY"
            ]
        );
        assert_eq!(left_out(&[], false, read)[0], "CODEX_HOME");
    }
}
