//! The OpenAPI 3.1 document, from the table of routes.

use super::{
    catalogue,
    route::{Access, Creates, Face, Gives, Operation, Takes},
    shape::{PROBLEM, Shape},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const ABOUT: &str = "Electronic seals, stamped documents and their verification. Errors are \
application/problem+json with a stable `code`; each code has a page at `/problems/{code}`. Every creating POST honours \
`Idempotency-Key` for callers with an API key: the same key with the same body gives the same answer for 24 hours, with \
another body 409. Instants are RFC 3339 in UTC.";

/// The document of these operations. Pages for people are left out.
pub fn document(operations: &[&Operation]) -> Value {
    let mut shapes = BTreeMap::new();
    collect(&PROBLEM, &mut shapes);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| operation.face == Face::Api) {
        let method = operation.method.as_str().to_ascii_lowercase();
        let mut described = describe(operation, &mut shapes);
        if let Some(links) = links(operation, operations) {
            described["responses"]["201"]["links"] = links;
        }
        paths.entry(operation.path).or_default().insert(method, described);
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "印信 Yinxin", "version": "1", "description": ABOUT, "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" } },
        "servers": [{ "url": "/" }],
        "security": [{ "apiKey": [] }],
        "paths": paths,
        "components": {
            "schemas": shapes,
            "securitySchemes": {
                "apiKey": { "type": "http", "scheme": "bearer", "bearerFormat": "yx_<id>_<secret>", "description": "an officer's API key" },
            },
        },
    })
}

/// Where the id of something new can be used: what was made by `POST /api/v1/seals` is the `seal` of every path.
fn links(operation: &Operation, operations: &[&Operation]) -> Option<Value> {
    operation.gives.iter().find(|(status, gives)| *status == 201 && matches!(gives, Gives::Json(_)))?;
    let below = |other: &&Operation| {
        let part = other.path.strip_prefix(operation.path)?.strip_prefix("/{")?;
        Some(part.split('}').next().unwrap_or_default())
    };
    let name = operations.iter().copied().find_map(|other| below(&other))?;
    let parameter = format!("{{{name}}}");
    let uses = operations.iter().filter(|other| other.face == Face::Api && other.path.contains(&parameter));
    let link = |other: &&Operation| {
        let link = json!({ "operationId": other.id, "parameters": { name: "$response.body#/id" } });
        (other.id.to_owned(), link)
    };
    Some(Value::Object(uses.map(link).collect()))
}

fn describe(operation: &Operation, shapes: &mut BTreeMap<&'static str, Value>) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [tag(operation.path)],
        "responses": responses(operation, shapes),
    });
    let parameters = parameters(operation);
    if !parameters.is_empty() {
        described["parameters"] = Value::Array(parameters);
    }
    if let Some(content) = content_taken(operation.takes, shapes) {
        described["requestBody"] = json!({ "required": true, "content": content });
        described["x-body-limit-bytes"] = json!(operation.body_limit_bytes);
    }
    match operation.access {
        // An empty requirement beside the key: the key may be sent, and need not.
        Access::Public { .. } => described["security"] = json!([{}, { "apiKey": [] }]),
        Access::Officer => {}
        Access::Right(right) => described["x-right"] = json!(right),
        Access::OneOf(rights) | Access::LocalOrOneOf(rights) => described["x-one-right-of"] = json!(rights),
    }
    described
}

/// `/api/v1/seals/{id}` → `seals`.
fn tag(path: &str) -> &str {
    path.trim_start_matches("/api/v1/").trim_start_matches('/').split('/').next().unwrap_or_default()
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let in_path =
        operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(
            |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
        );
    let in_query = operation.query.iter().map(|param| {
        json!({ "name": param.name, "in": "query", "required": param.required, "description": param.says, "schema": (param.schema)() })
    });
    let key = (operation.creates != Creates::No).then(|| {
        json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "fresh for each new request, repeated when a request is repeated; kept for 24 hours",
            "schema": { "type": "string", "minLength": 8, "maxLength": 128, "pattern": "^[!-~]+$" },
        })
    });
    in_path.chain(in_query).chain(key).collect()
}

fn content_taken(takes: Takes, shapes: &mut BTreeMap<&'static str, Value>) -> Option<Value> {
    let (media, schema) = match takes {
        Takes::Nothing => return None,
        Takes::Json(shape) => ("application/json", collect(shape, shapes)),
        Takes::Multipart(shape) => ("multipart/form-data", collect(shape, shapes)),
        Takes::Form => ("application/x-www-form-urlencoded", json!({ "type": "object" })),
        Takes::Bytes(media) => (media, json!({ "type": "string", "contentMediaType": media })),
    };
    Some(json!({ media: { "schema": schema } }))
}

fn responses(operation: &Operation, shapes: &mut BTreeMap<&'static str, Value>) -> Value {
    let mut responses = Map::new();
    for (status, gives) in &operation.gives {
        let mut answer = json!({ "description": phrase(*status) });
        if let Some(content) = content_given(*gives, shapes) {
            answer["content"] = content;
        }
        responses.insert(status.to_string(), answer);
    }
    for (status, codes) in problems(operation) {
        let schema =
            json!({ "allOf": [PROBLEM.reference(), { "properties": { "code": { "enum": codes } } }] });
        let content = json!({ "application/problem+json": { "schema": schema } });
        responses.insert(status.to_string(), json!({ "description": phrase(status), "content": content }));
    }
    Value::Object(responses)
}

fn content_given(gives: Gives, shapes: &mut BTreeMap<&'static str, Value>) -> Option<Value> {
    let (media, schema) = match gives {
        Gives::Nothing => return None,
        Gives::Json(shape) => ("application/json", collect(shape, shapes)),
        Gives::List(shape) => {
            collect(shape, shapes);
            ("application/json", shape.list())
        }
        Gives::AnyJson => ("application/json", json!({})),
        Gives::Bytes(media) => (media, json!({ "type": "string", "contentMediaType": media })),
    };
    Some(json!({ media: { "schema": schema } }))
}

/// The codes of an operation by status: its own, and those that its kind brings along.
fn problems(operation: &Operation) -> BTreeMap<u16, Vec<&'static str>> {
    let mut codes: Vec<&str> = operation.problems.to_vec();
    codes.extend(["auth/api-key-invalid", "internal", "service/busy", "service/deadline", "service/unknown"]);
    match operation.access {
        Access::Public { per_minute: Some(_) } => codes.push("request/too-many"),
        Access::Public { per_minute: None } => {}
        Access::Officer => codes.push("auth/required"),
        Access::Right(_) | Access::OneOf(_) | Access::LocalOrOneOf(_) => {
            codes.extend(["auth/required", "auth/right-missing"])
        }
    }
    if operation.creates != Creates::No {
        codes.extend(["idempotency/malformed", "idempotency/reused", "idempotency/in-progress"]);
    }
    if !operation.query.is_empty() {
        codes.extend(["request/malformed", "request/invalid"]);
    }
    if !matches!(operation.takes, Takes::Nothing) {
        codes.push("request/invalid");
        codes.extend([
            "request/malformed",
            "request/too-large",
            "request/too-slow",
            "request/unsupported-media-type",
        ]);
    }
    let mut by_status: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for kind in codes.into_iter().filter_map(catalogue::find) {
        let of_status = by_status.entry(kind.status).or_default();
        if !of_status.contains(&kind.code) {
            of_status.push(kind.code);
        }
    }
    by_status
}

/// Files the shape and all that it refers to, and refers to it.
fn collect(shape: &'static Shape, shapes: &mut BTreeMap<&'static str, Value>) -> Value {
    // Filed before its parts are visited, so that shapes that name each other end too.
    if shapes.insert(shape.name, (shape.json)()).is_none() {
        for part in shape.parts {
            collect(part, shapes);
        }
    }
    shape.reference()
}

fn phrase(status: u16) -> &'static str {
    let status = axum::http::StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("answer")
}
