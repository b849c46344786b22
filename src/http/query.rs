//! A query is held to what its route declares, before any handler sees it: so that what the OpenAPI document says of a
//! parameter is true of every route, and no handler has to say it again.

use super::{Param, Problem};
use axum::{extract::Query, http::Uri};
use serde_json::Value;

/// The parameters of one route, as declared.
pub(super) struct Declared(Vec<(Param, Value)>);

/// Why a value is not taken: it is no number at all, or one that is not among those taken.
enum Wrong {
    Malformed(String),
    Invalid(String),
}

impl Declared {
    pub fn of(params: &[Param]) -> Self {
        Self(params.iter().map(|param| (*param, (param.schema)())).collect())
    }

    /// Whether every optional parameter that is given is as declared. What is not declared, and what is required, is the
    /// handler's to refuse.
    ///
    /// # Errors
    /// `request/malformed`, `request/invalid`, with the parameter and what it takes.
    pub fn check(&self, uri: &Uri) -> Result<(), Problem> {
        if self.0.is_empty() || uri.query().is_none_or(str::is_empty) {
            return Ok(());
        }
        // What is no query at all is told by whoever decodes it for the handler.
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else { return Ok(()) };
        for (name, value) in &pairs {
            let Some((param, schema)) = self.0.iter().find(|(known, _)| known.name == name) else { continue };
            // What must be there is what the route is about: its handler has more to say of it.
            if param.required {
                continue;
            }
            let (code, takes) = match refused(schema, value) {
                None => continue,
                Some(Wrong::Malformed(takes)) => ("request/malformed", takes),
                Some(Wrong::Invalid(takes)) => ("request/invalid", takes),
            };
            return Err(Problem::new(code, format!("the parameter {name} takes {takes}")));
        }
        Ok(())
    }
}

/// What is taken instead of this text; `None` where it is taken.
fn refused(schema: &Value, text: &str) -> Option<Wrong> {
    let malformed = |takes: &str| Some(Wrong::Malformed(takes.to_owned()));
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return (!words.contains(&text)).then(|| Wrong::Invalid(format!("one of {}", words.join(", "))));
    }
    match schema["type"].as_str() {
        Some("integer") => {
            let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
            let (least, most) = (least.unwrap_or(i64::MIN), most.unwrap_or(i64::MAX));
            let takes = format!("a whole number from {least} to {most}");
            match text.parse::<i64>() {
                Ok(number) => (!(least..=most).contains(&number)).then_some(Wrong::Invalid(takes)),
                Err(_) => malformed(&takes),
            }
        }
        Some("number") if text.parse::<f64>().is_err() => malformed("a number"),
        Some("boolean") if !["true", "false"].contains(&text) => malformed("true or false"),
        Some("string") => refused_text(schema, text).map(Wrong::Invalid),
        _ => None,
    }
}

/// Lengths are left to the rule that has them, which has a code of its own.
fn refused_text(schema: &Value, text: &str) -> Option<String> {
    let pattern = schema["pattern"].as_str()?;
    (matches(pattern, text) == Some(false)).then(|| format!("text of the form {pattern}"))
}

/// Whether text has the form of a pattern of ours: plain characters, and sets `[0-9a-f]` with `{26}` behind, from `^` to `$`.
/// `None` for any other pattern.
fn matches(pattern: &str, text: &str) -> Option<bool> {
    let mut rest = pattern.strip_prefix('^')?.strip_suffix('$')?;
    let mut octets = text.bytes();
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix('[') {
            let (set, after) = after.split_once(']')?;
            let (count, after) = after.strip_prefix('{')?.split_once('}')?;
            for _ in 0..count.parse::<usize>().ok()? {
                if !octets.next().is_some_and(|octet| is_in(set.as_bytes(), octet)) {
                    return Some(false);
                }
            }
            rest = after;
        } else if first.is_ascii_alphanumeric() || first == '_' {
            if octets.next() != u8::try_from(first).ok() {
                return Some(false);
            }
            rest = &rest[1..];
        } else {
            return None;
        }
    }
    Some(octets.next().is_none())
}

/// Whether an octet is in a set such as `0-9a-hj`.
fn is_in(mut set: &[u8], octet: u8) -> bool {
    loop {
        match set {
            [] => return false,
            [low, b'-', high, rest @ ..] => {
                if (low..=high).contains(&&octet) {
                    return true;
                }
                set = rest;
            }
            [one, rest @ ..] => {
                if *one == octet {
                    return true;
                }
                set = rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::shape;
    use serde_json::json;

    #[test]
    fn a_parameter_takes_what_it_declares() {
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": 500 });
        let id = shape::id("seal");
        let sm3 = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
        for (schema, good, bad) in [
            (&limit, &["1", "500"][..], &["0", "501", "-1", "1.0", "one", "", "99999999999999999999"][..]),
            (
                &id,
                &["seal_01m7x000000000000000000000"],
                &["", "null", "seal_", "seal_01M7X000000000000000000000", "seal_01m7x0000000000000000000000"],
            ),
            (&sm3, &[&*"a0".repeat(32)], &["", "g", &*"a0".repeat(33), &*"A0".repeat(32)]),
            (&json!({ "type": "boolean" }), &["true", "false"], &["1", "yes", ""]),
            (&json!({ "type": "number" }), &["1", "-1.5", "1e3"], &["", "x", "0x10"]),
            (&json!({ "type": "string", "enum": ["gm"] }), &["gm"], &["GM", ""]),
            // Another form of pattern is the handler's to judge.
            (&json!({ "type": "string", "pattern": "^(a|b)$" }), &["c"], &[]),
        ] {
            good.iter().for_each(|text| assert!(refused(schema, text).is_none(), "{text}"));
            bad.iter().for_each(|text| assert!(refused(schema, text).is_some(), "{text}"));
        }
    }

    #[test]
    fn what_is_refused_is_named_and_what_is_unknown_is_left_to_the_handler() {
        const LIMIT: Param = Param {
            name: "limit",
            says: "rows",
            schema: || json!({ "type": "integer", "minimum": 1, "maximum": 5 }),
            required: false,
        };
        let declared = Declared::of(&[LIMIT]);
        let check = |uri: &str| declared.check(&uri.parse().expect("an address"));
        for good in ["/", "/?", "/?limit=5", "/?limit=%35", "/?other=x"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["/?limit=6", "/?limit=", "/?other=x&limit=+5", "/?limit=1&limit=0"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
