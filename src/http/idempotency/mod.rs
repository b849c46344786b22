//! Idempotency keys (R-OPS-05): a creating request that is repeated does its work once.
//!
//! Where the work is one transaction ([`super::Operation::at_once`]), the key, the effect and the answer are kept in that
//! transaction ([`record_with_answer`]), and one commit is all there is. A twin that comes later, or at the same time,
//! finds the key taken: its own work is rolled back, and it gets the stored answer.
//!
//! Where the work is more than that (signatures, documents):
//!
//! 1. **Reserve**, committed first: key, caller, operation, digest of the body, and a lease for one holder. A second
//!    request within the lease is told to come again.
//! 2. **Work.** The command writes its subject into the reservation *within the transaction of its effect*
//!    ([`record`]). Effect and mark stand or fall together; a holder whose lease was taken over finds nothing to write
//!    to, and its effect is rolled back.
//! 3. **Settle**: the answer is stored beside it. A failed request frees its key, if it left no subject.
//!
//! Whatever becomes of the request in between (its client hangs up, its time is over, the database does not answer), the
//! reservation is ended beside ([`Reservation`]), so that a repeated request need not wait for the lease.
//!
//! A crash between 1 and 2 leaves a reservation that the next attempt takes over when the lease ends. A crash between 2
//! and 3 leaves a subject without an answer: the next attempt reaches the handler with [`IdempotencyKey::earlier`], and
//! the command reads that subject and answers from it instead of making another. Answers beyond
//! [`ANSWER_MAX_BYTES`] (documents) are not stored at all and take the same path.

mod afterwards;
mod answer;
mod at_once;
pub mod store;

pub(super) use afterwards::{AT_ONCE, Reservation};

use super::{Problem, extract, table::Kit};
use crate::{
    base::{Timestamp, failpoint, id::fresh_body},
    officer::Caller,
    store::{Conflict, Store, StoreError, Tx, lease},
};
pub use answer::{Answer, Once};
use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use http_body_util::BodyExt as _;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use store::{Record, Settled};
use yinxin_pki::sm3::Sm3;

pub(super) use at_once::run as run_at_once;

/// The header.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is the stored one.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest answer that is stored.
pub const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// How long a key is remembered.
pub const KEPT_FOR_MS: i64 = 24 * 3_600_000;
/// Name of the rule that a holder without a lease breaks.
pub(super) const CONSTRAINT: &str = "idempotency";

/// Between the life of the node that works on a request and the rest of the holder's name.
const OF_LIFE: char = '.';
/// Beyond the longest request: a holder is surely gone when the lease ends.
const LEASE_MARGIN_MS: i64 = 30_000;
/// Nodes' clocks are not farther apart than this. A lease that ends later than any that could be taken now was taken by a
/// clock that has been set back since.
const CLOCKS_APART_MS: i64 = 300_000;
const KEY_CHARS: std::ops::RangeInclusive<usize> = 8..=128;

/// The reservation that a command works under. Hand it to [`record`] in the transaction of the effect.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    caller: String,
    name: String,
    holder: String,
    earlier: Option<String>,
    /// What is written with the effect, where nothing was reserved before.
    unreserved: Option<Arc<Unreserved>>,
}

#[derive(Debug)]
struct Unreserved {
    operation: &'static str,
    body_sm3: [u8; 32],
    expires_at: Timestamp,
    is_written: AtomicBool,
}

impl IdempotencyKey {
    /// The subject that an earlier attempt with this key made: answer from it, and make nothing.
    pub fn earlier(&self) -> Option<&str> {
        self.earlier.as_deref()
    }

    /// The subject of an earlier attempt, for commands that take `Option<&IdempotencyKey>`.
    pub fn earlier_of(key: Option<&Self>) -> Option<&str> {
        key.and_then(Self::earlier)
    }
}

/// Put into the extensions of an answer that holds a secret: it is never stored. A repeated request reaches the handler
/// with [`IdempotencyKey::earlier`], like one with a long answer.
#[derive(Debug, Clone, Copy)]
pub struct Confidential;

/// Writes into the reservation what the command makes. To be called in the transaction of the effect; does nothing
/// where the request has no key.
///
/// # Errors
/// A conflict where the reservation is no longer this request's, or has a subject already: nothing may be made then.
pub async fn record(
    tx: &mut Tx,
    key: Option<&IdempotencyKey>,
    subject: impl std::fmt::Display,
) -> Result<(), StoreError> {
    match key {
        Some(key) => write(tx, key, &subject.to_string(), None).await,
        None => Ok(()),
    }
}

/// The same for a command whose effect is one transaction: keeps the answer with it.
///
/// # Errors
/// As [`record`].
pub async fn record_with_answer<T>(
    tx: &mut Tx,
    once: Option<&Once<T>>,
    subject: impl std::fmt::Display,
    made: &T,
) -> Result<(), StoreError> {
    match once {
        Some(once) => write(tx, once.key(), &subject.to_string(), Some(once.answer(made).settled())).await,
        None => Ok(()),
    }
}

async fn write(
    tx: &mut Tx,
    key: &IdempotencyKey,
    subject: &str,
    answer: Option<Settled>,
) -> Result<(), StoreError> {
    let is_mine = match &key.unreserved {
        // The answer of a reserved key is what the gate saw go out.
        None => store::write_subject(tx, key, subject).await?,
        Some(whole) => {
            let kept = store::keep(tx, key, whole, subject, answer.as_ref()).await?;
            whole.is_written.fetch_or(kept, Ordering::Relaxed);
            kept
        }
    };
    if is_mine {
        return Ok(());
    }
    Err(StoreError::Conflict { kind: Conflict::Unique, constraint: CONSTRAINT.to_owned() })
}

/// Forgets keys whose time is over, a bounded number a time; says how many.
pub async fn sweep(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    store.write(async |tx| store::delete_expired(tx, now).await).await
}

/// Ends every lease: for a start where no other process can be at work, so that what a crash left is taken over at once.
pub async fn end_leases(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    store.write(async |tx| store::end_leases(tx, now).await).await
}

/// Reads the header.
pub(super) fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = given.next() else { return Ok(None) };
    match value.to_str() {
        Ok(text)
            if given.next().is_none()
                && KEY_CHARS.contains(&text.len())
                && text.bytes().all(|octet| octet.is_ascii_graphic()) =>
        {
            Ok(Some(text.to_owned()))
        }
        _ => Err(Problem::new(
            "idempotency/malformed",
            "one key of 8 to 128 visible ASCII characters is taken",
        )),
    }
}

/// What is to be done with a request that has a key.
pub(super) enum Turn {
    /// The stored answer.
    Replay(Response),
    /// Go on; the request carries the [`IdempotencyKey`].
    Work(Box<Request>, Reservation),
}

/// Reserves the key, or says what became of it.
pub(super) async fn take_turn(
    kit: &Kit,
    operation: &'static str,
    caller: &Caller,
    name: String,
    request: Request,
) -> Result<Turn, Problem> {
    let arrived = Arrived::read(operation, caller, name, request).await?;
    arrived.reserve(kit).await
}

/// A request with a key, read whole.
struct Arrived<'c> {
    operation: &'static str,
    caller: &'c Caller,
    name: String,
    parts: Parts,
    body: Bytes,
    body_sm3: [u8; 32],
}

impl<'c> Arrived<'c> {
    async fn read(
        operation: &'static str,
        caller: &'c Caller,
        name: String,
        request: Request,
    ) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = extract::read(Request::from_parts(parts.clone(), body)).await?;
        let target = parts.uri.path_and_query().map_or_else(|| parts.uri.path(), |whole| whole.as_str());
        let body_sm3 = digest(target, parts.headers.get(header::CONTENT_TYPE), &body);
        Ok(Self { operation, caller, name, parts, body, body_sm3 })
    }

    /// The request, with the key that its command records.
    fn request(&self, key: &IdempotencyKey) -> Request {
        let mut request = Request::from_parts(self.parts.clone(), Body::from(self.body.clone()));
        request.extensions_mut().insert(key.clone());
        request
    }

    fn key(&self, kit: &Kit) -> IdempotencyKey {
        let chance = fresh_body(self.caller.now, kit.entropy.as_ref());
        IdempotencyKey {
            caller: self.caller.actor_name().to_owned(),
            name: self.name.clone(),
            holder: format!("{}{OF_LIFE}{chance}", kit.store.life()),
            earlier: None,
            unreserved: None,
        }
    }

    async fn reserve(self, kit: &Kit) -> Result<Turn, Problem> {
        let now = self.caller.now;
        let lease_ms = i64::try_from(kit.limits.request.as_millis()).unwrap_or(i64::MAX);
        let wanted = Record {
            key: self.key(kit),
            operation: self.operation.to_owned(),
            body_sm3: self.body_sm3.to_vec(),
            lease_until: now.plus_ms(lease_ms.saturating_add(LEASE_MARGIN_MS)),
            expires_at: now.plus_ms(KEPT_FOR_MS),
            settled: None,
        };
        let decision = reserve(kit, wanted, now).await?;
        failpoint::reach("idempotency.reserved");
        match decision {
            Decision::Work(key) => {
                let request = self.request(&key);
                Ok(Turn::Work(Box::new(request), Reservation::of(kit, key)))
            }
            Decision::Replay(settled) => replay(settled).map(Turn::Replay),
            Decision::Refuse(problem) => Err(problem),
        }
    }
}

/// Reserves. Where the commit is not confirmed, the key is looked at again: a reservation of our own is ours all the same.
async fn reserve(kit: &Kit, wanted: Record, now: Timestamp) -> Result<Decision, StoreError> {
    let in_doubt = Reservation::in_doubt(kit, wanted.key.clone());
    let first = kit.store.write(async |tx| decide(tx, &wanted, now).await).await;
    if first.as_ref().err() != Some(&StoreError::Unknown) {
        in_doubt.dispel();
        return first;
    }
    let second = kit.store.write(async |tx| decide(tx, &wanted, now).await).await;
    let decision = second.map_err(|_| StoreError::Unknown)?;
    in_doubt.dispel();
    Ok(decision)
}

enum Decision {
    Work(IdempotencyKey),
    Replay(Settled),
    Refuse(Problem),
}

async fn decide(tx: &mut Tx, wanted: &Record, now: Timestamp) -> Result<Decision, StoreError> {
    let ours = || Decision::Work(wanted.key.clone());
    if store::reserve(tx, wanted).await? {
        return Ok(ours());
    }
    let Some(found) = store::find(tx, &wanted.key).await? else {
        return Ok(Decision::Refuse(in_progress(1)));
    };
    if found.key.holder == wanted.key.holder {
        return Ok(ours());
    }
    if found.expires_at <= now {
        store::replace(tx, wanted).await?;
        return Ok(ours());
    }
    if found.operation != wanted.operation || found.body_sm3 != wanted.body_sm3 {
        let says = "the key was used within 24 hours for another operation or another body";
        return Ok(Decision::Refuse(Problem::new("idempotency/reused", says)));
    }
    match found.settled {
        Some(settled) if settled.answer.is_some() => Ok(Decision::Replay(settled)),
        // Too long to be stored: the handler reads its subject again. Nothing is made, so no lease is needed.
        Some(_) => Ok(Decision::Work(found.key)),
        None if found.lease_until > now
            && found.lease_until <= wanted.lease_until.plus_ms(CLOCKS_APART_MS)
            && !is_gone(tx, &found.key.holder).await? =>
        {
            let wait_s = (found.lease_until.ms() - now.ms()) / 1000;
            Ok(Decision::Refuse(in_progress(u32::try_from(wait_s).unwrap_or(1).clamp(1, 5))))
        }
        None => {
            // The holder died, with its node or without. Its effect, if any, is committed with the subject; anything later of it fails.
            let key = IdempotencyKey { earlier: found.key.earlier, ..wanted.key.clone() };
            store::take_over(tx, &key, wanted.lease_until).await?;
            Ok(Decision::Work(key))
        }
    }
}

/// Whether the node of this holder is surely gone, and the holder with it.
async fn is_gone(tx: &mut Tx, holder: &str) -> Result<bool, StoreError> {
    match holder.rsplit_once(OF_LIFE) {
        Some((life, _)) => lease::is_over(tx, life).await,
        None => Ok(false),
    }
}

fn in_progress(wait_s: u32) -> Problem {
    let says = "an earlier request with this key has not been answered yet";
    Problem::new("idempotency/in-progress", says).retry_after_s(wait_s)
}

/// Stores the answer of a request that went well, and frees the key of one that did not. What the database does not take
/// now is written afterwards: the effect stands, or does not, whether or not this could be noted.
pub(super) async fn settle(reservation: Reservation, response: Response) -> Response {
    if !response.status().is_success() {
        reservation.release().await;
        return response;
    }
    failpoint::reach("idempotency.worked");
    let (settled, response) = match take_down(response).await {
        Ok(taken) => taken,
        Err(problem) => return problem.into_response(),
    };
    reservation.settle(settled).await;
    failpoint::reach("idempotency.answered");
    response
}

/// The parts of an answer that are stored, and the answer itself.
async fn take_down(response: Response) -> Result<(Settled, Response), Problem> {
    let (parts, body) = response.into_parts();
    // Our own answers are in memory already, and the gate's deadline ends a stream without end.
    let bytes = body.collect().await.map_err(|_| Problem::internal())?.to_bytes();
    let is_confidential = parts.extensions.get::<Confidential>().is_some();
    let text =
        |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let settled = Settled {
        status: parts.status.as_u16(),
        content_type: text(header::CONTENT_TYPE),
        location: text(header::LOCATION),
        answer: (bytes.len() <= ANSWER_MAX_BYTES && !is_confidential).then(|| bytes.to_vec()),
    };
    Ok((settled, Response::from_parts(parts, Body::from(bytes))))
}

fn replay(settled: Settled) -> Result<Response, Problem> {
    let mut response = Response::new(Body::from(settled.answer.unwrap_or_default()));
    *response.status_mut() = StatusCode::from_u16(settled.status).map_err(|_| Problem::internal())?;
    let headers = response.headers_mut();
    for (name, text) in [(header::CONTENT_TYPE, settled.content_type), (header::LOCATION, settled.location)] {
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// What makes two requests the same: path, query and body. The boundary of a form is drawn anew for every attempt and says
/// nothing, so it is left out.
fn digest(target: &str, content_type: Option<&HeaderValue>, body: &Bytes) -> [u8; 32] {
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (media, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let mut digest = Sm3::new();
    digest.update(target).update([0]).update(media.trim().to_ascii_lowercase()).update([0]);
    match boundary(parameters) {
        Some(boundary) if media.trim().eq_ignore_ascii_case("multipart/form-data") => {
            let mut rest: &[u8] = body;
            while let Some(at) = find(rest, boundary.as_bytes()) {
                // The place of a boundary stays in the digest, its text does not.
                digest.update(at.to_be_bytes()).update(&rest[..at]);
                rest = &rest[at + boundary.len()..];
            }
            digest.update(rest);
        }
        _ => {
            digest.update(body);
        }
    }
    digest.finish()
}

fn boundary(parameters: &str) -> Option<&str> {
    let value =
        parameters.split(';').find_map(|pair| pair.trim().strip_prefix("boundary="))?.trim_matches('"');
    // RFC 2046 5.1.1: 1 to 70 characters. Anything else is refused later, by whoever takes the form apart.
    (1..=70).contains(&value.len()).then_some(value)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(step) = haystack[from..].iter().position(|&octet| octet == first) {
        let at = from + step;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content_type: &'static str, body: &str) -> [u8; 32] {
        at("/api/v1/stamps", content_type, body)
    }

    fn at(uri: &'static str, content_type: &'static str, body: &str) -> [u8; 32] {
        let content_type = HeaderValue::from_static(content_type);
        digest(uri, Some(&content_type), &Bytes::from(body.to_owned()))
    }

    #[test]
    fn another_seal_in_the_query_is_another_request() {
        let stamp = |uri| at(uri, "application/pdf", "%PDF-");
        assert_eq!(stamp("/api/v1/stamps?seal=seal_1&page=1"), stamp("/api/v1/stamps?seal=seal_1&page=1"));
        assert_ne!(stamp("/api/v1/stamps?seal=seal_1&page=1"), stamp("/api/v1/stamps?seal=seal_2&page=1"));
        assert_ne!(stamp("/a?b"), stamp("/a/b"));
    }

    #[test]
    fn a_form_sent_again_with_another_boundary_is_the_same_request() {
        let form = |boundary: &str, file: &str| {
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n{file}\r\n--{boundary}--\r\n"
            )
        };
        let first = of("multipart/form-data; boundary=abc", &form("abc", "%PDF-abd"));
        let again = of("multipart/form-data; charset=x; boundary=\"wxyz\"", &form("wxyz", "%PDF-abd"));
        let other = of("multipart/form-data; boundary=abc", &form("abc", "%PDF-abe"));
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_ne!(of("application/json", "{}"), of("application/json", "{ }"));
    }

    #[test]
    fn keys_are_visible_ascii_and_sent_once() {
        let of = |values: &[&'static [u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).expect("a header"));
            }
            key_of(&headers).map_err(|problem| problem.code())
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[b"2f1b9c6e-0001"]), Ok(Some("2f1b9c6e-0001".into())));
        for bad in [
            &[&b"short"[..]][..],
            &[b"with space"],
            &[&[b'x'; 129]],
            &[b"12345678", b"12345678"],
            &[b"\xe5\x8d\xb0\xe5\x8d\xb0\xe5"],
        ] {
            assert_eq!(of(bad), Err("idempotency/malformed"));
        }
    }
}
