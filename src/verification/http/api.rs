//! REST: a document in, its report out.

use super::{
    super::service::{Kept, Verifications, Verify},
    known_id,
};
use crate::{
    base::Timestamp,
    http::{
        Access, Gives, IdempotencyKey, Operation, Param, Problem, QueryOf, Route, Shape, Takes, extract,
        shape::{id, instant, object, one_of},
        upload::Upload,
    },
    officer::{Caller, Right},
};
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest as _, Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use yinxin_pki::report::Profile;

/// The report, as `fixtures/report.schema.json` has it.
static REPORT: Shape = Shape { name: "Report", json: report_schema, parts: &[] };

static KEPT_REPORT: Shape = Shape {
    name: "KeptReport",
    json: || {
        object(
            &[
                ("id", id("verification")),
                ("at", instant("when it was asked for")),
                ("officer", id("officer")),
                ("report", REPORT.reference()),
            ],
            &[],
        )
    },
    parts: &[&REPORT],
};

const AT: Param = Param {
    name: "at",
    says: "the instant of judging (not of signing); now where left out",
    schema: || instant("RFC 3339"),
    required: false,
};
const PROFILE: Param = Param {
    name: "profile",
    says: "whether oddities that change no meaning are findings (gm, the default) or failures (strict)",
    schema: || one_of(["gm", "strict"]),
    required: false,
};

pub(super) fn routes(verifications: &Verifications) -> Vec<Route> {
    let settings = verifications.settings();
    let public = Access::Public { per_minute: Some(settings.per_minute) };
    vec![
        Operation::create(
            public,
            "/api/v1/verifications",
            "verify",
            "Verifies a document, sent as it is or as the part `file` of a form; kept (201) for officers who keep reports.",
        )
        .body(Takes::Bytes("application/octet-stream"), settings.max_bytes)
        .query(&[AT, PROFILE])
        .gives(200, Gives::Json(&REPORT))
        .gives(201, Gives::Json(&REPORT))
        .problems(&["request/invalid", "service/busy", "service/deadline"])
        .heavy()
        .handled_by(verifications.clone(), verify),
        Operation::get(
            Access::Right(Right::VerificationRead),
            "/api/v1/verifications/{verification}",
            "readVerification",
            "A kept report",
        )
        .gives(200, Gives::Json(&KEPT_REPORT))
        .problems(&["verification/unknown"])
        .handled_by(verifications.clone(), read),
    ]
}

/// The schema file with its references as they have to be inside the OpenAPI document.
fn report_schema() -> Value {
    let file = include_str!("../../../fixtures/report.schema.json");
    let text = file.replace("\"#/$defs/", "\"#/components/schemas/Report/$defs/");
    let mut schema: Value = serde_json::from_str(&text).unwrap_or_default();
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
        members.remove("$id");
    }
    schema
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    at: Option<String>,
    profile: Option<String>,
}

impl Asked {
    fn of(self, document: Bytes) -> Result<Verify, Problem> {
        let invalid = |says: &str| Problem::new("request/invalid", says);
        let instant = |text: String| {
            Timestamp::parse_rfc3339(&text)
                .ok_or_else(|| invalid("`at` is not an instant like 2026-11-21T00:00:00Z"))
        };
        let profile = match self.profile.as_deref() {
            None | Some("gm") => Profile::Gm,
            Some("strict") => Profile::Strict,
            Some(_) => return Err(invalid("`profile` is gm or strict")),
        };
        Ok(Verify { document, at: self.at.map(instant).transpose()?, profile })
    }
}

async fn verify(
    State(verifications): State<Verifications>,
    caller: Caller,
    once: Option<IdempotencyKey>,
    QueryOf(asked): QueryOf<Asked>,
    request: Request,
) -> Result<Response, Problem> {
    let ask = asked.of(document(request).await?)?;
    if !caller.may(Right::VerificationRead) {
        return Ok(Json(verifications.verify(&caller, ask).await?).into_response());
    }
    let kept = verifications.verify_and_keep(&caller, ask, once.as_ref()).await?;
    let place = format!("/api/v1/verifications/{}", kept.id);
    let headers = [(header::LOCATION, place), (header::CONTENT_TYPE, "application/json".to_owned())];
    Ok((StatusCode::CREATED, headers, kept.report).into_response())
}

async fn read(
    State(verifications): State<Verifications>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let Kept { id, at, officer, report, .. } = verifications.kept(&caller, &known_id(&id)?).await?;
    let report: Value = serde_json::from_str(&report).map_err(|_| Problem::internal())?;
    Ok(Json(json!({ "id": id.as_str(), "at": at, "officer": officer.as_str(), "report": report })))
}

/// The document: the body itself, or the file of a form.
async fn document(request: Request) -> Result<Bytes, Problem> {
    if !is_form(request.headers()) {
        return extract::read(request).await;
    }
    let mut form = Upload::from_request(request, &()).await?;
    form.only(&["file"])?;
    Ok(form.take_file("file")?.bytes)
}

fn is_form(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("multipart/form-data")
}
