//! Reports are what `fixtures/report.schema.json` says. The few words of JSON Schema that it uses are read here; a test
//! beside it asks an independent reader where Python has one.

use super::{
    concluded, letters,
    pki::{self, DIGEST, WORLD, seal, stamp, time},
    question,
};
use crate::{judge, report::Report, ses::Version, x509::path::Material};
use serde_json::Value;
use std::{fs, path::PathBuf, process::Command};

fn schema_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/report.schema.json")
}

fn schema() -> Value {
    serde_json::from_slice(&fs::read(schema_path()).unwrap()).unwrap()
}

/// Reports of every kind and outcome that this room makes.
fn reports() -> Vec<Report> {
    let (trusting, nobody) = (question(WORLD.material()), question(Material::default()));
    let (seal, v5) = (seal(Version::V4), seal(Version::V5));
    let stamped = stamp(&v5, true);
    let token = pki::token(b"abc", time(pki::STAMPED_AT), &WORLD.tsa);
    let signed = pki::signed(b"abc", &WORLD.p256_signer, true);
    let mut all = vec![concluded(vec![])];
    for question in [&trusting, &nobody] {
        for bytes in [&seal[..], &v5, &stamped, &token, &signed, b"nothing"] {
            all.push(concluded(vec![
                judge::stamp(bytes, Some(DIGEST), question),
                judge::seal(bytes, question),
                judge::token(bytes, Some(b"abc"), question),
                judge::cms(bytes, &[b"abc"], question),
            ]));
        }
    }
    all
}

#[test]
fn every_report_is_as_the_schema_says() {
    let schema = schema();
    for report in reports() {
        check(&schema, &schema, &serde_json::to_value(&report).unwrap(), "report").unwrap();
    }
}

#[test]
fn the_schema_refuses_what_is_no_report() {
    let schema = schema();
    let stamp = stamp(&seal(Version::V4), false);
    let report = judge::stamp(&stamp, Some(DIGEST), &question(WORLD.material()));
    assert_eq!(letters(&report), "ppppppp-");
    let good = serde_json::to_value(concluded(vec![report])).unwrap();
    assert_eq!(good["verdict"], "passed");
    for (pointer, wrong) in [
        ("/verdict", Value::from("absent")),
        ("/judged_at", Value::from("yesterday")),
        ("/signatures/0/checks", Value::Array(vec![])),
        ("/signatures/0/checks/2/no", Value::from(2)),
        ("/signatures/0/checks/2/reason", Value::from("Not A Code")),
        ("/signatures/0/seal", Value::Object(Default::default())),
        ("/document/sm3", Value::from("00")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = wrong;
        assert!(check(&schema, &schema, &bad, "report").is_err(), "{pointer}");
    }
}

#[test]
fn an_independent_reader_of_the_schema_agrees() {
    let reports: Vec<Value> = reports().iter().map(|report| serde_json::to_value(report).unwrap()).collect();
    let script = "import json, sys\nfrom jsonschema import Draft202012Validator as V\ns = json.load(open(sys.argv[1]))\n\
                  V.check_schema(s)\n[V(s).validate(r) for r in json.loads(sys.argv[2])]\nprint('agreed')";
    let texts = serde_json::to_string(&reports[..6]).unwrap();
    let run = Command::new("python3").arg("-c").arg(script).arg(schema_path()).arg(texts).output();
    let Ok(output) = run else {
        eprintln!("SKIPPED: no python3 to check the schema with");
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("No module named") {
        eprintln!("SKIPPED: python3 has no jsonschema");
        return;
    }
    assert!(output.stdout.starts_with(b"agreed"), "{errors}");
}

/// Whether `value` is what `rule` says. Unknown words are an error, so that none is passed over.
fn check(root: &Value, rule: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (word, wanted) in rule.as_object().unwrap() {
        let holds = match word.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "format" => true,
            "$ref" => {
                let target = root.pointer(wanted.as_str().unwrap().trim_start_matches('#')).unwrap();
                check(root, target, value, at)?;
                true
            }
            "type" => is_type(wanted.as_str().unwrap(), value),
            "const" => wanted == value,
            "enum" => wanted.as_array().unwrap().contains(value),
            "anyOf" => wanted.as_array().unwrap().iter().any(|one| check(root, one, value, at).is_ok()),
            "minimum" => value.as_u64() >= wanted.as_u64(),
            "maximum" => value.as_u64() <= wanted.as_u64(),
            "minLength" => value.as_str().is_some_and(|text| text.len() as u64 >= wanted.as_u64().unwrap()),
            "pattern" => matches(wanted.as_str().unwrap(), value.as_str().unwrap()),
            "minItems" => value.as_array().is_some_and(|list| list.len() as u64 >= wanted.as_u64().unwrap()),
            "maxItems" => value.as_array().is_some_and(|list| list.len() as u64 <= wanted.as_u64().unwrap()),
            "required" => {
                wanted.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some())
            }
            "additionalProperties" => {
                let known = rule["properties"].as_object().unwrap();
                value.as_object().is_some_and(|object| object.keys().all(|key| known.contains_key(key)))
            }
            "properties" => {
                for (key, one) in wanted.as_object().unwrap() {
                    if let Some(inner) = value.get(key) {
                        check(root, one, inner, &format!("{at}/{key}"))?;
                    }
                }
                true
            }
            "prefixItems" => {
                for (one, inner) in wanted.as_array().unwrap().iter().zip(value.as_array().unwrap()) {
                    check(root, one, inner, at)?;
                }
                true
            }
            "items" => {
                for (index, inner) in value.as_array().unwrap().iter().enumerate() {
                    check(root, wanted, inner, &format!("{at}/{index}"))?;
                }
                true
            }
            unknown => panic!("the schema uses {unknown}, which this test does not read"),
        };
        if !holds {
            return Err(format!("{at}: {word} {wanted} is not met by {value}"));
        }
    }
    Ok(())
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "null" => value.is_null(),
        other => panic!("the schema uses the type {other}"),
    }
}

/// The patterns of the schema, each by hand.
fn matches(pattern: &str, text: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    match pattern {
        "^([0-9a-f]{64})?$" => matches!(text.len(), 0 | 64) && hex(text),
        "^[0-9a-f]{64}$" => text.len() == 64 && hex(text),
        "^[0-9a-f]+$" => !text.is_empty() && hex(text),
        instant if instant.starts_with("^[0-9]{4}-") => {
            text.ends_with('Z') && crate::time::Timestamp::parse_rfc3339(text).is_some()
        }
        code if code.starts_with("^[a-z0-9]+(-") => text.split(['/', '-']).all(|word| {
            !word.is_empty() && word.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        }),
        other => panic!("the schema uses the pattern {other}"),
    }
}
