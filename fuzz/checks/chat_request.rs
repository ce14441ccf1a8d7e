//! Any body is either a Responses request that the ChatGPT backend takes, or a 400.

use codex_proxy::chat::{ReasoningFormat, request::translate};

use crate::backend;

pub(crate) fn check(bytes: &[u8]) {
    match translate(bytes, ReasoningFormat::default()) {
        Ok(translated) => backend::accepts(&translated.body),
        Err(error) => assert_eq!(error.status.as_u16(), 400),
    }
}
