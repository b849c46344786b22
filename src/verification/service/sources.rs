//! Whom the service trusts, and whom it asks about seals.

use super::super::{Trust, VerificationError};
use crate::{
    authority::Authority,
    base::Timestamp,
    seal::{state::State, store::life},
    store::{Store, StoreError},
};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};
use tokio::runtime::Handle;
use yinxin_pki::judge::{SealState, SealStatus};

/// An answer on its way, from behind a trait object.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Says whom to trust at an instant.
pub trait TrustSource: Send + Sync {
    /// Anchors, intermediates and current revocation lists.
    fn trust(&self, now: Timestamp) -> Answer<'_, Result<Arc<Trust>, VerificationError>>;
}

/// The same trust at all times: what an operator configured, where there is no authority of one's own.
impl TrustSource for Arc<Trust> {
    fn trust(&self, _now: Timestamp) -> Answer<'_, Result<Arc<Trust>, VerificationError>> {
        Box::pin(async move { Ok(Self::clone(self)) })
    }
}

/// The own authority's roots, and what an operator configured beside it; of the own certificates only those of makers are
/// for making seals, and others' makers have to be configured.
#[derive(Clone)]
pub struct AuthorityTrust {
    authority: Authority,
    configured: Trust,
}

impl AuthorityTrust {
    /// Trusts `authority` and whatever `configured` holds.
    pub fn new(authority: Authority, configured: Trust) -> Self {
        Self { authority, configured }
    }

    async fn gather(&self, now: Timestamp) -> Result<Arc<Trust>, VerificationError> {
        let mut trust = self.configured.clone();
        let own = self.authority.authorities().await?;
        trust.anchors.extend(own.roots());
        trust.intermediates.extend(own.between());
        trust.makers.extend(self.authority.makers().await?);
        trust.crls.extend(self.authority.crls_to_judge_by(now).await?);
        Ok(Arc::new(trust))
    }
}

impl TrustSource for AuthorityTrust {
    fn trust(&self, now: Timestamp) -> Answer<'_, Result<Arc<Trust>, VerificationError>> {
        Box::pin(self.gather(now))
    }
}

/// A register of seals that has to be waited for.
pub trait SealRegister: Send + Sync {
    /// The state of the seal with this SM3 (of its DER) at `at`.
    fn state(&self, sm3: [u8; 32], at: Timestamp) -> Answer<'_, SealState>;
}

/// The register of this service.
#[derive(Clone)]
pub struct OwnRegister {
    store: Store,
}

impl OwnRegister {
    /// Reads it from `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    async fn look(&self, sm3: &[u8; 32], at: Timestamp) -> Result<SealState, StoreError> {
        let sm3 = hex::encode(sm3);
        // Stamps count whole seconds and the register milliseconds: a seal that was made and used within one second, or
        // used and suspended within one, was in force when it was used.
        let (from, to) = (at.whole_seconds(), at.whole_seconds().plus_ms(999));
        let states = self.store.read(async |rx| {
            let Some(seal) = life::find_by_esl(rx, &sm3).await? else { return Ok(None) };
            let (first, last) =
                (life::state_at(rx, &seal.id, from).await?, life::state_at(rx, &seal.id, to).await?);
            Ok::<_, StoreError>(Some((first, last)))
        });
        Ok(match states.await? {
            None => SealState::Unknown,
            Some((first, last)) if [first, last].contains(&Some(State::Active)) => SealState::Valid,
            Some((_, Some(last))) => SealState::Invalid(last.name().to_owned()),
            Some((_, None)) => SealState::Invalid("not-made".to_owned()),
        })
    }
}

impl SealRegister for OwnRegister {
    fn state(&self, sm3: [u8; 32], at: Timestamp) -> Answer<'_, SealState> {
        Box::pin(async move {
            self.look(&sm3, at).await.unwrap_or_else(|error| {
                tracing::warn!(name: "verification.register_silent", %error, "the register of seals could not be asked");
                SealState::Unavailable
            })
        })
    }
}

/// A register, asked from the thread that judges.
pub(super) struct Waited {
    pub(super) register: Arc<dyn SealRegister>,
    pub(super) runtime: Handle,
    pub(super) patience: Duration,
}

impl SealStatus for Waited {
    /// By its bytes alone: a code is what the seal says of itself.
    fn state(&self, _code: &str, sm3: &[u8; 32], at: Timestamp) -> SealState {
        let asked = async { tokio::time::timeout(self.patience, self.register.state(*sm3, at)).await };
        self.runtime.block_on(asked).unwrap_or(SealState::Unavailable)
    }
}
