//! Paths that can be read in more than one way.

/// Whether everybody who reads this path reads the same: the routes here, the rules of the gate, and
/// the upstream. One that begins with `//`, has dots for segments, or encodes what means itself (RFC
/// 3986, sections 3.3 and 6.2.2) is another path to some of them.
pub(super) fn is_plain(path: &str) -> bool {
    !path.contains("//")
        && !path.contains('\\')
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
        && encoded(path).all(|byte| byte.is_some_and(|byte| may_be_encoded(byte, path)))
}

/// What is behind each `%`; nothing where that is no two hexadecimal digits.
fn encoded(path: &str) -> impl Iterator<Item = Option<u8>> {
    let parts = path.split('%').skip(1);
    parts.map(|part| {
        let digits = part
            .get(..2)
            .filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()));
        u8::from_str_radix(digits?, 16).ok()
    })
}

/// Neither a character that needs it not, nor a control character, nor one that separates segments,
/// but in the control API, which passes nothing on: a key may have any name.
fn may_be_encoded(byte: u8, path: &str) -> bool {
    let means_itself = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let separates = b"/\\".contains(&byte) && !path.starts_with("/api/");
    !means_itself && !separates && !byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_means_one_thing_passes() {
        for path in [
            "/",
            "/v1/models",
            "/v1/models/",
            "/v1/models/openai/gpt-5.2",
            "/api/profiles/a%20b%C3%BC%25",
            "/api/keys/home%2Feditor",
            "/v1/files/a..b/.c",
            "*",
            "",
        ] {
            assert!(is_plain(path), "{path}");
        }
    }

    #[test]
    fn a_path_that_somebody_could_read_otherwise_does_not() {
        for path in [
            "//evil.example/v1/models",
            "/v1//responses",
            "/v1/./responses",
            "/v1/responses/..",
            "/v1/%2e%2E/x",
            "/v1/.%2e/x",
            "/v1/%72esponses",
            "/v1/a%2fb",
            "/v1/a%5Cb",
            "/v1/a\\b",
            "/v1/a%00",
            "/v1/a%0d%0ab",
            "/v1/a%7f",
            "/v1/a%",
            "/v1/a%2",
            "/v1/a%zz",
            "/v1/a%+1",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
