//! The only SQL of this room: reports that verifiers keep.

use super::service::{Kept, VerificationId};
use crate::{
    officer::OfficerId,
    store::{FromRow, Row, Rx, Statement, StoreError, Tx},
};

/// Every statement of this room, for the test that prepares them all.
pub const STATEMENTS: &[&Statement] = &[&INSERT, &FIND];

const INSERT: Statement = Statement::portable(
    "verification.insert",
    "INSERT INTO verification (id, at, officer, document_sm3, verdict, report) VALUES ($1, $2, $3, $4, $5, $6)",
);
const FIND: Statement = Statement::portable(
    "verification.find",
    "SELECT id, at, officer, document_sm3, verdict, report FROM verification WHERE id = $1",
);

impl FromRow for Kept {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: VerificationId::from_row(row.text(0)?),
            at: row.timestamp(1)?,
            officer: OfficerId::from_row(row.text(2)?),
            document_sm3: row.text(3)?,
            verdict: row.text(4)?,
            report: row.text(5)?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, kept: &Kept) -> Result<(), StoreError> {
    let values = [
        kept.id.as_str().into(),
        kept.at.into(),
        kept.officer.as_str().into(),
        kept.document_sm3.as_str().into(),
        kept.verdict.as_str().into(),
        kept.report.as_str().into(),
    ];
    tx.execute(&INSERT, &values).await.map(drop)
}

pub(super) async fn find(rx: &mut Rx, id: &VerificationId) -> Result<Option<Kept>, StoreError> {
    rx.optional(&FIND, &[id.as_str().into()]).await
}
