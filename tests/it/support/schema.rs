//! Whether an answer has the shape that the OpenAPI document says.

use serde_json::Value;

/// What does not fit, by place: the part of JSON Schema that our shapes use. Members that no schema names count too,
/// unless the schema names none at all.
pub fn mismatches(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(target) = schema["$ref"].as_str() {
        return mismatches(document, document.pointer(&target[1..]).unwrap(), value, at);
    }
    let mut found = Vec::new();
    if !is_of_kind(&schema["type"], value) {
        found.push(format!("{at} is {value}, not {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        found.push(format!("{at} is {value}"));
    }
    let is_id = |pattern: &str| {
        let prefix = pattern.trim_start_matches('^').split("[0-9a-hj").next().unwrap_or_default();
        value.as_str().is_none_or(|text| text.starts_with(prefix) && text.len() == prefix.len() + 26)
    };
    if schema["pattern"].as_str().is_some_and(|pattern| pattern.contains("{26}") && !is_id(pattern)) {
        found.push(format!("{at} is {value}, not {}", schema["pattern"]));
    }
    for item in value.as_array().into_iter().flatten() {
        found.extend(mismatches(document, &schema["items"], item, at));
    }
    let known = &schema["properties"];
    for (name, member) in value.as_object().into_iter().flatten().filter(|_| known.is_object()) {
        match known.get(name) {
            Some(schema) => found.extend(mismatches(document, schema, member, &format!("{at}.{name}"))),
            None => found.push(format!("{at}.{name} is not in the document")),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter(|_| value.is_object()) {
        if value.get(name.as_str().unwrap()).is_none() {
            found.push(format!("{at}.{name} is missing"));
        }
    }
    found
}

fn is_of_kind(kinds: &Value, value: &Value) -> bool {
    let fits = |kind: &Value| match value {
        Value::Null => kind == "null",
        Value::Bool(_) => kind == "boolean",
        Value::Number(number) => kind == "number" || kind == "integer" && !number.is_f64(),
        Value::String(_) => kind == "string",
        Value::Array(_) => kind == "array",
        Value::Object(_) => kind == "object",
    };
    match kinds {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(fits),
        kind => fits(kind),
    }
}
