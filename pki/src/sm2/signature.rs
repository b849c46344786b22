//! A signature value: r and s, strict in range and in form.

use super::Sm2Error;
use crate::der::{self, Reader, tag};
use std::fmt;

/// r and s, each in 1 … n − 1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Reads `SEQUENCE { INTEGER r, INTEGER s }`, strict DER with nothing after it (GB/T 35276 clause 7).
    pub fn from_der(bytes: &[u8]) -> Result<Self, Sm2Error> {
        let mut raw = [0; 64];
        let mut fields = Reader::whole(bytes, tag::SEQUENCE).map_err(|_| Sm2Error::Signature)?.reader();
        for half in raw.chunks_exact_mut(32) {
            let octets = fields.integer().map_err(|_| Sm2Error::Signature)?;
            place(octets, half)?;
        }
        fields.finish().map_err(|_| Sm2Error::Signature)?;
        Self::from_raw(&raw)
    }

    /// Reads r ‖ s, 64 octets: what devices give, and what one maker writes where DER belongs (seal.md §1.4).
    pub fn from_raw(bytes: &[u8]) -> Result<Self, Sm2Error> {
        let raw: [u8; 64] = bytes.try_into().map_err(|_| Sm2Error::Signature)?;
        let value = Self(raw);
        value.parsed().map(|_| value)
    }

    /// The strict DER form.
    pub fn to_der(&self) -> Vec<u8> {
        der::sequence([der::unsigned(&self.0[..32]), der::unsigned(&self.0[32..])])
    }

    /// r ‖ s.
    pub fn raw(&self) -> &[u8; 64] {
        &self.0
    }

    /// The library's form; it checks the ranges of r and s.
    pub(super) fn parsed(&self) -> Result<::sm2::dsa::Signature, Sm2Error> {
        ::sm2::dsa::Signature::from_slice(&self.0).map_err(|_| Sm2Error::Signature)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sm2::Signature({}…)", hex::encode(&self.0[..8]))
    }
}

/// Right-aligns the octets of a positive INTEGER in a 32-octet field.
fn place(octets: &[u8], field: &mut [u8]) -> Result<(), Sm2Error> {
    if octets[0] & 0x80 != 0 {
        return Err(Sm2Error::Signature);
    }
    let magnitude = if octets[0] == 0 { &octets[1..] } else { octets };
    let start = field.len().checked_sub(magnitude.len()).ok_or(Sm2Error::Signature)?;
    field[start..].copy_from_slice(magnitude);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sm2::ORDER;

    #[test]
    fn r_and_s_out_of_range_are_refused() {
        let (zero, one) = ([0; 32], [&[0; 31][..], &[1]].concat());
        let mut above = ORDER;
        above[31] += 1;
        for (r, s) in [(&zero[..], &one[..]), (&one, &zero), (&ORDER, &one), (&one, &ORDER), (&above, &one)] {
            assert_eq!(Signature::from_raw(&[r, s].concat()), Err(Sm2Error::Signature));
        }
        assert!(Signature::from_raw(&[&one[..], &one].concat()).is_ok());
    }

    #[test]
    fn only_strict_der_is_read() {
        let raw = [[0x80u8; 32], [0x01; 32]].concat();
        let value = Signature::from_raw(&raw).unwrap();
        let strict = value.to_der();
        assert_eq!(Signature::from_der(&strict), Ok(value));
        let r = der::unsigned(&raw[..32]);
        let s = der::unsigned(&raw[32..]);
        let padded = [&[0x02, 0x21, 0x00][..], &raw[32..]].concat();
        let negative = [&[0x02, 0x20][..], &raw[..32]].concat();
        let wide = [&[0x02, 0x22, 0x01, 0x00][..], &raw[..32]].concat();
        let bad = [
            [&strict[..], &[0]].concat(),
            der::sequence([&r]),
            der::sequence([&r, &s, &s]),
            der::sequence([&r, &padded]),
            der::sequence([&negative, &s]),
            der::sequence([&wide, &s]),
            der::sequence([&der::unsigned(&[]), &s]),
            [&[0x30, 0x81, strict[1]][..], &strict[2..]].concat(),
            raw,
            vec![],
        ];
        for bytes in bad {
            assert_eq!(Signature::from_der(&bytes), Err(Sm2Error::Signature), "{}", hex::encode(&bytes));
        }
    }
}
