//! Seals and what happened to them.

use crate::{
    base::Timestamp,
    officer::OfficerId,
    seal::{
        look::Look,
        nouns::{Event, Made, Seal, SealId, Version, Wish},
        picture::Design,
        register::{MakerId, OwnerId},
        state::State,
    },
    store::{FromRow, Row, Rx, Statement, StoreError, Tx, Value},
};
use yinxin_pki::x509::Cert;

macro_rules! columns {
    () => {
        "id, code, owner_id, maker_id, name, kind, version, period_days, picture, width_mm, height_mm, design, state, \
         changed_at, changed_by, reason, applied_by, applied_at, approved_by, renews, valid_from, valid_to, esl_sm3, \
         signer_cert"
    };
}

const INSERT: Statement = Statement::portable(
    "seal.insert",
    concat!(
        "INSERT INTO seal (",
        columns!(),
        ", bucket) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
         $21, $22, $23, NULL, $24)"
    ),
);
const FIND: Statement =
    Statement::portable("seal.find", concat!("SELECT ", columns!(), " FROM seal WHERE id = $1"));
const LOCK: Statement = Statement::split(
    "seal.lock",
    concat!("SELECT ", columns!(), " FROM seal WHERE id = $1"),
    concat!("SELECT ", columns!(), " FROM seal WHERE id = $1 FOR UPDATE"),
);
const PAGE: Statement = Statement::portable(
    "seal.page",
    concat!(
        "SELECT ",
        columns!(),
        " FROM seal WHERE id > $1 AND ($2 = '' OR owner_id = $2) AND ($3 = '' OR state = $3) ORDER BY id LIMIT $4"
    ),
);
const MAKING: Statement = Statement::portable(
    "seal.making_since",
    concat!(
        "SELECT ",
        columns!(),
        " FROM seal WHERE state = 'making' AND changed_at < $1 ORDER BY id LIMIT 100"
    ),
);
const MOVE: Statement = Statement::portable(
    "seal.move",
    "UPDATE seal SET state = $2, changed_at = $3, changed_by = $4, reason = $5, approved_by = $6 WHERE id = $1",
);
const SET_SIGNER: Statement = Statement::portable(
    "seal.set_signer",
    "UPDATE seal SET signer_key_id = $2, signer_cert = $3, valid_from = $4, valid_to = $5 WHERE id = $1",
);
const SET_MADE: Statement =
    Statement::portable("seal.set_made", "UPDATE seal SET esl = $2, esl_sm3 = $3 WHERE id = $1");
const TOOLS: Statement = Statement::portable(
    "seal.tools",
    "SELECT esl, signer_key_id, signer_cert FROM seal WHERE id = $1 AND esl IS NOT NULL",
);
const BY_ESL: Statement =
    Statement::portable("seal.by_esl", concat!("SELECT ", columns!(), " FROM seal WHERE esl_sm3 = $1"));
const ADD_EVENT: Statement = Statement::portable(
    "seal.seal_event.insert",
    "INSERT INTO seal_event (seal_id, no, act, state, at, effective_at, by_officer, reason) \
     SELECT $1, COALESCE(MAX(no), 0) + 1, $2, $3, $4, $5, $6, $7 FROM seal_event WHERE seal_id = $1",
);
const EVENTS: Statement = Statement::portable(
    "seal.seal_event.all",
    "SELECT act, state, at, effective_at, by_officer, reason FROM seal_event WHERE seal_id = $1 ORDER BY no LIMIT 1000",
);
const STATE_AT: Statement = Statement::portable(
    "seal.seal_event.state_at",
    "SELECT state FROM seal_event WHERE seal_id = $1 AND effective_at <= $2 ORDER BY no DESC LIMIT 1",
);

/// Every statement of this file, for the test that prepares them on both engines.
pub const STATEMENTS: &[&Statement] = &[
    &INSERT,
    &FIND,
    &LOCK,
    &PAGE,
    &MAKING,
    &MOVE,
    &SET_SIGNER,
    &SET_MADE,
    &TOOLS,
    &BY_ESL,
    &ADD_EVENT,
    &EVENTS,
    &STATE_AT,
];

/// What a stamp is made with.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The SESeal.
    pub esl: Vec<u8>,
    /// The owner's key in the keystore.
    pub key_id: String,
    /// The owner's certificate, DER.
    pub cert: Vec<u8>,
}

/// The key and certificate that a seal is to stamp with.
#[derive(Debug, Clone)]
pub struct OwnerSigner {
    /// The key in the keystore.
    pub key_id: String,
    /// The certificate, DER.
    pub cert: Vec<u8>,
    /// Its serial number, hex.
    pub serial: String,
}

/// One line of a seal's history.
#[derive(Debug, Clone, serde::Serialize)]
pub struct EventRow {
    /// The act.
    pub act: String,
    /// Where it led.
    pub state: String,
    /// When it was asked for.
    pub at: Timestamp,
    /// From when it counts.
    pub effective_at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

impl FromRow for Seal {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let wish = wish(row)?;
        let made = made(row)?;
        Ok(Self {
            id: SealId::from_row(row.text(0)?),
            code: row.text(1)?,
            wish,
            state: State::from_name(&row.text(12)?).ok_or_else(|| StoreError::corrupt("seal.state"))?,
            changed_at: row.timestamp(13)?,
            changed_by: OfficerId::from_row(row.text(14)?),
            reason: row.opt_text(15)?,
            applied_by: OfficerId::from_row(row.text(16)?),
            applied_at: row.timestamp(17)?,
            approved_by: row.opt_text(18)?.map(OfficerId::from_row),
            renews: row.opt_text(19)?.map(SealId::from_row),
            made,
        })
    }
}

/// What the making left: all of it, or nothing yet.
fn made(row: &Row) -> Result<Option<Made>, StoreError> {
    let columns = (row.opt_timestamp(20)?, row.opt_timestamp(21)?, row.opt_text(22)?, row.opt_bytes(23)?);
    let (Some(valid_from), Some(valid_to), Some(esl_sm3), Some(cert)) = columns else { return Ok(None) };
    let certificate = Cert::parse(&cert).map_err(|_| StoreError::corrupt("seal.signer_cert"))?.serial_hex();
    Ok(Some(Made { valid_from, valid_to, esl_sm3, certificate }))
}

fn wish(row: &Row) -> Result<Wish, StoreError> {
    let design: Option<Design> = match row.opt_text(11)? {
        Some(json) => Some(serde_json::from_str(&json).map_err(|_| StoreError::corrupt("seal.design"))?),
        None => None,
    };
    let small = |column: usize, what| {
        row.int(column).and_then(|value| u32::try_from(value).map_err(|_| StoreError::corrupt(what)))
    };
    Ok(Wish {
        owner: OwnerId::from_row(row.text(2)?),
        maker: MakerId::from_row(row.text(3)?),
        name: row.text(4)?,
        kind: u8::try_from(row.int(5)?).map_err(|_| StoreError::corrupt("seal.kind"))?,
        version: Version::from_number(row.int(6)?).ok_or_else(|| StoreError::corrupt("seal.version"))?,
        period_days: small(7, "seal.period_days")?,
        look: Look {
            png: row.bytes(8)?,
            width_mm: small(9, "seal.width_mm")?,
            height_mm: small(10, "seal.height_mm")?,
            design,
        },
    })
}

impl FromRow for Tools {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { esl: row.bytes(0)?, key_id: row.text(1)?, cert: row.bytes(2)? })
    }
}

impl EventRow {
    /// The first line of every history: it stands in the seal itself.
    pub fn of_application(seal: &Seal) -> Self {
        Self {
            act: "apply".into(),
            state: State::Applied.name().into(),
            at: seal.applied_at,
            effective_at: seal.applied_at,
            by: seal.applied_by.to_string(),
            reason: None,
        }
    }
}

impl FromRow for EventRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            act: row.text(0)?,
            state: row.text(1)?,
            at: row.timestamp(2)?,
            effective_at: row.timestamp(3)?,
            by: row.text(4)?,
            reason: row.opt_text(5)?,
        })
    }
}

/// A stored state's name.
struct StateName(State);

impl FromRow for StateName {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        State::from_name(&row.text(0)?).map(Self).ok_or_else(|| StoreError::corrupt("seal.seal_event.state"))
    }
}

/// Records a fresh application.
pub async fn insert(tx: &mut Tx, seal: &Seal) -> Result<(), StoreError> {
    let wish = &seal.wish;
    let design = match &wish.look.design {
        Some(design) => Some(serde_json::to_string(design).map_err(|_| StoreError::corrupt("seal.design"))?),
        None => None,
    };
    let values: [Value<'_>; 24] = [
        seal.id.as_str().into(),
        seal.code.as_str().into(),
        wish.owner.as_str().into(),
        wish.maker.as_str().into(),
        wish.name.as_str().into(),
        i64::from(wish.kind).into(),
        (wish.version.number() as i64).into(),
        i64::from(wish.period_days).into(),
        wish.look.png.as_slice().into(),
        i64::from(wish.look.width_mm).into(),
        i64::from(wish.look.height_mm).into(),
        design.as_deref().into(),
        seal.state.name().into(),
        seal.changed_at.into(),
        seal.changed_by.as_str().into(),
        seal.reason.as_deref().into(),
        seal.applied_by.as_str().into(),
        seal.applied_at.into(),
        seal.approved_by.as_ref().map(OfficerId::as_str).into(),
        seal.renews.as_ref().map(SealId::as_str).into(),
        seal.made.as_ref().map(|made| made.valid_from).into(),
        seal.made.as_ref().map(|made| made.valid_to).into(),
        seal.made.as_ref().map(|made| made.esl_sm3.as_str()).into(),
        super::bucket(wish.owner.as_str()).into(),
    ];
    tx.execute(&INSERT, &values).await.map(drop)
}

/// The seal with this id.
pub async fn find(rx: &mut Rx, id: &SealId) -> Result<Option<Seal>, StoreError> {
    rx.optional(&FIND, &[id.as_str().into()]).await
}

/// The seal with this id, held until the transaction ends, so that two acts on it come one after the other.
pub async fn lock(tx: &mut Tx, id: &SealId) -> Result<Option<Seal>, StoreError> {
    tx.optional(&LOCK, &[id.as_str().into()]).await
}

/// The seal whose SESeal has this SM3 (hex).
pub async fn find_by_esl(rx: &mut Rx, esl_sm3: &str) -> Result<Option<Seal>, StoreError> {
    rx.optional(&BY_ESL, &[esl_sm3.into()]).await
}

/// Seals after an id, of an owner and in a stored state where these are not empty.
pub async fn page(
    rx: &mut Rx,
    after: &str,
    owner: &str,
    state: &str,
    limit: i64,
) -> Result<Vec<Seal>, StoreError> {
    rx.all(&PAGE, &[after.into(), owner.into(), state.into(), limit.into()]).await
}

/// Seals whose making was intended before `before` and never ended.
pub async fn making_since(rx: &mut Rx, before: Timestamp) -> Result<Vec<Seal>, StoreError> {
    rx.all(&MAKING, &[before.into()]).await
}

/// Writes where a seal stands, with the event that brought it there.
pub async fn record(tx: &mut Tx, seal: &Seal, event: &Event) -> Result<(), StoreError> {
    let values = [
        seal.id.as_str().into(),
        seal.state.name().into(),
        seal.changed_at.into(),
        seal.changed_by.as_str().into(),
        seal.reason.as_deref().into(),
        seal.approved_by.as_ref().map(OfficerId::as_str).into(),
    ];
    tx.execute(&MOVE, &values).await?;
    add_event(tx, &seal.id, event).await
}

/// Adds a line to a seal's history.
pub async fn add_event(tx: &mut Tx, id: &SealId, event: &Event) -> Result<(), StoreError> {
    let values = [
        id.as_str().into(),
        event.act.name().into(),
        event.state.name().into(),
        event.at.into(),
        event.effective_at.into(),
        event.by.as_str().into(),
        event.reason.as_deref().into(),
    ];
    tx.execute(&ADD_EVENT, &values).await.map(drop)
}

/// A seal's history.
pub async fn events(rx: &mut Rx, id: &SealId) -> Result<Vec<EventRow>, StoreError> {
    rx.all(&EVENTS, &[id.as_str().into()]).await
}

/// In which stored state a seal was at an instant; `None` before its application.
pub async fn state_at(rx: &mut Rx, id: &SealId, at: Timestamp) -> Result<Option<State>, StoreError> {
    let found: Option<StateName> = rx.optional(&STATE_AT, &[id.as_str().into(), at.into()]).await?;
    Ok(found.map(|name| name.0))
}

/// Records with which key and certificate, and for which period, a seal is being made.
pub async fn set_signer(
    tx: &mut Tx,
    id: &SealId,
    signer: &OwnerSigner,
    valid_from: Timestamp,
    valid_to: Timestamp,
) -> Result<(), StoreError> {
    let values = [
        id.as_str().into(),
        signer.key_id.as_str().into(),
        signer.cert.as_slice().into(),
        valid_from.into(),
        valid_to.into(),
    ];
    tx.execute(&SET_SIGNER, &values).await.map(drop)
}

/// Records the finished SESeal.
pub async fn set_made(tx: &mut Tx, id: &SealId, esl: &[u8], esl_sm3: &str) -> Result<(), StoreError> {
    tx.execute(&SET_MADE, &[id.as_str().into(), esl.into(), esl_sm3.into()]).await.map(drop)
}

/// What a made seal stamps with; `None` before it is made.
pub async fn tools(rx: &mut Rx, id: &SealId) -> Result<Option<Tools>, StoreError> {
    rx.optional(&TOOLS, &[id.as_str().into()]).await
}
