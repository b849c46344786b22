//! The auditor's routes: look records up, take them away, have the chain checked. They stand here because the record
//! itself (`audit`) is below the front door, and its key and file of heads are known only where all is put together.

use crate::{
    audit::{self, Filter},
    base::Timestamp,
    http::{Access, Gives, Operation, Param, Problem, QueryOf, Route, Shape, shape},
    officer::{Caller, Right},
    store::{Store, StoreError},
};
use axum::{Json, extract::State, http::header, response::IntoResponse};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};
use yinxin_pki::sign::PublicKey;

/// The longest export in one answer, in octets; `before` goes on where it ends.
const EXPORT_BYTES: usize = 64 << 20;

/// What the auditor's routes work with.
#[derive(Clone)]
pub(super) struct AuditDesk(Arc<Parts>);

struct Parts {
    store: Store,
    heads: PathBuf,
    key: PublicKey,
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
        let report = shape::object(
            &[
                ("chained", count("records in the chains")),
                ("unchained", count("records that wait to be chained: a second's worth")),
                ("heads", count("signed heads whose signature holds")),
                ("without_heads", shape::list_of(shape::text("a chain that was checked link by link only"))),
                ("defects", shape::list_of(json!({ "type": "object" }))),
                ("further", count("defects beyond those listed")),
            ],
            &[],
        );
        shape::object(&[("sound", json!({ "type": "boolean" })), ("report", report)], &[])
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
    schema: || json!({ "type": "integer" }),
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
    pub(super) fn new(store: Store, heads: PathBuf, key: PublicKey) -> Self {
        Self(Arc::new(Parts { store, heads, key }))
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
            .handled_by(self.clone(), export),
            Operation::get(
                Access::Right(Right::AuditRead),
                "/api/v1/audit/verification",
                "verifyAudit",
                "Checks the chain of audit records and names every defect.",
            )
            .gives(200, Gives::Json(&REPORT))
            .heavy()
            .handled_by(self.clone(), verify),
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
        desk.0.store.read(async |rx| Ok::<_, StoreError>(audit::query(rx, &filter, limit).await?)).await?;
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
    desk.0.store.write(async |tx| audit::append(tx, &entry).await).await?;
    let mut out = Bounded(Vec::new());
    let lines = audit::export(&desk.0.store, &filter, &mut out).await?;
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
    let report = audit::verify(&desk.0.store, &desk.0.heads, &desk.0.key).await?;
    let report = report.map_err(|error| {
        tracing::error!(name: "audit.heads_unreadable", %error, "the file of audit heads cannot be read");
        Problem::internal()
    })?;
    let mut told = json!(report);
    told["defects"] = report.defects.iter().map(told_defect).collect();
    Ok(Json(json!({ "sound": report.is_sound(), "report": told })))
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
