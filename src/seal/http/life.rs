//! Applications and the life of seals.

use super::{AFTER, LIMIT, known_id, shapes};
use crate::{
    base::Timestamp,
    http::{
        Access, Answer, Gives, IdempotencyKey, JsonBody, Load, Once, Operation, Param, Problem, QueryOf,
        Route, Shape,
        shape::{self, nullable, object, one_of, text, whole, words},
    },
    officer::{Caller, Right},
    seal::{
        look::LookRequest,
        nouns::{Seal, SealId, Version},
        register::{MakerId, OwnerId},
        service::{Apply, SealService},
        state::State as SealState,
    },
};
use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// A picture of 2 MiB in base64, and the rest.
const APPLICATION_BYTES: usize = 3 << 20;

static NEW_SEAL: Shape = Shape {
    name: "NewSeal",
    json: || {
        object(
            &[
                ("owner", shape::id("owner")),
                ("maker", shape::id("maker")),
                ("name", words(1, 60, "name of the seal")),
                ("look", look()),
            ],
            &[
                ("kind", json!({ "type": "integer", "minimum": 1, "maximum": 127, "default": 1 })),
                ("period_days", json!({ "type": "integer", "minimum": 1, "maximum": 3650, "default": 1095 })),
                ("version", json!({ "type": "integer", "enum": [4, 5], "default": 4 })),
            ],
        )
    },
    parts: &[],
};

fn look() -> Value {
    let preset = object(
        &[("by", one_of(["preset"])), ("preset", text("`department`, `enterprise-limited` …"))],
        &[
            ("name", text("the name on the arc; the owner's where left out")),
            ("line", text("a line below the middle, such as 合同专用章")),
            ("with_code", json!({ "type": "boolean" })),
            ("marking", json!({ "type": "boolean" })),
        ],
    );
    let design = object(&[("by", one_of(["design"])), ("design", design())], &[]);
    let picture = object(
        &[
            ("by", one_of(["picture"])),
            ("png", text("a PNG in base64, 2 MiB at most, 300 to 1200 dpi")),
            ("width_mm", json!({ "type": "integer", "minimum": 10, "maximum": 80 })),
            ("height_mm", json!({ "type": "integer", "minimum": 10, "maximum": 80 })),
        ],
        &[],
    );
    json!({ "oneOf": [preset, design, picture] })
}

/// Every measure and text of a picture that is drawn (`seal::picture::Design`).
fn design() -> Value {
    let outer = |says: &str| whole(10_000, 80_000, says);
    let border = || whole(200, 3_000, "width of the border, micrometres");
    let name = || words(1, 60, "the name on the seal");
    let more = || {
        [
            ("line", nullable(text("a horizontal line, such as 合同专用章"))),
            ("code", nullable(text("small digits"))),
            ("marking", json!({ "type": "boolean" })),
        ]
    };
    let star = object(&[("diameter_um", whole(0, 40_000, "of the circle through its points"))], &[]);
    let centre = json!({ "oneOf": [object(&[("star", star)], &[]), one_of(["empty"])] });
    let round = object(
        &[
            ("shape", one_of(["round"])),
            ("diameter_um", outer("outer diameter, micrometres")),
            ("border_um", border()),
            ("centre", centre),
            ("name", name()),
        ],
        &more(),
    );
    let sides = || [("width_um", outer("outer width")), ("height_um", outer("outer height"))];
    let [width, height] = sides();
    let oval = object(
        &[("shape", one_of(["oval"])), width, height, ("border_um", border()), ("name", name())],
        &more(),
    );
    let [width, height] = sides();
    let lines = json!({ "type": "array", "items": words(1, 60, "a line"), "minItems": 1, "maxItems": 4 });
    let rectangle = object(
        &[("shape", one_of(["rectangle"])), width, height, ("border_um", border()), ("lines", lines)],
        &[],
    );
    let square = object(
        &[
            ("shape", one_of(["name"])),
            ("side_um", outer("outer side, micrometres")),
            ("border_um", border()),
            ("name", words(2, 4, "with 印 or 之印 where wanted")),
        ],
        &[],
    );
    json!({ "oneOf": [round, oval, rectangle, square] })
}

static REASON: Shape =
    Shape { name: "Reason", json: || object(&[("reason", words(1, 200, "why"))], &[]), parts: &[] };

static RENEWAL: Shape = Shape {
    name: "Renewal",
    json: || object(&[("period_days", json!({ "type": "integer", "minimum": 1, "maximum": 3650 }))], &[]),
    parts: &[],
};

const OWNER: Param =
    Param { name: "owner", says: "seals of this owner", schema: || shape::id("owner"), required: false };
const STATE: Param = Param {
    name: "state",
    says: "seals stored in this state",
    schema: || one_of(SealState::ALL.map(SealState::name)),
    required: false,
};

/// A change of a seal's life that needs no more than its id.
macro_rules! plain {
    ($service:expr, $right:ident, $word:literal, $id:literal, $says:literal, $command:ident) => {
        Operation::post(Access::Right(Right::$right), concat!("/api/v1/seals/{seal}/", $word), $id, $says)
            .gives(200, Gives::Json(&shapes::SEAL))
            .problems(&["seal/unknown", "seal/wrong-state", "seal/same-person", "seal/not-your-owner"])
            .handled_by(
                $service.clone(),
                async |State(service): State<SealService>, caller: Caller, Path(id): Path<String>| {
                    let id = known_id(SealId::parse(&id), "seal", &id)?;
                    let seal = service.$command(&caller, &id).await?;
                    Ok::<_, Problem>(Json(shapes::seal(&seal, caller.now)))
                },
            )
    };
}

/// A change of a seal's life that takes something away, and says why. It gets through whatever else is asked.
macro_rules! reasoned {
    ($service:expr, $access:expr, $word:literal, $id:literal, $says:literal, $command:ident) => {
        Operation::post($access, concat!("/api/v1/seals/{seal}/", $word), $id, $says)
            .load(Load::Urgent)
            .json(&REASON)
            .gives(200, Gives::Json(&shapes::SEAL))
            .problems(&[
                "seal/unknown",
                "seal/wrong-state",
                "seal/same-person",
                "seal/not-your-owner",
                "input/reason",
            ])
            .handled_by(
                $service.clone(),
                async |State(service): State<SealService>,
                       caller: Caller,
                       Path(id): Path<String>,
                       JsonBody(body): JsonBody<Reason>| {
                    let id = known_id(SealId::parse(&id), "seal", &id)?;
                    let seal = service.$command(&caller, &id, body.reason).await?;
                    Ok::<_, Problem>(Json(shapes::seal(&seal, caller.now)))
                },
            )
    };
}

pub(super) fn routes(service: &SealService) -> Vec<Route> {
    let mut routes = reading(service);
    routes.extend([
        Operation::create(
            Access::Right(Right::SealApply),
            "/api/v1/seals",
            "applyForSeal",
            "Applies for a seal; the picture is drawn and checked at once.",
        )
        .at_once()
        .json(&NEW_SEAL)
        .body(crate::http::Takes::Json(&NEW_SEAL), APPLICATION_BYTES)
        .gives(201, Gives::Json(&shapes::SEAL))
        .problems(&[
            "owner/unknown",
            "maker/unknown",
            "seal/not-your-owner",
            "input/name",
            "input/preset",
            "input/period",
            "input/seal-kind",
            "input/seal-size",
            "input/base64",
            "picture/not-png",
            "picture/too-large",
            "picture/malformed",
            "picture/missing-glyph",
            "picture/text-too-long",
        ])
        .handled_by(service.clone(), apply),
        Operation::create(
            Access::Right(Right::SealRenew),
            "/api/v1/seals/{seal}/renewals",
            "renewSeal",
            "Applies for the seal data that takes the place of this one: same code, owner and picture.",
        )
        .at_once()
        .json(&RENEWAL)
        .gives(201, Gives::Json(&shapes::SEAL))
        .problems(&[
            "seal/unknown",
            "seal/wrong-state",
            "seal/renewal-open",
            "seal/not-your-owner",
            "input/period",
        ])
        .handled_by(service.clone(), renew),
        plain!(
            service,
            SealApprove,
            "approve",
            "approveSeal",
            "Approves an application; never by who applied.",
            approve
        ),
        reasoned!(
            service,
            Access::Right(Right::SealApprove),
            "reject",
            "rejectSeal",
            "Rejects an application.",
            reject
        ),
        plain!(
            service,
            SealMake,
            "make",
            "makeSeal",
            "Makes an approved seal: signed by its maker, checked, issued.",
            make
        ),
        reasoned!(
            service,
            Access::Right(Right::SealSuspend),
            "suspend",
            "suspendSeal",
            "Suspends an active seal; stamps made before stay valid.",
            suspend
        ),
        plain!(service, SealResume, "resume", "resumeSeal", "Takes a suspended seal into use again.", resume),
        reasoned!(
            service,
            Access::Right(Right::SealReportLoss),
            "report-loss",
            "reportSealLost",
            "Reports a seal lost.",
            report_loss
        ),
        plain!(service, SealResume, "recover", "recoverSeal", "Takes a lost seal into use again.", recover),
        reasoned!(
            service,
            Access::OneOf(&[Right::SealCancel, Right::SealApply]),
            "cancel",
            "cancelSeal",
            "Ends a seal for good; applicants withdraw so what nobody has decided on.",
            cancel
        ),
    ]);
    routes
}

fn reading(service: &SealService) -> Vec<Route> {
    let read = Access::Right(Right::SealRead);
    vec![
        Operation::get(read, "/api/v1/seals", "listSeals", "Lists seals in order of their ids.")
            .query(&[AFTER, LIMIT, OWNER, STATE])
            .gives(200, Gives::List(&shapes::SEAL))
            .handled_by(service.clone(), list),
        Operation::get(read, "/api/v1/seals/{seal}", "readSeal", "A seal and where it stands.")
            .gives(200, Gives::Json(&shapes::SEAL))
            .problems(&["seal/unknown"])
            .handled_by(service.clone(), show),
        Operation::get(read, "/api/v1/seals/{seal}/events", "readSealEvents", "What happened to a seal.")
            .gives(200, Gives::List(&shapes::SEAL_EVENT))
            .problems(&["seal/unknown"])
            .handled_by(service.clone(), events),
        Operation::get(
            read,
            "/api/v1/seals/{seal}/picture.png",
            "readSealPicture",
            "The picture, 600 dpi, as it stands in the seal data.",
        )
        .gives(200, Gives::Bytes("image/png"))
        .problems(&["seal/unknown"])
        .handled_by(service.clone(), picture),
        Operation::get(
            read,
            "/api/v1/seals/{seal}/picture.svg",
            "readSealDrawing",
            "The drawing as vectors, at real size; drawn seals only.",
        )
        .gives(200, Gives::Bytes("image/svg+xml"))
        .problems(&["seal/unknown", "seal/not-drawn"])
        .handled_by(service.clone(), drawing),
        Operation::get(
            read,
            "/api/v1/seals/{seal}/seal.esl",
            "readSealData",
            "The seal data (SESeal, DER), once made.",
        )
        .gives(200, Gives::Bytes("application/octet-stream"))
        .problems(&["seal/unknown", "seal/wrong-state"])
        .handled_by(service.clone(), data),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSeal {
    owner: String,
    maker: String,
    name: String,
    look: LookRequest,
    #[serde(default = "one")]
    kind: u8,
    #[serde(default = "three_years")]
    period_days: u32,
    #[serde(default = "version_four")]
    version: i64,
}

fn one() -> u8 {
    1
}

fn three_years() -> u32 {
    1095
}

fn version_four() -> i64 {
    4
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renewal {
    period_days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    #[serde(default)]
    after: String,
    limit: Option<i64>,
    #[serde(default)]
    owner: String,
    state: Option<String>,
}

async fn apply(
    State(service): State<SealService>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    JsonBody(body): JsonBody<NewSeal>,
) -> Result<Answer, Problem> {
    let command = Apply {
        owner: known_id(OwnerId::parse(&body.owner), "owner", &body.owner)?,
        maker: known_id(MakerId::parse(&body.maker), "maker", &body.maker)?,
        name: body.name,
        kind: body.kind,
        look: body.look,
        period_days: body.period_days,
        version: Version::from_number(body.version)
            .ok_or_else(|| Problem::new("request/invalid", "version is 4 or 5"))?,
    };
    let now = caller.now;
    let once = Once::of(key, move |seal| created(seal, now));
    Ok(created(&service.apply(&caller, command, once.as_ref()).await?, now))
}

async fn renew(
    State(service): State<SealService>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Renewal>,
) -> Result<Answer, Problem> {
    let id = known_id(SealId::parse(&id), "seal", &id)?;
    let now = caller.now;
    let once = Once::of(key, move |seal| created(seal, now));
    Ok(created(&service.renew(&caller, &id, body.period_days, once.as_ref()).await?, now))
}

fn created(seal: &Seal, now: Timestamp) -> Answer {
    Answer::created(&shapes::seal(seal, now)).found_at(format!("/api/v1/seals/{}", seal.id))
}

async fn list(
    State(service): State<SealService>,
    caller: Caller,
    QueryOf(search): QueryOf<Search>,
) -> Result<Json<Value>, Problem> {
    let page = super::Page { after: search.after, limit: search.limit };
    let state = match search.state {
        Some(name) => Some(
            SealState::from_name(&name)
                .ok_or_else(|| Problem::new("request/invalid", "there is no such state"))?,
        ),
        None => None,
    };
    let seals = service.seals(&caller, &page.after, &search.owner, state, page.limit()).await?;
    Ok(Json(json!({ "items": seals.iter().map(|seal| shapes::seal(seal, caller.now)).collect::<Vec<_>>() })))
}

async fn show(
    State(service): State<SealService>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let seal = load(&service, &caller, &id).await?;
    Ok(Json(shapes::seal(&seal, caller.now)))
}

async fn events(
    State(service): State<SealService>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = known_id(SealId::parse(&id), "seal", &id)?;
    Ok(Json(json!({ "items": service.history(&caller, &id).await? })))
}

async fn picture(
    State(service): State<SealService>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let seal = load(&service, &caller, &id).await?;
    Ok(([(header::CONTENT_TYPE, "image/png")], seal.wish.look.png))
}

async fn drawing(
    State(service): State<SealService>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let id = known_id(SealId::parse(&id), "seal", &id)?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], service.drawing(&caller, &id).await?))
}

async fn data(
    State(service): State<SealService>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let id = known_id(SealId::parse(&id), "seal", &id)?;
    let esl = service.seal_data(&caller, &id).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], esl))
}

async fn load(service: &SealService, caller: &Caller, id: &str) -> Result<Seal, Problem> {
    let id = known_id(SealId::parse(id), "seal", id)?;
    Ok(service.seal(caller, &id).await?)
}
