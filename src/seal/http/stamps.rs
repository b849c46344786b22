//! Stamping and the register of use.

use super::{AFTER, LIMIT, known_id, shapes};
use crate::{
    base::Timestamp,
    document::pdf::Placement,
    http::{
        Access, Gives, IdempotencyKey, Load, Operation, Param, Problem, QueryOf, Route, Takes, extract,
        idempotency::Confidential, shape,
    },
    officer::{Caller, Right},
    seal::{
        nouns::SealId,
        service::SealService,
        stamp::{StampId, StampRequest},
        store::stamps::Search,
    },
};
use axum::{
    Json,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Beyond this no page goes (ISO 32000-2 annex C: 14 400 units of 1/72 inch, times the user unit).
const FARTHEST_MM: f64 = 100_000.0;
/// Lines of one export at the most; the next one goes on after its last line.
const EXPORT_ROWS: i64 = 10_000;
/// Names the stamp beside the stamped file.
const STAMP: HeaderName = HeaderName::from_static("yinxin-stamp");

const SEAL: Param =
    Param { name: "seal", says: "with which seal", schema: || shape::id("seal"), required: true };
const PAGE: Param = Param {
    name: "page",
    says: "on which page, from 1",
    schema: || json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX }),
    required: true,
};
const X_MM: Param = Param {
    name: "x_mm",
    says: "centre of the seal from the left edge of the visible page, millimetres",
    schema: || json!({ "type": "number" }),
    required: true,
};
const Y_MM: Param = Param {
    name: "y_mm",
    says: "centre of the seal from the top edge of the visible page, millimetres",
    schema: || json!({ "type": "number" }),
    required: true,
};
const PURPOSE: Param = Param {
    name: "purpose",
    says: "what for; stands in the register and in the document",
    schema: || json!({ "type": "string", "maxLength": 200 }),
    required: false,
};
const TIME_STAMP: Param = Param {
    name: "time_stamp",
    says: "whether the time-stamp authority confirms the instant in the same act",
    schema: || json!({ "type": "boolean" }),
    required: false,
};
const OF_SEAL: Param =
    Param { name: "seal", says: "made with this seal", schema: || shape::id("seal"), required: false };
const OFFICER: Param =
    Param { name: "officer", says: "by this officer", schema: || shape::id("officer"), required: false };
const DOCUMENT: Param = Param {
    name: "document_sm3",
    says: "SM3 (hex) of the document before or after the stamp",
    schema: || json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" }),
    required: false,
};
const FROM: Param = Param {
    name: "from",
    says: "from this instant on",
    schema: || shape::instant("RFC 3339"),
    required: false,
};
const TO: Param =
    Param { name: "to", says: "before this instant", schema: || shape::instant("RFC 3339"), required: false };

pub(super) fn routes(service: &SealService, document_bytes: usize) -> Vec<Route> {
    vec![
        Operation::create(
            Access::Right(Right::Stamp),
            "/api/v1/stamps",
            "stampPdf",
            "Stamps a PDF; answers the stamped file, checked before it leaves.",
        )
        .body(Takes::Bytes("application/pdf"), document_bytes)
        .query(&[SEAL, PAGE, X_MM, Y_MM, PURPOSE, TIME_STAMP])
        .gives(201, Gives::Bytes("application/pdf"))
        .problems(STAMP_PROBLEMS)
        .load(Load::Stamp)
        .handled_by(service.clone(), stamp),
        Operation::get(
            Access::Right(Right::StampRead),
            "/api/v1/stamps",
            "listStamps",
            "The register of use 用印记录: who stamped what, when, with which seal.",
        )
        .query(&[AFTER, LIMIT, OF_SEAL, OFFICER, DOCUMENT, FROM, TO])
        .gives(200, Gives::List(&shapes::STAMP))
        .handled_by(service.clone(), list),
        Operation::get(
            Access::Right(Right::StampExport),
            "/api/v1/stamps/export",
            "exportStamps",
            "The register of use as JSON lines, 10 000 at the most from `after` on.",
        )
        .query(&[AFTER, OF_SEAL, OFFICER, DOCUMENT, FROM, TO])
        .gives(200, Gives::Bytes("application/x-ndjson"))
        .handled_by(service.clone(), export),
        Operation::get(
            Access::Right(Right::StampRead),
            "/api/v1/stamps/{stamp}",
            "readStamp",
            "One line of the register of use.",
        )
        .gives(200, Gives::Json(&shapes::STAMP))
        .problems(&["stamp/unknown"])
        .handled_by(service.clone(), show),
    ]
}

const STAMP_PROBLEMS: &[&str] = &[
    "seal/unknown",
    "seal/wrong-state",
    "seal/expired",
    "seal/not-your-owner",
    "seal/not-yet-valid",
    "seal/certificate-expired",
    "seal/certificate-revoked",
    "maker/certificate-expired",
    "maker/certificate-revoked",
    "authority/no-time-stamp",
    "input/purpose",
    "pdf/empty",
    "pdf/not-pdf",
    "pdf/encrypted",
    "pdf/malformed",
    "pdf/too-costly",
    "pdf/too-large",
    "pdf/missing-page",
    "pdf/off-page",
    "pdf/certified",
    "stamp/closed",
    "idempotency/answer-gone",
    "keys/busy",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    seal: String,
    page: u32,
    x_mm: f64,
    y_mm: f64,
    purpose: Option<String>,
    #[serde(default)]
    time_stamp: bool,
}

async fn stamp(
    State(service): State<SealService>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    QueryOf(wanted): QueryOf<Wanted>,
    request: Request,
) -> Result<Response, Problem> {
    let seal = known_id(SealId::parse(&wanted.seal), "seal", &wanted.seal)?;
    if ![wanted.x_mm, wanted.y_mm].iter().all(|mm| mm.is_finite() && mm.abs() <= FARTHEST_MM) {
        return Err(Problem::new("request/invalid", "x_mm and y_mm are millimetres on a page"));
    }
    let document = extract::read(request).await?;
    let placement = Placement { page: wanted.page, x_mm: wanted.x_mm, y_mm: wanted.y_mm };
    let request = StampRequest { seal, placement, purpose: wanted.purpose, time_stamp: wanted.time_stamp };
    let stamped = service.stamp_pdf(&caller, request, document, key.as_ref()).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (header::LOCATION, format!("/api/v1/stamps/{}", stamped.record.id)),
        (STAMP, stamped.record.id.to_string()),
    ];
    let mut response = (StatusCode::CREATED, headers, Body::from(stamped.file)).into_response();
    // Documents are not ours to keep: asked for again, the answer is put together from the document that is sent again.
    response.extensions_mut().insert(Confidential);
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    after: String,
    limit: Option<i64>,
    #[serde(default)]
    seal: String,
    #[serde(default)]
    officer: String,
    #[serde(default)]
    document_sm3: String,
    from: Option<String>,
    to: Option<String>,
}

impl Asked {
    fn search(self, limit: i64) -> Result<Search, Problem> {
        let instant = |text: Option<String>, otherwise: i64| match text {
            Some(text) => Timestamp::parse_rfc3339(&text)
                .ok_or_else(|| Problem::new("request/invalid", "from and to are instants of RFC 3339")),
            None => Ok(Timestamp::from_ms(otherwise)),
        };
        Ok(Search {
            after: self.after,
            seal: self.seal,
            officer: self.officer,
            document_sm3: self.document_sm3,
            from: instant(self.from, i64::MIN)?,
            to: instant(self.to, i64::MAX)?,
            limit,
        })
    }
}

async fn list(
    State(service): State<SealService>,
    caller: Caller,
    QueryOf(asked): QueryOf<Asked>,
) -> Result<Json<Value>, Problem> {
    let limit = super::Page { after: String::new(), limit: asked.limit }.limit();
    let records = service.stamps(&caller, &asked.search(limit)?).await?;
    Ok(Json(json!({ "items": records.iter().map(shapes::stamp).collect::<Vec<_>>() })))
}

async fn export(
    State(service): State<SealService>,
    caller: Caller,
    QueryOf(asked): QueryOf<Asked>,
) -> Result<impl IntoResponse, Problem> {
    let records = service.export_stamps(&caller, &asked.search(EXPORT_ROWS)?).await?;
    let lines: String = records.iter().map(|record| format!("{}\n", shapes::stamp(record))).collect();
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lines))
}

async fn show(
    State(service): State<SealService>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = known_id(StampId::parse(&id), "stamp", &id)?;
    Ok(Json(shapes::stamp(&service.stamp(&caller, &id).await?)))
}
