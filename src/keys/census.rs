//! The keystore in numbers: for metrics and for `yinxin doctor`.

use super::{UnlockCost, store};
use crate::{
    base::Timestamp,
    store::{FromRow, Row, Rx, Statement, StoreError},
};

/// Living keys of one purpose and custody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Living {
    /// What they are for.
    pub purpose: String,
    /// Who keeps them.
    pub custody: String,
    /// How many.
    pub count: i64,
}

/// The master key that new keys stand under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// When it was made.
    pub made_at: Timestamp,
    /// Whether it is still taking the place of the one before it.
    pub is_replacing: bool,
}

pub(super) const LIVING: Statement = Statement::portable(
    "keys.living",
    "SELECT purpose, custody, count(*) FROM signing_key WHERE destroyed_at_ms IS NULL \
     GROUP BY purpose, custody ORDER BY purpose, custody",
);

pub(super) const UNUSED: Statement = Statement::portable(
    "keys.unused",
    "SELECT count(*) FROM signing_key k WHERE k.destroyed_at_ms IS NULL AND k.purpose <> 'audit' \
     AND NOT EXISTS (SELECT 1 FROM authority_cert c WHERE c.key_id = k.id)",
);

impl FromRow for Living {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { purpose: row.text(0)?, custody: row.text(1)?, count: row.int(2)? })
    }
}

/// Living keys by purpose and custody.
pub async fn living(rx: &mut Rx) -> Result<Vec<Living>, StoreError> {
    rx.all(&LIVING, &[]).await
}

/// What unlocking costs with the header that is there; `None` where there is no keystore.
pub async fn unlock_cost(rx: &mut Rx) -> Result<Option<UnlockCost>, StoreError> {
    let number = |value: i64| u32::try_from(value).map_err(|_| StoreError::corrupt("keystore.memory_kib"));
    let Some(header) = store::header(rx).await? else { return Ok(None) };
    Ok(Some(UnlockCost { memory_kib: number(header.memory_kib)?, passes: number(header.passes)? }))
}

/// Living keys that no certificate names, those of the record aside.
pub async fn unused(rx: &mut Rx) -> Result<i64, StoreError> {
    rx.one(&UNUSED, &[]).await
}

/// The newest master key; `None` where there is no keystore.
pub async fn newest_master(rx: &mut Rx) -> Result<Option<Newest>, StoreError> {
    let masters = store::masters(rx).await?;
    let is_replacing = masters.iter().any(|master| master.next.is_some());
    Ok(masters.last().map(|newest| Newest { made_at: newest.made_at, is_replacing }))
}
