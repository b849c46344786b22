//! The keystore: does it unlock, what does that cost a thief, who keeps the keys, which are of no use.

use super::{Case, days, finding::Notes, read};
use crate::{
    app,
    base::entropy::SystemEntropy,
    keys::{KeysError, Keystore, UnlockCost, census},
    store::Store,
};
use std::sync::Arc;

const SUBJECT: &str = "keys";
/// How long one master key is used (NIST SP 800-57 part 1, table 1, gives keys that wrap others two years at the most).
const MASTER_DAYS: i64 = 730;
/// A replacement ends within minutes of the last node having the new one.
const REPLACING_DAYS: i64 = 1;
/// Keys of one page.
const PAGE_KEYS: usize = 500;

/// Unlocks the keystore, for the looks that need it.
pub(super) async fn look(notes: &mut Notes, case: &Case<'_>, store: &Store) -> Option<Keystore> {
    cost(notes, store).await;
    master(notes, case, store).await;
    custody(notes, store).await;
    let unlocked = unlock(notes, case, store).await;
    if let Some(keystore) = &unlocked
        && case.depth.deep
    {
        open_all(notes, keystore).await;
    }
    unlocked
}

async fn unlock(notes: &mut Notes, case: &Case<'_>, store: &Store) -> Option<Keystore> {
    let advice = "put the right passphrase there, mode 0600; nothing can be signed without it";
    let passphrase = match app::passphrase_source(case.config).read() {
        Ok(passphrase) => passphrase,
        Err(error) => {
            notes.of(SUBJECT).wrong("unlocks", error.to_string(), advice);
            return None;
        }
    };
    match Keystore::unlock(store.clone(), &passphrase, Arc::new(SystemEntropy)).await {
        Ok(keystore) => {
            notes.of(SUBJECT).fine("unlocks", "the keystore unlocks with its passphrase");
            Some(keystore)
        }
        Err(KeysError::NoKeystore) => {
            notes.of(SUBJECT).wrong("unlocks", "there is no keystore", "run `yinxin init`");
            None
        }
        Err(error) => {
            notes.of(SUBJECT).wrong("unlocks", error.to_string(), advice);
            None
        }
    }
}

async fn cost(notes: &mut Notes, store: &Store) {
    let Some(found) = read(notes, SUBJECT, "cost", store, async |rx| census::unlock_cost(rx).await).await
    else {
        return;
    };
    let Some(cost) = found else { return };
    let usual = UnlockCost::default();
    let told = format!("Argon2id with {} MiB and {} passes", cost.memory_kib >> 10, cost.passes);
    let mut of = notes.of(SUBJECT);
    if cost.memory_kib < usual.memory_kib || cost.passes < usual.passes {
        of.weak(
            "cost",
            format!("{told}: a stolen copy is guessed at more cheaply than it need be"),
            "change the passphrase: the new one gets the usual cost",
        );
    } else {
        of.fine("cost", told);
    }
}

async fn master(notes: &mut Notes, case: &Case<'_>, store: &Store) {
    let found = read(notes, SUBJECT, "master", store, async |rx| census::newest_master(rx).await).await;
    let Some(newest) = found.flatten() else { return };
    let age = days(newest.made_at, case.now);
    let mut of = notes.of(SUBJECT);
    if newest.is_replacing && age >= REPLACING_DAYS {
        let advice =
            "`yinxin key state` says which keys and nodes are left; a node that is gone is not waited for";
        of.weak("master", format!("the master key has been under replacement for {age} days"), advice);
    } else if age >= MASTER_DAYS {
        let advice = "run `yinxin key rotate-wrapping`; signing goes on meanwhile";
        of.weak("master", format!("the master key is {age} days old"), advice);
    } else {
        of.fine("master", format!("the master key is {age} days old"));
    }
}

async fn custody(notes: &mut Notes, store: &Store) {
    let found = read(notes, SUBJECT, "custody", store, async |rx| {
        Ok((census::living(rx).await?, census::unused(rx).await?))
    });
    let Some((living, unused)) = found.await else { return };
    let mut of = notes.of(SUBJECT);
    let soft: i64 = living.iter().filter(|keys| keys.custody == "soft").map(|keys| keys.count).sum();
    let all: i64 = living.iter().map(|keys| keys.count).sum();
    if soft > 0 {
        of.weak(
            "custody",
            format!("{soft} of {all} living keys are kept by software"),
            "level 3 (GB/T 39786) asks for a device of level 2 (GB/T 37092); fit for trying out and for levels 1 and 2",
        );
    } else {
        of.fine("custody", format!("{all} living keys, all in devices"));
    }
    if unused > 0 {
        let advice =
            "a crash between making and certifying leaves such keys; destroy them when keys are rotated";
        of.weak("unused", format!("{unused} living keys are certified for nothing"), advice);
    }
}

/// Unwraps every living key: a row that was changed or has decayed does not open.
async fn open_all(notes: &mut Notes, keystore: &Keystore) {
    let (mut opened, mut broken, mut after) = (0, Vec::new(), None);
    loop {
        let page = match keystore.list(after.as_ref(), PAGE_KEYS).await {
            Ok(page) => page,
            Err(error) => {
                return notes.of(SUBJECT).wrong("open", error.to_string(), "restore the newest backup");
            }
        };
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        for key in page.iter().filter(|key| key.destroyed_at.is_none()) {
            match keystore.signer(&key.id).await {
                Ok(signer) if signer.public_key() == key.public_key => opened += 1,
                Ok(_) => broken.push(format!("{} is another key than its row says", key.id)),
                Err(error) => broken.push(format!("{}: {error}", key.id)),
            }
            keystore.forget(&key.id);
        }
    }
    let mut of = notes.of(SUBJECT);
    match broken.first() {
        None => of.fine("open", format!("all {opened} living keys open")),
        Some(first) => {
            let found =
                format!("{} of {} living keys do not open; {first}", broken.len(), opened + broken.len());
            of.wrong("open", found, "restore the newest backup; run `yinxin audit verify`");
        }
    }
}
