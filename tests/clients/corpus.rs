//! Writes down what real clients send, for `tests/data/requests`.
//!
//! Only of the control runs, and only if `CODEX_ROUTER_RECORD` names a folder: what the fake's own
//! public API was asked is what a client sends when nothing stands between.

use std::env;
use std::path::Path;
use std::process::Command;

use fake_openai::RecordedRequest;
use serde_json::{Value, json};

use crate::harness::write;
use crate::stage::Stage;

/// Headers that say who asks, and in what form.
const HEADERS: [&str; 4] = ["content-type", "accept", "openai-beta", "user-agent"];
/// Beginnings of ids, which are others in each run.
const IDS: [&str; 8] = [
    "call_",
    "chatcmpl-",
    "ctc_",
    "fc_",
    "msg_",
    "resp_",
    "rs_",
    "thread_",
];

/// Writes each kind of request that this script sent into a file of its own.
pub(crate) fn record(stage: &Stage, script: &Command) {
    let is_control = stage.address() == stage.fake.address();
    let Some(folder) = env::var_os("CODEX_ROUTER_RECORD").filter(|_| is_control) else {
        return;
    };
    for request in stage.fake.model_calls() {
        let kind = match request.path.as_str() {
            "/v1/chat/completions" => "chat",
            "/v1/responses" if request.method == "POST" => "responses",
            _ => continue,
        };
        let folder = Path::new(&folder).join(kind);
        let name = format!("{}{}.json", name_of(script), features(&request.json));
        let file = folder.join(name);
        // The first of its kind; a later one is the same with other words.
        if !file.exists() {
            write(&file, written(&request));
        }
    }
}

/// `python-tools` for `tests/clients/python/tools.py`.
fn name_of(script: &Command) -> String {
    let paths = script.get_args().map(Path::new);
    let path = paths.filter(|path| path.is_file()).last();
    // The sample of the README is a text, not a file.
    let Some(path) = path else {
        return "python-readme".into();
    };
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let script = path.file_stem().unwrap_or_default();
    format!("{}-{}", folder.display(), script.display())
}

/// What tells one request of a script from another: its parameters, and whether it is a later turn.
fn features(body: &Value) -> String {
    let ordinary = ["model", "messages", "input"];
    let fields = body.as_object().into_iter().flatten();
    let names =
        fields.filter(|(name, value)| !ordinary.contains(&name.as_str()) && **value != false);
    let mut features: String = names.flat_map(|(name, _)| ["+", name]).collect();
    let turns = body.get("messages").or(body.get("input"));
    if turns
        .and_then(Value::as_array)
        .is_some_and(|turns| turns.len() > 2)
    {
        features.push_str("+turns");
    }
    features
}

fn written(request: &RecordedRequest) -> String {
    let header = |name: &&'static str| Some((*name, without_versions(request.header(name)?)));
    let headers: serde_json::Map<_, _> = HEADERS
        .iter()
        .filter_map(header)
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let body = String::from_utf8(request.raw.to_vec()).unwrap();
    let [path, headers] = [json!(request.path), json!(headers)].map(|it| it.to_string());
    let whole = format!(r#"{{"path":{path},"headers":{headers},"body":{body}}}"#);
    pretty(&with_counted_ids(&whole))
}

/// `OpenAI/Python 2.3.0` is `OpenAI/Python VERSION`.
fn without_versions(value: &str) -> String {
    let words = value.split_inclusive(['/', ' ', ';', ',', '(', ')']);
    words
        .map(|word| {
            let bare = word.trim_end_matches(['/', ' ', ';', ',', '(', ')']);
            let is_version = bare.contains('.') && bare.starts_with(|c: char| c.is_ascii_digit());
            if is_version {
                word.replace(bare, "VERSION")
            } else {
                word.to_owned()
            }
        })
        .collect()
}

/// Ids as `call_1`, `call_2` in the order in which they come.
fn with_counted_ids(text: &str) -> String {
    let mut text = text.to_owned();
    for beginning in IDS {
        let mut known: Vec<String> = Vec::new();
        let pieces = text.split('"').filter(|piece| piece.starts_with(beginning));
        for piece in pieces.filter(|piece| *piece != "call_id") {
            let is_id = piece
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            if is_id && !known.iter().any(|id| id == piece) {
                known.push(piece.to_owned());
            }
        }
        for (count, id) in (1..).zip(known) {
            text = text.replace(&format!("\"{id}\""), &format!("\"{beginning}{count}\""));
        }
    }
    text
}

/// The text of a JSON value with line breaks, its fields in their order and spelling.
fn pretty(json: &str) -> String {
    let (mut out, mut depth, mut in_text, mut escaped) = (String::new(), 0, false, false);
    let mut rest = json.chars().peekable();
    while let Some(c) = rest.next() {
        if in_text {
            out.push(c);
            (in_text, escaped) = (escaped || c != '"', !escaped && c == '\\');
            continue;
        }
        match c {
            '"' => {
                in_text = true;
                out.push(c);
            }
            '{' | '[' if matches!(rest.peek(), Some('}' | ']')) => {
                out.extend([c, rest.next().unwrap_or_default()]);
            }
            '{' | '[' => {
                depth += 1;
                out.push(c);
                break_line(&mut out, depth);
            }
            '}' | ']' => {
                depth -= 1;
                break_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                break_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_whitespace() => {}
            c => out.push(c),
        }
    }
    out + "\n"
}

fn break_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
}
