//! What a crash left behind is closed: stamps that were intended and never ended, seals whose making never ended.

use super::SealService;
use crate::{
    audit,
    base::Timestamp,
    officer::Caller,
    seal::{
        error::SealError,
        store::{life, stamps},
    },
};
use serde_json::json;

/// How long what a stamp appended is kept for a repeated request.
const INCREMENT_KEPT_MS: i64 = 86_400_000;

impl SealService {
    /// Closes what was begun more than `open_for_ms` ago and never ended; that has to be longer than any request may take. Safe
    /// to run at any time, on any node; called at start and every minute.
    pub async fn sweep(&self, caller: &Caller, open_for_ms: i64) -> Result<(), SealError> {
        self.close(caller, caller.now.plus_ms(-open_for_ms)).await
    }

    /// Closes whatever is open: for a start where nobody else can be at work.
    pub async fn close_all(&self, caller: &Caller) -> Result<(), SealError> {
        self.close(caller, Timestamp::from_ms(i64::MAX)).await
    }

    /// Closes what was begun before `before`.
    async fn close(&self, caller: &Caller, before: Timestamp) -> Result<(), SealError> {
        self.0
            .store
            .write(async |tx| {
                let closed = stamps::close_open(tx, before, caller.now).await?;
                if closed > 0 {
                    let entry = caller.entry("seal.stamps_abandoned", "stamps", json!({ "count": closed }));
                    audit::append(tx, &entry).await?;
                }
                stamps::drop_increments(tx, caller.now.plus_ms(-INCREMENT_KEPT_MS)).await?;
                Ok::<_, SealError>(())
            })
            .await?;
        while self.abandon_some(caller, before).await? > 0 {}
        Ok(())
    }

    /// Takes back the making of some seals; how many.
    async fn abandon_some(&self, caller: &Caller, before: Timestamp) -> Result<usize, SealError> {
        let making =
            self.0.store.read(async |rx| Ok::<_, SealError>(life::making_since(rx, before).await?)).await?;
        let mut abandoned = 0;
        for seal in making {
            match self.abandon_making(caller, &seal.id, "the service stopped while it was made").await {
                // It was issued, or taken back by another node, since it was looked up.
                Err(SealError::Refused(_)) => {}
                other => {
                    other?;
                    abandoned += 1;
                }
            }
        }
        Ok(abandoned)
    }
}
