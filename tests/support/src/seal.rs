//! Encrypted content that belongs to one account. It is not encrypted, only opaque to clients.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const PREFIX: &str = "gAAAAABfake";

/// Content that only `owner` may send back.
pub(crate) fn seal(owner: &str, serial: u64) -> String {
    format!(
        "{PREFIX}{}",
        URL_SAFE_NO_PAD.encode(format!("{serial}|{owner}"))
    )
}

/// Whose content it is; nothing if it is not ours.
pub(crate) fn owner(sealed: &str) -> Option<String> {
    let plain = URL_SAFE_NO_PAD.decode(sealed.strip_prefix(PREFIX)?).ok()?;
    let (_, owner) = std::str::from_utf8(&plain).ok()?.split_once('|')?;
    Some(owner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_content_names_its_owner_and_nothing_else_does() {
        assert_eq!(owner(&seal("acct-1", 7)).as_deref(), Some("acct-1"));
        assert_eq!(owner("gAAAAABsomethingelse"), None);
    }
}
