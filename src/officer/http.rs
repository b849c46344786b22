//! Routes of officers and their keys.

use super::{
    Actor, ApiKey, ApiKeyId, Caller, Denied, IssuedKey, MakeKey, Officer, OfficerError, OfficerId,
    OfficerState, Officers, RegisterOfficer, Right, Role, RotateKey, SignInError,
};
use crate::{
    base::{Refusal, Timestamp},
    http::{
        self, Access, Gives, IdempotencyKey, JsonBody, Load, Once, Operation, Param, Problem, QueryOf, Route,
        Shape,
        idempotency::Confidential,
        shape::{id, instant, list_of, nullable, object, one_of, text, words},
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
        object(&[("name", words(1, 100, "in one line")), ("roles", roles)], &[])
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
            &[("label", words(1, 100, "what it is for, in one line"))],
            &[(
                "expires_at",
                nullable(instant("from when on it is refused; as late as may be where left out")),
            )],
        )
    },
    parts: &[],
};
static ROTATION: Shape = Shape {
    name: "ApiKeyRotation",
    json: || {
        let hours = json!({
            "type": "integer", "minimum": 0, "maximum": 168, "description": "for how long both are good; 24 where left out",
        });
        let label = nullable(text("what the new one is for; as the one before where left out"));
        object(&[], &[("label", label), ("overlap_hours", hours)])
    },
    parts: &[],
};
static ENDING_KEYS: Shape = Shape {
    name: "EndingApiKeys",
    json: || {
        let key = || object(&key_members(), &[]);
        object(&[("soon", list_of(key())), ("without_end", list_of(key()))], &[])
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
        ("replaced_by", nullable(id("key"))),
        (
            "renewable",
            json!({ "type": "boolean", "description": "whether a key in its place lives as long as any, or ends with it" }),
        ),
    ]
}

const AFTER: &[Param] = &[Param {
    name: "after",
    says: "the last id of the page before; 100 officers a page",
    schema: || id("officer"),
    required: false,
}];

const WITHIN: &[Param] = &[Param {
    name: "days",
    says: "those that end within so many days; 30 where left out",
    schema: || json!({ "type": "integer", "minimum": 0, "maximum": 3660 }),
    required: false,
}];
/// Why a key was not changed for another.
const ROTATION_REFUSALS: &[&str] = &[
    "officer/unknown",
    "officer/unknown-key",
    "officer/wrong-state",
    "officer/key-replaced",
    "officer/bad-overlap",
    "officer/bad-name",
    "officer/key-shown-once",
];

/// The routes of this room.
pub fn routes(officers: &Officers) -> Vec<Route> {
    let read = Access::Right(Right::OfficerRead);
    let manage = Access::Right(Right::OfficerManage);
    let state = || officers.clone();
    vec![
        Operation::get(Access::Officer, "/api/v1/me", "readMe", "The officer of the key that is sent")
            .gives(200, Gives::Json(&OFFICER))
            .handled_by((), me),
        Operation::get(
            Access::Officer,
            "/api/v1/me/keys",
            "listOwnApiKeys",
            "One's own API keys, the newest first",
        )
        .gives(200, Gives::List(&API_KEY))
        .handled_by(state(), own_keys),
        Operation::create(
            Access::Officer,
            "/api/v1/me/keys/{key}/rotation",
            "rotateOwnApiKey",
            "Change one's own API key for another; shown once, and to nobody else",
        )
        .json(&ROTATION)
        .gives(201, Gives::Json(&ISSUED_KEY))
        .problems(ROTATION_REFUSALS)
        .handled_by(state(), rotate_own_key),
        Operation::post(
            Access::Officer,
            "/api/v1/me/keys/{key}/revoke",
            "revokeOwnApiKey",
            "Revoke one's own API key",
        )
        .gives(200, Gives::Json(&API_KEY))
        .problems(&["officer/unknown-key"])
        .handled_by(state(), revoke_own_key),
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
        Operation::create(
            manage,
            "/api/v1/officers/{officer}/keys/{key}/rotation",
            "rotateApiKey",
            "Change an API key for another; shown once",
        )
        .json(&ROTATION)
        .gives(201, Gives::Json(&ISSUED_KEY))
        .problems(ROTATION_REFUSALS)
        .handled_by(state(), rotate_key),
        Operation::get(
            read,
            "/api/v1/ending-keys",
            "listEndingApiKeys",
            "Good API keys that end soon, or never, and have no key in their place",
        )
        .query(WITHIN)
        .gives(200, Gives::Json(&ENDING_KEYS))
        .handled_by(state(), ending_keys),
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
        Actor::Officer(officer) => Ok(Json(officer)),
        _ => Err(Denied::NotSignedIn.into()),
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
    Ok(shown_once(&officers.make_key(&caller, command, once.as_ref()).await?))
}

/// A key with its secret, which is stored nowhere on its way.
fn shown_once(issued: &IssuedKey) -> impl IntoResponse + use<> {
    let mut answer = json!(issued.key);
    answer["secret"] = json!(issued.clear.text().expose());
    (StatusCode::CREATED, Extension(Confidential), Json(answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    label: Option<String>,
    #[serde(default = "usual_overlap")]
    overlap_hours: i64,
}

fn usual_overlap() -> i64 {
    24
}

impl Rotation {
    fn of(self, officer: OfficerId, key: ApiKeyId) -> RotateKey {
        RotateKey {
            officer,
            key,
            label: self.label,
            overlap_ms: self.overlap_hours.saturating_mul(3_600_000),
        }
    }
}

async fn rotate_key(
    State(officers): State<Officers>,
    caller: Caller,
    Path((officer, key)): Path<(String, String)>,
    once: Option<IdempotencyKey>,
    JsonBody(body): JsonBody<Rotation>,
) -> Answer<impl IntoResponse> {
    let command = body.of(officer_id(&officer)?, key_id(&key)?);
    Ok(shown_once(&officers.rotate_key(&caller, command, once.as_ref()).await?))
}

async fn own_keys(State(officers): State<Officers>, caller: Caller) -> Answer<Json<Value>> {
    let own = oneself(&caller)?;
    Ok(Json(json!({ "items": officers.keys_of(&caller, &own).await? })))
}

async fn rotate_own_key(
    State(officers): State<Officers>,
    caller: Caller,
    Path(key): Path<String>,
    once: Option<IdempotencyKey>,
    JsonBody(body): JsonBody<Rotation>,
) -> Answer<impl IntoResponse> {
    let command = body.of(oneself(&caller)?, key_id(&key)?);
    Ok(shown_once(&officers.rotate_key(&caller, command, once.as_ref()).await?))
}

async fn revoke_own_key(
    State(officers): State<Officers>,
    caller: Caller,
    Path(key): Path<String>,
) -> Answer<Json<ApiKey>> {
    Ok(Json(officers.revoke_key(&caller, &oneself(&caller)?, &key_id(&key)?).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Within {
    days: Option<u16>,
}

async fn ending_keys(
    State(officers): State<Officers>,
    caller: Caller,
    QueryOf(within): QueryOf<Within>,
) -> Answer<Json<Value>> {
    caller.officer(Right::OfficerRead)?;
    let days = within.days.unwrap_or(30);
    if days > 3660 {
        return Err(Problem::new("request/invalid", "`days` is 0 to 3660"));
    }
    Ok(Json(json!(officers.ending_keys(caller.now, i64::from(days)).await?)))
}

fn oneself(caller: &Caller) -> Answer<OfficerId> {
    match &caller.actor {
        Actor::Officer(officer) => Ok(officer.id.clone()),
        _ => Err(Denied::NotSignedIn.into()),
    }
}

async fn revoke_key(
    State(officers): State<Officers>,
    caller: Caller,
    Path((officer, key)): Path<(String, String)>,
) -> Answer<Json<ApiKey>> {
    Ok(Json(officers.revoke_key(&caller, &officer_id(&officer)?, &key_id(&key)?).await?))
}

fn key_id(text: &str) -> Result<ApiKeyId, Problem> {
    ApiKeyId::parse(text)
        .ok_or_else(|| Problem::new("officer/unknown-key", "this is not the id of a key (`key_…`)"))
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
            OfficerError::Exists | OfficerError::NoRescue => Problem::new("officer/exists", says),
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
