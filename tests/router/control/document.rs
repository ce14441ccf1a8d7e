use serde_json::{Value, json};

use super::Script;
use crate::harness::{Answer, World};

/// What is wrong with a value by a schema of the document, if anything is.
fn wrong(document: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        let schema = document.pointer(pointer);
        let Some(schema) = schema else {
            return Some(format!("{at}: nothing at {reference}"));
        };
        return wrong(document, schema, value, at);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return wrong(document, &all_of(document, parts), value, at);
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(schemas) = schema[choice].as_array() {
            let fits = |schema: &&Value| wrong(document, schema, value, at).is_none();
            let problem = || format!("{at}: {value} is none of {schemas:?}");
            return (!schemas.iter().any(|schema| fits(&schema))).then(problem);
        }
    }
    let own = wrong_type(schema, value, at).or_else(|| wrong_word(schema, value, at));
    own.or_else(|| wrong_fields(document, schema, value, at))
        .or_else(|| {
            let items = value.as_array()?.iter().enumerate();
            items
                .filter(|_| schema.get("items").is_some())
                .find_map(|(n, item)| {
                    wrong(document, &schema["items"], item, &format!("{at}[{n}]"))
                })
        })
}

/// One object that has the fields of all of these.
fn all_of(document: &Value, parts: &[Value]) -> Value {
    let (mut properties, mut required) = (serde_json::Map::new(), Vec::new());
    for part in parts {
        let pointer = part["$ref"]
            .as_str()
            .map(|text| text.trim_start_matches('#'));
        let part = pointer.map_or(part, |pointer| document.pointer(pointer).unwrap());
        let fields = part["properties"].as_object().cloned().unwrap_or_default();
        properties.extend(fields);
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    json!({"type": "object", "properties": properties, "required": required})
}

fn wrong_type(schema: &Value, value: &Value, at: &str) -> Option<String> {
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = allowed.contains(&is) || (is == "integer" && allowed.contains(&"number"));
    (!fits).then(|| format!("{at}: {value} is no {allowed:?}"))
}

fn wrong_word(schema: &Value, value: &Value, at: &str) -> Option<String> {
    let words = schema["enum"].as_array()?;
    (!words.contains(value)).then(|| format!("{at}: {value} is not one of {words:?}"))
}

fn wrong_fields(document: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let fields = value.as_object()?;
    let required = schema["required"].as_array().into_iter().flatten();
    let mut missing = required.filter(|name| !fields.contains_key(name.as_str().unwrap()));
    if let Some(name) = missing.next() {
        return Some(format!("{at}: no {name}"));
    }
    let known = schema["properties"].as_object()?;
    let field = |(name, value): (&String, &Value)| match known.get(name) {
        Some(schema) => wrong(document, schema, value, &format!("{at}.{name}")),
        None => Some(format!("{at}: {name} is not in the document")),
    };
    fields.iter().find_map(field)
}

#[track_caller]
fn assert_as_documented(document: &Value, method: &str, path: &str, answer: &Answer) {
    let pointer = format!(
        "/paths/{}/{method}/responses/200/content/application~1json/schema",
        path.replace('/', "~1")
    );
    let schema = document
        .pointer(&pointer)
        .unwrap_or_else(|| panic!("no {pointer}"));
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(
        wrong(document, schema, &answer.json(), "$"),
        None,
        "{method} {path}"
    );
}

#[tokio::test]
async fn what_is_answered_is_what_the_document_says() {
    let world = World::api_key();
    let script = Script::of(&world);
    let document = script.get("/api/openapi.json").await.json();
    Answer::to(world.router.say("hello")).await;
    script.post("/api/refresh", &json!({})).await;
    for path in [
        "/api/overview",
        "/api/requests",
        "/api/settings",
        "/api/keys",
        "/api/attachment",
    ] {
        assert_as_documented(&document, "get", path, &script.get(path).await);
    }
    for (path, real, body) in [
        ("/api/link", "/api/link", json!({})),
        ("/api/refresh", "/api/refresh", json!({})),
        (
            "/api/profiles/{name}/use",
            "/api/profiles/work/use",
            json!({}),
        ),
        (
            "/api/profiles/{name}/usage",
            "/api/profiles/work/usage",
            json!({}),
        ),
        ("/api/live/save", "/api/live/save", json!({})),
        ("/api/api-keys", "/api/api-keys", json!({"key": "sk-new"})),
        ("/api/sign-ins", "/api/sign-ins", json!({"way": "paste"})),
        ("/api/keys", "/api/keys", json!({"name": "k"})),
        ("/api/attachment", "/api/attachment", json!({})),
    ] {
        if path == "/api/attachment" {
            script.delete("/api/keys/k").await;
        }
        assert_as_documented(&document, "post", path, &script.post(real, &body).await);
    }
    let scope = script.get("/api/profiles/work/sign-out").await;
    assert_as_documented(&document, "get", "/api/profiles/{name}/sign-out", &scope);
    let changed = script
        .patch("/api/settings", &json!({"language": "en"}))
        .await;
    assert_as_documented(&document, "patch", "/api/settings", &changed);
}

#[test]
fn the_check_finds_what_is_wrong() {
    let document = json!({"s": {"type": "string", "enum": ["a"]}});
    let schema = json!({"type": "object", "required": ["x"],
        "properties": {"x": {"$ref": "#/s"}, "y": {"type": ["integer", "null"]}}});
    let is_wrong = |value: Value| wrong(&document, &schema, &value, "$").is_some();
    assert!(!is_wrong(json!({"x": "a", "y": null})));
    let both = json!({"allOf": [{"properties": {"z": {}}, "required": ["z"]}, schema]});
    let is_wrong_of_both = |value: Value| wrong(&document, &both, &value, "$").is_some();
    assert!(!is_wrong_of_both(json!({"x": "a", "z": 1})));
    assert!(is_wrong_of_both(json!({"x": "a"})) && is_wrong_of_both(json!({"x": "b", "z": 1})));
    for value in [
        json!({}),
        json!({"x": "b"}),
        json!({"x": "a", "y": 1.5}),
        json!({"x": "a", "z": 1}),
        json!([]),
    ] {
        assert!(is_wrong(value.clone()), "{value}");
    }
}
