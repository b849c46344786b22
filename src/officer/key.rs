//! API keys: `yx_<id>_<secret>`. The clear text leaves once, at making; the database holds the SM3 of it.

use super::OfficerId;
use crate::base::{Entropy, Refusal, Secret, Timestamp, id::is_well_formed};
use subtle::ConstantTimeEq as _;
use yinxin_pki::sm3::Sm3;
use zeroize::Zeroizing;

crate::id_type!(
    /// An API key, without its secret.
    ApiKeyId,
    "key"
);

/// 256 bits: nothing to guess, so one digest is enough, and no salt.
const SECRET_BYTES: usize = 32;
const PREFIX: &str = "yx_";
/// The longest text worth looking at: prefix, id, underscore, secret.
const LONGEST: usize = PREFIX.len() + 26 + 1 + 2 * SECRET_BYTES;

/// An API key as the register knows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ApiKey {
    /// Names the key in lists and audit records.
    pub id: ApiKeyId,
    /// Whose rights it carries.
    pub officer: OfficerId,
    /// What it is for, in words of who made it.
    pub label: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// From when on it is refused; `None`: until revoked.
    pub expires_at: Option<Timestamp>,
    /// Since when it is revoked.
    pub revoked_at: Option<Timestamp>,
    /// The key that came in its place.
    pub replaced_by: Option<ApiKeyId>,
    /// Whether a key in its place lives as long as any; else it ends when this one does.
    pub renewable: bool,
}

/// How long API keys last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTerms {
    /// Days that a key is good for at the most, from its making.
    pub longest_days: i64,
}

/// The longest time for which a key and the one in its place are both good.
pub const OVERLAP_MAX_MS: i64 = 7 * 86_400_000;

impl Default for KeyTerms {
    /// A year and a day.
    fn default() -> Self {
        Self { longest_days: 366 }
    }
}

impl KeyTerms {
    /// When a key made `now` ends: as asked, or as late as may be; and whether a key in its place may live as long.
    ///
    /// # Errors
    /// For an instant that is past, or too far.
    pub fn end(self, asked: Option<Timestamp>, now: Timestamp) -> Result<(Timestamp, bool), Refusal> {
        let latest = now.plus_days(self.longest_days);
        let refused = |says: String| Err(Refusal::new("officer/bad-expiry", says));
        match asked {
            None => Ok((latest, true)),
            Some(end) if end <= now => refused(format!("the key would expire at once; now is {now}")),
            Some(end) if end > latest => {
                refused(format!("a key is good for {} days at the most: until {latest}", self.longest_days))
            }
            Some(end) => Ok((end, false)),
        }
    }

    /// When a key that comes in the place of `key` at `now` ends.
    pub fn end_of_next(self, key: &ApiKey, now: Timestamp) -> Timestamp {
        let latest = now.plus_days(self.longest_days);
        match key.expires_at.filter(|_| !key.renewable) {
            Some(end) => end.min(latest),
            None => latest,
        }
    }
}

impl ApiKey {
    /// Whether the key opens anything at `now`.
    pub fn is_good_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }

    /// When the key ends once another has come in its place at `now`, and both are good for `overlap_ms`.
    ///
    /// # Errors
    /// For a key that opens nothing any more, and for an overlap that is negative or longer than a week.
    pub fn end_beside_next(&self, overlap_ms: i64, now: Timestamp) -> Result<Timestamp, Refusal> {
        if !self.is_good_at(now) {
            let says = "the key has expired or is revoked; a security administrator makes another";
            return Err(Refusal::new("officer/wrong-state", says));
        }
        if !(0..=OVERLAP_MAX_MS).contains(&overlap_ms) {
            let says = "both keys are good for 0 to 168 hours";
            return Err(Refusal::new("officer/bad-overlap", says));
        }
        let end = now.plus_ms(overlap_ms);
        Ok(self.expires_at.map_or(end, |expiry| expiry.min(end)))
    }
}

/// The clear text of an API key, shown once.
pub struct ClearKey {
    id: ApiKeyId,
    secret: Secret<String>,
}

/// What is stored instead of the secret.
#[derive(Clone)]
pub struct KeyHash([u8; 32]);

impl ClearKey {
    /// A fresh key.
    pub fn fresh(now: Timestamp, entropy: &dyn Entropy) -> Self {
        let mut octets = Zeroizing::new([0u8; SECRET_BYTES]);
        entropy.fill(octets.as_mut_slice());
        Self { id: ApiKeyId::fresh(now, entropy), secret: Secret::new(hex::encode(octets.as_slice())) }
    }

    /// Reads `yx_<id>_<secret>`; `None` where the text has another shape.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != LONGEST {
            return None;
        }
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let id = format!("{}_{id}", ApiKeyId::PREFIX);
        let is_hex = secret.len() == 2 * SECRET_BYTES
            && secret.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
        (is_hex && is_well_formed(&id, ApiKeyId::PREFIX))
            .then(|| Self { id: ApiKeyId::from_row(id), secret: Secret::new(secret.to_owned()) })
    }

    /// The id inside.
    pub fn id(&self) -> &ApiKeyId {
        &self.id
    }

    /// The text to hand over, once.
    pub fn text(&self) -> Secret<String> {
        let id = self.id.as_str().trim_start_matches("key_");
        Secret::new(format!("{PREFIX}{id}_{}", self.secret.expose()))
    }

    /// What is stored of it. The id is digested too, so that a hash moved to another row opens nothing.
    pub fn hash(&self) -> KeyHash {
        let mut digest = Sm3::new();
        digest
            .update(b"yinxin api key 1\0")
            .update(self.id.as_str())
            .update([0])
            .update(self.secret.expose());
        KeyHash(digest.finish())
    }
}

impl KeyHash {
    /// Takes the 32 octets that the database holds; `None` for another length.
    pub fn from_row(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    /// The octets to store.
    pub fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `key` is the one that was stored. Takes the same time for any answer.
    pub fn is_of(&self, key: &ClearKey) -> bool {
        self.0.ct_eq(&key.hash().0).into()
    }
}

impl std::fmt::Debug for ClearKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "ClearKey({}, …)", self.id)
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("KeyHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_219_200);

    #[test]
    fn a_key_is_read_back_and_known_by_its_hash_alone() {
        let chance = SeededEntropy::new(1);
        let (mine, other) = (ClearKey::fresh(NOW, &chance), ClearKey::fresh(NOW, &chance));
        let read = ClearKey::parse(mine.text().expose()).expect("own text");
        assert_eq!(read.id(), mine.id());
        assert!(mine.hash().is_of(&read));
        assert!(!mine.hash().is_of(&other));
        assert!(!format!("{mine:?} {:?}", mine.hash()).contains(mine.secret.expose().as_str()));
    }

    #[test]
    fn a_secret_under_another_id_opens_nothing() {
        let chance = SeededEntropy::new(2);
        let (mine, other) = (ClearKey::fresh(NOW, &chance), ClearKey::fresh(NOW, &chance));
        let mixed = ClearKey { id: other.id.clone(), secret: Secret::new(mine.secret.expose().clone()) };
        assert!(!mine.hash().is_of(&mixed));
    }

    #[test]
    fn one_changed_character_opens_nothing_and_other_shapes_are_no_keys() {
        let key = ClearKey::fresh(NOW, &SeededEntropy::new(3));
        let text = key.text().expose().clone();
        for at in 0..text.len() {
            let mut octets = text.clone().into_bytes();
            octets[at] = if octets[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(octets).expect("ASCII");
            let opens = ClearKey::parse(&changed).is_some_and(|key_read| key.hash().is_of(&key_read));
            assert!(!opens, "{changed}");
        }
        let long = format!("{text}0");
        let upper = text.to_uppercase();
        for bad in ["", "yx_", "yx__", &text[..text.len() - 1], &long, &upper, "印信印信"] {
            assert!(ClearKey::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_good_until_it_expires_or_is_revoked() {
        let key = ApiKey {
            id: ApiKeyId::fresh(NOW, &SeededEntropy::new(4)),
            officer: OfficerId::fresh(NOW, &SeededEntropy::new(5)),
            label: "test".into(),
            made_at: NOW,
            expires_at: Some(NOW.plus_ms(10)),
            revoked_at: None,
            replaced_by: None,
            renewable: false,
        };
        assert!(key.is_good_at(NOW.plus_ms(9)));
        assert!(!key.is_good_at(NOW.plus_ms(10)));
        assert!(!ApiKey { revoked_at: Some(NOW), ..key }.is_good_at(NOW));
    }

    #[test]
    fn a_key_lasts_as_long_as_its_terms_allow_and_so_does_the_next() {
        let terms = KeyTerms { longest_days: 100 };
        let days = |count| NOW.plus_days(count);
        assert_eq!(terms.end(None, NOW), Ok((days(100), true)));
        assert_eq!(terms.end(Some(days(1)), NOW), Ok((days(1), false)));
        assert_eq!(terms.end(Some(days(100)), NOW), Ok((days(100), false)));
        for odd in [NOW, days(-1), days(100).plus_ms(1)] {
            assert_eq!(terms.end(Some(odd), NOW).map_err(|no| no.code), Err("officer/bad-expiry"), "{odd}");
        }
        let key = |expires_at, renewable| ApiKey {
            id: ApiKeyId::fresh(NOW, &SeededEntropy::new(4)),
            officer: OfficerId::fresh(NOW, &SeededEntropy::new(5)),
            label: "test".into(),
            made_at: NOW,
            expires_at,
            revoked_at: None,
            replaced_by: None,
            renewable,
        };
        // One that somebody bounded stays bounded; the others begin anew.
        assert_eq!(terms.end_of_next(&key(Some(days(7)), false), days(1)), days(7));
        assert_eq!(terms.end_of_next(&key(Some(days(500)), false), days(1)), days(101));
        assert_eq!(terms.end_of_next(&key(Some(days(7)), true), days(1)), days(101));
        assert_eq!(terms.end_of_next(&key(None, true), days(1)), days(101));

        let bounded = key(Some(days(2)), false);
        assert_eq!(bounded.end_beside_next(0, NOW), Ok(NOW));
        assert_eq!(bounded.end_beside_next(86_400_000, NOW), Ok(days(1)));
        assert_eq!(bounded.end_beside_next(OVERLAP_MAX_MS, NOW), Ok(days(2)), "never later than before");
        assert_eq!(key(None, true).end_beside_next(OVERLAP_MAX_MS, NOW), Ok(days(7)));
        for odd in [-1, OVERLAP_MAX_MS + 1, i64::MAX] {
            assert_eq!(bounded.end_beside_next(odd, NOW).map_err(|no| no.code), Err("officer/bad-overlap"));
        }
        assert_eq!(bounded.end_beside_next(0, days(2)).map_err(|no| no.code), Err("officer/wrong-state"));
    }
}
