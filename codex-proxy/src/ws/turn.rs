use std::borrow::Cow;

use serde::Deserialize;
use tokio::{sync::watch, time::Instant};

use crate::responses::event::Ending;

/// The `type` of a message, which is a JSON object. Where it comes first, as it does in all that
/// OpenAI and Codex send, the rest of the message is not read.
#[must_use]
pub fn kind_of(message: &str) -> Option<Cow<'_, str>> {
    leading_kind(message)
        .map(Cow::Borrowed)
        .or_else(|| parsed_kind(message))
}

fn leading_kind(message: &str) -> Option<&str> {
    let rest = message.trim_start().strip_prefix('{')?.trim_start();
    let rest = rest.strip_prefix("\"type\"")?.trim_start();
    let value = rest.strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (kind, _) = value.split_once('"')?;
    (!kind.contains('\\')).then_some(kind)
}

fn parsed_kind(message: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        r#type: Cow<'a, str>,
    }
    // A list could stand for the struct too.
    let object = Some(message).filter(|it| it.trim_start().starts_with('{'))?;
    let message: Message = serde_json::from_str(object).ok()?;
    Some(message.r#type)
}

/// What a message of the upstream means for the turn it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The turn goes on.
    Goes,
    /// The model has answered, in whole or in part.
    Answered,
    /// The turn came to nothing.
    Failed,
}

impl Step {
    pub(super) fn of(message: &str) -> Self {
        kind_of(message).map_or(Self::Goes, |kind| Self::of_kind(&kind))
    }

    pub(super) fn of_kind(kind: &str) -> Self {
        match Ending::of(kind) {
            Some(Ending::Completed | Ending::Incomplete) => Self::Answered,
            Some(Ending::Failed) => Self::Failed,
            None => Self::Goes,
        }
    }
}

/// The turns under way on one connection: one at a time, as a rule.
#[derive(Debug)]
pub(super) struct Turns(watch::Sender<Open>);

#[derive(Debug, Clone, Copy)]
struct Open {
    count: u32,
    since: Instant,
}

impl Turns {
    pub(super) fn new() -> Self {
        let (count, since) = (0, Instant::now());
        Self(watch::Sender::new(Open { count, since }))
    }

    pub(super) fn begin(&self) {
        self.0.send_modify(|open| {
            open.count = open.count.saturating_add(1);
            open.since = Instant::now();
        });
    }

    pub(super) fn end(&self) {
        self.0
            .send_modify(|open| open.count = open.count.saturating_sub(1));
    }

    /// Nothing is under way: here a connection may be left.
    pub(super) fn at_border(&self) -> bool {
        self.0.borrow().count == 0
    }

    /// When the turn under way began.
    pub(super) fn since(&self) -> Option<Instant> {
        let open = *self.0.borrow();
        (open.count > 0).then_some(open.since)
    }

    pub(super) async fn border(&self) {
        let mut open = self.0.subscribe();
        // The sender lives as long as this borrow of it.
        let _ = open.wait_for(|open| open.count == 0).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kind_is_found_wherever_it_stands() {
        for (message, kind) in [
            (
                r#"{"type":"response.create","model":"m"}"#,
                Some("response.create"),
            ),
            (" {\n \"type\" : \"error\" }", Some("error")),
            (r#"{"status":429,"type":"error"}"#, Some("error")),
            (
                r#"{"error":{"type":"x"},"type":"response.failed"}"#,
                Some("response.failed"),
            ),
            ("{\"type\":\"err\\u006fr\"}", Some("error")),
            (r#"{"error":{"type":"error"}}"#, None),
            (r#"{"type":1}"#, None),
            (r#"["type"]"#, None),
            ("", None),
        ] {
            assert_eq!(kind_of(message).as_deref(), kind, "{message}");
        }
    }

    #[test]
    fn a_turn_ends_in_five_ways() {
        let step = |kind: &str| Step::of(&json!({"type": kind, "x": 1}).to_string());
        assert_eq!(step("response.completed"), Step::Answered);
        assert_eq!(step("response.done"), Step::Answered);
        assert_eq!(step("response.incomplete"), Step::Answered);
        assert_eq!(step("response.failed"), Step::Failed);
        assert_eq!(step("error"), Step::Failed);
        for kind in [
            "response.created",
            "codex.rate_limits",
            "response.output_item.done",
        ] {
            assert_eq!(step(kind), Step::Goes, "{kind}");
        }
    }

    #[test]
    fn an_end_too_many_is_no_debt() {
        let turns = Turns::new();
        turns.end();
        turns.begin();
        assert!(!turns.at_border());
        turns.end();
        assert!(turns.at_border() && turns.since().is_none());
    }

    #[tokio::test]
    async fn a_border_is_waited_for() {
        let turns = Turns::new();
        turns.border().await;
        turns.begin();
        let mut border = Box::pin(turns.border());
        assert!(border.as_mut().now_or_never().is_none());
        turns.end();
        border.await;
    }

    proptest! {
        /// Finding the kind without reading on is no other answer than reading all of it.
        #[test]
        fn the_short_way_and_the_long_way_agree(
            kind in ".{0,12}", before in proptest::option::of("[a-s]{1,4}"), text in ".{0,20}",
        ) {
            let rest = format!(r#""text":{}"#, json!(text));
            let kind_field = format!(r#""type":{}"#, json!(kind));
            let message = match before {
                Some(name) => format!(r#"{{"{name}":{{"type":"no"}},{kind_field},{rest}}}"#),
                None => format!("{{{kind_field},{rest}}}"),
            };
            prop_assert_eq!(kind_of(&message), Some(kind.into()));
        }

        #[test]
        fn any_text_is_a_message_and_never_a_panic(message in ".{0,60}") {
            let _ = (kind_of(&message), Step::of(&message));
        }
    }
}
