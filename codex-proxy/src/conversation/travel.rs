use std::{
    borrow::Cow,
    collections::HashSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, LazyLock},
};

use http::StatusCode;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::value::RawValue;

use super::threads::Thread;
use crate::{
    ApiError,
    json::{JsonStr, Object},
};

crate::json::never_shown!(Portable);

/// Digests of what another account encrypted in a conversation.
pub(super) type Foreign = HashSet<u64>;

/// What stays behind when a request goes to an account.
#[derive(Debug, Clone)]
pub(super) enum Leave {
    /// Nothing: the request passes to the byte.
    Nothing,
    /// What is known to be another account's; what this one made since is its own.
    Only(Arc<Foreign>),
    /// Everything that belongs to any account: it has just changed.
    Everything,
}

/// A request body as the account can read it.
#[derive(PartialEq, Eq)]
pub(super) struct Portable {
    pub(super) body: Vec<u8>,
    /// What was left behind: the client will send it again in every turn.
    pub(super) left: Foreign,
}

/// What becomes of the id of the response before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseBefore {
    /// It may be another account's.
    Left,
    /// It is one of this very connection, and so of this account.
    Kept,
}

/// Takes what belongs to another account out of a request body: encrypted reasoning, and the id of
/// the response before. All other values keep their bytes.
///
/// # Errors
/// A compacted conversation is readable to its own account alone, and cannot be taken apart.
pub(super) fn portable(
    body: &[u8],
    leave: &Leave,
    before: ResponseBefore,
) -> Result<Portable, ApiError> {
    let request: Object = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let mut left = Foreign::new();
    let rest = Rest::of(&request, leave, before, &mut left)?;
    let body = serde_json::to_vec(&rest).map_err(|_| unreadable())?;
    Ok(Portable { body, left })
}

/// Whether an error answer says that the account cannot read what another one encrypted. The code
/// may be missing. *Source:* wire reference 5.7.
pub(super) fn is_foreign_state(answer: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        error: Fault<'a>,
    }
    #[derive(Deserialize)]
    struct Fault<'a> {
        #[serde(borrow)]
        code: Option<Cow<'a, str>>,
        #[serde(borrow)]
        message: Option<Cow<'a, str>>,
    }
    let Ok(Answer { error }) = serde_json::from_slice(answer) else {
        return false;
    };
    match error.code.as_deref() {
        Some(code) => code == "invalid_encrypted_content",
        None => error
            .message
            .is_some_and(|message| message.contains("encrypted content")),
    }
}

/// The fields of a request that the account may send.
struct Rest<'a> {
    fields: Vec<(&'a str, &'a RawValue)>,
    input: Option<Vec<&'a RawValue>>,
}

impl<'a> Rest<'a> {
    fn of(
        request: &'a Object<'a>,
        leave: &Leave,
        before: ResponseBefore,
        left: &mut Foreign,
    ) -> Result<Self, ApiError> {
        let fields = request
            .iter()
            .filter(|(name, _)| before == ResponseBefore::Kept || *name != "previous_response_id")
            .collect();
        // An input that is no list holds no items of anybody.
        let items = request
            .field("input")
            .and_then(|raw| serde_json::from_str(raw.get()).ok());
        let input = items.map(|items| leave.behind(items, left)).transpose()?;
        Ok(Self { fields, input })
    }
}

impl Serialize for Rest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, value) in &self.fields {
            match &self.input {
                Some(items) if *name == "input" => map.serialize_entry(name, items)?,
                _ => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

impl Leave {
    /// By who served the thread last.
    pub(super) fn for_account(account: &str, thread: Option<&Thread>) -> Self {
        match thread {
            Some(thread) if thread.account != account => Self::Everything,
            Some(thread) if !thread.foreign.is_empty() => Self::Only(thread.foreign.clone()),
            _ => Self::Nothing,
        }
    }

    /// What was known to be foreign before.
    pub(super) fn known(&self) -> &Foreign {
        static NOTHING: LazyLock<Foreign> = LazyLock::new(Foreign::new);
        match self {
            Self::Only(foreign) => foreign,
            _ => &NOTHING,
        }
    }

    pub(super) fn applies_to(&self, digest: u64) -> bool {
        match self {
            Self::Nothing => false,
            Self::Only(foreign) => foreign.contains(&digest),
            Self::Everything => true,
        }
    }

    fn behind<'a>(
        &self,
        items: Vec<&'a RawValue>,
        left: &mut Foreign,
    ) -> Result<Vec<&'a RawValue>, ApiError> {
        let mut kept = Vec::with_capacity(items.len());
        for item in items {
            match Sealed::of(item).filter(|sealed| self.applies_to(sealed.digest)) {
                None => kept.push(item),
                Some(Sealed {
                    is_whole_history: true,
                    ..
                }) => return Err(compacted()),
                Some(Sealed { digest, .. }) => drop(left.insert(digest)),
            }
        }
        Ok(kept)
    }
}

/// An item that one account alone can read: what its model thought, or a summary of everything.
struct Sealed {
    digest: u64,
    is_whole_history: bool,
}

impl Sealed {
    fn of(item: &RawValue) -> Option<Self> {
        // Of a field given twice, the upstream reads the later.
        let item: Object = serde_json::from_str(item.get()).ok()?;
        let kind = item.field("type").and_then(JsonStr::new)?;
        let is_whole_history = match kind.decode().as_ref() {
            "reasoning" => false,
            "compaction" | "compaction_summary" | "context_compaction" => true,
            _ => return None,
        };
        let digest = digest(item.field("encrypted_content")?.get().as_bytes());
        Some(Self {
            digest,
            is_whole_history,
        })
    }
}

/// Tells sealed texts apart without keeping them.
pub(super) fn digest(sealed: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    sealed.hash(&mut hasher);
    hasher.finish()
}

fn compacted() -> ApiError {
    let message = "this conversation was compacted by another account, which alone can read the \
                   summary: go back to that profile, or start a new conversation";
    ApiError::router(
        StatusCode::BAD_REQUEST,
        "conversation_not_portable",
        message,
    )
}

fn unreadable() -> ApiError {
    ApiError::invalid_request("invalid_json", "the request body is not a JSON object")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moved(body: &str) -> Portable {
        portable(body.as_bytes(), &Leave::Everything, ResponseBefore::Left).unwrap()
    }

    fn text(portable: Portable) -> String {
        String::from_utf8(portable.body).unwrap()
    }

    #[test]
    fn encrypted_reasoning_and_the_response_before_stay_behind() {
        let body = r#"{"model":"m","previous_response_id":"resp_1","input":[
            {"type":"message","x":1.10},{"type":"reasoning","encrypted_content":"gAAA"},
            {"type":"reasoning","summary":[],"encrypted_content":null},{"no":"type"}],"store":false}"#;
        let kept = r#"{"type":"message","x":1.10},{"type":"reasoning","summary":[],"encrypted_content":null},{"no":"type"}"#;
        let expected = format!(r#"{{"model":"m","input":[{kept}],"store":false}}"#);
        assert_eq!(text(moved(body)), expected);
    }

    #[test]
    fn what_the_new_account_thinks_is_its_own() {
        let old = r#"{"type":"reasoning","encrypted_content":"old"}"#;
        let new = r#"{"type":"reasoning","encrypted_content":"new"}"#;
        let left = moved(&format!(r#"{{"input":[{old}]}}"#)).left;
        let later = format!(r#"{{"input":[{old},{new}]}}"#);
        let rest = portable(
            later.as_bytes(),
            &Leave::Only(Arc::new(left.clone())),
            ResponseBefore::Left,
        )
        .unwrap();
        assert_eq!(rest.left, left);
        assert_eq!(text(rest), format!(r#"{{"input":[{new}]}}"#));
    }

    #[test]
    fn an_input_that_is_a_text_is_left_alone() {
        assert_eq!(text(moved(r#"{"input": "hi" }"#)), r#"{"input":"hi"}"#);
    }

    #[test]
    fn a_compacted_conversation_is_told_what_to_do() {
        for kind in ["compaction", "compaction_summary", "context_compaction"] {
            let body = format!(r#"{{"input":[{{"type":"{kind}","encrypted_content":"gAAA"}}]}}"#);
            let error =
                portable(body.as_bytes(), &Leave::Everything, ResponseBefore::Left).unwrap_err();
            assert_eq!(error.code.as_deref(), Some("conversation_not_portable"));
            assert!(
                portable(
                    body.as_bytes(),
                    &Leave::Only(Arc::default()),
                    ResponseBefore::Left
                )
                .is_ok()
            );
        }
    }

    #[test]
    fn both_forms_of_the_refusal_are_known() {
        let message = "The encrypted content gAAA... could not be verified.";
        let coded = r#"{"error":{"code":"invalid_encrypted_content","message":"x"}}"#;
        let uncoded = format!(r#"{{"error":{{"code":null,"message":"{message}"}}}}"#);
        assert!(is_foreign_state(coded.as_bytes()));
        assert!(is_foreign_state(uncoded.as_bytes()));
        for other in [
            r#"{"error":{"code":"invalid_value","message":"encrypted content"}}"#,
            "{}",
            "<html>",
        ] {
            assert!(!is_foreign_state(other.as_bytes()), "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = portable(&bytes, &Leave::Everything, ResponseBefore::Left);
            let _ = is_foreign_state(&bytes);
        }
    }
}
