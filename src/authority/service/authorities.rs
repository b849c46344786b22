//! The own authorities: roots, issuing authorities, and the certificates by which roots vouch for each other. There are few,
//! they never change once they are issued, and every product needs them; so they are kept, parsed, and read again only
//! where there is one more.

use super::{Authority, ISSUING, Issued, ROOT};
use crate::authority::{AuthorityError, CertId, Role, store};
use std::sync::{Arc, PoisonError};
use yinxin_pki::x509::Cert;

/// The own authorities, the newest first.
#[derive(Debug, Clone)]
pub struct Authorities {
    all: Vec<Issued>,
}

impl Authorities {
    /// Anchors: whoever trusts one of them trusts what is made here.
    pub fn roots(&self) -> Vec<Cert> {
        self.of(Role::Root).map(|root| root.cert.clone()).collect()
    }

    /// What stands between the anchors and all others: issuing authorities, and roots as certified by other roots.
    pub fn between(&self) -> Vec<Cert> {
        let own = self.of(Role::Issuing).chain(self.of(Role::Cross));
        own.map(|issued| issued.cert.clone()).collect()
    }

    pub(super) fn of(&self, role: Role) -> impl Iterator<Item = &Issued> {
        self.all.iter().filter(move |issued| issued.role == role)
    }

    pub(super) fn find(&self, id: &CertId) -> Option<&Issued> {
        self.all.iter().find(|issued| issued.id == *id)
    }

    /// The issuing authority of this generation.
    pub(super) fn issuing(&self, generation: i64) -> Option<&Issued> {
        self.of(Role::Issuing).find(|issued| issued.generation == generation)
    }

    /// What stands above a certificate that `issuer` signed, and its root: the issuing authority, and, where its root came
    /// in the place of another, that root as certified by the one before.
    pub(super) fn above(&self, issuer: &CertId) -> Option<(Vec<Cert>, Cert)> {
        let issuing = self.find(issuer)?;
        let root = self.find(issuing.issuer.as_ref()?)?;
        let by_the_one_before = self.of(Role::Cross).find(|cross| {
            let signer = cross.issuer.as_ref().and_then(|id| self.find(id));
            cross.cert.public_key() == root.cert.public_key()
                && signer.is_some_and(|signer| signer.generation < root.generation)
        });
        let mut above = vec![issuing.cert.clone()];
        above.extend(by_the_one_before.map(|cross| cross.cert.clone()));
        Some((above, root.cert.clone()))
    }
}

impl Authority {
    /// The own authorities as they are now.
    pub async fn authorities(&self) -> Result<Arc<Authorities>, AuthorityError> {
        let rows = self.0.store.read(async |rx| store::authorities(rx).await).await?;
        if let Some(known) = self.known() {
            let same = known.all.len() == rows.len()
                && known.all.iter().zip(&rows).all(|(known, row)| known.id == row.id);
            if same {
                return Ok(known);
            }
        }
        let all = rows.into_iter().map(Issued::of).collect::<Result<Vec<_>, _>>()?;
        for (reference, role) in [(ROOT, Role::Root), (ISSUING, Role::Issuing)] {
            if !all.iter().any(|issued| issued.role == role) {
                return Err(AuthorityError::not_ready(reference));
            }
        }
        let fresh = Arc::new(Authorities { all });
        *self.0.authorities.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
        Ok(fresh)
    }

    /// The root of this number, from 1.
    pub async fn root_of(&self, generation: i64) -> Result<Cert, AuthorityError> {
        self.numbered(Role::Root, generation).await
    }

    /// The issuing authority of this number, from 1.
    pub async fn issuing_of(&self, generation: i64) -> Result<Cert, AuthorityError> {
        self.numbered(Role::Issuing, generation).await
    }

    async fn numbered(&self, role: Role, generation: i64) -> Result<Cert, AuthorityError> {
        let own = self.authorities().await?;
        let found = own.of(role).find(|issued| issued.generation == generation);
        let what = || format!("of a {} number {generation}", role.as_str());
        found.map(|issued| issued.cert.clone()).ok_or_else(|| AuthorityError::Unknown { what: what() })
    }

    /// The own authorities as this process saw them last: another node may have made one since.
    pub async fn known_authorities(&self) -> Result<Arc<Authorities>, AuthorityError> {
        match self.known() {
            Some(known) => Ok(known),
            None => self.authorities().await,
        }
    }

    /// The own authorities, with `issuer` among them.
    pub(super) async fn authorities_with(&self, issuer: &CertId) -> Result<Arc<Authorities>, AuthorityError> {
        match self.known().filter(|known| known.find(issuer).is_some()) {
            Some(known) => Ok(known),
            None => self.authorities().await,
        }
    }

    fn known(&self) -> Option<Arc<Authorities>> {
        self.0.authorities.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
