//! Routes of officers and their keys.

use super::{
    ApiKey, ApiKeyId, Caller, MakeKey, Officer, OfficerError, OfficerId, OfficerState, Officers,
    RegisterOfficer, Right, Role, SignInError,
};
use crate::{
    base::{Refusal, Timestamp},
    http::{
        self, Access, Gives, IdempotencyKey, JsonBody, Load, Once, Operation, Param, Problem, QueryOf, Route,
        Shape,
        idempotency::Confidential,
        shape::{id, instant, list_of, nullable, object, one_of, text},
    },
};
use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::{Value, json};

static OFFICER: Shape = Shape {
    name: "Officer",
    json: || {
        let roles = list_of(one_of(Role::ALL.iter().map(|role| role.name())));
        object(
            &[
                ("id", id("officer")),
                ("name", text("the person's name")),
                ("roles", roles),
                ("state", one_of(OfficerState::ALL.iter().map(|state| state.name()))),
                ("made_at", instant("when registered")),
            ],
            &[],
        )
    },
    parts: &[],
};
static NEW_OFFICER: Shape = Shape {
    name: "NewOfficer",
    json: || {
        let roles = list_of(one_of(Role::ALL.iter().map(|role| role.name())));
        object(&[("name", text("1 to 100 characters")), ("roles", roles)], &[])
    },
    parts: &[],
};
static NEW_ROLES: Shape = Shape {
    name: "NewRoles",
    json: || object(&[("roles", list_of(one_of(Role::ALL.iter().map(|role| role.name()))))], &[]),
    parts: &[],
};
static API_KEY: Shape = Shape { name: "ApiKey", json: || object(&key_members(), &[]), parts: &[] };
static ISSUED_KEY: Shape = Shape {
    name: "IssuedApiKey",
    json: || {
        let mut members = key_members();
        members.push(("secret", text("the whole key, shown once: yx_<id>_<secret>")));
        object(&members, &[])
    },
    parts: &[],
};
static NEW_KEY: Shape = Shape {
    name: "NewApiKey",
    json: || {
        object(
            &[("label", text("what it is for, 1 to 100 characters"))],
            &[("expires_at", nullable(instant("from when on it is refused")))],
        )
    },
    parts: &[],
};

fn key_members() -> Vec<(&'static str, Value)> {
    vec![
        ("id", id("key")),
        ("officer", id("officer")),
        ("label", text("what it is for")),
        ("made_at", instant("when made")),
        ("expires_at", nullable(instant("from when on it is refused"))),
        ("revoked_at", nullable(instant("since when it is revoked"))),
    ]
}

const AFTER: &[Param] = &[Param {
    name: "after",
    says: "the last id of the page before; 100 officers a page",
    schema: || id("officer"),
    required: false,
}];

/// The routes of this room.
pub fn routes(officers: &Officers) -> Vec<Route> {
    let read = Access::Right(Right::OfficerRead);
    let manage = Access::Right(Right::OfficerManage);
    let state = || officers.clone();
    vec![
        Operation::get(Access::Officer, "/api/v1/me", "readMe", "The officer of the key that is sent")
            .gives(200, Gives::Json(&OFFICER))
            .handled_by((), me),
        Operation::get(read, "/api/v1/officers", "listOfficers", "Officers in order of registration")
            .query(AFTER)
            .gives(200, Gives::List(&OFFICER))
            .handled_by(state(), list),
        Operation::create(manage, "/api/v1/officers", "registerOfficer", "Register an officer")
            .at_once()
            .json(&NEW_OFFICER)
            .gives(201, Gives::Json(&OFFICER))
            .problems(&["officer/roles-exclude", "officer/bad-name", "request/invalid"])
            .handled_by(state(), register),
        Operation::get(read, "/api/v1/officers/{officer}", "readOfficer", "One officer")
            .gives(200, Gives::Json(&OFFICER))
            .problems(&["officer/unknown"])
            .handled_by(state(), find),
        Operation::post(
            manage,
            "/api/v1/officers/{officer}/roles",
            "changeRoles",
            "Give an officer other roles",
        )
        .json(&NEW_ROLES)
        .gives(200, Gives::Json(&OFFICER))
        .problems(&["officer/unknown", "officer/oneself", "officer/roles-exclude", "request/invalid"])
        .handled_by(state(), change_roles),
        Operation::post(
            manage,
            "/api/v1/officers/{officer}/disable",
            "disableOfficer",
            "Take an officer off duty",
        )
        .load(Load::Urgent)
        .gives(200, Gives::Json(&OFFICER))
        .problems(&["officer/unknown", "officer/oneself", "officer/wrong-state"])
        .handled_by(state(), disable),
        Operation::post(
            manage,
            "/api/v1/officers/{officer}/enable",
            "enableOfficer",
            "Put an officer back on duty",
        )
        .gives(200, Gives::Json(&OFFICER))
        .problems(&["officer/unknown", "officer/oneself", "officer/wrong-state"])
        .handled_by(state(), enable),
        Operation::get(read, "/api/v1/officers/{officer}/keys", "listApiKeys", "API keys, the newest first")
            .gives(200, Gives::List(&API_KEY))
            .problems(&["officer/unknown"])
            .handled_by(state(), keys_of),
        Operation::create(
            manage,
            "/api/v1/officers/{officer}/keys",
            "makeApiKey",
            "Make an API key; shown once",
        )
        .json(&NEW_KEY)
        .gives(201, Gives::Json(&ISSUED_KEY))
        .problems(&["officer/unknown", "officer/bad-name", "officer/bad-expiry", "officer/key-shown-once"])
        .handled_by(state(), make_key),
        Operation::post(
            manage,
            "/api/v1/officers/{officer}/keys/{key}/revoke",
            "revokeApiKey",
            "Revoke an API key",
        )
        .load(Load::Urgent)
        .gives(200, Gives::Json(&API_KEY))
        .problems(&["officer/unknown", "officer/unknown-key"])
        .handled_by(state(), revoke_key),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOfficer {
    name: String,
    roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRoles {
    roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    label: String,
    expires_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    after: Option<String>,
}

type Answer<T = Json<Officer>> = Result<T, Problem>;

async fn me(caller: Caller) -> Answer {
    match caller.actor {
        super::Actor::Officer(officer) => Ok(Json(officer)),
        _ => Err(super::Denied::NotSignedIn.into()),
    }
}

async fn list(
    State(officers): State<Officers>,
    caller: Caller,
    QueryOf(page): QueryOf<After>,
) -> Answer<Json<Value>> {
    let after = page.after.as_deref().map(officer_id).transpose()?;
    Ok(Json(json!({ "items": officers.list(&caller, after.as_ref()).await? })))
}

async fn register(
    State(officers): State<Officers>,
    caller: Caller,
    once: Option<IdempotencyKey>,
    JsonBody(body): JsonBody<NewOfficer>,
) -> Answer<http::Answer> {
    let command = RegisterOfficer { name: body.name, roles: roles(&body.roles)? };
    let once = Once::of(once, registered);
    Ok(registered(&officers.register(&caller, command, once.as_ref()).await?))
}

fn registered(officer: &Officer) -> http::Answer {
    http::Answer::created(&json!(officer)).found_at(format!("/api/v1/officers/{}", officer.id))
}

async fn find(State(officers): State<Officers>, caller: Caller, Path(id): Path<String>) -> Answer {
    Ok(Json(officers.find(&caller, &officer_id(&id)?).await?))
}

async fn change_roles(
    State(officers): State<Officers>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<NewRoles>,
) -> Answer {
    Ok(Json(officers.change_roles(&caller, &officer_id(&id)?, roles(&body.roles)?).await?))
}

async fn disable(State(officers): State<Officers>, caller: Caller, Path(id): Path<String>) -> Answer {
    Ok(Json(officers.change_state(&caller, &officer_id(&id)?, OfficerState::Disabled).await?))
}

async fn enable(State(officers): State<Officers>, caller: Caller, Path(id): Path<String>) -> Answer {
    Ok(Json(officers.change_state(&caller, &officer_id(&id)?, OfficerState::Active).await?))
}

async fn keys_of(
    State(officers): State<Officers>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Value>> {
    Ok(Json(json!({ "items": officers.keys_of(&caller, &officer_id(&id)?).await? })))
}

async fn make_key(
    State(officers): State<Officers>,
    caller: Caller,
    Path(id): Path<String>,
    once: Option<IdempotencyKey>,
    JsonBody(body): JsonBody<NewKey>,
) -> Answer<impl IntoResponse> {
    let expires_at = body.expires_at.as_deref().map(expiry).transpose()?;
    let command = MakeKey { officer: officer_id(&id)?, label: body.label, expires_at };
    let issued = officers.make_key(&caller, command, once.as_ref()).await?;
    let mut answer = json!(issued.key);
    answer["secret"] = json!(issued.clear.text().expose());
    Ok((StatusCode::CREATED, Extension(Confidential), Json(answer)))
}

async fn revoke_key(
    State(officers): State<Officers>,
    caller: Caller,
    Path((officer, key)): Path<(String, String)>,
) -> Answer<Json<ApiKey>> {
    let key = ApiKeyId::parse(&key)
        .ok_or_else(|| Problem::new("officer/unknown-key", "this is not the id of a key (`key_…`)"))?;
    Ok(Json(officers.revoke_key(&caller, &officer_id(&officer)?, &key).await?))
}

fn officer_id(text: &str) -> Result<OfficerId, Problem> {
    OfficerId::parse(text)
        .ok_or_else(|| Problem::new("officer/unknown", "this is not the id of an officer (`officer_…`)"))
}

fn roles(names: &[String]) -> Result<Vec<Role>, Problem> {
    let unknown = || {
        let known: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
        Problem::new("request/invalid", format!("roles are among: {}", known.join(", ")))
    };
    names.iter().map(|name| Role::parse(name).ok_or_else(unknown)).collect()
}

fn expiry(text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse_rfc3339(text)
        .ok_or_else(|| Refusal::new("officer/bad-expiry", "the expiry is not RFC 3339").into())
}

impl From<OfficerError> for Problem {
    fn from(error: OfficerError) -> Self {
        let says = error.to_string();
        match error {
            OfficerError::Denied(denied) => denied.into(),
            OfficerError::Refused(refusal) => refusal.into(),
            OfficerError::Unknown(_) => Problem::new("officer/unknown", says),
            OfficerError::UnknownKey(_) => Problem::new("officer/unknown-key", says),
            OfficerError::ShownOnce(_) => Problem::new("officer/key-shown-once", says),
            OfficerError::Exists => Problem::new("officer/exists", says),
            OfficerError::Store(error) => error.into(),
        }
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::NotAKey => Problem::new(
                "auth/api-key-invalid",
                "the Authorization header holds no key of the form `Bearer yx_…`",
            ),
            SignInError::Refused => {
                Problem::new("auth/api-key-invalid", "the key opens nothing at this time")
            }
            SignInError::Store(error) => error.into(),
        }
    }
}
