//! Owners, their members, makers, and the serials of seal codes.

use crate::{
    base::{CreditCode, Timestamp},
    officer::OfficerId,
    seal::register::{Maker, MakerId, Owner, OwnerId, OwnerKind},
    store::{FromRow, Row, Rx, Statement, StoreError, Tx},
};

macro_rules! owner_columns {
    () => {
        "id, name, credit_code, kind, registered_by, registered_at"
    };
}

const INSERT_OWNER: Statement = Statement::portable(
    "seal.owner.insert",
    concat!("INSERT INTO owner (", owner_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6)"),
);
const FIND_OWNER: Statement =
    Statement::portable("seal.owner.find", concat!("SELECT ", owner_columns!(), " FROM owner WHERE id = $1"));
const OWNERS: Statement = Statement::portable(
    "seal.owner.page",
    concat!("SELECT ", owner_columns!(), " FROM owner WHERE id > $1 ORDER BY id LIMIT $2"),
);
const INSERT_MEMBER: Statement = Statement::portable(
    "seal.owner_member.insert",
    "INSERT INTO owner_member (owner_id, officer_id, added_by, added_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (owner_id, officer_id) DO NOTHING",
);
const DELETE_MEMBER: Statement = Statement::portable(
    "seal.owner_member.delete",
    "DELETE FROM owner_member WHERE owner_id = $1 AND officer_id = $2",
);
const IS_MEMBER: Statement = Statement::portable(
    "seal.owner_member.find",
    "SELECT officer_id FROM owner_member WHERE owner_id = $1 AND officer_id = $2",
);
const MEMBERS: Statement = Statement::portable(
    "seal.owner_member.page",
    "SELECT officer_id FROM owner_member WHERE owner_id = $1 ORDER BY officer_id LIMIT 1000",
);
const INSERT_MAKER: Statement = Statement::portable(
    "seal.maker.insert",
    "INSERT INTO maker (id, name, vendor, key_id, cert, registered_by, registered_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)",
);
const FIND_MAKER: Statement = Statement::portable(
    "seal.maker.find",
    "SELECT id, name, vendor, registered_by, registered_at, key_id, cert FROM maker WHERE id = $1",
);
const MAKERS: Statement = Statement::portable(
    "seal.maker.page",
    "SELECT id, name, vendor, registered_by, registered_at, key_id, cert FROM maker WHERE id > $1 ORDER BY id LIMIT $2",
);
const CHANGE_MAKER: Statement = Statement::portable(
    "seal.maker.change",
    "UPDATE maker SET key_id = $3, cert = $4 WHERE id = $1 AND key_id = $2",
);
const NEXT_SERIAL: Statement = Statement::portable(
    "seal.seal_serial.next",
    "INSERT INTO seal_serial (region, next) VALUES ($1, 1) \
     ON CONFLICT (region) DO UPDATE SET next = seal_serial.next + 1 RETURNING next",
);

/// Every statement of this file, for the test that prepares them on both engines.
pub const STATEMENTS: &[&Statement] = &[
    &INSERT_OWNER,
    &FIND_OWNER,
    &OWNERS,
    &INSERT_MEMBER,
    &DELETE_MEMBER,
    &IS_MEMBER,
    &MEMBERS,
    &INSERT_MAKER,
    &FIND_MAKER,
    &MAKERS,
    &CHANGE_MAKER,
    &NEXT_SERIAL,
];

/// A maker with what signs for it.
#[derive(Debug, Clone)]
pub struct MakerRow {
    /// The maker.
    pub maker: Maker,
    /// Its key in the keystore.
    pub key_id: String,
    /// Its certificate, DER.
    pub cert: Vec<u8>,
}

impl FromRow for Owner {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let kind = row.text(3)?;
        Ok(Self {
            id: OwnerId::from_row(row.text(0)?),
            name: row.text(1)?,
            credit_code: CreditCode::from_row(row.text(2)?),
            kind: OwnerKind::from_name(&kind).ok_or_else(|| StoreError::corrupt("seal.owner.kind"))?,
            registered_by: OfficerId::from_row(row.text(4)?),
            registered_at: row.timestamp(5)?,
        })
    }
}

impl FromRow for MakerRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let maker = Maker {
            id: MakerId::from_row(row.text(0)?),
            name: row.text(1)?,
            vendor: row.text(2)?,
            registered_by: OfficerId::from_row(row.text(3)?),
            registered_at: row.timestamp(4)?,
        };
        Ok(Self { maker, key_id: row.text(5)?, cert: row.bytes(6)? })
    }
}

/// One text column.
struct Text(String);

impl FromRow for Text {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        row.text(0).map(Self)
    }
}

/// One number column.
struct Number(i64);

impl FromRow for Number {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        row.int(0).map(Self)
    }
}

/// Records an owner; a conflict means that its credit code is registered already.
pub async fn insert_owner(tx: &mut Tx, owner: &Owner) -> Result<(), StoreError> {
    let values = [
        owner.id.as_str().into(),
        owner.name.as_str().into(),
        owner.credit_code.as_str().into(),
        owner.kind.name().into(),
        owner.registered_by.as_str().into(),
        owner.registered_at.into(),
    ];
    tx.execute(&INSERT_OWNER, &values).await.map(drop)
}

/// The owner with this id.
pub async fn find_owner(rx: &mut Rx, id: &OwnerId) -> Result<Option<Owner>, StoreError> {
    rx.optional(&FIND_OWNER, &[id.as_str().into()]).await
}

/// Owners after an id, in order.
pub async fn owners(rx: &mut Rx, after: &str, limit: i64) -> Result<Vec<Owner>, StoreError> {
    rx.all(&OWNERS, &[after.into(), limit.into()]).await
}

/// Lets an officer act for an owner; nothing changes where it is so already.
pub async fn add_member(
    tx: &mut Tx,
    owner: &OwnerId,
    officer: &OfficerId,
    by: &OfficerId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let values = [owner.as_str().into(), officer.as_str().into(), by.as_str().into(), now.into()];
    tx.execute(&INSERT_MEMBER, &values).await.map(drop)
}

/// Ends it; whether it was so.
pub async fn remove_member(tx: &mut Tx, owner: &OwnerId, officer: &OfficerId) -> Result<bool, StoreError> {
    tx.execute(&DELETE_MEMBER, &[owner.as_str().into(), officer.as_str().into()]).await.map(|rows| rows > 0)
}

/// Whether the officer acts for the owner.
pub async fn is_member(rx: &mut Rx, owner: &OwnerId, officer: &OfficerId) -> Result<bool, StoreError> {
    let found: Option<Text> =
        rx.optional(&IS_MEMBER, &[owner.as_str().into(), officer.as_str().into()]).await?;
    Ok(found.is_some())
}

/// Ids of the officers who act for an owner, at most 1000.
pub async fn members(rx: &mut Rx, owner: &OwnerId) -> Result<Vec<String>, StoreError> {
    let found: Vec<Text> = rx.all(&MEMBERS, &[owner.as_str().into()]).await?;
    Ok(found.into_iter().map(|text| text.0).collect())
}

/// Records a maker.
pub async fn insert_maker(tx: &mut Tx, row: &MakerRow) -> Result<(), StoreError> {
    let values = [
        row.maker.id.as_str().into(),
        row.maker.name.as_str().into(),
        row.maker.vendor.as_str().into(),
        row.key_id.as_str().into(),
        row.cert.as_slice().into(),
        row.maker.registered_by.as_str().into(),
        row.maker.registered_at.into(),
    ];
    tx.execute(&INSERT_MAKER, &values).await.map(drop)
}

/// Gives a maker another key and certificate; `false` where it signs with another than `before` by now.
pub async fn change_maker(
    tx: &mut Tx,
    id: &MakerId,
    before: &str,
    key_id: &str,
    cert: &[u8],
) -> Result<bool, StoreError> {
    let values = [id.as_str().into(), before.into(), key_id.into(), cert.into()];
    Ok(tx.execute(&CHANGE_MAKER, &values).await? == 1)
}

/// The maker with this id.
pub async fn find_maker(rx: &mut Rx, id: &MakerId) -> Result<Option<MakerRow>, StoreError> {
    rx.optional(&FIND_MAKER, &[id.as_str().into()]).await
}

/// Makers after an id, in order.
pub async fn makers(rx: &mut Rx, after: &str, limit: i64) -> Result<Vec<MakerRow>, StoreError> {
    rx.all(&MAKERS, &[after.into(), limit.into()]).await
}

/// The next serial of a region, from 1.
pub async fn next_serial(tx: &mut Tx, region: &str) -> Result<i64, StoreError> {
    let next: Number = tx.one(&NEXT_SERIAL, &[region.into()]).await?;
    Ok(next.0)
}
