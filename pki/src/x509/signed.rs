//! What certificates, lists and requests share: a body, an algorithm, and a signature over the body as received.

use super::{Oddities, X509Error};
use crate::{
    der::{Reader, Tlv, tag},
    oid,
    sign::{self, Algorithm, PublicKey, VerifyError},
};
use std::{ops::Range, sync::OnceLock};

/// `SEQUENCE { body, AlgorithmIdentifier, BIT STRING }`, owned.
#[derive(Debug)]
pub(super) struct Signed {
    der: Box<[u8]>,
    body: Range<usize>,
    identifier: Box<[u8]>,
    algorithm: Result<Algorithm, VerifyError>,
    value: Box<[u8]>,
    /// The key under which the signature was found to hold. The bytes never change, so it holds for good; authorities
    /// and lists are checked again and again, and this spares the arithmetic.
    holds_under: OnceLock<PublicKey>,
}

impl Signed {
    /// Reads the frame; nothing may follow it.
    pub(super) fn read(bytes: &[u8], limit: usize, oddities: &mut Oddities) -> Result<Self, X509Error> {
        if bytes.len() > limit {
            return Err(X509Error::TooLarge { limit });
        }
        let whole = Reader::whole(bytes, tag::SEQUENCE)?;
        let start = whole.raw.len() - whole.content.len();
        let mut parts = whole.reader();
        let body = parts.read(tag::SEQUENCE)?;
        let identifier = parts.read(tag::SEQUENCE)?;
        let value = parts.bits()?;
        parts.finish()?;
        note_parameters(&identifier, oddities)?;
        Ok(Self {
            der: bytes.into(),
            body: start..start + body.raw.len(),
            identifier: identifier.raw.into(),
            algorithm: Algorithm::from_identifier(&identifier),
            value: value.into(),
            holds_under: OnceLock::new(),
        })
    }

    /// The whole, as received.
    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// The signed part, as received: one SEQUENCE with its header.
    pub(super) fn body(&self) -> &[u8] {
        &self.der[self.body.clone()]
    }

    /// A reader over the fields of the signed part.
    pub(super) fn fields(&self) -> Result<Reader<'_>, X509Error> {
        Ok(Reader::whole(self.body(), tag::SEQUENCE)?.reader())
    }

    /// The algorithm named inside must be the one named outside (RFC 5280 4.1.1.2). NULL against nothing is an oddity.
    pub(super) fn agrees(&self, inner: &Tlv<'_>, oddities: &mut Oddities) -> Result<(), X509Error> {
        if inner.raw == &*self.identifier {
            return Ok(());
        }
        let outer = Reader::whole(&self.identifier, tag::SEQUENCE)?;
        let ((inner_id, inner_rest), (outer_id, outer_rest)) = (split(inner)?, split(&outer)?);
        let nothing = |rest: &[u8]| rest.is_empty() || rest == [tag::NULL, 0];
        if inner_id != outer_id || !nothing(inner_rest) || !nothing(outer_rest) {
            return Err(X509Error::AlgorithmsDiffer);
        }
        oddities.note("lenient/null-parameters", "The two algorithm identifiers differ in a NULL.");
        Ok(())
    }

    /// Whether the signature over the received body holds under `key`.
    pub(super) fn verify(&self, key: &PublicKey) -> Result<(), VerifyError> {
        if self.holds_under.get() == Some(key) {
            return Ok(());
        }
        sign::verify(key, self.algorithm.clone()?, self.body(), &self.value)?;
        // Where two were at it at once, or another key was found before, the first one stays.
        let _ = self.holds_under.set(key.clone());
        Ok(())
    }
}

fn split<'a>(identifier: &Tlv<'a>) -> Result<(oid::Oid, &'a [u8]), X509Error> {
    let mut reader = identifier.reader();
    Ok((reader.oid()?, reader.rest()))
}

/// SM2 and ECDSA identifiers have no parameters (RFC 5758 3.2; GB/T 20518 likewise); some makers write NULL.
fn note_parameters(identifier: &Tlv<'_>, oddities: &mut Oddities) -> Result<(), X509Error> {
    let (id, rest) = split(identifier)?;
    let bare = matches!(Algorithm::from_oid(&id), Some(Algorithm::Sm2Sm3 | Algorithm::Ecdsa(_)));
    if bare && rest == [tag::NULL, 0] {
        oddities.note("lenient/null-parameters", "NULL parameters stand beside SM2 or ECDSA.");
    } else if bare && !rest.is_empty() {
        oddities.note("lenient/odd-parameters", "Parameters stand beside SM2 or ECDSA.");
    }
    Ok(())
}
