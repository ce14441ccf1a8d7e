//! What becomes of the parameters of a request: the form of the tables of [`chat`](crate::chat),
//! [`completions`](crate::completions) and [`responses`](crate::responses).

use serde_json::value::RawValue;

use crate::{
    error::ApiError,
    json::{Object, same_json},
};

/// What is done with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Sent on, in the form that the upstream has for it.
    Forwarded,
    /// Done here, since the upstream cannot.
    Emulated,
    /// Left out, and named in the header `x-codex-router-dropped`.
    Dropped,
    /// Answered with 400 that names it, since leaving it out would give a wrong answer.
    Refused,
}

impl Treatment {
    fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Emulated => "emulated",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }
}

/// A parameter of a request.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What is done with it.
    pub treatment: Treatment,
    /// How, or why.
    pub note: &'static str,
    /// Values that ask for nothing out of the ordinary, so that leaving them out is no loss.
    pub neutral: &'static [&'static str],
}

impl Parameter {
    /// Whether this value asks for nothing, however it is spelled.
    fn is_neutral(&self, value: &RawValue) -> bool {
        let same = |neutral: &&str| same_json(neutral, value.get());
        self.neutral.iter().any(same)
    }
}

const fn parameter(name: &'static str, treatment: Treatment, note: &'static str) -> Parameter {
    Parameter {
        name,
        treatment,
        note,
        neutral: &[],
    }
}

pub(crate) const fn forwarded(name: &'static str, note: &'static str) -> Parameter {
    parameter(name, Treatment::Forwarded, note)
}

pub(crate) const fn emulated(name: &'static str, note: &'static str) -> Parameter {
    parameter(name, Treatment::Emulated, note)
}

pub(crate) const fn dropped(name: &'static str, neutral: &'static [&'static str]) -> Parameter {
    Parameter {
        neutral,
        ..parameter(name, Treatment::Dropped, "the upstream refuses it")
    }
}

pub(crate) const fn refused(
    name: &'static str,
    neutral: &'static [&'static str],
    note: &'static str,
) -> Parameter {
    Parameter {
        neutral,
        ..parameter(name, Treatment::Refused, note)
    }
}

/// The names of the parameters that will be left out of this request: the dropped ones, and those
/// that the table does not know.
///
/// # Errors
/// 400, naming the first parameter that cannot be left out.
pub fn check(table: &[Parameter], request: &Object<'_>) -> Result<Vec<String>, ApiError> {
    let mut names = Vec::new();
    for (name, value) in request.iter() {
        match treatment(table, name, value) {
            Some(Treatment::Refused) => return Err(refusal(table, name)),
            Some(Treatment::Dropped) => names.push(name.to_owned()),
            _ => {}
        }
    }
    Ok(names)
}

/// What is done with this value of a parameter; nothing if it asks for nothing.
fn treatment(table: &[Parameter], name: &str, value: &RawValue) -> Option<Treatment> {
    let known = table.iter().find(|parameter| parameter.name == name);
    let neutral = known.is_some_and(|parameter| parameter.is_neutral(value));
    let asks = !neutral && value.get() != "null";
    asks.then(|| known.map_or(Treatment::Dropped, |parameter| parameter.treatment))
}

fn refusal(table: &[Parameter], name: &str) -> ApiError {
    let known = table.iter().find(|parameter| parameter.name == name);
    let note = known.map_or("not supported", |parameter| parameter.note);
    ApiError::invalid_request(
        "unsupported_parameter",
        format!("`{name}` cannot be served: {note}"),
    )
    .with_param(name)
}

/// A table as Markdown, for the docs.
#[must_use]
pub fn markdown_table(table: &[Parameter]) -> String {
    let rows = table.iter().map(|p| {
        let treatment = p.treatment.as_str();
        format!(
            "| `{}` | {treatment} | {}{} |\n",
            p.name,
            p.note,
            but_for(p.neutral)
        )
    });
    let head = "| parameter | is | how, or why |\n|---|---|---|\n";
    std::iter::once(head.to_owned()).chain(rows).collect()
}

fn but_for(neutral: &[&str]) -> String {
    match neutral.first() {
        Some(value) => format!("; `{value}` asks for nothing"),
        None => String::new(),
    }
}

/// Fails unless the table names each of these once, and is shown in the docs as it is.
#[cfg(test)]
pub(crate) fn assert_whole(table: &[Parameter], all: &str, shown: &str) {
    for name in all.split_whitespace() {
        let times = table.iter().filter(|p| p.name == name).count();
        assert_eq!(times, 1, "{name}");
    }
    for (at, p) in table.iter().enumerate() {
        let earlier = &table[..at];
        assert!(earlier.iter().all(|q| q.name != p.name), "{}", p.name);
    }
    let table = markdown_table(table);
    assert!(shown == table, "put this into parameters.md:\n{table}");
}
