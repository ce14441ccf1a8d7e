//! Arguments of a call that nobody spelled out.

use serde_json::{Value, json};

use super::sample::sample;

/// A value of this schema. Whole numbers and quoted texts of the prompt fill its properties, in
/// the order in which they were said; what they do not fill is made up.
pub(super) fn made_up(schema: &Value, said: &str) -> Value {
    let mut value = sample(schema);
    let (mut numbers, mut texts) = (numbers(said), quoted(said));
    for (name, argument) in value.as_object_mut().into_iter().flatten() {
        let property = &schema["properties"][name];
        let said = match property["type"].as_str() {
            Some("integer" | "number") => numbers.next().map(|number| json!(number)),
            Some("string") if property["enum"].is_null() => texts.next().map(|text| json!(text)),
            _ => None,
        };
        if let Some(said) = said {
            *argument = said;
        }
    }
    value
}

fn numbers(said: &str) -> impl Iterator<Item = u64> {
    let digits = said.split(|c: char| !c.is_ascii_digit());
    digits.filter_map(|digits| digits.parse().ok())
}

/// The texts in single or double quotes. A quote begins after a space and ends before one, or
/// before a mark: other ones are apostrophes.
pub(super) fn quoted(said: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(said);
    std::iter::from_fn(move || {
        let (text, after) = first_quoted(rest?)?;
        rest = Some(after);
        Some(text)
    })
}

fn first_quoted(said: &str) -> Option<(&str, &str)> {
    let opens = |at: usize| !said[..at].ends_with(char::is_alphanumeric);
    let closes = |at: usize| !said[at + 1..].starts_with(char::is_alphanumeric);
    let mut quotes = said.match_indices(['\'', '"']);
    let (open, quote) = quotes.find(|(at, _)| opens(*at))?;
    let (close, _) = quotes.find(|(at, mark)| *mark == quote && closes(*at))?;
    Some((&said[open + 1..close], &said[close + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_fills_the_arguments() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "integer"}, "b": {"type": "integer"}, "name": {"type": "string"},
            "unit": {"type": "string", "enum": ["metre"]}, "zone": {"type": "string"},
        }});
        let said = "It's 3 + 4 of 'one\'s own', isn't it?";
        let expected = json!({
            "a": 3, "b": 4, "name": "one's own", "unit": "metre", "zone": "example",
        });
        assert_eq!(made_up(&schema, said), expected);
    }
}
