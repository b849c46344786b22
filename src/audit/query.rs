//! Looking records up, and handing them over.

use super::{Record, store};
use crate::{
    base::Timestamp,
    store::{Rx, Store, StoreError},
};
use std::io;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// Most records of one page.
const PAGE_MAX: u32 = 1000;

/// Which records. `None` lets all pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only about this id.
    pub subject: Option<String>,
    /// Only by this one.
    pub actor: Option<String>,
    /// Only this action.
    pub action: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Only records with a smaller id: the last one's of the page before.
    pub before: Option<i64>,
}

/// One page, newest first; `limit` is held within 1 to 1000.
pub async fn query(rx: &mut Rx, filter: &Filter, limit: u32) -> Result<Vec<Record>, StoreError> {
    store::newest(rx, filter, limit.clamp(1, PAGE_MAX)).await
}

/// Writes all records that pass as JSON lines, oldest first; how many. `filter.before` bounds the ids as in a query.
///
/// The inner error is the reader's of `out`.
pub async fn export(
    store: &Store,
    filter: &Filter,
    out: &mut (impl AsyncWrite + Unpin + Send),
) -> Result<io::Result<u64>, StoreError> {
    let end = filter.before.unwrap_or(i64::MAX);
    let (mut after, mut count) = (0, 0);
    loop {
        let page = store.read(async |rx| store::oldest(rx, filter, after, PAGE_MAX).await).await?;
        for record in &page {
            if record.id >= end {
                return Ok(out.flush().await.map(|()| count));
            }
            let mut line = serde_json::to_vec(record).unwrap_or_default();
            line.push(b'\n');
            if let Err(error) = out.write_all(&line).await {
                return Ok(Err(error));
            }
            count += 1;
        }
        match page.last() {
            Some(last) => after = last.id,
            None => return Ok(out.flush().await.map(|()| count)),
        }
    }
}
