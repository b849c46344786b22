//! The revocation list of the issuing authority: made when something changed or the last one grows old.

use super::{Authority, ISSUING};
use crate::{
    authority::{
        AuthorityError,
        store::{self, CrlRow, RevokedRow},
    },
    base::{Timestamp, failpoint},
    store::{StoreError, Tx},
};
use rand_core::CryptoRng;
use yinxin_pki::x509::{
    Crl, Revoked,
    issue::{self, CrlOrder, Issuer},
};

/// Lists made in one call, where other nodes make some at the same time.
const TRIES: usize = 4;

impl Authority {
    /// The current revocation list. It names every certificate that was revoked before the call, and is renewed some
    /// hours before it ends, so that whoever fetched it has time to fetch the next.
    ///
    /// A list needs no intent: what is signed and not recorded is never seen by anybody, and its number is used again.
    pub async fn crl(&self, now: Timestamp) -> Result<Crl, AuthorityError> {
        for _ in 0..TRIES {
            let (last, revocations) = self
                .0
                .store
                .read(async |rx| {
                    // In this order: a revocation that comes in between makes the list look older, never newer.
                    let last = store::last_crl(rx).await?;
                    Ok::<_, StoreError>((last, store::revocations(rx).await?))
                })
                .await?;
            if let Some(last) = &last
                && self.is_current(last, revocations, now)
            {
                return Crl::parse(&last.crl).map_err(AuthorityError::withheld);
            }
            if let Some(made) = self.make_list(last.map_or(0, |last| last.number), now).await? {
                return Ok(made);
            }
        }
        Err(AuthorityError::Store(StoreError::Busy))
    }

    fn is_current(&self, last: &CrlRow, revocations: i64, now: Timestamp) -> bool {
        let due = last.next_update.plus_ms(-self.0.settings.crl_renew_before_ms);
        last.revocations == revocations && last.this_update <= now && now < due
    }

    /// Makes list number `after` + 1; `None` where another node was faster.
    async fn make_list(&self, after: i64, now: Timestamp) -> Result<Option<Crl>, AuthorityError> {
        let revoked = self.0.store.read(async |rx| store::revoked(rx).await).await?;
        let revocations = i64::try_from(revoked.len()).unwrap_or(i64::MAX);
        let number = after.saturating_add(1);
        let next_update = now.plus_ms(self.0.settings.crl_valid_for_ms).whole_seconds();
        let crl = self.sign_list(number, &revoked, now.whole_seconds(), next_update).await?;
        failpoint::reach("authority.list.signed");
        let this_update = now.whole_seconds();
        let row = CrlRow { number, this_update, next_update, revocations, crl: crl.der().to_vec() };
        let recorded = self.0.store.write(async |tx: &mut Tx| store::insert_crl(tx, &row).await).await?;
        failpoint::reach("authority.list.recorded");
        Ok(recorded.then_some(crl))
    }

    async fn sign_list(
        &self,
        number: i64,
        revoked: &[RevokedRow],
        this_update: Timestamp,
        next_update: Timestamp,
    ) -> Result<Crl, AuthorityError> {
        let (cert, signer) = self.own_signer(ISSUING, this_update).await?;
        let entries = revoked.iter().map(|row| entry(row, this_update)).collect::<Result<Vec<_>, _>>()?;
        let number = number.unsigned_abs();
        let work = move |rng: &mut dyn CryptoRng| {
            let order = CrlOrder { number, this_update, next_update, revoked: &entries };
            // Reads its product back and verifies it.
            issue::crl(&order, &Issuer { cert: &cert, signer: &*signer }, rng).map_err(AuthorityError::from)
        };
        self.0.pool.run(work, self.0.settings.patience).await
    }
}

/// Clocks of nodes differ: a revocation that seems to be of the next second is dated to the list.
fn entry(row: &RevokedRow, this_update: Timestamp) -> Result<(Vec<u8>, Revoked), AuthorityError> {
    let serial = hex::decode(&row.serial);
    let serial =
        serial.map_err(|_| AuthorityError::withheld("a serial number of the revocation list is damaged"))?;
    Ok((serial, Revoked { at: row.at.min(this_update), reason: row.reason }))
}
