//! The list is made anew as soon as something is revoked, and not only when somebody asks for it: work of the outbox,
//! promised in the transaction that revokes.

use super::Authority;
use crate::job::{Job, JobError, Run};
use serde::{Deserialize, Serialize};

/// Signs a list that knows of a revocation.
#[derive(Debug, Serialize, Deserialize)]
pub struct RenewList {
    /// The serial number that was revoked, hex.
    pub serial: String,
}

impl Job for RenewList {
    const KIND: &'static str = "authority.renew_list";

    fn key(&self) -> String {
        self.serial.clone()
    }
}

impl Authority {
    /// Does the work; done twice, the second time finds the list there.
    pub async fn renew_list(&self, job: RenewList, run: Run) -> Result<(), JobError> {
        let list = self.crl_about(&job.serial, run.now).await;
        let list = list.map_err(|error| JobError::Retry(error.to_string()))?;
        tracing::info!(name: "authority.list_made", serial = job.serial, revoked = list.len(), "the revocation list was made anew");
        Ok(())
    }
}
