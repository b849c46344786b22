//! Master keys: one as a rule, two while one replaces the other.
//!
//! While that lasts each is wrapped under the other, in the row of the one that goes: a node that runs and holds the old
//! one comes to the new one, and a node that starts, and so holds the new one, comes to the old one. When nothing is
//! wrapped under the old one any more its row goes, and with it both bridges: from then on it opens nothing.

use super::{
    KeysError,
    wrap::{Aead, KEY_BYTES, SecretKey, derive, framed},
};
use crate::base::{Entropy, Timestamp};
use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};
use zeroize::Zeroizing;

/// How the bridges are wrapped: the only way so far.
const AEAD: Aead = Aead::Aes256Gcm;

/// The row of a master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MasterRow {
    /// 1, 2, 3 …
    pub id: i64,
    pub made_at: Timestamp,
    /// The next master key, wrapped under this one; `None` while there is no next.
    pub next: Option<Vec<u8>>,
    /// This master key, wrapped under the next one; `None` while there is no next.
    pub under_next: Option<Vec<u8>>,
}

/// The bridges between a master key and the one that replaces it.
pub(super) struct Bridges {
    pub next: Vec<u8>,
    pub under_next: Vec<u8>,
}

impl Bridges {
    /// Between master key `from` and its successor.
    pub fn between(
        from: i64,
        old: &SecretKey,
        new: &SecretKey,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let wrap = |way: &str, over: &SecretKey, what: &SecretKey| {
            let key = bridge_key(over, way)?;
            AEAD.wrap(&key, &bound(from, way), &what[..], entropy).ok_or(KeysError::Fault)
        };
        Ok(Self { next: wrap(FORTH, old, new)?, under_next: wrap(BACK, new, old)? })
    }
}

const FORTH: &str = "forth";
const BACK: &str = "back";

fn bridge_key(over: &SecretKey, way: &str) -> Result<SecretKey, KeysError> {
    derive(over, "yinxin master key bridge", &[way]).ok_or(KeysError::Fault)
}

/// What a bridge binds: between which two it leads, and which way.
fn bound(from: i64, way: &str) -> Vec<u8> {
    framed([&b"yinxin master key"[..], &from.to_be_bytes(), AEAD.id().as_bytes(), way.as_bytes()])
}

fn cross(from: i64, over: &SecretKey, way: &str, wrapped: &[u8]) -> Result<SecretKey, KeysError> {
    let plain = AEAD.unwrap(&bridge_key(over, way)?, &bound(from, way), wrapped);
    let damaged = || KeysError::damaged(format_args!("master key {from}"));
    let plain = plain.filter(|plain| plain.len() == KEY_BYTES).ok_or_else(damaged)?;
    let mut master = Zeroizing::new([0; KEY_BYTES]);
    master.copy_from_slice(&plain);
    Ok(master)
}

/// The master keys that this process holds. Each is wiped when it is let go.
pub(super) struct Ring(RwLock<BTreeMap<i64, SecretKey>>);

impl Ring {
    /// Holds this one.
    pub fn new(id: i64, master: SecretKey) -> Self {
        Self(RwLock::new(BTreeMap::from([(id, master)])))
    }

    /// The master key with this number, where it is held.
    pub fn find(&self, id: i64) -> Option<SecretKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Takes one more.
    pub fn take(&self, id: i64, master: SecretKey) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id, master);
    }

    /// Follows the bridges of `rows` (all there are, in order) both ways, and lets go of what stands there no more.
    /// Answers the number of the newest.
    ///
    /// # Errors
    /// [`KeysError::OtherMaster`] where no bridge leads to the newest; what is held stays held.
    pub fn follow(&self, rows: &[MasterRow]) -> Result<i64, KeysError> {
        let newest = rows.last().ok_or_else(|| KeysError::damaged("the list of master keys"))?.id;
        for row in rows {
            let next_id = row.id.saturating_add(1);
            let (this, next) = (self.find(row.id), self.find(next_id));
            match (this, next, &row.next, &row.under_next) {
                (Some(this), None, Some(wrapped), _) => {
                    self.take(next_id, cross(row.id, &this, FORTH, wrapped)?);
                }
                (None, Some(next), _, Some(wrapped)) => {
                    self.take(row.id, cross(row.id, &next, BACK, wrapped)?);
                }
                _ => {}
            }
        }
        if self.find(newest).is_none() {
            return Err(KeysError::OtherMaster { master: newest });
        }
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|id, _| rows.iter().any(|row| row.id == *id));
        Ok(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn master(octet: u8) -> SecretKey {
        Zeroizing::new([octet; KEY_BYTES])
    }

    fn row(id: i64, bridges: Option<Bridges>) -> MasterRow {
        let (next, under_next) = bridges.map_or((None, None), |two| (Some(two.next), Some(two.under_next)));
        MasterRow { id, made_at: Timestamp::from_ms(0), next, under_next }
    }

    fn under_way() -> [MasterRow; 2] {
        let bridges = Bridges::between(4, &master(4), &master(5), &SeededEntropy::new(1)).unwrap();
        [row(4, Some(bridges)), row(5, None)]
    }

    #[test]
    fn each_leads_to_the_other_while_both_stand_there() {
        for held in [4, 5] {
            let ring = Ring::new(held, master(held as u8));
            assert_eq!(ring.follow(&under_way()).unwrap(), 5);
            assert_eq!((*ring.find(4).unwrap(), *ring.find(5).unwrap()), ([4; 32], [5; 32]));
        }
    }

    #[test]
    fn afterwards_the_old_one_is_let_go_and_leads_nowhere() {
        let ring = Ring::new(4, master(4));
        ring.follow(&under_way()).unwrap();
        assert_eq!(ring.follow(&[row(5, None)]).unwrap(), 5);
        assert!(ring.find(4).is_none());
        let late = Ring::new(4, master(4));
        assert_eq!(late.follow(&[row(5, None)]).unwrap_err().code(), "keys/other-master");
        assert!(late.find(4).is_some(), "what is held is not thrown away in an error");
    }

    #[test]
    fn a_bent_bridge_leads_nowhere() {
        for bend in 0..4 {
            let mut rows = under_way();
            let flip = |wrapped: &mut Option<Vec<u8>>| wrapped.as_mut().unwrap()[20] ^= 1;
            let held = if bend % 2 == 0 { 4 } else { 5 };
            match bend {
                0 => flip(&mut rows[0].next),
                1 => flip(&mut rows[0].under_next),
                2 => rows[0].next = rows[0].under_next.clone(),
                _ => rows[0].under_next = rows[0].next.clone(),
            }
            let ring = Ring::new(held, master(held as u8));
            assert_eq!(ring.follow(&rows).unwrap_err().code(), "keys/damaged", "{bend}");
        }
        let ring = Ring::new(4, master(9));
        assert_eq!(ring.follow(&under_way()).unwrap_err().code(), "keys/damaged", "another master key");
        assert_eq!(ring.follow(&[]).unwrap_err().code(), "keys/damaged");
    }
}
