//! Typed ids: a prefix that says what it names, then 26 characters that sort by time of making.

use super::{Entropy, Timestamp};

/// Crockford's base 32 in lower case: no letter that is mistaken for a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 48 bits of milliseconds and 80 bits of chance, five bits a character.
const BODY_CHARS: usize = 26;

/// The body of a fresh id: milliseconds since the epoch, then chance.
pub fn fresh_body(now: Timestamp, entropy: &dyn Entropy) -> String {
    let mut octets = [0u8; 16];
    entropy.fill(&mut octets[6..]);
    octets[..6].copy_from_slice(&now.ms().max(0).to_be_bytes()[2..]);
    let mut number = u128::from_be_bytes(octets);
    let mut body = [0u8; BODY_CHARS];
    for place in body.iter_mut().rev() {
        *place = ALPHABET[(number & 31) as usize];
        number >>= 5;
    }
    body.iter().map(|&octet| char::from(octet)).collect()
}

/// Whether `text` is `prefix`, an underscore and a body.
pub fn is_well_formed(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .is_some_and(|body| body.len() == BODY_CHARS && body.bytes().all(|octet| ALPHABET.contains(&octet)))
}

/// Declares an id type: `id_type!(/** A seal. */ SealId, "seal");`
#[macro_export]
macro_rules! id_type {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh id, sorting by `now`.
            pub fn fresh(now: $crate::base::Timestamp, entropy: &dyn $crate::base::Entropy) -> Self {
                Self(format!(concat!($prefix, "_{}"), $crate::base::id::fresh_body(now, entropy)))
            }

            /// Reads an id; `None` where the text is not one of this type.
            pub fn parse(text: &str) -> Option<Self> {
                $crate::base::id::is_well_formed(text, $prefix).then(|| Self(text.to_owned()))
            }

            /// Takes an id that the database holds.
            pub fn from_row(text: String) -> Self {
                Self(text)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::base::{Timestamp, entropy::SeededEntropy};

    id_type!(
        /// For the test.
        PaperId,
        "paper"
    );

    #[test]
    fn ids_sort_by_time_and_are_read_back() {
        let chance = SeededEntropy::new(1);
        let early = PaperId::fresh(Timestamp::from_ms(1_000), &chance);
        let late = PaperId::fresh(Timestamp::from_ms(1_001), &chance);
        assert!(early < late);
        assert_eq!(PaperId::from_row(early.as_str().to_owned()), early);
        assert_eq!(PaperId::parse(early.as_str()), Some(early));
        assert_eq!(PaperId::PREFIX, "paper");
        for bad in ["", "paper_", "seal_01j000000000000000000000zz", "paper_0Ij000000000000000000000zz"] {
            assert_eq!(PaperId::parse(bad), None, "{bad}");
        }
    }
}
