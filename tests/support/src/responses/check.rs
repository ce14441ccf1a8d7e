//! What is wrong with an input, wherever it is sent.

use serde_json::Value;

use crate::seal;

/// One reason to refuse a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<&'static str>,
}

impl Problem {
    pub(crate) fn new(message: String, param: &str, code: Option<&'static str>) -> Self {
        Self {
            message,
            param: (!param.is_empty()).then(|| param.to_owned()),
            code,
        }
    }

    pub(crate) fn invalid(value: &str, param: &str) -> Self {
        Self::new(
            format!("Invalid value: '{value}'."),
            param,
            Some("invalid_value"),
        )
    }

    pub(crate) fn missing(param: &str) -> Self {
        let message = format!("Missing required parameter: '{param}'.");
        Self::new(message, param, Some("missing_required_parameter"))
    }
}

/// Item types the server has named in a refusal, and those the client is seen to send.
/// *Source:* wire reference, sections 5.4 and 5.5.
const ITEM_TYPES: [&str; 33] = [
    "additional_tools",
    "agent_message",
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "compaction",
    "compaction_summary",
    "compaction_trigger",
    "computer_call",
    "computer_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "file_search_call",
    "function_call",
    "function_call_output",
    "image_generation_call",
    "item_reference",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "message",
    "reasoning",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
    "image_generation_call_output",
    "web_search_call_output",
    "tool_search_call_output",
];

/// Checks an input list. `types_required` is the difference between the two servers: the public
/// API takes an item with a role and no type for a message. `complete` says that the calls of
/// all outputs must be in this input.
pub(crate) fn check_input(
    body: &Value,
    owner: &str,
    types_required: bool,
    complete: bool,
) -> Result<(), Problem> {
    let items = body["input"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        check_item(item, index, owner, types_required)?;
    }
    for (index, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        check_tool(tool, index)?;
    }
    if complete { check_pairs(items) } else { Ok(()) }
}

fn check_item(item: &Value, index: usize, owner: &str, typed: bool) -> Result<(), Problem> {
    let param = format!("input[{index}]");
    match item["type"].as_str() {
        None if typed || item["role"].is_null() => Err(Problem::missing(&format!("{param}.type"))),
        None | Some("message") => check_message(item, &param),
        Some("item_reference") => Err(not_persisted(item, &param)),
        Some(kind) if !ITEM_TYPES.contains(&kind) => Err(Problem::invalid(kind, &param)),
        Some(_) => check_sealed(item, owner),
    }
}

fn not_persisted(item: &Value, param: &str) -> Problem {
    let id = item["id"].as_str().unwrap_or_default();
    let message = format!(
        "Item with id '{id}' not found. Items are not persisted when `store` is set to false. \
         Try again with `store` set to true, or remove this item from your input."
    );
    Problem::new(message, param, None)
}

/// *Source:* wire reference, section 5.7.
fn check_sealed(item: &Value, owner: &str) -> Result<(), Problem> {
    let Some(sealed) = item["encrypted_content"].as_str() else {
        return Ok(());
    };
    let reason = match seal::owner(sealed) {
        Some(known) if known == owner => return Ok(()),
        Some(_) => "Encrypted content organization_id did not match the target organization.",
        None => "Encrypted content could not be decrypted or parsed.",
    };
    let start: String = sealed.chars().take(8).collect();
    let message =
        format!("The encrypted content {start}... could not be verified. Reason: {reason}");
    Err(Problem::new(message, "", Some("invalid_encrypted_content")))
}

fn check_message(item: &Value, param: &str) -> Result<(), Problem> {
    let allowed: &[&str] = match item["role"].as_str() {
        Some("assistant") => &["output_text", "refusal"],
        Some("user" | "developer" | "system") => {
            &["input_text", "input_image", "input_file", "input_audio"]
        }
        Some(role) => return Err(Problem::invalid(role, &format!("{param}.role"))),
        None => return Err(Problem::missing(&format!("{param}.role"))),
    };
    let parts = item["content"].as_array().into_iter().flatten().enumerate();
    for (number, part) in parts {
        let kind = part["type"].as_str().unwrap_or_default();
        if !allowed.contains(&kind) {
            return Err(Problem::invalid(
                kind,
                &format!("{param}.content[{number}]"),
            ));
        }
    }
    let present = item["content"].is_array() || item["content"].is_string();
    present
        .then_some(())
        .ok_or_else(|| Problem::missing(&format!("{param}.content")))
}

/// The chat form, with the name inside of `function`, is the usual mistake.
fn check_tool(tool: &Value, index: usize) -> Result<(), Problem> {
    let has_name = matches!(
        tool["type"].as_str(),
        Some("function" | "custom" | "namespace")
    );
    match tool["type"].as_str() {
        None => Err(Problem::missing(&format!("tools[{index}].type"))),
        Some(_) if has_name && !tool["name"].is_string() => {
            Err(Problem::missing(&format!("tools[{index}].name")))
        }
        Some(_) => Ok(()),
    }
}

/// Every output has its call, and every call its output.
fn check_pairs(items: &[Value]) -> Result<(), Problem> {
    for (call, output, name) in [
        ("function_call", "function_call_output", "function call"),
        (
            "custom_tool_call",
            "custom_tool_call_output",
            "custom tool call",
        ),
    ] {
        let (calls, outputs) = (call_ids(items, call), call_ids(items, output));
        if let Some(id) = outputs.iter().find(|id| !calls.contains(id)) {
            let message = format!("No tool call found for {name} output with call_id {id}.");
            return Err(Problem::new(message, "input", None));
        }
        if let Some(id) = calls.iter().find(|id| !outputs.contains(id)) {
            let message = format!("No tool output found for {name} {id}.");
            return Err(Problem::new(message, "input", None));
        }
    }
    Ok(())
}

fn call_ids<'a>(items: &'a [Value], kind: &str) -> Vec<&'a str> {
    let of_kind = items.iter().filter(|item| item["type"] == kind);
    of_kind
        .map(|item| item["call_id"].as_str().unwrap_or_default())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(input: &Value) -> Option<String> {
        let body = json!({"input": input});
        check_input(&body, "acct-1", true, true)
            .err()
            .map(|problem| problem.message)
    }

    #[test]
    fn what_a_translator_gets_wrong_is_refused() {
        let user =
            |content: Value| json!([{"type": "message", "role": "user", "content": content}]);
        for (input, expected) in [
            (
                json!([{"role": "user", "content": "hi"}]),
                "Missing required",
            ),
            (
                user(json!([{"type": "text", "text": "hi"}])),
                "Invalid value: 'text'",
            ),
            (
                json!([{"type": "message", "role": "tool", "content": "x"}]),
                "Invalid value: 'tool'",
            ),
            (json!([{"type": "context_compaction"}]), "Invalid value"),
            (
                json!([{"type": "item_reference", "id": "rs_1"}]),
                "not persisted",
            ),
            (
                json!([{"type": "function_call_output", "call_id": "c"}]),
                "No tool call found",
            ),
            (
                json!([{"type": "function_call", "call_id": "c"}]),
                "No tool output found",
            ),
        ] {
            let problem = problem(&input).unwrap_or_default();
            assert!(problem.contains(expected), "{input}: {problem}");
        }
        assert_eq!(problem(&user(json!("hi"))), None);
    }

    #[test]
    fn encrypted_content_stays_with_its_account() {
        let mine = json!([{"type": "reasoning", "encrypted_content": seal::seal("acct-1", 1)}]);
        let other = json!([{"type": "compaction", "encrypted_content": seal::seal("acct-2", 1)}]);
        assert_eq!(problem(&mine), None);
        assert!(problem(&other).unwrap().contains("organization_id"));
    }
}
