//! Shapes of JSON for the OpenAPI document: written by hand beside the types, checked against real answers in tests.

use serde_json::{Map, Value, json};

/// A named schema. `json` may refer to the shapes in `parts` by [`Shape::reference`].
#[derive(Debug)]
pub struct Shape {
    /// The name under `#/components/schemas`.
    pub name: &'static str,
    /// The JSON Schema (2020-12, as OpenAPI 3.1 takes it).
    pub json: fn() -> Value,
    /// The shapes that `json` refers to.
    pub parts: &'static [&'static Shape],
}

impl Shape {
    /// `{"$ref": …}`.
    pub fn reference(&self) -> Value {
        json!({ "$ref": format!("#/components/schemas/{}", self.name) })
    }

    /// `{"type": "object", "properties": {"items": […]}}`: how every list is answered.
    pub fn list(&self) -> Value {
        object(&[("items", json!({ "type": "array", "items": self.reference() }))], &[])
    }
}

/// An object with these required and these optional members, and no others.
pub fn object(required: &[(&str, Value)], optional: &[(&str, Value)]) -> Value {
    let members: Map<String, Value> =
        required.iter().chain(optional).map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let names: Vec<&str> = required.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": members, "required": names, "additionalProperties": false })
}

/// A string that says what it is.
pub fn text(says: &str) -> Value {
    json!({ "type": "string", "description": says })
}

/// A string of so many characters that says what it is.
pub fn words(least: u32, most: u32, says: &str) -> Value {
    json!({ "type": "string", "minLength": least, "maxLength": most, "description": says })
}

/// A whole number within these bounds, in this unit.
pub fn whole(least: u32, most: u32, says: &str) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most, "description": says })
}

/// An instant, RFC 3339 in UTC.
pub fn instant(says: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": says })
}

/// An id with this prefix.
pub fn id(prefix: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^{prefix}_[0-9a-hjkmnp-tv-z]{{26}}$") })
}

/// One of these words.
pub fn one_of(words: impl IntoIterator<Item = &'static str>) -> Value {
    json!({ "type": "string", "enum": words.into_iter().collect::<Vec<_>>() })
}

/// A list of these.
pub fn list_of(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

/// This, or null.
pub fn nullable(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").cloned() {
        schema["type"] = json!([kind, "null"]);
        return schema;
    }
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// What every failed request answers (RFC 9457).
pub static PROBLEM: Shape = Shape {
    name: "Problem",
    json: || {
        object(
            &[
                ("type", text("address of the page on this code")),
                ("title", text("what happened")),
                ("status", json!({ "type": "integer", "minimum": 400, "maximum": 599 })),
                ("detail", text("what was tried and what was found")),
                ("code", text("stable code, to compare")),
                ("hint", text("what the caller may do")),
                ("request", text("the request's id, as in X-Request-Id")),
            ],
            &[],
        )
    },
    parts: &[],
};
