//! Owners, members, makers.

use super::{AFTER, LIMIT, Page, known_id, shapes};
use crate::{
    http::{
        Access, Answer, Gives, IdempotencyKey, JsonBody, Once, Operation, Problem, QueryOf, Route, Shape,
        shape::{object, one_of, words},
    },
    officer::{Caller, OfficerId, Right},
    seal::{
        register::{Owner, OwnerId, OwnerKind},
        service::{RegisterMaker, RegisterOwner, SealService},
    },
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::{Value, json};

static NEW_OWNER: Shape = Shape {
    name: "NewOwner",
    json: || {
        object(
            &[
                ("name", words(1, 60, "full name, as registered")),
                ("credit_code", credit_code()),
                ("kind", one_of(["legal-person", "organisation"])),
            ],
            &[],
        )
    },
    parts: &[],
};

static NEW_MAKER: Shape = Shape {
    name: "NewMaker",
    json: || {
        object(
            &[
                ("name", words(1, 60, "full name, as registered")),
                (
                    "vendor",
                    json!({
                        "type": "string",
                        "pattern": "^[A-Za-z0-9._-]{1,32}$",
                        "description": "its mark in seals (Vid)",
                    }),
                ),
            ],
            &[],
        )
    },
    parts: &[],
};

fn credit_code() -> Value {
    json!({
        "type": "string",
        "pattern": "^[0-9A-HJ-NPQRTUWXY]{18}$",
        "description": "unified social credit code (GB 32100), both check digits right",
        "examples": ["11440100MB2C000137"],
    })
}

pub(super) fn routes(service: &SealService) -> Vec<Route> {
    let at = || service.clone();
    vec![
        Operation::create(
            Access::Right(Right::OwnerRegister),
            "/api/v1/owners",
            "registerOwner",
            "Registers an owner of seals; the caller becomes its first member.",
        )
        .at_once()
        .json(&NEW_OWNER)
        .gives(201, Gives::Json(&shapes::OWNER))
        .problems(&["input/name", "number/credit-code", "owner/exists"])
        .handled_by(at(), register_owner),
        Operation::get(
            Access::Right(Right::SealRead),
            "/api/v1/owners",
            "listOwners",
            "Lists owners in order of their ids.",
        )
        .query(&[AFTER, LIMIT])
        .gives(200, Gives::List(&shapes::OWNER))
        .handled_by(at(), list_owners),
        Operation::get(
            Access::Right(Right::SealRead),
            "/api/v1/owners/{owner}",
            "readOwner",
            "An owner and who acts for it.",
        )
        .gives(200, Gives::Json(&shapes::OWNER))
        .problems(&["owner/unknown"])
        .handled_by(at(), read_owner),
        Operation::new(
            Access::Right(Right::OwnerRegister),
            axum::http::Method::PUT,
            "/api/v1/owners/{owner}/members/{officer}",
            "addOwnerMember",
            "Lets an officer act for an owner: apply for its seals and stamp with them.",
        )
        .gives(204, Gives::Nothing)
        .problems(&["owner/unknown", "officer/unknown", "seal/not-your-owner"])
        .handled_by(at(), add_member),
        Operation::new(
            Access::Right(Right::OwnerRegister),
            axum::http::Method::DELETE,
            "/api/v1/owners/{owner}/members/{officer}",
            "removeOwnerMember",
            "Ends it.",
        )
        .gives(204, Gives::Nothing)
        .problems(&["owner/unknown", "officer/unknown", "seal/not-your-owner"])
        .handled_by(at(), remove_member),
        Operation::create(
            Access::Right(Right::MakerRegister),
            "/api/v1/makers",
            "registerMaker",
            "Registers a maker of seals; the authority issues its certificate.",
        )
        .json(&NEW_MAKER)
        .gives(201, Gives::Json(&shapes::MAKER))
        .problems(&["input/name", "input/vendor"])
        .handled_by(at(), register_maker),
        Operation::get(
            Access::OneOf(&[Right::MakerRegister, Right::SealRead]),
            "/api/v1/makers",
            "listMakers",
            "Lists makers in order of their ids.",
        )
        .query(&[AFTER, LIMIT])
        .gives(200, Gives::List(&shapes::MAKER))
        .handled_by(at(), list_makers),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOwner {
    name: String,
    credit_code: String,
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMaker {
    name: String,
    vendor: String,
}

async fn register_owner(
    State(service): State<SealService>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    JsonBody(body): JsonBody<NewOwner>,
) -> Result<Answer, Problem> {
    let kind = OwnerKind::from_name(&body.kind)
        .ok_or_else(|| Problem::new("request/invalid", "kind is legal-person or organisation"))?;
    let command = RegisterOwner { name: body.name, credit_code: body.credit_code, kind };
    let once = Once::of(key, registered);
    Ok(registered(&service.register_owner(&caller, command, once.as_ref()).await?))
}

fn registered(owner: &Owner) -> Answer {
    Answer::created(&shapes::owner(owner)).found_at(format!("/api/v1/owners/{}", owner.id))
}

async fn list_owners(
    State(service): State<SealService>,
    caller: Caller,
    QueryOf(page): QueryOf<Page>,
) -> Result<Json<Value>, Problem> {
    let owners = service.owners(&caller, &page.after, page.limit()).await?;
    Ok(Json(json!({ "items": owners.iter().map(shapes::owner).collect::<Vec<_>>() })))
}

async fn read_owner(
    State(service): State<SealService>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = known_id(OwnerId::parse(&id), "owner", &id)?;
    let (owner, members) = service.owner(&caller, &id).await?;
    let mut body = shapes::owner(&owner);
    body["members"] = json!(members);
    Ok(Json(body))
}

async fn add_member(
    State(service): State<SealService>,
    caller: Caller,
    Path((owner, officer)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (owner, officer) = pair(&owner, &officer)?;
    service.add_member(&caller, &owner, &officer).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_member(
    State(service): State<SealService>,
    caller: Caller,
    Path((owner, officer)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (owner, officer) = pair(&owner, &officer)?;
    service.remove_member(&caller, &owner, &officer).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn pair(owner: &str, officer: &str) -> Result<(OwnerId, OfficerId), Problem> {
    let owner = known_id(OwnerId::parse(owner), "owner", owner)?;
    Ok((owner, known_id(OfficerId::parse(officer), "officer", officer)?))
}

async fn register_maker(
    State(service): State<SealService>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    JsonBody(body): JsonBody<NewMaker>,
) -> Result<impl IntoResponse, Problem> {
    let command = RegisterMaker { name: body.name, vendor: body.vendor };
    let maker = service.register_maker(&caller, command, key.as_ref()).await?;
    Ok((StatusCode::CREATED, Json(shapes::maker(&maker))))
}

async fn list_makers(
    State(service): State<SealService>,
    caller: Caller,
    QueryOf(page): QueryOf<Page>,
) -> Result<Json<Value>, Problem> {
    let makers = service.makers(&caller, &page.after, page.limit()).await?;
    Ok(Json(json!({ "items": makers.iter().map(shapes::maker).collect::<Vec<_>>() })))
}
