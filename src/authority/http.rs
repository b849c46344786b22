//! What the authority answers the world: time stamps, certificates, the revocation list; and revocation, for those who may.

use super::{Act, Authority, AuthorityError};
use crate::{
    http::{
        Access, Gives, JsonBody, Load, Operation, Problem, Route, Shape, Takes, extract,
        shape::{object, one_of},
    },
    keys::KeysError,
    officer::{Caller, Right},
};
use axum::{
    extract::{Path, Request, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use yinxin_pki::{tsp::REQUEST_LIMIT_BYTES, x509::Reason};

/// Media type of a request for a time stamp (RFC 3161 3.4).
const TIME_STAMP_QUERY: &str = "application/timestamp-query";
/// Media type of its answer.
const TIME_STAMP_REPLY: &str = "application/timestamp-reply";
/// Media type of a revocation list (RFC 2585 4).
const CRL: &str = "application/pkix-crl";
/// Media type of one certificate (RFC 2585 4).
const CERT: &str = "application/pkix-cert";
/// Media type of several, as PEM text (RFC 8555 9.1).
const CERT_CHAIN: &str = "application/pem-certificate-chain";
/// Time stamps a minute for one address; an officer's key lifts nothing here, agencies have their own authorities.
const STAMPS_PER_MINUTE: u32 = 600;

/// Reasons that a revocation may have (RFC 5280 5.3.1).
const REASONS: [Reason; 6] = [
    Reason::Unspecified,
    Reason::KeyCompromise,
    Reason::AffiliationChanged,
    Reason::Superseded,
    Reason::CessationOfOperation,
    Reason::PrivilegeWithdrawn,
];

static REVOCATION: Shape = Shape {
    name: "Revocation",
    json: || object(&[("reason", one_of(REASONS.map(Reason::name)))], &[]),
    parts: &[],
};

/// All routes of this room.
pub fn routes(authority: &Authority) -> Vec<Route> {
    vec![
        Operation::post(
            Access::Public { per_minute: Some(STAMPS_PER_MINUTE) },
            "/tsa",
            "timeStamp",
            "Answers a TimeStampReq (RFC 3161, SM3) with a TimeStampResp.",
        )
        .body(Takes::Bytes(TIME_STAMP_QUERY), REQUEST_LIMIT_BYTES)
        .gives(200, Gives::Bytes(TIME_STAMP_REPLY))
        .handled_by(authority.clone(), time_stamp),
        Operation::get(
            Access::PUBLIC,
            "/pki/root.cer",
            "readRoot",
            "The newest root certificate: the anchor that verifiers trust.",
        )
        .load(Load::Status)
        .gives(200, Gives::Bytes(CERT))
        .problems(&["authority/not-ready"])
        .handled_by(authority.clone(), root),
        Operation::get(
            Access::PUBLIC,
            "/pki/issuing.cer",
            "readIssuing",
            "The certificate of the first issuing authority.",
        )
        .load(Load::Status)
        .gives(200, Gives::Bytes(CERT))
        .problems(&["authority/not-ready"])
        .handled_by(authority.clone(), issuing),
        Operation::get(
            Access::PUBLIC,
            "/pki/chain.pem",
            "readChain",
            "All issuing authorities, roots as certified by other roots, and roots, as PEM.",
        )
        .load(Load::Status)
        .gives(200, Gives::Bytes(CERT_CHAIN))
        .problems(&["authority/not-ready"])
        .handled_by(authority.clone(), chain),
        Operation::get(
            Access::PUBLIC,
            "/pki/ca.crl",
            "readRevocationList",
            "The first issuing authority's revocation list.",
        )
        .load(Load::Status)
        .gives(200, Gives::Bytes(CRL))
        .problems(&["authority/not-ready", "keys/busy"])
        .handled_by(authority.clone(), crl),
        Operation::get(
            Access::PUBLIC,
            "/pki/root/{generation}/root.cer",
            "readRootOf",
            "A root certificate, by its number from 1.",
        )
        .gives(200, Gives::Bytes(CERT))
        .problems(&["authority/unknown", "authority/not-ready"])
        .handled_by(authority.clone(), root_of),
        Operation::get(
            Access::PUBLIC,
            "/pki/issuing/{generation}/issuing.cer",
            "readIssuingOf",
            "The certificate of an issuing authority, by its number from 1.",
        )
        .gives(200, Gives::Bytes(CERT))
        .problems(&["authority/unknown", "authority/not-ready"])
        .handled_by(authority.clone(), issuing_of),
        Operation::get(
            Access::PUBLIC,
            "/pki/issuing/{generation}/ca.crl",
            "readRevocationListOf",
            "The revocation list of an issuing authority, by its number from 1.",
        )
        .gives(200, Gives::Bytes(CRL))
        .problems(&["authority/unknown", "authority/not-ready", "keys/busy"])
        .handled_by(authority.clone(), crl_of),
        Operation::post(
            Access::Right(Right::KeyManage),
            "/api/v1/certificates/{serial}/revocation",
            "revokeCertificate",
            "Revokes a certificate by its serial number (hex); final.",
        )
        .load(Load::Urgent)
        .json(&REVOCATION)
        .gives(204, Gives::Nothing)
        .problems(&[
            "authority/unknown",
            "authority/wrong-state",
            "authority/not-revocable",
            "authority/reason",
        ])
        .handled_by(authority.clone(), revoke),
    ]
}

async fn time_stamp(
    State(authority): State<Authority>,
    caller: Caller,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let body = extract::read(request).await?;
    Ok(([(header::CONTENT_TYPE, TIME_STAMP_REPLY)], authority.time_stamp(&body, caller.now).await))
}

async fn root(State(authority): State<Authority>) -> Result<impl IntoResponse, Problem> {
    Ok(([(header::CONTENT_TYPE, CERT)], authority.root().await?.der().to_vec()))
}

async fn root_of(
    State(authority): State<Authority>,
    Path(generation): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let root = authority.root_of(number(&generation)?).await?;
    Ok(([(header::CONTENT_TYPE, CERT)], root.der().to_vec()))
}

async fn issuing(State(authority): State<Authority>) -> Result<impl IntoResponse, Problem> {
    Ok(([(header::CONTENT_TYPE, CERT)], authority.issuing_of(1).await?.der().to_vec()))
}

async fn issuing_of(
    State(authority): State<Authority>,
    Path(generation): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let issuing = authority.issuing_of(number(&generation)?).await?;
    Ok(([(header::CONTENT_TYPE, CERT)], issuing.der().to_vec()))
}

/// The number of an authority in its line.
fn number(text: &str) -> Result<i64, Problem> {
    let number = text.parse().ok().filter(|number: &i64| *number >= 1 && number.to_string() == text);
    number.ok_or_else(|| Problem::new("authority/unknown", "authorities are numbered from 1"))
}

async fn chain(State(authority): State<Authority>) -> Result<impl IntoResponse, Problem> {
    let text: String = authority.chain().await?.iter().map(|cert| cert.to_pem()).collect();
    Ok(([(header::CONTENT_TYPE, CERT_CHAIN)], text))
}

async fn crl(State(authority): State<Authority>, caller: Caller) -> Result<impl IntoResponse, Problem> {
    Ok(([(header::CONTENT_TYPE, CRL)], authority.crl_of(1, caller.now).await?.der().to_vec()))
}

async fn crl_of(
    State(authority): State<Authority>,
    caller: Caller,
    Path(generation): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let list = authority.crl_of(number(&generation)?, caller.now).await?;
    Ok(([(header::CONTENT_TYPE, CRL)], list.der().to_vec()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revocation {
    reason: String,
}

async fn revoke(
    State(authority): State<Authority>,
    caller: Caller,
    Path(serial): Path<String>,
    JsonBody(body): JsonBody<Revocation>,
) -> Result<StatusCode, Problem> {
    caller.officer(Right::KeyManage)?;
    let reason = REASONS.into_iter().find(|reason| reason.name() == body.reason);
    let reason =
        reason.ok_or_else(|| Problem::new("request/invalid", "there is no such reason for a revocation"))?;
    let act = Act { actor: caller.actor_name(), request: &caller.request, now: caller.now };
    authority.revoke(&act, &serial.to_ascii_lowercase(), reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<AuthorityError> for Problem {
    fn from(error: AuthorityError) -> Self {
        let error = match error {
            AuthorityError::Store(error) | AuthorityError::Keys(KeysError::Store(error)) => {
                return error.into();
            }
            other => other,
        };
        let problem = Self::new(error.code(), error.to_string());
        match problem.status().as_u16() {
            503 => {
                tracing::warn!(name: "authority.not_answered", code = error.code(), %error, "the authority could not answer");
                problem.retry_after_s(1)
            }
            500.. => {
                tracing::error!(name: "authority.failed", code = error.code(), %error, "the authority failed");
                problem
            }
            _ => problem,
        }
    }
}
