//! What administrators do about the service's own certificates: look at them, have one come in the place of another. It
//! stands here because a maker's certificate is the authority's to give and the seal room's to use.

use super::AppError;
use crate::{
    authority::{Act, Authority, Issued, Succession},
    base::{Clock, Timestamp},
    http::{
        Access, Gives, JsonBody, Operation, Problem, Route, Shape,
        shape::{id, instant, list_of, nullable, object, one_of, text},
    },
    officer::{Caller, Right},
    seal::SealService,
    store::Lease,
};
use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// How often what ends soon is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// What the routes work with. Cheap to clone.
#[derive(Clone)]
pub(super) struct AuthorityDesk {
    authority: Authority,
    seals: SealService,
}

static CERTIFICATE: Shape = Shape {
    name: "OwnCertificate",
    json: || {
        let states = ["valid", "revoked"];
        object(
            &[
                ("id", id("cert")),
                (
                    "line",
                    text("what it is for: `authority/issuing`, `authority/time-stamping`, `maker/<id>` …"),
                ),
                (
                    "generation",
                    json!({ "type": "integer", "minimum": 1, "description": "its number in its line" }),
                ),
                ("role", text("`root`, `cross`, `issuing`, `time-stamping`, `seal-maker`")),
                ("serial", text("its serial number, hex")),
                ("subject", text("whom it names")),
                ("issuer", text("who signed it")),
                ("not_before", instant("its first second")),
                ("not_after", instant("its last second")),
                ("active_from", nullable(instant("from when on it is used, where that was announced"))),
                ("state", one_of(states)),
                (
                    "newest",
                    json!({ "type": "boolean", "description": "whether nothing came in its place yet" }),
                ),
            ],
            &[],
        )
    },
    parts: &[],
};

static ENDINGS: Shape = Shape {
    name: "EndingCertificates",
    json: || {
        let ending = object(
            &[
                ("line", text("what it is for")),
                ("serial", text("its serial number, hex")),
                ("not_after", instant("its last second")),
                ("says", text("what it means, and what to do")),
            ],
            &[],
        );
        object(&[("items", list_of(ending))], &[])
    },
    parts: &[],
};

static NEW_SUCCESSION: Shape = Shape {
    name: "NewSuccession",
    json: || {
        object(
            &[
                ("line", text("what for: `authority/issuing`, `authority/time-stamping`, `maker/<id>` …")),
                ("replaces", text("the serial number, hex, of the newest certificate of the line")),
            ],
            &[(
                "active_from",
                nullable(instant("from when on it is used: an issuing authority may be published first")),
            )],
        )
    },
    parts: &[],
};

impl AuthorityDesk {
    pub(super) fn new(authority: &Authority, seals: &SealService) -> Self {
        Self { authority: authority.clone(), seals: seals.clone() }
    }

    pub(super) fn routes(&self) -> Vec<Route> {
        let read = Access::Right(Right::KeyRead);
        vec![
            Operation::get(
                read,
                "/api/v1/authority/certificates",
                "listOwnCertificates",
                "The service's own certificates, the newest of each line first.",
            )
            .gives(200, Gives::List(&CERTIFICATE))
            .problems(&["authority/not-ready"])
            .handled_by(self.clone(), list),
            Operation::get(
                read,
                "/api/v1/authority/endings",
                "listEndings",
                "The service's own certificates that end soon, or leave too little room for what stands under them.",
            )
            .gives(200, Gives::Json(&ENDINGS))
            .problems(&["authority/not-ready"])
            .handled_by(self.clone(), endings),
            Operation::post(
                Access::Right(Right::KeyManage),
                "/api/v1/authority/successions",
                "succeedCertificate",
                "Makes a certificate with a fresh key in the place of another; what that one signed stays good.",
            )
            .json(&NEW_SUCCESSION)
            .gives(200, Gives::Json(&CERTIFICATE))
            .problems(&[
                "authority/unknown",
                "authority/replaced",
                "authority/active-from",
                "authority/out-of-period",
                "authority/not-ready",
                "authority/busy",
                "authority/signer",
            ])
            .handled_by(self.clone(), succeed),
        ]
    }

    /// Gives what ends soon its successor, and has makers sign with theirs. Safe to repeat, on all nodes.
    pub(super) async fn renew_due(&self, now: Timestamp) -> Result<(), AppError> {
        let caller = Caller::system("renewal", now);
        for made in self.authority.renew_due(&act(&caller)).await? {
            tracing::info!(name: "authority.succeeded", line = made.line, not_after = %made.cert.not_after(), "a certificate got a successor");
        }
        self.seals.take_over_makers(&caller).await?;
        for ending in self.authority.endings(now).await? {
            tracing::warn!(name: "authority.ends_soon", line = ending.line, not_after = %ending.not_after, found = ending.says, "a certificate ends soon");
        }
        Ok(())
    }
}

/// Looks for what ends soon, until told to stop; one node does so for all.
pub(super) async fn watch(
    desk: AuthorityDesk,
    lease: Lease,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        // Less than the time between two looks by what the nodes' looks are apart.
        if let Err(error) = lease.once(LOOK_EVERY * 9 / 10, desk.renew_due(clock.now())).await {
            tracing::warn!(name: "authority.unattended", %error, "certificates that end soon could not be looked after; tried again in an hour");
        }
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn list(State(desk): State<AuthorityDesk>, caller: Caller) -> Result<Json<Value>, Problem> {
    caller.officer(Right::KeyRead)?;
    let all = desk.authority.own_certificates().await?;
    let face = |own: &Issued| {
        let newest = !all.iter().any(|other| other.line == own.line && other.generation > own.generation);
        face(own, newest)
    };
    Ok(Json(json!({ "items": all.iter().map(face).collect::<Vec<_>>() })))
}

async fn endings(State(desk): State<AuthorityDesk>, caller: Caller) -> Result<Json<Value>, Problem> {
    caller.officer(Right::KeyRead)?;
    Ok(Json(json!({ "items": desk.authority.endings(caller.now).await? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSuccession {
    line: String,
    replaces: String,
    active_from: Option<String>,
}

async fn succeed(
    State(desk): State<AuthorityDesk>,
    caller: Caller,
    JsonBody(body): JsonBody<NewSuccession>,
) -> Result<Json<Value>, Problem> {
    caller.officer(Right::KeyManage)?;
    let instant = |text: String| {
        Timestamp::parse_rfc3339(&text)
            .ok_or_else(|| Problem::new("request/invalid", "`active_from` is an instant of RFC 3339"))
    };
    let active_from = body.active_from.map(instant).transpose()?;
    let replaces = body.replaces.to_ascii_lowercase();
    let wish = Succession { line: &body.line, replaces: &replaces, active_from };
    let issued = desk.authority.succeed(&act(&caller), &wish).await?;
    desk.seals.take_over_makers(&caller).await?;
    Ok(Json(face(&issued, true)))
}

fn act(caller: &Caller) -> Act<'_> {
    Act { actor: caller.actor_name(), request: &caller.request, now: caller.now }
}

fn face(own: &Issued, newest: bool) -> Value {
    json!({
        "id": own.id,
        "line": own.line,
        "generation": own.generation,
        "role": own.role.as_str(),
        "serial": own.cert.serial_hex(),
        "subject": own.cert.subject().to_string(),
        "issuer": own.cert.issuer().to_string(),
        "not_before": own.cert.not_before(),
        "not_after": own.cert.not_after(),
        "active_from": own.active_from,
        "state": own.state.as_str(),
        "newest": newest,
    })
}
