//! API keys: made by a security administrator, changed for others by their holders, revoked at once.

use super::{IssuedKey, Officers, both};
use crate::{
    audit,
    base::{Entropy, Refusal, Timestamp},
    http::idempotency::{self, IdempotencyKey},
    officer::{
        Actor, ApiKey, ApiKeyId, Caller, ClearKey, Denied, Officer, OfficerError, OfficerId, Right,
        checked_name, store,
    },
    store::{StoreError, Tx},
};
use serde::Serialize;
use serde_json::json;

/// Makes an API key.
#[derive(Debug, Clone)]
pub struct MakeKey {
    /// Whose.
    pub officer: OfficerId,
    /// What for, 1 to 100 characters.
    pub label: String,
    /// From when on it is refused; `None`: as late as a key may end.
    pub expires_at: Option<Timestamp>,
}

/// Changes an API key for another.
#[derive(Debug, Clone)]
pub struct RotateKey {
    /// Whose.
    pub officer: OfficerId,
    /// Which.
    pub key: ApiKeyId,
    /// What the new one is for; `None`: as the one before.
    pub label: Option<String>,
    /// How long both are good, in milliseconds: 0 to a week.
    pub overlap_ms: i64,
}

/// Keys to see to: for those who look after the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndingKeys {
    /// Those that end soon, the first to end first.
    pub soon: Vec<ApiKey>,
    /// Those that never end: made by the first release, or at the first start.
    pub without_end: Vec<ApiKey>,
}

impl Officers {
    /// Makes a key for an officer. A repeated request is told that the secret was shown before.
    pub async fn make_key(
        &self,
        caller: &Caller,
        command: MakeKey,
        once: Option<&IdempotencyKey>,
    ) -> Result<IssuedKey, OfficerError> {
        caller.officer(Right::OfficerManage)?;
        refuse_to_show_twice(once)?;
        let MakeKey { officer, label, expires_at } = command;
        let label = checked_name("label", &label)?;
        let (end, renewable) = self.terms.end(expires_at, caller.now)?;
        let issued = fresh(officer.clone(), label, (Some(end), renewable), caller.now, self.entropy.as_ref());
        self.store
            .write(async |tx| {
                let (_, found) = both(tx, caller, &officer).await?;
                found.ok_or(OfficerError::Unknown(officer))?;
                idempotency::record(tx, once, &issued.key.id).await?;
                add(tx, caller, &issued).await?;
                Ok(issued)
            })
            .await
    }

    /// Changes a key for another with a secret of its own: the holder does, who alone sees it then, or a security
    /// administrator. Both are good until the overlap ends, and the one before no longer than it would have been.
    ///
    /// # Errors
    /// A refusal for a key that is not good any more, or in whose place a good one came already.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        command: RotateKey,
        once: Option<&IdempotencyKey>,
    ) -> Result<IssuedKey, OfficerError> {
        holder_or_manager(caller, &command.officer)?;
        refuse_to_show_twice(once)?;
        let RotateKey { officer, key, label, overlap_ms } = command;
        self.store
            .write(async |tx| {
                if !is_oneself(caller, &officer) {
                    both(tx, caller, &officer).await?.1.ok_or(OfficerError::Unknown(officer.clone()))?;
                }
                store::lock_key(tx, &key).await?;
                let old = store::find_key(tx, &officer, &key).await?;
                let old = old.ok_or(OfficerError::UnknownKey(key))?;
                let end = old.end_beside_next(overlap_ms, caller.now)?;
                refuse_replaced(tx, &old, caller.now).await?;
                let label = label.map_or(Ok(old.label.clone()), |label| checked_name("label", &label))?;
                let life = (Some(self.terms.end_of_next(&old, caller.now)), old.renewable);
                let issued = fresh(officer, label, life, caller.now, self.entropy.as_ref());
                idempotency::record(tx, once, &issued.key.id).await?;
                add(tx, caller, &issued).await?;
                if !store::replace_key(tx, &old.id, end, &issued.key.id).await? {
                    return Err(OfficerError::UnknownKey(old.id));
                }
                let detail =
                    json!({ "officer": old.officer, "replaced_by": issued.key.id, "expires_at": end });
                audit::append(tx, &caller.entry("api_key.rotated", &old.id, detail)).await?;
                Ok(issued)
            })
            .await
    }

    /// The keys of an officer, the newest first, 100 at most. No secrets: nobody has them.
    pub async fn keys_of(&self, caller: &Caller, id: &OfficerId) -> Result<Vec<ApiKey>, OfficerError> {
        if !is_oneself(caller, id) {
            self.find(caller, id).await?;
        }
        Ok(self.store.read(async |rx| store::keys_of(rx, id).await).await?)
    }

    /// Revokes a key at once, on all nodes; one that is revoked already stays as it is. A security administrator does, or
    /// its holder.
    pub async fn revoke_key(
        &self,
        caller: &Caller,
        officer: &OfficerId,
        id: &ApiKeyId,
    ) -> Result<ApiKey, OfficerError> {
        holder_or_manager(caller, officer)?;
        self.store
            .write(async |tx| {
                let found = store::find_key(tx, officer, id).await?;
                let key = found.ok_or_else(|| OfficerError::UnknownKey(id.clone()))?;
                if !store::revoke_key(tx, id, caller.now).await? {
                    return Ok(key);
                }
                let detail = json!({ "officer": officer });
                audit::append(tx, &caller.entry("api_key.revoked", id, detail)).await?;
                Ok(ApiKey { revoked_at: Some(caller.now), ..key })
            })
            .await
    }

    /// Good keys of officers on duty that end within so many days, or never, and have no key in their place; 500 at most.
    pub async fn ending_keys(&self, now: Timestamp, within_days: i64) -> Result<EndingKeys, StoreError> {
        let until = now.plus_days(within_days);
        let found = self.store.read(async |rx| store::ending_keys(rx, now, until).await).await?;
        let (soon, without_end) = found.into_iter().partition(|key| key.expires_at.is_some());
        Ok(EndingKeys { soon, without_end })
    }
}

fn is_oneself(caller: &Caller, officer: &OfficerId) -> bool {
    matches!(&caller.actor, Actor::Officer(own) if own.id == *officer)
}

fn holder_or_manager<'a>(caller: &'a Caller, officer: &OfficerId) -> Result<&'a Officer, Denied> {
    match &caller.actor {
        Actor::Officer(own) if own.id == *officer => Ok(own),
        _ => caller.officer(Right::OfficerManage),
    }
}

fn refuse_to_show_twice(once: Option<&IdempotencyKey>) -> Result<(), OfficerError> {
    match IdempotencyKey::earlier_of(once) {
        Some(earlier) => Err(OfficerError::ShownOnce(ApiKeyId::from_row(earlier.to_owned()))),
        None => Ok(()),
    }
}

/// A key in whose place another came is not changed again, so that whoever has stolen it can't outlive its end. Where the
/// answer with the new one was lost, that one is revoked first.
async fn refuse_replaced(tx: &mut Tx, key: &ApiKey, now: Timestamp) -> Result<(), OfficerError> {
    let Some(next) = &key.replaced_by else { return Ok(()) };
    match store::find_key(tx, &key.officer, next).await? {
        Some(next) if next.is_good_at(now) => {
            let says = format!(
                "key {} came in the place of this one; revoke that one first if it was lost",
                next.id
            );
            Err(Refusal::new("officer/key-replaced", says).into())
        }
        _ => Ok(()),
    }
}

pub(super) fn fresh(
    officer: OfficerId,
    label: String,
    (expires_at, renewable): (Option<Timestamp>, bool),
    now: Timestamp,
    entropy: &dyn Entropy,
) -> IssuedKey {
    let clear = ClearKey::fresh(now, entropy);
    let key = ApiKey {
        id: clear.id().clone(),
        officer,
        label,
        made_at: now,
        expires_at,
        revoked_at: None,
        replaced_by: None,
        renewable,
    };
    IssuedKey { key, clear }
}

pub(super) async fn add(tx: &mut Tx, caller: &Caller, issued: &IssuedKey) -> Result<(), StoreError> {
    let key = &issued.key;
    store::add_key(tx, key, &issued.clear.hash()).await?;
    let label = audit::fingerprint(&key.id, &key.label);
    let detail = json!({ "officer": key.officer, "label_sm3": label, "expires_at": key.expires_at });
    audit::append(tx, &caller.entry("api_key.made", &key.id, detail)).await
}
