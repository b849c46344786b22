//! What administrators do about keys: look at them, change what opens the keystore, begin a new key of the audit. It stands
//! here because the keystore is below the front door, and because only here it is known where the passphrase lies.

mod audit_key;
mod rotation;

pub(super) use audit_key::{AuditKey, newest};
pub(super) use rotation::watch;

use crate::{
    base::{Clock, failpoint},
    http::{
        Access, Gives, JsonBody, Operation, Param, Problem, QueryOf, Route, Shape,
        shape::{id, instant, list_of, nullable, object, text},
    },
    keys::{Key, KeyId, KeysError, Keystore, PassphraseSource},
    officer::{Caller, Right},
    store::Store,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};

/// Keys of one page.
const PAGE_KEYS: usize = 200;

/// What the routes work with. Cheap to clone.
#[derive(Clone)]
pub(super) struct KeyDesk(Arc<Parts>);

/// What the desk is made of.
pub(super) struct Parts {
    pub store: Store,
    pub keystore: Keystore,
    pub clock: Arc<dyn Clock>,
    /// Where this node's passphrase lies.
    pub passphrase: PassphraseSource,
    /// Where systemd placed credentials.
    pub credentials_dir: Option<PathBuf>,
    pub audit_key: Arc<AuditKey>,
}

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

static KEYSTORE: Shape = Shape {
    name: "Keystore",
    json: || {
        let count = |says: &str| json!({ "type": "integer", "minimum": 0, "description": says });
        let rotation = object(
            &[
                ("from", count("the number of the master key that goes")),
                ("to", count("the number of the one that comes")),
                ("begun_at", instant("when it began")),
                ("keys_left", count("keys that still stand under the old one")),
                ("waits_for", list_of(text("a node that runs and does not hold the new one yet"))),
            ],
            &[],
        );
        object(
            &[
                ("generation", count("how often what opens the keystore was set")),
                ("changed_at", instant("when that was last")),
                ("master", count("the number of the master key that the passphrase opens")),
                ("master_made_at", instant("when that one was made")),
                ("rotation", nullable(rotation)),
            ],
            &[],
        )
    },
    parts: &[],
};

static NEW_PASSPHRASE: Shape = Shape {
    name: "NewPassphrase",
    json: || {
        let file =
            text("a file of the node that is asked, absolute path, mode 0600, with the new passphrase");
        object(&[("file", file)], &[])
    },
    parts: &[],
};

static NEW_MASTER: Shape = Shape {
    name: "NewMasterKey",
    json: || {
        let file = text("where the present passphrase lies, if not where the node that is asked was told");
        object(&[], &[("file", nullable(file))])
    },
    parts: &[],
};

const AFTER: Param = Param {
    name: "after",
    says: "the last id of the page before; 200 keys a page",
    schema: || id("key"),
    required: false,
};

/// Why what opens the keystore was not changed.
const REFUSALS: &[&str] = &[
    "keys/passphrase-file",
    "keys/wrong-passphrase",
    "keys/same-passphrase",
    "keys/weak-passphrase",
    "keys/changed",
    "keys/rotating",
    "keys/other-master",
];

impl KeyDesk {
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(super) fn routes(&self) -> Vec<Route> {
        let (read, manage) = (Access::Right(Right::KeyRead), Access::Right(Right::KeyManage));
        vec![
            Operation::get(
                read,
                "/api/v1/keys",
                "listKeys",
                "Keys of the service in order of their making; never a private part.",
            )
            .query(&[AFTER])
            .gives(200, Gives::List(&KEY))
            .handled_by(self.clone(), list),
            Operation::get(
                read,
                "/api/v1/keystore",
                "readKeystore",
                "What opens the keystore, and how far a replacement of its master key is.",
            )
            .gives(200, Gives::Json(&KEYSTORE))
            .handled_by(self.clone(), keystore),
            Operation::post(
                manage,
                "/api/v1/keystore/passphrase",
                "changePassphrase",
                "Changes the passphrase that opens the keystore; it is read from a file of the node that is asked.",
            )
            .json(&NEW_PASSPHRASE)
            .gives(200, Gives::Json(&KEYSTORE))
            .problems(REFUSALS)
            .handled_by(self.clone(), change_passphrase),
            Operation::post(
                manage,
                "/api/v1/keystore/rotation",
                "rotateMasterKey",
                "Begins a new master key; all keys are rewrapped under it while signing goes on.",
            )
            .json(&NEW_MASTER)
            .gives(202, Gives::Json(&KEYSTORE))
            .problems(REFUSALS)
            .handled_by(self.clone(), rotate),
            Operation::post(
                manage,
                "/api/v1/audit/key/rotation",
                "rotateAuditKey",
                "Begins a new key that signs the heads of the audit chain, on all nodes within seconds.",
            )
            .gives(200, Gives::Json(&KEY))
            .problems(&["keys/changed", "keys/other-master"])
            .handled_by(self.clone(), rotate_audit_key),
        ]
    }

    /// Reads a passphrase where somebody says that it lies, by the rules for that place.
    fn source(&self, file: Option<String>) -> Result<PassphraseSource, Problem> {
        let Some(path) = file.map(PathBuf::from) else { return Ok(self.0.passphrase.clone()) };
        if !path.is_absolute() {
            return Err(Problem::new(
                "request/invalid",
                "`file` is an absolute path on the node that is asked",
            ));
        }
        match &self.0.credentials_dir {
            Some(folder) if path.starts_with(folder) => Ok(PassphraseSource::Credential(path)),
            _ => Ok(PassphraseSource::File(path)),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    after: Option<String>,
}

async fn list(
    State(desk): State<KeyDesk>,
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
    let keys = desk.0.keystore.list(after.as_ref(), PAGE_KEYS).await.map_err(told)?;
    Ok(Json(json!({ "items": keys.iter().map(face).collect::<Vec<_>>() })))
}

async fn keystore(State(desk): State<KeyDesk>, caller: Caller) -> Result<Json<Value>, Problem> {
    caller.officer(Right::KeyRead)?;
    Ok(Json(json!(desk.0.keystore.state(caller.now).await.map_err(told)?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassphrase {
    file: String,
}

async fn change_passphrase(
    State(desk): State<KeyDesk>,
    caller: Caller,
    JsonBody(body): JsonBody<NewPassphrase>,
) -> Result<Json<Value>, Problem> {
    caller.officer(Right::KeyManage)?;
    let source = desk.source(Some(body.file))?;
    Ok(Json(json!(desk.change_passphrase(&caller, source).await.map_err(told)?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMaster {
    file: Option<String>,
}

async fn rotate(
    State(desk): State<KeyDesk>,
    caller: Caller,
    JsonBody(body): JsonBody<NewMaster>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.officer(Right::KeyManage)?;
    let source = desk.source(body.file)?;
    let state = desk.begin_rotation(&caller, source).await.map_err(told)?;
    Ok((StatusCode::ACCEPTED, Json(json!(state))))
}

async fn rotate_audit_key(State(desk): State<KeyDesk>, caller: Caller) -> Result<Json<Value>, Problem> {
    caller.officer(Right::KeyManage)?;
    Ok(Json(face(&desk.rotate_audit_key(&caller).await.map_err(told)?)))
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
