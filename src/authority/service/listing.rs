//! The revocation lists, one of each issuing authority: made when something changed or the last one grows old.

use super::{Authority, ISSUING, Issued};
use crate::{
    authority::{
        AuthorityError, Role,
        store::{self, CrlRow, ListOf, RevokedRow},
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
    /// The revocation list of the issuing authority that is in use. It names every certificate of it that was revoked
    /// before the call, and is renewed some hours before it ends, so that whoever fetched it has time to fetch the next.
    pub async fn crl(&self, now: Timestamp) -> Result<Crl, AuthorityError> {
        let issuing = self.own(ISSUING, now).await?;
        self.list_of(&issuing, now).await
    }

    /// The list of the issuing authority of this generation, which is there until the authority's end and longer.
    pub async fn crl_of(&self, generation: i64, now: Timestamp) -> Result<Crl, AuthorityError> {
        let own = self.authorities().await?;
        let what = || format!("of an issuing authority number {generation}");
        let issuing = own.issuing(generation).ok_or_else(|| AuthorityError::Unknown { what: what() })?;
        self.list_of(issuing, now).await
    }

    /// The lists of all issuing authorities.
    pub async fn crls(&self, now: Timestamp) -> Result<Vec<Crl>, AuthorityError> {
        let own = self.authorities().await?;
        let mut lists = Vec::new();
        for issuing in own.of(Role::Issuing) {
            match self.list_of(issuing, now).await {
                Ok(list) => lists.push(list),
                // It is over and never had a list: nothing of it was revoked.
                Err(AuthorityError::OutOfPeriod { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(lists)
    }

    /// The lists to judge by: the current ones, also where the database takes no changes. Then a list that is due is signed
    /// and not recorded, fit for a verdict of our own and for nothing else, since its number will be used again.
    pub async fn crls_to_judge_by(&self, now: Timestamp) -> Result<Vec<Crl>, AuthorityError> {
        let own = self.authorities().await?;
        let mut lists = Vec::new();
        for issuing in own.of(Role::Issuing) {
            match self.list_of(issuing, now).await {
                Ok(list) => lists.push(list),
                Err(AuthorityError::OutOfPeriod { .. }) => {}
                Err(AuthorityError::Store(error)) => {
                    tracing::warn!(name: "authority.list_for_verdicts", %error, "a revocation list for verdicts alone is made");
                    lists.push(self.unrecorded_list(issuing, now).await?);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(lists)
    }

    async fn unrecorded_list(&self, issuing: &Issued, now: Timestamp) -> Result<Crl, AuthorityError> {
        let read = self.0.store.read(async |rx| {
            let number = store::last_number(rx).await?;
            Ok::<_, StoreError>((number, store::revoked(rx, &issuing.id).await?))
        });
        let (number, revoked) = read.await?;
        let period = (now.whole_seconds(), now.plus_ms(self.0.settings.crl_valid_for_ms).whole_seconds());
        self.sign_list(issuing, number.saturating_add(1), &revoked, period).await
    }

    /// The list that speaks of the certificate with this serial number.
    pub(super) async fn crl_about(&self, serial: &str, now: Timestamp) -> Result<Crl, AuthorityError> {
        let row = self.0.store.read(async |rx| store::find_by_serial(rx, serial).await).await?;
        let unknown = || AuthorityError::Unknown { what: format!("with serial {serial}") };
        let issuer = row.and_then(|row| row.issuer).ok_or_else(unknown)?;
        let own = self.authorities_with(&issuer).await?;
        self.list_of(own.find(&issuer).ok_or_else(unknown)?, now).await
    }

    /// A list needs no intent: what is signed and not recorded is never seen by anybody, and its number is used again.
    async fn list_of(&self, issuing: &Issued, now: Timestamp) -> Result<Crl, AuthorityError> {
        let own = self.authorities_with(&issuing.id).await?;
        let first = &own.issuing(1).ok_or_else(|| AuthorityError::not_ready(ISSUING))?.id;
        let of = ListOf { issuer: &issuing.id, first };
        for _ in 0..TRIES {
            let (last, revocations, number) = self
                .0
                .store
                .read(async |rx| {
                    // In this order: a revocation that comes in between makes the list look older, never newer.
                    let last = store::last_crl(rx, of).await?;
                    let revocations = store::revocations(rx, of.issuer).await?;
                    Ok::<_, StoreError>((last, revocations, store::last_number(rx).await?))
                })
                .await?;
            if let Some(last) = &last
                && (self.is_current(last, revocations, now) || now > issuing.cert.not_after())
            {
                // After its authority's end the last list stays: nothing of it is valid any more.
                return Crl::parse(&last.crl).map_err(AuthorityError::withheld);
            }
            match (self.make_list(issuing, number, now).await, last) {
                (Ok(Some(made)), _) => return Ok(made),
                (Ok(None), _) => {}
                (Err(AuthorityError::Store(error)), Some(last)) if last.still_serves(revocations, now) => {
                    tracing::warn!(name: "authority.list_not_renewed", %error, "the revocation list could not be renewed; the last one still serves");
                    return Crl::parse(&last.crl).map_err(AuthorityError::withheld);
                }
                (Err(error), _) => return Err(error),
            }
        }
        Err(AuthorityError::Store(StoreError::Busy))
    }

    fn is_current(&self, last: &CrlRow, revocations: i64, now: Timestamp) -> bool {
        let due = last.next_update.plus_ms(-self.0.settings.crl_renew_before_ms);
        last.revocations == revocations && last.this_update <= now && now < due
    }

    /// Makes list number `after` + 1; `None` where another node was faster.
    async fn make_list(
        &self,
        issuing: &Issued,
        after: i64,
        now: Timestamp,
    ) -> Result<Option<Crl>, AuthorityError> {
        let revoked = self.0.store.read(async |rx| store::revoked(rx, &issuing.id).await).await?;
        let revocations = i64::try_from(revoked.len()).unwrap_or(i64::MAX);
        let number = after.saturating_add(1);
        let next_update = now.plus_ms(self.0.settings.crl_valid_for_ms).whole_seconds();
        let crl = self.sign_list(issuing, number, &revoked, (now.whole_seconds(), next_update)).await?;
        failpoint::reach("authority.list.signed");
        let this_update = now.whole_seconds();
        let row = CrlRow { number, this_update, next_update, revocations, crl: crl.der().to_vec() };
        let recorded =
            self.0.store.write(async |tx: &mut Tx| store::insert_crl(tx, &row, &issuing.id).await).await?;
        failpoint::reach("authority.list.recorded");
        Ok(recorded.then_some(crl))
    }

    async fn sign_list(
        &self,
        issuing: &Issued,
        number: i64,
        revoked: &[RevokedRow],
        (this_update, next_update): (Timestamp, Timestamp),
    ) -> Result<Crl, AuthorityError> {
        let (cert, signer) = (issuing.cert.clone(), self.signer_of(issuing, this_update).await?);
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

impl CrlRow {
    /// Whether this list, though due to be renewed, still names every revocation and has not ended.
    fn still_serves(&self, revocations: i64, now: Timestamp) -> bool {
        self.revocations == revocations && self.this_update <= now && now < self.next_update
    }
}

/// Clocks of nodes differ: a revocation that seems to be of the next second is dated to the list.
fn entry(row: &RevokedRow, this_update: Timestamp) -> Result<(Vec<u8>, Revoked), AuthorityError> {
    let serial = hex::decode(&row.serial);
    let serial =
        serial.map_err(|_| AuthorityError::withheld("a serial number of the revocation list is damaged"))?;
    Ok((serial, Revoked { at: row.at.min(this_update), reason: row.reason }))
}
