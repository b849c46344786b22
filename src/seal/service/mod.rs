//! The commands of this room: load, decide, record; and for what is signed: intend, commit, sign, check, record.

mod life;
mod making;
mod register;
mod stamping;
mod sweep;
mod time_stamp;

pub use life::Apply;
pub use register::{RegisterMaker, RegisterOwner};
pub use stamping::Stamped;

use super::{
    error::SealError,
    nouns::SealId,
    register::{MakerId, OwnerId},
};
use crate::{
    authority::{Act, Authority, CertState},
    base::{Entropy, Refusal, Timestamp},
    document::pool::ReadingPool,
    keys::{Keystore, SigningPool, ToSign},
    officer::{Caller, OfficerId},
    store::{Rx, Store},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::OnceCell;
use yinxin_pki::budget::Budget;

/// How long a signature may take before the command gives up; a device is slow, a person does not wait longer.
const SIGN_PATIENCE: Duration = Duration::from_secs(10);

/// Judges a product of ours before it leaves, in profile `strict`, with the own authority as anchor. The composition
/// root gives one: this room makes, another judges.
pub trait ProductCheck: Send + Sync {
    /// Whether the stamped file's newest stamp passes; `Err` says what does not hold. `digest` is SM3 over the
    /// bytes that the stamp covers, computed over this very buffer before the value was put into its gap.
    fn stamped_pdf(&self, product: &[u8], digest: &[u8; 32], question: &Asked<'_>) -> Result<(), String>;

    /// Whether a bare seal passes.
    fn seal(&self, esl: &[u8], question: &Asked<'_>) -> Result<(), String>;
}

/// As of when a product is judged, with which trust, and how much work that may be.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The own authority.
    pub chain: &'a Chain,
    /// The instant.
    pub at: Timestamp,
    /// What is left of the work.
    pub budget: &'a Budget,
}

/// The certificates that a product is judged with.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The own root.
    pub anchors: Vec<yinxin_pki::x509::Cert>,
    /// The own issuing authorities.
    pub intermediates: Vec<yinxin_pki::x509::Cert>,
}

/// The commands. Cheap to clone.
#[derive(Clone)]
pub struct SealService(Arc<Room>);

struct Room {
    parts: Parts,
    chain: OnceCell<Arc<Chain>>,
}

impl std::ops::Deref for Room {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// What the commands work with.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The keys.
    pub keystore: Keystore,
    /// Who waits for signatures.
    pub pool: Arc<SigningPool>,
    /// Certificates and time stamps.
    pub authority: Authority,
    /// The judge of our products.
    pub check: Arc<dyn ProductCheck>,
    /// Who reads documents, and draws.
    pub readers: Arc<ReadingPool>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl SealService {
    /// Puts the room together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Room { parts, chain: OnceCell::new() }))
    }

    /// Root and issuing authorities, read once.
    async fn chain(&self) -> Result<Arc<Chain>, SealError> {
        let read = async || {
            let root = self.0.authority.root().await?;
            let above = self.0.authority.chain().await?;
            let intermediates = above.into_iter().filter(|cert| cert.der() != root.der()).collect();
            Ok::<_, SealError>(Arc::new(Chain { anchors: vec![root], intermediates }))
        };
        self.0.chain.get_or_try_init(read).await.cloned()
    }

    /// Whether seals of this maker may be made and used at `now`: judges of a stamp ask for it too (verdicts, check 4).
    async fn maker_in_force(&self, rx: &mut Rx, maker: &MakerId, now: Timestamp) -> Result<(), SealError> {
        let issued = self.0.authority.find_in(rx, &maker_reference(maker)).await?;
        let issued = issued.ok_or_else(|| SealError::Unknown { what: "maker", id: maker.to_string() })?;
        if matches!(issued.state, CertState::Revoked { .. }) {
            let says = "the certificate of this seal's maker is revoked; apply for a seal by another maker";
            return Err(Refusal::new("maker/certificate-revoked", says).into());
        }
        if now > issued.cert.not_after() {
            let says = "the certificate of this seal's maker has expired; apply for a seal by another maker";
            return Err(Refusal::new("maker/certificate-expired", says).into());
        }
        Ok(())
    }

    async fn sign(&self, key_id: &str, input: ToSign) -> Result<Vec<u8>, SealError> {
        let key = crate::keys::KeyId::from_row(key_id.to_owned());
        let signer = self.0.keystore.signer(&key).await?;
        Ok(self.0.pool.sign(signer, input, SIGN_PATIENCE).await?)
    }
}

/// Under which name the authority knows a maker's certificate.
fn maker_reference(maker: &MakerId) -> String {
    format!("maker/{maker}")
}

/// Who asks, in the authority's words.
fn act(caller: &Caller) -> Act<'_> {
    Act { actor: caller.actor_name(), request: &caller.request, now: caller.now }
}

/// Loads a seal or says that there is none.
async fn known_seal(rx: &mut Rx, id: &SealId) -> Result<super::nouns::Seal, SealError> {
    let found = super::store::life::find(rx, id).await?;
    found.ok_or_else(|| SealError::Unknown { what: "seal", id: id.to_string() })
}

/// Loads an owner or says that there is none.
async fn known_owner(rx: &mut Rx, id: &OwnerId) -> Result<super::register::Owner, SealError> {
    let found = super::store::register::find_owner(rx, id).await?;
    found.ok_or_else(|| SealError::Unknown { what: "owner", id: id.to_string() })
}

/// Whether an officer acts for an owner; said as a refusal where not.
async fn must_act_for(rx: &mut Rx, owner: &OwnerId, officer: &OfficerId) -> Result<(), SealError> {
    if super::store::register::is_member(rx, owner, officer).await? {
        return Ok(());
    }
    let says = "you do not act for the owner of this seal; an officer who registers owners can add you";
    Err(Refusal::new("seal/not-your-owner", says).into())
}
