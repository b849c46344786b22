//! The auditor's routes: look records up, take them away, have the chain checked. They stand here because the record
//! itself (`audit`) is below the front door, and its key and file of heads are known only where all is put together.

use super::{background, key_desk::AuditKey, piped};
use crate::{
    audit::{self, Acceptance, Filter, HeadsPlace, KeyLine},
    base::{Clock, Entropy, Timestamp, text::is_hidden},
    http::{Access, Gives, Hold, JsonBody, Operation, Param, Problem, QueryOf, Route, Shape, shape},
    keys::{KeysError, Keystore},
    officer::{Caller, Right},
    store::{Store, StoreError},
};
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// The longest that a check or an export of the whole chain may take.
const LONG: Duration = Duration::from_secs(3600);
/// Whole chains that are handed over at a time.
const EXPORTS_AT_ONCE: usize = 2;
/// The longest reason.
const REASON_CHARS: usize = 1000;
/// The longest export in one answer, in octets; `before` goes on where it ends.
const EXPORT_BYTES: usize = 64 << 20;

/// What the auditor's routes work with.
#[derive(Clone)]
pub(super) struct AuditDesk(Arc<Desk>);

struct Desk {
    parts: Parts,
    /// Chains that are handed over at a time: each holds one instant of the database.
    exports: Arc<Semaphore>,
}

/// What it is put together from.
pub(super) struct Parts {
    pub store: Store,
    pub keystore: Keystore,
    pub heads: HeadsPlace,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub hold: Hold,
}

static RECORD: Shape = Shape {
    name: "AuditRecord",
    json: || {
        let link = shape::object(
            &[
                ("seq", json!({ "type": "integer", "minimum": 1 })),
                ("previous", shape::text("hash of the record before it, hex; zeros before the first")),
                ("hash", shape::text("SM3 over the place, the hash before and the record, hex")),
            ],
            &[],
        );
        shape::object(
            &[
                ("id", json!({ "type": "integer", "description": "number within the database" })),
                ("node", shape::text("the node that wrote it")),
                ("at", shape::instant("when")),
                ("actor", shape::text("an officer's id, `anonymous` or `system`")),
                ("action", shape::text("what, in the past tense: `seal.suspended` …")),
                ("subject", shape::text("to what: an id")),
                ("detail", json!({ "description": "more, by action" })),
                ("request", shape::text("the id of the request, or empty")),
                ("link", shape::nullable(link)),
            ],
            &[],
        )
    },
    parts: &[],
};

static REPORT: Shape = Shape {
    name: "AuditReport",
    json: || {
        let count = |says: &str| json!({ "type": "integer", "description": says });
        let restored = shape::object(
            &[
                ("restoration", shape::text("its name: the subject of the record that tells more")),
                ("node", shape::text("whose chain")),
                ("at", shape::instant("when an old copy was accepted")),
                ("lost_from", count("the first place whose signed record is lost")),
                ("lost_to", count("the last one")),
                ("goes_on_at", count("the place after which the chain goes on")),
            ],
            &[],
        );
        let report = shape::object(
            &[
                ("chained", count("records in the chains")),
                ("unchained", count("records that wait to be chained: a second's worth")),
                ("heads", count("signed heads whose signature holds")),
                ("newer", count("heads newer than what was looked at; 0 here")),
                ("newer_to", json!({ "type": "object", "description": "by node; empty here" })),
                ("without_heads", shape::list_of(shape::text("a chain that was checked link by link only"))),
                ("restorations", shape::list_of(restored)),
                ("defects", shape::list_of(json!({ "type": "object" }))),
                ("further", count("defects beyond those listed")),
            ],
            &[],
        );
        shape::object(&[("sound", json!({ "type": "boolean" })), ("report", report)], &[])
    },
    parts: &[],
};

static KEY: Shape = Shape {
    name: "AuditKey",
    json: || {
        let ms = |says: &str| json!({ "type": "integer", "description": says });
        shape::object(
            &[
                ("name", shape::text("the first eight octets of the SM3 of the public part, hex")),
                ("kind", shape::one_of(["sm2", "p-256"])),
                ("public", shape::text("`04`, x, y: hex")),
                ("made_at_ms", ms("when it was made, in milliseconds since 1970")),
                ("destroyed_at_ms", shape::nullable(ms("when its private part was destroyed"))),
            ],
            &[],
        )
    },
    parts: &[],
};

static ACCEPTANCE: Shape = Shape {
    name: "RestorationAcceptance",
    json: || shape::object(&[("reason", shape::text("why the database is an old copy, in one line"))], &[]),
    parts: &[],
};

static RESTORATION: Shape = Shape {
    name: "Restoration",
    json: || {
        let count = |says: &str| json!({ "type": "integer", "description": says });
        shape::object(
            &[
                ("restoration", shape::text("its name: the subject of the record of it")),
                ("node", shape::text("whose chain")),
                ("back_to", count("the last signed head that the old copy knows, 0 if none")),
                ("lost_to", count("the last place that had been signed")),
                ("lost_hash", shape::text("the hash of the record there, hex")),
                ("goes_on_at", count("the place after which the chain goes on")),
                ("goes_on_hash", shape::text("the hash of the record there, hex")),
                ("at", shape::instant("when")),
                ("signature", shape::text("by the audit key, hex")),
            ],
            &[("key", shape::text("the name of the audit key"))],
        )
    },
    parts: &[],
};

const TEXTS: [Param; 3] = [
    Param { name: "subject", says: "only about this id", schema: || shape::text("an id"), required: false },
    Param {
        name: "actor",
        says: "only by this one",
        schema: || shape::text("an officer's id"),
        required: false,
    },
    Param {
        name: "action",
        says: "only this action",
        schema: || shape::text("`seal.suspended` …"),
        required: false,
    },
];
const FROM: Param =
    Param { name: "from", says: "not before", schema: || shape::instant("RFC 3339"), required: false };
const UNTIL: Param =
    Param { name: "until", says: "before", schema: || shape::instant("RFC 3339"), required: false };
const BEFORE: Param = Param {
    name: "before",
    says: "only records with a smaller number: the last one's of the page before",
    schema: || json!({ "type": "integer", "minimum": 1, "maximum": i64::MAX }),
    required: false,
};
const LIMIT: Param = Param {
    name: "limit",
    says: "records at the most; 100 where left out",
    schema: || json!({ "type": "integer", "minimum": 1, "maximum": 1000 }),
    required: false,
};
const QUERY: &[Param] = &[TEXTS[0], TEXTS[1], TEXTS[2], FROM, UNTIL, BEFORE, LIMIT];

impl AuditDesk {
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(Desk { parts, exports: Arc::new(Semaphore::new(EXPORTS_AT_ONCE)) }))
    }

    fn store(&self) -> &Store {
        &self.0.parts.store
    }

    pub(super) fn routes(&self) -> Vec<Route> {
        vec![
            Operation::get(
                Access::Right(Right::AuditRead),
                "/api/v1/audit/records",
                "listAuditRecords",
                "Audit records, newest first.",
            )
            .query(QUERY)
            .gives(200, Gives::List(&RECORD))
            .while_held()
            .handled_by(self.clone(), list),
            Operation::get(
                Access::Right(Right::AuditExport),
                "/api/v1/audit/export",
                "exportAuditRecords",
                "Audit records as JSON lines, oldest first; the export itself is recorded.",
            )
            .query(QUERY)
            .gives(200, Gives::Bytes("application/x-ndjson"))
            .problems(&["request/too-large"])
            .heavy()
            .while_held()
            .handled_by(self.clone(), export),
            Operation::get(
                Access::Right(Right::AuditRead),
                "/api/v1/audit/verification",
                "verifyAudit",
                "Checks the chain of audit records and names every defect.",
            )
            .gives(200, Gives::Json(&REPORT))
            .heavy()
            .while_held()
            .within(LONG)
            .handled_by(self.clone(), verify),
            Operation::get(
                Access::Right(Right::AuditExport),
                "/api/v1/audit/chain",
                "exportAuditChain",
                "The whole chain as JSON lines, at one instant, so that it can be checked without this service; recorded.",
            )
            .gives(200, Gives::Bytes("application/x-ndjson"))
            .problems(&["service/busy"])
            .while_held()
            .handled_by(self.clone(), export_chain),
            Operation::get(
                Access::Right(Right::AuditRead),
                "/api/v1/audit/keys",
                "listAuditKeys",
                "Public parts of all keys that sign, or signed, heads of the audit chain: to be kept by who checks them.",
            )
            .gives(200, Gives::List(&KEY))
            .while_held()
            .handled_by(self.clone(), list_keys),
            Operation::post(
                Access::Right(Right::RestorationAccept),
                "/api/v1/audit/restorations",
                "acceptRestoration",
                "Accepts that the database is an old copy: says why, and lets the service go on from it; recorded.",
            )
            .json(&ACCEPTANCE)
            .gives(200, Gives::Json(&RESTORATION))
            .problems(&["audit/nothing-to-accept", "audit/stopped"])
            .while_held()
            .handled_by(self.clone(), accept),
        ]
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    subject: Option<String>,
    actor: Option<String>,
    action: Option<String>,
    from: Option<String>,
    until: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
}

impl Asked {
    fn filter(self) -> Result<Filter, Problem> {
        let instant = |text: Option<String>| match text {
            Some(text) => Timestamp::parse_rfc3339(&text)
                .map(Some)
                .ok_or_else(|| Problem::new("request/invalid", "from and until are instants of RFC 3339")),
            None => Ok(None),
        };
        Ok(Filter {
            subject: self.subject,
            actor: self.actor,
            action: self.action,
            from: instant(self.from)?,
            until: instant(self.until)?,
            before: self.before,
        })
    }
}

async fn list(
    State(desk): State<AuditDesk>,
    caller: Caller,
    QueryOf(asked): QueryOf<Asked>,
) -> Result<Json<Value>, Problem> {
    caller.officer(Right::AuditRead)?;
    let limit = asked.limit.unwrap_or(100);
    let filter = asked.filter()?;
    let records =
        desk.store().read(async |rx| Ok::<_, StoreError>(audit::query(rx, &filter, limit).await?)).await?;
    Ok(Json(json!({ "items": records })))
}

async fn export(
    State(desk): State<AuditDesk>,
    caller: Caller,
    QueryOf(asked): QueryOf<Asked>,
) -> Result<impl IntoResponse, Problem> {
    caller.officer(Right::AuditExport)?;
    let filter = asked.filter()?;
    let entry = caller.entry("audit.exported", "audit", json!({}));
    desk.store().write(async |tx| audit::append(tx, &entry).await).await?;
    let mut out = Bounded(Vec::new());
    let lines = audit::export(desk.store(), &filter, &mut out).await?;
    lines.map_err(|_| {
        Problem::new(
            "request/too-large",
            "the export is longer than 64 MiB; narrow it by `from`, `until` or `before`",
        )
    })?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], out.0))
}

async fn verify(State(desk): State<AuditDesk>, caller: Caller) -> Result<Json<Value>, Problem> {
    caller.officer(Right::AuditRead)?;
    let keys = background::audit_keys(&desk.0.parts.keystore).await.map_err(of_keys)?;
    let report = audit::verify(desk.store(), &desk.0.parts.heads.file, &keys).await?;
    let report = report.map_err(|error| {
        tracing::error!(name: "audit.heads_unreadable", %error, "the file of audit heads cannot be read");
        Problem::internal()
    })?;
    let mut told = json!(report);
    told["defects"] = report.defects.iter().map(told_defect).collect();
    Ok(Json(json!({ "sound": report.is_sound(), "report": told })))
}

/// Hands the whole chain over while it is read. Recorded before the first octet.
async fn export_chain(State(desk): State<AuditDesk>, caller: Caller) -> Result<Response, Problem> {
    caller.officer(Right::AuditExport)?;
    let place = desk.0.exports.clone().try_acquire_owned();
    let place = place.map_err(|_| {
        Problem::new("service/busy", "as many exports are under way as are taken at a time").retry_after_s(30)
    })?;
    let keys = background::audit_keys(&desk.0.parts.keystore).await.map_err(of_keys)?;
    let entry = caller.entry("audit.exported", "chain", json!({}));
    desk.store().write(async |tx| audit::append(tx, &entry).await).await?;
    let (store, now) = (desk.store().clone(), caller.now);
    let body = piped::body(LONG, move |mut pipe| async move {
        let _place = place;
        match audit::export_chain(&store, &keys, now, &mut pipe).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

async fn list_keys(State(desk): State<AuditDesk>, caller: Caller) -> Result<Json<Value>, Problem> {
    caller.officer(Right::AuditRead)?;
    let keys = background::audit_keys(&desk.0.parts.keystore).await.map_err(of_keys)?;
    Ok(Json(json!({ "items": KeyLine::of(&keys) })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepting {
    reason: String,
}

async fn accept(
    State(desk): State<AuditDesk>,
    caller: Caller,
    JsonBody(asked): JsonBody<Accepting>,
) -> Result<Json<Value>, Problem> {
    let officer = caller.officer(Right::RestorationAccept)?;
    let reason = asked.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS || reason.chars().any(is_hidden) {
        return Err(Problem::new("request/invalid", "`reason` is one line of 1 to 1000 characters"));
    }
    let Parts { store, keystore, heads, clock, entropy, hold } = &desk.0.parts;
    if hold.held().is_none() {
        return Err(Problem::new("audit/nothing-to-accept", "the service is not held back"));
    }
    let signer = AuditKey::open(keystore).await.map_err(of_keys)?;
    let acceptance = Acceptance {
        actor: officer.id.to_string(),
        request: caller.request.clone(),
        reason: reason.to_owned(),
        detail: Value::Null,
    };
    let keys = background::audit_keys(keystore).await.map_err(of_keys)?;
    let sources = (&**clock, entropy.clone());
    let accepted = audit::accept_restored(store, heads, &keys, signer, sources, acceptance).await;
    let accepted = accepted.map_err(|error| Problem::new("audit/stopped", error.to_string()))?;
    // Where nothing is behind any more, whatever held the service back is looked at again.
    hold.release();
    match accepted {
        Some(restoration) => Ok(Json(json!(restoration))),
        None => Err(Problem::new("audit/nothing-to-accept", "the database has all that was signed")),
    }
}

fn of_keys(error: KeysError) -> Problem {
    match error {
        KeysError::Store(error) => error.into(),
        error => {
            tracing::error!(name: "audit.keys_unreadable", %error, "the audit keys cannot be read");
            Problem::internal()
        }
    }
}

/// The defect as data, and as a sentence.
fn told_defect(defect: &audit::Defect) -> Value {
    let mut told = json!(defect);
    told["says"] = defect.to_string().into();
    told
}

/// A buffer that refuses to outgrow its bound.
struct Bounded(Vec<u8>);

impl tokio::io::AsyncWrite for Bounded {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        octets: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        if self.0.len() + octets.len() > EXPORT_BYTES {
            return std::task::Poll::Ready(Err(std::io::Error::other("the export is too long")));
        }
        self.0.extend_from_slice(octets);
        std::task::Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}
