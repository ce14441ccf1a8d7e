//! What the two ends of a connection agree on about compression. *Source:* RFC 7692, section 7.1;
//! the grammar is that of RFC 6455, section 9.1.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_EXTENSIONS};

const PERMESSAGE_DEFLATE: &str = "permessage-deflate";

/// What an upstream is offered: the same as by Codex itself (wire reference 7.1).
pub(super) const OFFER: HeaderValue =
    HeaderValue::from_static("permessage-deflate; client_max_window_bits");

/// How the messages of one connection may be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compression {
    /// The window of what we send, as a power of two; nothing if none of it is compressed.
    pub(super) window_bits: Option<u8>,
    /// Whether what we receive may refer to the messages before it.
    pub(super) takeover: bool,
}

impl Compression {
    /// Agrees to the first offer of a client that can be kept, and says so in these words.
    ///
    /// What it sends may be compressed, each message for itself, so that nothing is kept for an
    /// idle connection. What it is sent is not: deltas are small, and the way to it is short.
    pub(super) fn accept(offers: &HeaderMap) -> Option<(Self, HeaderValue)> {
        let offers = extensions(offers)?;
        let offer = offers.iter().find_map(Parameters::offered)?;
        let mut answer = format!("{PERMESSAGE_DEFLATE}; client_no_context_takeover");
        if offer.server_no_context_takeover {
            answer.push_str("; server_no_context_takeover");
        }
        // Who sends nothing compressed keeps to any window.
        if let Some(bits) = offer.server_max_window_bits {
            write!(answer, "; server_max_window_bits={bits}").expect("a string takes all");
        }
        let compression = Self {
            window_bits: None,
            takeover: false,
        };
        let answer = HeaderValue::try_from(answer).expect("all of it is visible ASCII");
        Some((compression, answer))
    }

    /// What a server made of [`OFFER`]; an error if it is something that was not offered.
    pub(super) fn answered(answer: &HeaderMap) -> Result<Option<Self>, NotOffered> {
        if !answer.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
            return Ok(None);
        }
        let [extension] = extensions(answer)
            .and_then(|all| <[Extension; 1]>::try_from(all).ok())
            .ok_or(NotOffered)?;
        let answer = Parameters::answered(&extension).ok_or(NotOffered)?;
        let window_bits = match answer.client_max_window_bits {
            Some(bits) => Some(bits).filter(|bits| *bits >= SMALLEST_WINDOW_BITS),
            None => Some(LARGEST_WINDOW_BITS),
        };
        Ok(Some(Self {
            window_bits,
            takeover: !answer.server_no_context_takeover,
        }))
    }
}

/// A server agreed to something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotOffered;

const LARGEST_WINDOW_BITS: u8 = 15;
/// The standard has 8 too, which no version of zlib can compress with; then nothing is compressed.
const SMALLEST_WINDOW_BITS: u8 = 9;

#[derive(Debug, Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: Option<u8>,
}

impl Parameters {
    /// Nothing if an offer is one that must be declined (RFC 7692, section 7.1).
    fn offered(extension: &Extension) -> Option<Self> {
        Self::parse(extension, true)
    }

    fn answered(extension: &Extension) -> Option<Self> {
        Self::parse(extension, false)
    }

    fn parse(extension: &Extension, offer: bool) -> Option<Self> {
        if extension.name != PERMESSAGE_DEFLATE {
            return None;
        }
        let mut all = Self::default();
        for (index, (name, value)) in extension.parameters.iter().enumerate() {
            let twice = extension.parameters[..index]
                .iter()
                .any(|(it, _)| it == name);
            if twice {
                return None;
            }
            let value = value.as_deref();
            match (*name, value) {
                ("server_no_context_takeover", None) => all.server_no_context_takeover = true,
                ("client_no_context_takeover", None) => all.client_no_context_takeover = true,
                ("server_max_window_bits", Some(bits)) => {
                    all.server_max_window_bits = Some(window_bits(bits)?);
                }
                ("client_max_window_bits", Some(bits)) => {
                    all.client_max_window_bits = Some(window_bits(bits)?);
                }
                // In an offer: "choose any".
                ("client_max_window_bits", None) if offer => {}
                _ => return None,
            }
        }
        Some(all)
    }
}

/// 8 to 15, without a leading zero.
fn window_bits(value: &str) -> Option<u8> {
    let bits = value.parse().ok()?;
    let canonical = (8..=LARGEST_WINDOW_BITS).contains(&bits) && bits.to_string() == value;
    canonical.then_some(bits)
}

#[derive(Debug)]
struct Extension<'a> {
    name: &'a str,
    parameters: Vec<(&'a str, Option<String>)>,
}

/// All of them, in order; nothing if any value is malformed.
fn extensions(headers: &HeaderMap) -> Option<Vec<Extension<'_>>> {
    let mut all = Vec::new();
    for value in headers.get_all(SEC_WEBSOCKET_EXTENSIONS) {
        for extension in value.to_str().ok()?.split(',') {
            let mut parts = extension.split(';').map(str::trim);
            let name = parts.next().filter(|name| !name.is_empty())?;
            let parameters = parts.map(parameter).collect::<Option<_>>()?;
            all.push(Extension { name, parameters });
        }
    }
    Some(all)
}

/// A quoted value is the token between the quotes: it may hold no separator (RFC 6455, section 9.1).
fn parameter(text: &str) -> Option<(&str, Option<String>)> {
    let Some((name, value)) = text.split_once('=') else {
        return (!text.is_empty()).then_some((text, None));
    };
    let value = value.trim();
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let value = inner.unwrap_or(value).replace('\\', "");
    let name = name.trim();
    (!name.is_empty() && !value.is_empty()).then_some((name, Some(value)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| value.parse().unwrap());
        values
            .map(|value| (SEC_WEBSOCKET_EXTENSIONS, value))
            .collect()
    }

    #[test]
    fn the_first_offer_that_can_be_kept_is_accepted() {
        const ALONE: &str = "permessage-deflate; client_no_context_takeover";
        for (offers, answer) in [
            (&["permessage-deflate"][..], Some(ALONE)),
            (&["permessage-deflate; client_max_window_bits"], Some(ALONE)),
            (
                &["permessage-deflate; client_max_window_bits=10"],
                Some(ALONE),
            ),
            (
                &["permessage-deflate;server_max_window_bits=\"10\""],
                Some("permessage-deflate; client_no_context_takeover; server_max_window_bits=10"),
            ),
            (
                &["permessage-deflate; server_no_context_takeover; client_no_context_takeover"],
                Some("permessage-deflate; client_no_context_takeover; server_no_context_takeover"),
            ),
            (
                &[
                    "x-frame-deflate",
                    "permessage-deflate; new, permessage-deflate",
                ],
                Some(ALONE),
            ),
            (&["permessage-deflate; new"], None),
            (&["permessage-deflate; server_max_window_bits"], None),
            (&["permessage-deflate; server_max_window_bits=7"], None),
            (&["permessage-deflate; server_max_window_bits=08"], None),
            (&["permessage-deflate; client_max_window_bits=16"], None),
            (&["permessage-deflate; client_no_context_takeover=1"], None),
            (
                &["permessage-deflate; client_max_window_bits; client_max_window_bits=9"],
                None,
            ),
            (&["permessage-deflate;"], None),
            (&["permessage-bzip2"], None),
            (&[""], None),
            (&[], None),
        ] {
            let accepted = Compression::accept(&headers(offers)).map(|it| it.1);
            assert_eq!(
                accepted.as_ref().map(|it| it.to_str().unwrap()),
                answer,
                "{offers:?}"
            );
        }
    }

    #[test]
    fn an_answer_is_kept_to_or_is_none() {
        let agreed = |window_bits, takeover| {
            Ok(Some(Compression {
                window_bits,
                takeover,
            }))
        };
        for (answer, expected) in [
            (&[][..], Ok(None)),
            (&["permessage-deflate"], agreed(Some(15), true)),
            (
                &["permessage-deflate; client_max_window_bits=10; server_max_window_bits=9"],
                agreed(Some(10), true),
            ),
            (
                &["permessage-deflate; client_max_window_bits=8"],
                agreed(None, true),
            ),
            (
                &["permessage-deflate; server_no_context_takeover; client_no_context_takeover"],
                agreed(Some(15), false),
            ),
            (
                &["permessage-deflate; client_max_window_bits"],
                Err(NotOffered),
            ),
            (&["permessage-deflate; new"], Err(NotOffered)),
            (&["permessage-deflate, permessage-deflate"], Err(NotOffered)),
            (&["permessage-deflate, other"], Err(NotOffered)),
            (&["other"], Err(NotOffered)),
            (&[""], Err(NotOffered)),
        ] {
            assert_eq!(
                Compression::answered(&headers(answer)),
                expected,
                "{answer:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_offer_is_a_panic(offer in "[a-z0-9_=;,\" \\\\-]{0,60}") {
            let offer = headers(&[&offer]);
            let _ = (Compression::accept(&offer), Compression::answered(&offer));
        }
    }
}
