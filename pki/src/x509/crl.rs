//! A certificate revocation list (RFC 5280 5), read over the received bytes and searched by serial number.

use super::{Name, Oddities, X509Error, extension, pem, read_serial, read_time, signed::Signed};
use crate::{
    der::{DerError, Reader, Tlv, tag},
    oid::{self, Oid},
    report::Finding,
    sign::{PublicKey, VerifyError},
    time::Timestamp,
};
use std::{fmt, sync::Arc};

/// A revocation list. Cheap to clone.
#[derive(Clone)]
pub struct Crl(Arc<Fields>);

struct Fields {
    signed: Signed,
    issuer: Name,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    /// By serial number, then by time.
    entries: Vec<Entry>,
    number: Option<Box<[u8]>>,
    authority_key_id: Option<Box<[u8]>>,
    unknown_critical: Vec<Oid>,
    oddities: Oddities,
}

/// One revoked certificate; the serial number is a span of the list's body.
struct Entry {
    at_body: u32,
    octets: u8,
    revoked: Revoked,
}

/// That a certificate was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked {
    /// Since when.
    pub at: Timestamp,
    /// Why, [`Reason::Unspecified`] where the list doesn't say.
    pub reason: Reason,
}

/// CRLReason (RFC 5280 5.3.1), by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of RFC 5280")]
pub enum Reason {
    Unspecified = 0,
    KeyCompromise = 1,
    CaCompromise = 2,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    CertificateHold = 6,
    RemoveFromCrl = 8,
    PrivilegeWithdrawn = 9,
    AaCompromise = 10,
}

impl Reason {
    const ALL: [Self; 10] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::RemoveFromCrl,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The reason with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == number)
    }

    /// A stable name, `key-compromise`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::CaCompromise => "ca-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::CertificateHold => "certificate-hold",
            Self::RemoveFromCrl => "remove-from-crl",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
            Self::AaCompromise => "aa-compromise",
        }
    }
}

impl Crl {
    /// Bytes of one list that are read at all.
    pub const BYTES_MAX: usize = 16 * 1024 * 1024;
    /// Entries of one list that are read at all.
    pub const ENTRIES_MAX: usize = 500_000;

    /// Reads the DER of one list; nothing may follow it. No signature is checked.
    pub fn parse(der: &[u8]) -> Result<Self, X509Error> {
        let mut oddities = Oddities::default();
        let signed = Signed::read(der, Self::BYTES_MAX, &mut oddities)?;
        Fields::read(signed, oddities).map(|fields| Self(Arc::new(fields)))
    }

    /// Reads DER, or the first `X509 CRL` block of PEM text.
    pub fn parse_pem_or_der(bytes: &[u8]) -> Result<Self, X509Error> {
        Self::parse(&pem::first(bytes, "X509 CRL")?)
    }

    /// The list as received.
    pub fn der(&self) -> &[u8] {
        self.0.signed.der()
    }

    /// PEM text.
    pub fn to_pem(&self) -> String {
        pem::encode(self.der(), "X509 CRL")
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Name {
        &self.0.issuer
    }

    /// When it was made.
    pub fn this_update(&self) -> Timestamp {
        self.0.this_update
    }

    /// When the next one is due at the latest.
    pub fn next_update(&self) -> Option<Timestamp> {
        self.0.next_update
    }

    /// cRLNumber: octets of its INTEGER.
    pub fn number(&self) -> Option<&[u8]> {
        self.0.number.as_deref()
    }

    /// keyIdentifier of authorityKeyIdentifier.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.0.authority_key_id.as_deref()
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.0.entries.is_empty()
    }

    /// Critical extensions of the list or of an entry that are unknown here (a delta, a part, an indirect list). A list
    /// with any of them says nothing that may be relied on (RFC 5280 5.2, 5.3).
    pub fn unknown_critical_extensions(&self) -> &[Oid] {
        &self.0.unknown_critical
    }

    /// What it says of the certificate with this serial number ([`super::Cert::serial`]); the earliest where it says several.
    pub fn revoked(&self, serial: &[u8]) -> Option<Revoked> {
        let fields = &*self.0;
        let index = fields.entries.partition_point(|entry| fields.serial(entry) < serial);
        let entry = fields.entries.get(index)?;
        (fields.serial(entry) == serial).then_some(entry.revoked)
    }

    /// Whether the signature over the received bytes holds under `key`.
    pub fn verify_signed_by(&self, key: &PublicKey) -> Result<(), VerifyError> {
        self.0.signed.verify(key)
    }

    /// Oddities that change no meaning, each once.
    pub fn leniencies(&self) -> &[Finding] {
        &self.0.oddities.0
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Crl({}, {}, {} entries)", self.issuer(), self.this_update(), self.len())
    }
}

impl Fields {
    fn read(signed: Signed, mut oddities: Oddities) -> Result<Self, X509Error> {
        let mut body = signed.fields()?;
        if body.peek() == Some(tag::INTEGER) && body.small()? != 1 {
            return Err(X509Error::Version);
        }
        signed.agrees(&body.read(tag::SEQUENCE)?, &mut oddities)?;
        let issuer = Name::read(&body.read(tag::SEQUENCE)?, &mut oddities)?;
        let this_update = read_time(&mut body, &mut oddities)?;
        let next_update = match body.peek() {
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => Some(read_time(&mut body, &mut oddities)?),
            _ => None,
        };
        let mut unknown_critical = Vec::new();
        let list = body.optional(tag::SEQUENCE)?;
        let whole = signed.body();
        let mut entries = match list {
            Some(list) => read_entries(whole, &list, &mut unknown_critical, &mut oddities)?,
            None => Vec::new(),
        };
        entries.sort_by(|a, b| (a.serial(whole), a.revoked.at).cmp(&(b.serial(whole), b.revoked.at)));
        let wrapped = body.optional(tag::context(0))?;
        body.finish()?;
        let (number, authority_key_id) = match wrapped {
            Some(wrapped) => read_extensions(&wrapped, &mut unknown_critical, &mut oddities)?,
            None => (None, None),
        };
        Ok(Self {
            issuer,
            this_update,
            next_update,
            entries,
            number,
            authority_key_id,
            unknown_critical,
            oddities,
            signed,
        })
    }

    fn serial(&self, entry: &Entry) -> &[u8] {
        entry.serial(self.signed.body())
    }
}

impl Entry {
    fn serial<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        let start = self.at_body as usize;
        &body[start..start + usize::from(self.octets)]
    }
}

fn read_entries(
    body: &[u8],
    list: &Tlv<'_>,
    unknown_critical: &mut Vec<Oid>,
    oddities: &mut Oddities,
) -> Result<Vec<Entry>, X509Error> {
    let mut reader = list.reader();
    let mut entries = Vec::new();
    while !reader.is_empty() {
        if entries.len() == Crl::ENTRIES_MAX {
            return Err(X509Error::TooMany { what: "entries", limit: Crl::ENTRIES_MAX });
        }
        let mut fields = reader.sequence()?;
        let serial = read_serial(&mut fields, oddities)?;
        let at = read_time(&mut fields, oddities)?;
        let reason = match fields.optional(tag::SEQUENCE)? {
            Some(extensions) => read_reason(&extensions, unknown_critical, oddities)?,
            None => Reason::Unspecified,
        };
        fields.finish()?;
        // `serial` is a span of `body`, which is at most 16 MiB long, and of at most 64 octets.
        let at_body = (serial.as_ptr() as usize - body.as_ptr() as usize) as u32;
        entries.push(Entry { at_body, octets: serial.len() as u8, revoked: Revoked { at, reason } });
    }
    Ok(entries)
}

fn read_reason(
    list: &Tlv<'_>,
    unknown_critical: &mut Vec<Oid>,
    oddities: &mut Oddities,
) -> Result<Reason, X509Error> {
    let mut reason = Reason::Unspecified;
    for found in extension::read_list(list, oddities)? {
        if found.id == oid::CRL_REASON {
            let number = Reader::whole(&found.value, tag::ENUMERATED)?.content;
            reason = match number {
                [number] => Reason::from_number(*number),
                _ => None,
            }
            .ok_or(X509Error::Extension(found.id))?;
        } else if found.critical && !unknown_critical.contains(&found.id) && unknown_critical.len() < 64 {
            unknown_critical.push(found.id);
        }
    }
    Ok(reason)
}

type ListExtensions = (Option<Box<[u8]>>, Option<Box<[u8]>>);

/// Number and authority key of a list.
fn read_extensions(
    wrapped: &Tlv<'_>,
    unknown_critical: &mut Vec<Oid>,
    oddities: &mut Oddities,
) -> Result<ListExtensions, X509Error> {
    let list = Reader::whole(wrapped.content, tag::SEQUENCE)?;
    let (mut number, mut authority) = (None, None);
    for found in extension::read_list(&list, oddities)? {
        let refused = |_: DerError| X509Error::Extension(found.id.clone());
        if found.id == oid::CRL_NUMBER {
            let content = Reader::whole(&found.value, tag::INTEGER).map_err(refused)?.content;
            number = Some(content.into());
        } else if found.id == oid::AUTHORITY_KEY_ID {
            authority = extension::authority_key_id(&found.value).map_err(refused)?;
        } else if found.critical {
            unknown_critical.push(found.id);
        }
    }
    Ok((number, authority))
}

#[cfg(test)]
mod tests {
    use super::super::{Cert, samples::sample};
    use super::*;
    use crate::der;
    use proptest::prelude::*;

    #[test]
    fn a_list_made_by_others_names_its_one_certificate() {
        let (Some(list), Some(ca)) = (sample("ca.crl"), sample("ca.cer")) else { return };
        let (list, ca) = (Crl::parse(&list).unwrap(), Cert::parse(&ca).unwrap());
        assert_eq!(list.issuer(), ca.subject());
        assert_eq!(list.verify_signed_by(ca.public_key().unwrap()), Ok(()));
        let revoked = list.revoked(&[0x03, 0xee]).unwrap();
        assert_eq!(
            (revoked.at.rfc3339().as_str(), revoked.reason),
            ("2026-11-19T17:04:57Z", Reason::KeyCompromise)
        );
        assert_eq!(list.revoked(&[0x03, 0xeb]), None);
        assert_eq!((list.len(), list.number()), (1, Some(&[1][..])));
        assert_eq!(list.this_update().rfc3339(), "2026-11-20T17:04:57Z");
        assert_eq!(Crl::parse_pem_or_der(list.to_pem().as_bytes()).unwrap().der(), list.der());
    }

    #[test]
    fn lists_are_bounded() {
        let entry = der::sequence([der::small(1), der::element(tag::UTC_TIME, b"260101000000Z")]);
        let algorithm = der::sequence([der::oid(&oid::SM2_WITH_SM3)]);
        let issuer = der::sequence([[]; 0]);
        let list = |entries: usize| {
            let entries = der::element(tag::SEQUENCE, &entry.repeat(entries));
            let time = der::element(tag::UTC_TIME, b"260101000000Z");
            let body = der::sequence([&der::small(1), &algorithm, &issuer, &time, &entries]);
            Crl::parse(&der::sequence([&body, &algorithm, &der::bit_string(b"")])).map(|list| list.len())
        };
        assert_eq!(list(Crl::ENTRIES_MAX), Ok(Crl::ENTRIES_MAX));
        assert!(matches!(list(Crl::ENTRIES_MAX + 1), Err(X509Error::TooMany { .. })));
        assert!(matches!(Crl::parse(&vec![0; Crl::BYTES_MAX + 1]), Err(X509Error::TooLarge { .. })));
    }

    #[test]
    fn no_list_with_a_flipped_bit_verifies() {
        let (Some(list), Some(ca)) = (sample("ca.crl"), sample("ca.cer")) else { return };
        let ca = Cert::parse(&ca).unwrap();
        for bit in 0..list.len() * 8 {
            let mut flipped = list.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let holds = Crl::parse(&flipped)
                .is_ok_and(|list| list.verify_signed_by(ca.public_key().unwrap()).is_ok());
            assert!(!holds, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Crl::parse(&bytes);
            let _ = Crl::parse_pem_or_der(&bytes);
        }

        #[test]
        fn mutated_lists_are_read_without_a_panic(at in any::<prop::sample::Index>(), octets in any::<[u8; 3]>()) {
            let Some(mut list) = sample("ca.crl") else { return Ok(()) };
            let at = at.index(list.len() - octets.len());
            list[at..at + octets.len()].copy_from_slice(&octets);
            if let Ok(list) = Crl::parse(&list) {
                let _ = (list.revoked(&[3, 0xee]), format!("{list:?}"));
            }
        }
    }
}
