//! Checks the chains of a database against a file of heads.

use super::{
    AuditReport, Check, HeadKeys,
    store::{self, Place},
};
use crate::store::{Rx, Store, StoreError};
use std::{io, path::Path};

/// Rows read at once.
const PAGE: u32 = 1000;

/// Checks all chains of the database, link by link, and those of the nodes in the file of heads against it; each line
/// of the file may be signed by any of `keys`.
///
/// It may run beside a working daemon: the database is seen at one instant. The memory that it takes grows neither with
/// the records nor with the heads. The inner error is that of reading the file; a file that is not there has no heads.
pub async fn verify(
    store: &Store,
    heads_file: &Path,
    keys: &HeadKeys,
) -> Result<io::Result<AuditReport>, StoreError> {
    // The file first: what it says has been in the database before. What the database says about heads has been in the
    // file before, so for that the file is read again, from within the snapshot.
    let (path, keys, own) = (heads_file.to_owned(), keys.clone(), store.node().to_owned());
    let begun = tokio::task::spawn_blocking(move || Check::begin(&path, &keys, &own, None));
    let interrupted = |_| Err(io::Error::other("the check was interrupted"));
    let mut check = match begun.await.unwrap_or_else(interrupted) {
        Ok(check) => check,
        Err(error) => return Ok(Err(error)),
    };
    let walked = store.snapshot(async |rx| walk(rx, &mut check).await).await?;
    Ok(walked.and_then(|()| check.finish()))
}

/// Hands everything to `check`; the inner error is its own.
async fn walk(rx: &mut Rx, check: &mut Check) -> Result<io::Result<()>, StoreError> {
    let nodes = store::nodes(rx).await?;
    for node in &nodes {
        let mut after = i64::MIN;
        loop {
            let page = store::heads(rx, node, after, PAGE).await?;
            for head in &page {
                after = head.seq;
                if let Err(error) = check.head(node, head.seq, &head.signature) {
                    return Ok(Err(error));
                }
            }
            if page.is_empty() {
                break;
            }
        }
    }
    for node in &nodes {
        let mut after = Place::FIRST;
        loop {
            let page = store::walk(rx, node, after, PAGE).await?;
            for record in &page {
                after = Place::of(record);
                if let Err(error) = check.record(record) {
                    return Ok(Err(error));
                }
            }
            if page.is_empty() {
                break;
            }
        }
        match u64::try_from(store::count_unchained(rx, node).await?).unwrap_or(0) {
            0 => {}
            waiting => check.wait(node, waiting),
        }
    }
    Ok(Ok(()))
}
