//! A value that satisfies a JSON schema: always the same one.

use serde_json::{Map, Value, json};

/// Only what tools and structured outputs use: `type`, `properties`, `items`, `enum`, `const`,
/// `anyOf`, `$ref` into `$defs`.
pub(super) fn sample(schema: &Value) -> Value {
    value(schema, schema, 0)
}

fn value(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > 16 {
        return Value::Null;
    }
    if let Some(target) = schema["$ref"].as_str() {
        let found = target
            .strip_prefix('#')
            .and_then(|pointer| root.pointer(pointer));
        return found.map_or(Value::Null, |found| value(found, root, depth + 1));
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    let choices = ["anyOf", "oneOf", "allOf"]
        .iter()
        .find_map(|name| schema[*name].get(0));
    if let Some(choice) = choices {
        return value(choice, root, depth + 1);
    }
    typed(schema, root, depth)
}

fn typed(schema: &Value, root: &Value, depth: usize) -> Value {
    let kind = schema["type"]
        .as_str()
        .or_else(|| schema["type"][0].as_str());
    match kind {
        Some("string") => json!("example"),
        Some("integer") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1.5)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => json!([value(&schema["items"], root, depth + 1)]),
        _ => object(schema, root, depth),
    }
}

/// The required properties; all of them if none is said to be.
fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let required = schema["required"].as_array();
    let wanted = |name: &str| required.is_none_or(|names| names.iter().any(|n| n == name));
    let properties = schema["properties"].as_object().into_iter().flatten();
    let sampled = properties
        .filter(|(name, _)| wanted(name))
        .map(|(name, schema)| (name.clone(), value(schema, root, depth + 1)));
    Value::Object(sampled.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_what_is_required() {
        let schema = json!({
            "type": "object", "required": ["city", "unit", "days"],
            "properties": {
                "city": {"type": "string"}, "unit": {"enum": ["celsius"]},
                "days": {"type": "array", "items": {"$ref": "#/$defs/day"}},
                "note": {"type": "string"},
            },
            "$defs": {"day": {"type": "integer"}},
        });
        let expected = json!({"city": "example", "unit": "celsius", "days": [1]});
        assert_eq!(sample(&schema), expected);
    }
}
