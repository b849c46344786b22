//! The part of JSON Schema that `fixtures/report.schema.json` uses, patterns aside.

use serde_json::Value;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../fixtures/report.schema.json")).unwrap());

/// Fails where `report` is not as the schema says.
pub fn check(report: &Value) {
    let found = mismatches(&SCHEMA, report, "report");
    assert!(found.is_empty(), "{found:#?} in {report:#}");
}

fn mismatches(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(name) = schema["$ref"].as_str() {
        found.extend(mismatches(&SCHEMA["$defs"][name.strip_prefix("#/$defs/").unwrap()], value, at));
    }
    let mut must = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{at}: {what}: {value}"));
        }
    };
    if let Some(kind) = schema["type"].as_str() {
        must(is(value, kind), kind);
    }
    if !schema["const"].is_null() {
        must(schema["const"] == *value, "const");
    }
    if let Some(values) = schema["enum"].as_array() {
        must(values.contains(value), "enum");
    }
    if let Some(least) = schema["minLength"].as_u64() {
        must(value.as_str().is_some_and(|text| text.chars().count() as u64 >= least), "minLength");
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_i64(), value.as_i64()) {
        must(number >= least, "minimum");
    }
    if let (Some(least), Some(most), Some(items)) =
        (schema["minItems"].as_u64(), schema["maxItems"].as_u64(), value.as_array())
    {
        must((least..=most).contains(&(items.len() as u64)), "number of items");
    }
    if let Some(any) = schema["anyOf"].as_array() {
        must(any.iter().any(|one| mismatches(one, value, at).is_empty()), "anyOf");
    }
    found.extend(members(schema, value, at));
    found.extend(items(schema, value, at));
    found
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("the schema uses the type {other}"),
    }
}

fn members(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let (Some(known), Some(object)) = (schema["properties"].as_object(), value.as_object()) else {
        return vec![];
    };
    let mut found = Vec::new();
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(name) {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, member) in object {
        match known.get(name) {
            Some(schema) => found.extend(mismatches(schema, member, &format!("{at}.{name}"))),
            None if schema["additionalProperties"] == false => found.push(format!("{at}: {name} is unknown")),
            None => {}
        }
    }
    found
}

fn items(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let Some(items) = value.as_array() else { return vec![] };
    let first = schema["prefixItems"].as_array().map(Vec::as_slice).unwrap_or_default();
    let schemas = first.iter().chain(std::iter::repeat(&schema["items"]));
    let pairs = items.iter().zip(schemas).enumerate().filter(|(_, (_, schema))| !schema.is_null());
    pairs.flat_map(|(no, (item, schema))| mismatches(schema, item, &format!("{at}[{no}]"))).collect()
}

#[test]
fn the_validator_sees_what_is_wrong() {
    let wrong: Value = serde_json::json!({ "schema": 2, "verdict": "good", "signatures": [{}], "more": 1 });
    let found = mismatches(&SCHEMA, &wrong, "report").join("\n");
    for part in [
        "schema: const",
        "verdict: enum",
        "judged_at is missing",
        "more is unknown",
        "[0]: checks is missing",
    ] {
        assert!(found.contains(part), "{part} is not in\n{found}");
    }
}
