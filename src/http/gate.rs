//! The gate of one route: admits, bounds, authenticates, authorizes, and only then lets the handler see the request.
//! Everything is refused that is not declared: a handler gets its [`Caller`] from here or not at all.

use super::{
    Access, Arrival, Creates, Operation, Problem,
    admission::{Room, Sender},
    body::{self, Holding, Pace},
    crowd::Presence,
    idempotency::{self, Turn},
    query::Declared,
    table::Kit,
};
use crate::officer::{Actor, Caller, ClearKey, Denied, Right, SignInError};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use hyper::body::Body as _;
use std::sync::Arc;
use tracing::Instrument as _;

/// One route's declaration, and what the gate needs to keep it.
pub(super) struct Gate {
    pub kit: Arc<Kit>,
    pub operation: Operation,
    pub query: Declared,
}

pub(super) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if let Some(problem) = gate.kit.hold.problem().filter(|_| !gate.operation.while_held) {
        return problem.into_response();
    }
    if let Err(problem) = gate.kit.admission.look(gate.operation.load) {
        return problem.into_response();
    }
    let deadline = gate.operation.deadline.unwrap_or(gate.kit.limits.request);
    match tokio::time::timeout(deadline, gate.work(request, next)).await {
        Ok(answer) => answer.unwrap_or_else(Problem::into_response),
        Err(_) => {
            let says = "no answer within the time that one request may take";
            Problem::new("service/deadline", says).retry_after_s(1).into_response()
        }
    }
}

impl Gate {
    async fn work(&self, request: Request, next: Next) -> Result<Response, Problem> {
        let arrival = request.extensions().get::<Arrival>().cloned().ok_or_else(Problem::internal)?;
        let caller = self.caller(request.headers(), &arrival).await?;
        self.authorize(&caller)?;
        self.query.check(request.uri())?;
        let key = self.idempotency_key(request.headers(), &caller)?;
        let (mut request, room) = self.received(request, &caller).await?;
        // From here on the connection is not one that only sits there.
        let _working = request.extensions().get::<Arc<Presence>>().map(Presence::works);
        let _place = self.kit.admission.enter(self.operation.load)?;
        let _held = self.kit.meters.under_way[self.operation.load as usize].hold();
        request.extensions_mut().insert(caller.clone());
        let response = self.answered(request, next, &caller, key).await?;
        Ok(response.map(|body| Holding::until_sent(body, room)))
    }

    async fn answered(
        &self,
        request: Request,
        next: Next,
        caller: &Caller,
        key: Option<String>,
    ) -> Result<Response, Problem> {
        let command = tracing::debug_span!("command", command = self.operation.id);
        let Some(key) = key else { return Ok(next.run(request).instrument(command).await) };
        if self.operation.creates == Creates::AtOnce {
            let made = idempotency::run_at_once(&self.kit, self.operation.id, caller, key, request, next);
            return made.instrument(command).await;
        }
        match idempotency::take_turn(&self.kit, self.operation.id, caller, key, request).await? {
            Turn::Replay(response) => Ok(response),
            Turn::Work(request, reservation) => {
                let response = next.run(*request).instrument(command).await;
                Ok(idempotency::settle(reservation, response).await)
            }
        }
    }

    /// Who asks: the officer of the key, or anyone where none is sent.
    async fn caller(&self, headers: &HeaderMap, arrival: &Arrival) -> Result<Caller, Problem> {
        let actor = match headers.get(header::AUTHORIZATION) {
            None => Actor::Anonymous,
            // Two: who stands between may have judged by the other one.
            Some(_) if headers.get_all(header::AUTHORIZATION).iter().count() > 1 => {
                return Err(SignInError::NotAKey.into());
            }
            Some(value) => {
                let key = value.to_str().ok().and_then(bearer).and_then(ClearKey::parse);
                let key = key.ok_or_else(|| Problem::from(SignInError::NotAKey))?;
                Actor::Officer(self.kit.officers.sign_in(&key, arrival.now).await?)
            }
        };
        Ok(Caller { actor, request: arrival.request.clone(), address: arrival.address, now: arrival.now })
    }

    fn authorize(&self, caller: &Caller) -> Result<(), Problem> {
        match (self.operation.access, &caller.actor) {
            (Access::Right(right), _) => caller.officer(right).map(|_| ()).map_err(Problem::from),
            (Access::LocalOrOneOf(_), Actor::Anonymous) if caller.address.is_none() => Ok(()),
            (Access::OneOf(rights) | Access::LocalOrOneOf(rights), _) => one_of(caller, rights),
            (Access::Officer, Actor::Officer(_)) => Ok(()),
            (Access::Officer, _) => Err(Denied::NotSignedIn.into()),
            (Access::Public { per_minute }, _) => self.within_rate(caller, per_minute),
        }
    }

    fn within_rate(&self, caller: &Caller, per_minute: Option<u32>) -> Result<(), Problem> {
        // A caller without an address sits on this machine, behind the socket's file permissions.
        let (Some(per_minute), Some(address)) = (per_minute, caller.address) else { return Ok(()) };
        if caller.may(Right::VerifyUnlimited) {
            return Ok(());
        }
        self.kit.rates.take(self.operation.id, address, per_minute, caller.now).map_err(|seconds| {
            let says = format!("one address may ask {per_minute} times a minute");
            Problem::new("request/too-many", says).retry_after_s(seconds)
        })
    }

    /// The request with its body received, at most as long as the route takes, and the memory that it takes up. A declared
    /// length beyond that is refused unread.
    async fn received(&self, request: Request, caller: &Caller) -> Result<(Request, Room), Problem> {
        let limit = self.operation.body_limit_bytes;
        let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if declared.and_then(|text| text.parse::<u64>().ok()).is_some_and(|bytes| bytes > limit as u64) {
            return Err(too_large(limit));
        }
        let admission = &self.kit.admission;
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(BodyLimit(limit));
        let sender = match (&caller.actor, caller.address) {
            (Actor::Anonymous, Some(address)) => Sender::Stranger(address),
            _ => Sender::Known,
        };
        if body.is_end_stream() {
            return Ok((Request::from_parts(parts, body), admission.room(sender)));
        }
        let limits = &self.kit.limits;
        let pace = Pace { bytes_a_second: limits.pace, span: limits.pace_span };
        let (body, room) = body::receive(body, limit, pace, sender, admission).await?;

        Ok((Request::from_parts(parts, Body::from(body)), room))
    }

    /// The key of a creating request by an officer. Anonymous callers make nothing that lasts, so theirs is passed over.
    fn idempotency_key(&self, headers: &HeaderMap, caller: &Caller) -> Result<Option<String>, Problem> {
        if self.operation.creates == Creates::No || !matches!(caller.actor, Actor::Officer(_)) {
            return Ok(None);
        }
        idempotency::key_of(headers)
    }
}

/// Passes with any of these rights; where none is held, the first is named. No rights at all let nobody pass.
fn one_of(caller: &Caller, rights: &[Right]) -> Result<(), Problem> {
    match rights.iter().find(|&&right| caller.may(right)).or(rights.first()) {
        Some(&right) => caller.officer(right).map(|_| ()).map_err(Problem::from),
        None => Err(Denied::NotSignedIn.into()),
    }
}

/// The route's limit, for whoever reads the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimit(pub usize);

/// The problem of a body longer than `limit_bytes`.
pub(super) fn too_large(limit_bytes: usize) -> Problem {
    Problem::new("request/too-large", format!("this route takes at most {limit_bytes} bytes"))
}

/// The token of `Bearer <token>`; the scheme's case does not matter (RFC 9110 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::bearer;

    #[test]
    fn a_bearer_token_is_read_and_nothing_else() {
        assert_eq!(bearer("Bearer yx_1"), Some("yx_1"));
        assert_eq!(bearer("bearer  yx_1 "), Some("yx_1"));
        for other in ["", "yx_1", "Basic dXNlcg==", "Beareryx_1"] {
            assert_eq!(bearer(other), None, "{other}");
        }
    }
}
