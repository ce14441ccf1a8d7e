//! The fake model: what it answers to a prompt, always the same. The directives it obeys are
//! listed in the documentation of the crate.

mod arguments;
mod directive;
mod events;
mod item;
mod prompt;
mod sample;
mod text;

pub(crate) use self::events::{Envelope, events};
pub(crate) use self::item::{Item, Numbered};
pub(crate) use self::prompt::{
    Format, Prompt, Tool, allowed, attachments, estimated_tokens, flat, number, text_of,
    tool_choice,
};
pub(crate) use self::text::{Text, fragments};
use crate::faults::Action;
use crate::settings::{Answer, Settings};

/// How a response ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Completed,
    Incomplete(String),
    Failed { code: String, message: String },
}

/// Everything the model says to one prompt.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) items: Vec<Item>,
    pub(crate) ending: Ending,
    /// Whether an event of an unknown type is mixed in.
    pub(crate) strays: bool,
}

impl Script {
    /// The answer to `prompt`.
    pub(crate) fn new(prompt: &Prompt, settings: &Settings, fault: Option<&Action>) -> Self {
        let said = prompt.last_user_text.as_str();
        let mut items = body_of(prompt, settings);
        if settings.reasoning || said.contains("think first") {
            items.insert(0, Item::reasoning(said));
        }
        let mut script = Self {
            items,
            ending: ending(said, fault),
            strays: said.contains("send an unknown event"),
        };
        if prompt
            .max_output_tokens
            .is_some_and(|limit| script.truncate(limit))
        {
            script.ending = Ending::Incomplete("max_output_tokens".to_owned());
        }
        script
    }

    /// Ends the text after so many tokens; true if that cut anything off.
    fn truncate(&mut self, limit: usize) -> bool {
        let texts = self.items.iter_mut().filter_map(Item::text_mut);
        texts
            .map(|text| text.truncate(limit))
            .fold(false, |any, cut| any | cut)
    }

    /// All tokens of the answer.
    pub(crate) fn output_tokens(&self) -> usize {
        self.items.iter().map(Item::tokens).sum()
    }

    /// The part of them that was reasoning.
    pub(crate) fn reasoning_tokens(&self) -> usize {
        let reasoning = self
            .items
            .iter()
            .filter(|item| matches!(item, Item::Reasoning { .. }));
        reasoning.map(Item::tokens).sum()
    }
}

/// Fails before anything is said.
const FAIL_AT_ONCE: &str = "fail at once with ";

fn body_of(prompt: &Prompt, settings: &Settings) -> Vec<Item> {
    let said = prompt.last_user_text.as_str();
    if prompt.compaction {
        return vec![Item::Compaction];
    }
    if !prompt.tool_outputs.is_empty() {
        let text = format!("The tool answered: {}", prompt.tool_outputs.join("; "));
        return vec![Item::message(Text::Words(text))];
    }
    if said.contains(FAIL_AT_ONCE) {
        return Vec::new();
    }
    let calls = directive::calls(prompt);
    if !calls.is_empty() {
        return calls;
    }
    if said.contains("refuse to answer") {
        return vec![Item::Refusal(
            "I am sorry, but I cannot help with that.".to_owned(),
        )];
    }
    if said.contains("search the web") {
        return Item::web_search(said);
    }
    vec![Item::message(text(prompt, settings))]
}

fn text(prompt: &Prompt, settings: &Settings) -> Text {
    let said = prompt.last_user_text.as_str();
    if let Some(json) = prompt.format.sample(said) {
        return Text::Words(json);
    }
    if said.contains("what is attached") {
        return Text::Words(format!("Attached: {}", prompt.attachments.join(", ")));
    }
    if let Some(count) = directive::number_after(said, "count to ") {
        return Text::Count(count);
    }
    match &settings.answer {
        Answer::Echo => Text::Words(format!("You said: {}", shortened(said))),
        Answer::Text(text) => Text::Words(text.clone()),
        Answer::Tokens(tokens) => Text::Filler(*tokens),
    }
}

fn shortened(said: &str) -> String {
    said.chars().take(200).collect()
}

fn ending(said: &str, fault: Option<&Action>) -> Ending {
    if let Some(Action::ResponseFailed { code, message }) = fault {
        return Ending::Failed {
            code: code.clone(),
            message: message.clone(),
        };
    }
    let directives = [FAIL_AT_ONCE, "fail with "];
    if let Some(code) = (directives.iter()).find_map(|it| directive::word_after(said, it)) {
        return Ending::Failed {
            code,
            message: "The prompt asked for it.".to_owned(),
        };
    }
    let reasons = ["max_output_tokens", "content_filter"];
    let reason = reasons
        .iter()
        .find(|reason| said.contains(&format!("stop at {reason}")));
    reason.map_or(Ending::Completed, |reason| {
        Ending::Incomplete((*reason).to_owned())
    })
}

#[cfg(test)]
mod tests;
