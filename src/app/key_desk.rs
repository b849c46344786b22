//! The list of keys for administrators. It stands here because the keystore is below the front door.

use crate::{
    http::{
        Access, Gives, Operation, Problem, QueryOf, Route, Shape,
        shape::{id, instant, nullable, object, text},
    },
    keys::{Key, KeyId, KeysError, Keystore},
    officer::{Caller, Right},
};
use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

/// Keys of one page.
const PAGE_KEYS: usize = 200;

static KEY: Shape = Shape {
    name: "Key",
    json: || {
        object(
            &[
                ("id", id("key")),
                ("purpose", text("what it signs: `root-ca`, `seal-owner` …")),
                ("kind", text("`sm2` or `p-256`")),
                ("custody", text("who keeps the private part: `soft`, `pkcs11`, `sdf`")),
                ("made_at", instant("when it was made")),
                ("destroyed_at", nullable(instant("since when its private part is gone"))),
            ],
            &[],
        )
    },
    parts: &[],
};

const AFTER: crate::http::Param = crate::http::Param {
    name: "after",
    says: "the last id of the page before; 200 keys a page",
    schema: || id("key"),
    required: false,
};

pub(super) fn routes(keystore: &Keystore) -> Vec<Route> {
    vec![
        Operation::get(
            Access::Right(Right::KeyRead),
            "/api/v1/keys",
            "listKeys",
            "Keys of the service in order of their making; never a private part.",
        )
        .query(&[AFTER])
        .gives(200, Gives::List(&KEY))
        .handled_by(keystore.clone(), list),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    after: Option<String>,
}

async fn list(
    State(keystore): State<Keystore>,
    caller: Caller,
    QueryOf(page): QueryOf<Page>,
) -> Result<Json<Value>, Problem> {
    caller.officer(Right::KeyRead)?;
    let after = match page.after {
        Some(text) => Some(
            KeyId::parse(&text)
                .ok_or_else(|| Problem::new("request/invalid", "`after` is the id of a key"))?,
        ),
        None => None,
    };
    let keys = keystore.list(after.as_ref(), PAGE_KEYS).await.map_err(told)?;
    Ok(Json(json!({ "items": keys.iter().map(face).collect::<Vec<_>>() })))
}

fn face(key: &Key) -> Value {
    json!({
        "id": key.id,
        "purpose": key.purpose.to_string(),
        "kind": key.kind.to_string(),
        "custody": key.custody.to_string(),
        "made_at": key.made_at,
        "destroyed_at": key.destroyed_at,
    })
}

fn told(error: KeysError) -> Problem {
    match error {
        KeysError::Store(error) => error.into(),
        other => Problem::new(other.code(), other.to_string()),
    }
}
