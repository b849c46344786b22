//! The certificates in numbers: for metrics and for `yinxin doctor`.

use super::super::Role;
use crate::{
    base::Timestamp,
    store::{FromRow, Row, Rx, Statement, StoreError},
};

/// Certificates of one role that are not revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// The role.
    pub role: Role,
    /// In their period.
    pub good: i64,
    /// Of these, how many end before the instant that was asked about.
    pub ending: i64,
    /// Past their period.
    pub ended: i64,
    /// When the last of them ends.
    pub last: Timestamp,
}

pub(super) const ENDS: Statement = Statement::portable(
    "authority.ends",
    "SELECT role, count(CASE WHEN not_after_ms >= $1 THEN 1 END), \
     count(CASE WHEN not_after_ms >= $1 AND not_after_ms < $2 THEN 1 END), \
     count(CASE WHEN not_after_ms < $1 THEN 1 END), max(not_after_ms) \
     FROM authority_cert WHERE state = 'valid' GROUP BY role ORDER BY role",
);
/// References of the authority's own certificates begin with `authority/`: an index leads to them alone.
pub(super) const OWN_ENDS: Statement = Statement::portable(
    "authority.own_ends",
    "SELECT role, count(CASE WHEN not_after_ms >= $1 THEN 1 END), \
     count(CASE WHEN not_after_ms >= $1 AND not_after_ms < $2 THEN 1 END), \
     count(CASE WHEN not_after_ms < $1 THEN 1 END), max(not_after_ms) \
     FROM authority_cert WHERE reference >= 'authority/' AND reference < 'authority0' AND state = 'valid' \
     GROUP BY role ORDER BY role",
);
pub(super) const OPEN: Statement =
    Statement::portable("authority.open", "SELECT count(*) FROM authority_cert WHERE state = 'intended'");
pub(super) const LIST_ENDS: Statement = Statement::portable(
    "authority.list_ends",
    "SELECT next_update_ms FROM authority_crl ORDER BY number DESC LIMIT 1",
);

impl FromRow for Ends {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            role: Role::parse(&row.text(0)?).ok_or_else(|| StoreError::corrupt("authority_cert.role"))?,
            good: row.int(1)?,
            ending: row.int(2)?,
            ended: row.int(3)?,
            last: row.timestamp(4)?,
        })
    }
}

/// Certificates by role, as they stand at `now`; `soon` is the instant before which one counts as ending.
pub async fn ends(rx: &mut Rx, now: Timestamp, soon: Timestamp) -> Result<Vec<Ends>, StoreError> {
    rx.all(&ENDS, &[now.into(), soon.into()]).await
}

/// The same of the authority's own alone: cheap however many seals there are.
pub async fn own_ends(rx: &mut Rx, now: Timestamp, soon: Timestamp) -> Result<Vec<Ends>, StoreError> {
    rx.all(&OWN_ENDS, &[now.into(), soon.into()]).await
}

/// Certificates whose signature was intended and is not there.
pub async fn open_intents(rx: &mut Rx) -> Result<i64, StoreError> {
    rx.one(&OPEN, &[]).await
}

/// Until when the newest revocation list is good; `None` where none was made yet.
pub async fn list_ends(rx: &mut Rx) -> Result<Option<Timestamp>, StoreError> {
    rx.optional(&LIST_ENDS, &[]).await
}
