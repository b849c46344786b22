//! Officers and their keys in numbers: for metrics and for `yinxin doctor`.

use super::super::Role;
use crate::{
    base::Timestamp,
    store::{FromRow, Row, Rx, Statement, StoreError},
};

/// API keys of officers on duty that are not revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// Those that open something.
    pub good: i64,
    /// Of these, how many end before the instant that was asked about.
    pub ending: i64,
    /// Of the good ones, how many never end by themselves.
    pub endless: i64,
    /// Those past their end.
    pub ended: i64,
}

pub(super) const KEYS: Statement = Statement::portable(
    "officer.keys_census",
    "SELECT count(CASE WHEN k.expires_at IS NULL OR k.expires_at > $1 THEN 1 END), \
     count(CASE WHEN k.expires_at > $1 AND k.expires_at <= $2 THEN 1 END), \
     count(CASE WHEN k.expires_at IS NULL THEN 1 END), count(CASE WHEN k.expires_at <= $1 THEN 1 END) \
     FROM api_key k JOIN officer o ON o.id = k.officer WHERE k.revoked_at IS NULL AND o.state = 'active'",
);
pub(super) const ON_DUTY: Statement = Statement::portable(
    "officer.on_duty",
    "SELECT r.role, count(*) FROM officer_role r JOIN officer o ON o.id = r.officer WHERE o.state = 'active' \
     GROUP BY r.role ORDER BY r.role",
);
/// The database refuses such rows; a copy that was changed by hand may hold them.
pub(super) const TWO_HATS: Statement = Statement::portable(
    "officer.two_hats",
    "SELECT count(*) FROM (SELECT officer FROM officer_role GROUP BY officer HAVING count(*) > 1 AND \
     count(CASE WHEN role IN ('system_administrator', 'security_administrator', 'auditor') THEN 1 END) > 0) AS many",
);

impl FromRow for Keys {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { good: row.int(0)?, ending: row.int(1)?, endless: row.int(2)?, ended: row.int(3)? })
    }
}

struct OnDuty(Role, i64);

impl FromRow for OnDuty {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let role = Role::parse(&row.text(0)?).ok_or_else(|| StoreError::corrupt("officer_role.role"))?;
        Ok(Self(role, row.int(1)?))
    }
}

/// API keys as they stand at `now`; `soon` is the instant before which one counts as ending.
pub async fn keys(rx: &mut Rx, now: Timestamp, soon: Timestamp) -> Result<Keys, StoreError> {
    rx.one(&KEYS, &[now.into(), soon.into()]).await
}

/// How many officers on duty hold each role; roles that nobody holds are left out.
pub async fn on_duty(rx: &mut Rx) -> Result<Vec<(Role, i64)>, StoreError> {
    Ok(rx.all::<OnDuty>(&ON_DUTY, &[]).await?.into_iter().map(|OnDuty(role, count)| (role, count)).collect())
}

/// Officers who hold a role that stands apart beside another one.
pub async fn two_hats(rx: &mut Rx) -> Result<i64, StoreError> {
    rx.one(&TWO_HATS, &[]).await
}
