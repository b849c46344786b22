//! Spans as OTLP says them in JSON (opentelemetry-proto, `ExportTraceServiceRequest`; ids in hex, 64-bit numbers as text).

use super::field::Value;
use serde_json::{Value as Json, json};

/// A span that has ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub name: &'static str,
    pub trace: u128,
    pub span: u64,
    pub parent: Option<u64>,
    /// Nanoseconds since 1970.
    pub begun_ns: u128,
    pub ended_ns: u128,
    pub fields: Vec<(&'static str, Value)>,
}

/// `SPAN_KIND_INTERNAL` and `SPAN_KIND_SERVER`.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// Whose spans these are.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// One name for each start of the process.
    pub instance: String,
}

/// The body of one delivery.
pub(super) fn delivery(resource: &Resource, spans: &[Ended]) -> Vec<u8> {
    let about = [
        ("service.name", "yinxin"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", &resource.instance),
    ];
    let about: Vec<Json> =
        about.into_iter().map(|(name, value)| attribute(name, json!({ "stringValue": value }))).collect();
    let scope = json!({ "name": "yinxin", "version": env!("CARGO_PKG_VERSION") });
    let spans: Vec<Json> = spans.iter().map(one).collect();
    let body = json!({
        "resourceSpans": [{
            "resource": { "attributes": about },
            "scopeSpans": [{ "scope": scope, "spans": spans }],
        }],
    });
    body.to_string().into_bytes()
}

fn one(span: &Ended) -> Json {
    let status = span.fields.iter().find_map(|(name, value)| match value {
        Value::Uint(status) if *name == "status" => Some(*status),
        _ => None,
    });
    let mut told = json!({
        "traceId": format!("{:032x}", span.trace),
        "spanId": format!("{:016x}", span.span),
        "name": span.name,
        "kind": if span.name == "request" { SERVER } else { INTERNAL },
        "startTimeUnixNano": span.begun_ns.to_string(),
        "endTimeUnixNano": span.ended_ns.to_string(),
        "attributes": span.fields.iter().map(|(name, value)| field(name, value)).collect::<Vec<_>>(),
    });
    if let Some(parent) = span.parent {
        told["parentSpanId"] = format!("{parent:016x}").into();
    }
    if status.is_some_and(|status| status >= 500) {
        told["status"] = json!({ "code": ERROR });
    }
    told
}

/// Under the name that OpenTelemetry's conventions have for it, where they have one.
fn field(name: &'static str, value: &Value) -> Json {
    let name = match name {
        "route" => "http.route".to_owned(),
        "method" => "http.request.method".to_owned(),
        "status" => "http.response.status_code".to_owned(),
        own => format!("yinxin.{own}"),
    };
    let value = match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Int(number) => json!({ "intValue": number.to_string() }),
        Value::Uint(number) => json!({ "intValue": number.to_string() }),
        Value::Float(number) => json!({ "doubleValue": number }),
        Value::Flag(flag) => json!({ "boolValue": flag }),
    };
    attribute(&name, value)
}

fn attribute(name: &str, value: Json) -> Json {
    json!({ "key": name, "value": value })
}
