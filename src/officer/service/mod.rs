//! Commands on officers and their keys. Only security administrators make either; each officer may change a key of his own
//! for another, so that nobody else has ever seen it.

mod keys;
mod known;
mod rescue;

pub use keys::{EndingKeys, MakeKey, RotateKey};
pub use rescue::rescue;

use super::{
    ApiKey, ApiKeyId, Caller, ClearKey, Denied, KeyTerms, Officer, OfficerError, OfficerId, OfficerState,
    Right, Role, Roles, checked_name,
    store::{self, SignIn},
};
use crate::{
    audit,
    base::{Entropy, Refusal, Timestamp},
    http::{Once, idempotency},
    store::{Store, StoreError, Tx},
};
use known::{Known, Looks};
use serde_json::json;
use std::sync::Arc;

/// The register of officers.
#[derive(Clone)]
pub struct Officers {
    store: Store,
    entropy: Arc<dyn Entropy>,
    known: Arc<Known>,
    looks: Arc<Looks>,
    terms: KeyTerms,
}

/// Registers an officer.
#[derive(Debug, Clone)]
pub struct RegisterOfficer {
    /// The person's name, 1 to 100 characters.
    pub name: String,
    /// The roles, at least one.
    pub roles: Vec<Role>,
}

/// A key just made, with its clear text: shown once, kept nowhere.
#[derive(Debug)]
pub struct IssuedKey {
    /// What the register keeps.
    pub key: ApiKey,
    /// What its holder keeps.
    pub clear: ClearKey,
}

/// An officer of the first hour, and the key to begin with.
#[derive(Debug)]
pub struct FirstOfficer {
    /// The officer.
    pub officer: Officer,
    /// The first key.
    pub key: IssuedKey,
}

/// Why a key opens nothing. The caller is told no difference between the first two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInError {
    /// The text is no key.
    NotAKey,
    /// Unknown, wrong secret, expired, revoked, or its officer is off duty.
    Refused,
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Makes the first system administrator, security administrator and auditor, each with a key that does not expire.
///
/// # Errors
/// [`OfficerError::Exists`] the second time, whoever tries.
pub async fn bootstrap(
    store: &Store,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<Vec<FirstOfficer>, OfficerError> {
    const FIRST: [(Role, &str); 3] = [
        (Role::SystemAdministrator, "系统管理员"),
        (Role::SecurityAdministrator, "安全管理员"),
        (Role::Auditor, "审计员"),
    ];
    let caller = Caller::system("init", now);
    store
        .write(async |tx| {
            if !store::claim_bootstrap(tx, now).await? {
                return Err(OfficerError::Exists);
            }
            let mut first = Vec::with_capacity(FIRST.len());
            for (role, name) in FIRST {
                let officer = fresh_officer(name.to_owned(), Roles::only(role), now, entropy);
                add_officer(tx, &caller, &officer).await?;
                let label = "first key".to_owned();
                let key = keys::fresh(officer.id.clone(), label, (None, true), now, entropy);
                keys::add(tx, &caller, &key).await?;
                first.push(FirstOfficer { officer, key });
            }
            Ok(first)
        })
        .await
}

impl Officers {
    /// The register in `store`.
    pub fn new(store: Store, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, entropy, known: Arc::default(), looks: Arc::default(), terms: KeyTerms::default() }
    }

    /// With other terms for API keys than the usual ones.
    pub fn with_terms(self, terms: KeyTerms) -> Self {
        Self { terms, ..self }
    }

    /// The officer of a key, where key and officer are good at `now`. What was revoked, on whichever node, is refused at
    /// once.
    pub async fn sign_in(&self, clear: &ClearKey, now: Timestamp) -> Result<Officer, SignInError> {
        match self.look_up(clear.id()).await? {
            Some(found)
                if found.hash.is_of(clear)
                    && found.key.is_good_at(now)
                    && found.officer.state == OfficerState::Active =>
            {
                Ok(found.officer.clone())
            }
            _ => Err(SignInError::Refused),
        }
    }

    async fn look_up(&self, id: &ApiKeyId) -> Result<Option<Arc<SignIn>>, StoreError> {
        let look =
            async { Ok(self.store.read(async |rx| store::sign_in(rx, id).await).await?.map(Arc::new)) };
        if !self.store.is_ours_alone() {
            return self.looks.share(id, look).await;
        }
        // Taken before the database is asked: a change in between makes what was found one of yesterday.
        let edition = self.store.edition();
        if let Some(found) = self.known.find(id, edition) {
            return Ok(Some(found));
        }
        let found = look.await?;
        if let Some(found) = &found {
            self.known.keep(id, edition, found);
        }
        Ok(found)
    }

    /// Registers an officer.
    pub async fn register(
        &self,
        caller: &Caller,
        command: RegisterOfficer,
        once: Option<&Once<Officer>>,
    ) -> Result<Officer, OfficerError> {
        caller.officer(Right::OfficerManage)?;
        if let Some(earlier) = Once::earlier_of(once) {
            return self.find(caller, &OfficerId::from_row(earlier.to_owned())).await;
        }
        let name = checked_name("name", &command.name)?;
        let roles = Roles::new(command.roles).map_err(Refusal::from)?;
        let officer = fresh_officer(name, roles, caller.now, self.entropy.as_ref());
        self.store
            .write(async |tx| {
                idempotency::record_with_answer(tx, once, &officer.id, &officer).await?;
                add_officer(tx, caller, &officer).await?;
                Ok(officer)
            })
            .await
    }

    /// Gives an officer other roles, instead of those held so far.
    pub async fn change_roles(
        &self,
        caller: &Caller,
        id: &OfficerId,
        roles: Vec<Role>,
    ) -> Result<Officer, OfficerError> {
        let roles = Roles::new(roles).map_err(Refusal::from)?;
        self.change(caller, id, "officer.roles_changed", |officer, by| officer.with_roles(by, roles)).await
    }

    /// Takes an officer off duty, or puts him back on.
    pub async fn change_state(
        &self,
        caller: &Caller,
        id: &OfficerId,
        state: OfficerState,
    ) -> Result<Officer, OfficerError> {
        let action = match state {
            OfficerState::Active => "officer.enabled",
            OfficerState::Disabled => "officer.disabled",
        };
        self.change(caller, id, action, |officer, by| officer.with_state(by, state)).await
    }

    async fn change(
        &self,
        caller: &Caller,
        id: &OfficerId,
        action: &'static str,
        rule: impl FnOnce(Officer, &Officer) -> Result<Officer, Refusal>,
    ) -> Result<Officer, OfficerError> {
        caller.officer(Right::OfficerManage)?;
        self.store
            .write(async |tx| {
                let (by, found) = both(tx, caller, id).await?;
                let before = found.ok_or_else(|| OfficerError::Unknown(id.clone()))?;
                let was = json!({ "roles": before.roles, "state": before.state });
                let after = rule(before, &by)?;
                store::update(tx, &after).await?;
                let detail = json!({ "was": was, "roles": after.roles, "state": after.state });
                audit::append(tx, &caller.entry(action, id, detail)).await?;
                Ok(after)
            })
            .await
    }

    /// One officer.
    pub async fn find(&self, caller: &Caller, id: &OfficerId) -> Result<Officer, OfficerError> {
        caller.officer(Right::OfficerRead)?;
        let found = self.store.read(async |rx| store::find(rx, id).await).await?;
        found.ok_or_else(|| OfficerError::Unknown(id.clone()))
    }

    /// Up to 100 officers after this id, in order of registration.
    pub async fn list(
        &self,
        caller: &Caller,
        after: Option<&OfficerId>,
    ) -> Result<Vec<Officer>, OfficerError> {
        caller.officer(Right::OfficerRead)?;
        Ok(self.store.read(async |rx| store::list(rx, after).await).await?)
    }
}

/// The caller as the register knows him now, and the officer to change; both locked, in one order for everybody.
///
/// A caller who lost his standing since he signed in changes nothing: otherwise two security administrators could put
/// each other off duty at the same moment, and nobody would be left to put anyone back.
async fn both(
    tx: &mut Tx,
    caller: &Caller,
    id: &OfficerId,
) -> Result<(Officer, Option<Officer>), OfficerError> {
    let by = &caller.officer(Right::OfficerManage)?.id;
    for one in [by.min(id), by.max(id)] {
        store::lock(tx, one).await?;
    }
    let by = store::find(tx, by).await?.filter(|by| by.state == OfficerState::Active);
    match by.filter(|by| by.roles.give(Right::OfficerManage)) {
        Some(by) => Ok((by, store::find(tx, id).await?)),
        None => Err(Denied::LacksRight(Right::OfficerManage).into()),
    }
}

fn fresh_officer(name: String, roles: Roles, now: Timestamp, entropy: &dyn Entropy) -> Officer {
    Officer { id: OfficerId::fresh(now, entropy), name, roles, state: OfficerState::Active, made_at: now }
}

async fn add_officer(tx: &mut Tx, caller: &Caller, officer: &Officer) -> Result<(), StoreError> {
    store::add(tx, officer).await?;
    let detail = json!({ "roles": officer.roles });
    audit::append(tx, &caller.entry("officer.registered", &officer.id, detail)).await
}
