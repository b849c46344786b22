//! Extensions (RFC 5280 4.2): the list with its bounds, and those that paths and issuing read.

use super::{Oddities, X509Error};
use crate::{
    der::{self, DerError, Reader, Tlv, tag},
    oid::{self, Oid},
};
use std::fmt;

/// Extensions in one certificate, list, entry or request.
const EXTENSIONS_MAX: usize = 64;
/// Uses in one extKeyUsage.
const USES_MAX: usize = 64;

/// One extension, its value undecoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Which.
    pub id: Oid,
    /// Whether a reader that does not know it must refuse.
    pub critical: bool,
    /// The DER inside its OCTET STRING.
    pub value: Box<[u8]>,
}

impl Extension {
    /// The whole element; `critical` is written only where true (DER).
    pub(super) fn to_der(&self) -> Vec<u8> {
        let critical = if self.critical { der::boolean(true) } else { Vec::new() };
        der::sequence([der::oid(&self.id), critical, der::octet_string(&self.value)])
    }

    pub(super) fn new(id: Oid, critical: bool, value: Vec<u8>) -> Self {
        Self { id, critical, value: value.into() }
    }

    /// basicConstraints, critical. `None`: no authority. `Some`: one, with so many authorities below it, or any number.
    pub(super) fn basic_constraints(authority: Option<Option<u32>>) -> Self {
        let fields = match authority {
            None => vec![],
            Some(None) => vec![der::boolean(true)],
            Some(Some(length)) => vec![der::boolean(true), der::small(length.into())],
        };
        Self::new(oid::BASIC_CONSTRAINTS, true, der::sequence(fields))
    }

    /// keyUsage, critical.
    pub(super) fn key_usage(usage: KeyUsage) -> Self {
        Self::new(oid::KEY_USAGE, true, usage.to_der())
    }

    /// extKeyUsage.
    pub(super) fn extended(uses: &[Oid], critical: bool) -> Self {
        Self::new(oid::EXTENDED_KEY_USAGE, critical, der::sequence(uses.iter().map(der::oid)))
    }

    /// subjectKeyIdentifier.
    pub(super) fn subject_key_id(id: &[u8]) -> Self {
        Self::new(oid::SUBJECT_KEY_ID, false, der::octet_string(id))
    }

    /// authorityKeyIdentifier.
    pub(super) fn authority_key_id(id: &[u8]) -> Self {
        let id = der::element(tag::context_primitive(0), id);
        Self::new(oid::AUTHORITY_KEY_ID, false, der::sequence([id]))
    }
}

/// Reads `SEQUENCE OF Extension`: at most 64, none twice.
pub(super) fn read_list(list: &Tlv<'_>, oddities: &mut Oddities) -> Result<Vec<Extension>, X509Error> {
    let mut reader = list.reader();
    let mut found: Vec<Extension> = Vec::new();
    while !reader.is_empty() {
        if found.len() == EXTENSIONS_MAX {
            return Err(X509Error::TooMany { what: "extensions", limit: EXTENSIONS_MAX });
        }
        let mut fields = reader.sequence()?;
        let id = fields.oid()?;
        let critical = match fields.peek() {
            Some(tag::BOOLEAN) => default_false(&mut fields, oddities)?,
            _ => false,
        };
        let value = fields.octets()?.into();
        fields.finish()?;
        if found.iter().any(|known| known.id == id) {
            return Err(X509Error::DuplicateExtension(id));
        }
        found.push(Extension { id, critical, value });
    }
    Ok(found)
}

/// A BOOLEAN DEFAULT FALSE; writing the default out is an oddity.
fn default_false(fields: &mut Reader<'_>, oddities: &mut Oddities) -> Result<bool, DerError> {
    let value = fields.boolean()?;
    if !value {
        oddities.note("lenient/explicit-default", "A value is written out though it is the default.");
    }
    Ok(value)
}

/// What the extensions of a certificate say, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) is_ca: bool,
    pub(super) path_length: Option<u32>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended: Option<ExtendedKeyUsage>,
    pub(super) subject_key_id: Option<Box<[u8]>>,
    pub(super) authority_key_id: Option<Box<[u8]>>,
    pub(super) name_constraints: bool,
    pub(super) unknown_critical: Vec<Oid>,
}

impl Known {
    /// Decodes the extensions that matter here. One that matters and cannot be read is refused.
    pub(super) fn read(list: &[Extension], oddities: &mut Oddities) -> Result<Self, X509Error> {
        let mut known = Self::default();
        for extension in list {
            known.take(extension, oddities).map_err(|_| X509Error::Extension(extension.id.clone()))?;
        }
        Ok(known)
    }

    fn take(&mut self, extension: &Extension, oddities: &mut Oddities) -> Result<(), DerError> {
        let (id, value) = (&extension.id, &*extension.value);
        if *id == oid::BASIC_CONSTRAINTS {
            (self.is_ca, self.path_length) = basic_constraints(value, oddities)?;
        } else if *id == oid::KEY_USAGE {
            self.key_usage = Some(KeyUsage::read(value, oddities)?);
        } else if *id == oid::EXTENDED_KEY_USAGE {
            self.extended = Some(ExtendedKeyUsage::read(value, extension.critical)?);
        } else if *id == oid::SUBJECT_KEY_ID {
            self.subject_key_id = Some(Reader::whole(value, tag::OCTET_STRING)?.content.into());
        } else if *id == oid::AUTHORITY_KEY_ID {
            self.authority_key_id = authority_key_id(value)?;
        } else if *id == oid::NAME_CONSTRAINTS {
            self.name_constraints = true;
        } else if extension.critical && !is_harmless(id) {
            self.unknown_critical.push(id.clone());
        }
        Ok(())
    }
}

/// Extensions that restrict nothing checked here, so that `critical` on them refuses nothing: names beside the subject,
/// policies (any policy is accepted, RFC 5280 6.1.1 c), and where to find lists.
fn is_harmless(id: &Oid) -> bool {
    [
        oid::SUBJECT_ALT_NAME,
        oid::CERTIFICATE_POLICIES,
        oid::CRL_DISTRIBUTION_POINTS,
        oid::AUTHORITY_INFO_ACCESS,
    ]
    .contains(id)
}

fn basic_constraints(value: &[u8], oddities: &mut Oddities) -> Result<(bool, Option<u32>), DerError> {
    let mut fields = Reader::whole(value, tag::SEQUENCE)?.reader();
    let is_ca = match fields.peek() {
        Some(tag::BOOLEAN) => default_false(&mut fields, oddities)?,
        _ => false,
    };
    let length = match fields.peek() {
        Some(tag::INTEGER) => Some(u32::try_from(fields.small()?).unwrap_or(u32::MAX)),
        _ => None,
    };
    fields.finish()?;
    Ok((is_ca, length))
}

/// keyIdentifier `[0]`; issuer and serial number `[1]`, `[2]` are passed over.
pub(super) fn authority_key_id(value: &[u8]) -> Result<Option<Box<[u8]>>, DerError> {
    let mut fields = Reader::whole(value, tag::SEQUENCE)?.reader();
    let id = fields.optional(tag::context_primitive(0))?.map(|element| element.content.into());
    fields.optional(tag::context(1))?;
    fields.optional(tag::context_primitive(2))?;
    fields.finish()?;
    Ok(id)
}

/// keyUsage (RFC 5280 4.2.1.3): a set of nine bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// digitalSignature.
    pub const DIGITAL_SIGNATURE: Self = Self(1);
    /// nonRepudiation, also called contentCommitment.
    pub const NON_REPUDIATION: Self = Self(1 << 1);
    /// keyEncipherment.
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 2);
    /// dataEncipherment.
    pub const DATA_ENCIPHERMENT: Self = Self(1 << 3);
    /// keyAgreement.
    pub const KEY_AGREEMENT: Self = Self(1 << 4);
    /// keyCertSign.
    pub const KEY_CERT_SIGN: Self = Self(1 << 5);
    /// cRLSign.
    pub const CRL_SIGN: Self = Self(1 << 6);

    /// Both sets together.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any bit of `other` is set.
    pub const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn read(value: &[u8], oddities: &mut Oddities) -> Result<Self, DerError> {
        let wrong = DerError::Content { what: "keyUsage" };
        let content = Reader::whole(value, tag::BIT_STRING)?.content;
        let (&unused, octets) = content.split_first().ok_or(wrong.clone())?;
        if unused > 7 || octets.len() > 2 || (octets.is_empty() && unused != 0) {
            return Err(wrong);
        }
        let first = octets.first().copied().unwrap_or(0).reverse_bits();
        let second = octets.get(1).copied().unwrap_or(0).reverse_bits();
        let usage = Self(u16::from(first) | u16::from(second) << 8);
        if usage.to_der() != value {
            oddities.note(
                "lenient/key-usage-bits",
                "The bits of keyUsage are not written in their shortest form.",
            );
        }
        Ok(usage)
    }

    /// The BIT STRING, trailing zero bits dropped (X.690 11.2.2).
    pub(super) fn to_der(self) -> Vec<u8> {
        let [low, high] = self.0.to_le_bytes().map(u8::reverse_bits);
        let octets: &[u8] = match (low, high) {
            (0, 0) => &[],
            (_, 0) => &[low],
            _ => &[low, high],
        };
        let unused = octets.last().map_or(0, |last| last.trailing_zeros() as u8);
        der::element(tag::BIT_STRING, &[&[unused], octets].concat())
    }
}

impl fmt::Debug for KeyUsage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 9] = [
            "digitalSignature",
            "nonRepudiation",
            "keyEncipherment",
            "dataEncipherment",
            "keyAgreement",
            "keyCertSign",
            "cRLSign",
            "encipherOnly",
            "decipherOnly",
        ];
        let set = NAMES.iter().enumerate().filter(|(bit, _)| self.0 >> bit & 1 == 1);
        out.debug_set().entries(set.map(|(_, name)| name)).finish()
    }
}

/// extKeyUsage (RFC 5280 4.2.1.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedKeyUsage {
    /// The uses, in order, at least one.
    pub uses: Vec<Oid>,
    /// Whether the extension is critical.
    pub critical: bool,
}

impl ExtendedKeyUsage {
    fn read(value: &[u8], critical: bool) -> Result<Self, DerError> {
        let mut reader = Reader::whole(value, tag::SEQUENCE)?.reader();
        let mut uses = Vec::new();
        while !reader.is_empty() && uses.len() < USES_MAX {
            uses.push(reader.oid()?);
        }
        reader.finish()?;
        if uses.is_empty() {
            Err(DerError::Content { what: "extKeyUsage" })
        } else {
            Ok(Self { uses, critical })
        }
    }

    /// Whether this use is named.
    pub fn has(&self, id: &Oid) -> bool {
        self.uses.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_usage_is_written_and_read_alike() {
        for bits in 0..0x200 {
            let mut oddities = Oddities::default();
            assert_eq!(KeyUsage::read(&KeyUsage(bits).to_der(), &mut oddities), Ok(KeyUsage(bits)));
            assert_eq!(oddities, Oddities::default());
        }
        assert_eq!(KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN).to_der(), [3, 2, 1, 6]);
        let padded = KeyUsage::read(&[3, 2, 0, 0xc0], &mut Oddities::default());
        assert_eq!(padded, Ok(KeyUsage::DIGITAL_SIGNATURE.and(KeyUsage::NON_REPUDIATION)));
        for odd in [&[3, 1][..], &[3, 0], &[3, 2, 8, 0x80], &[3, 4, 0, 1, 1, 1], &[4, 2, 7, 0x80]] {
            assert!(KeyUsage::read(odd, &mut Oddities::default()).is_err(), "{odd:02x?}");
        }
    }

    #[test]
    fn lists_are_bounded_and_hold_nothing_twice() {
        let one = |last: u8| {
            let id = Oid::from_content(&[0x2a, last]);
            Extension { id, critical: false, value: Box::new([]) }.to_der()
        };
        let read = |parts: Vec<Vec<u8>>| {
            read_list(&Reader::whole(&der::sequence(parts), tag::SEQUENCE).unwrap(), &mut Oddities::default())
        };
        assert_eq!(read((0..64).map(one).collect()).map(|list| list.len()), Ok(64));
        assert!(matches!(read((0..65).map(one).collect()), Err(X509Error::TooMany { .. })));
        assert!(matches!(read(vec![one(1), one(1)]), Err(X509Error::DuplicateExtension(_))));
    }
}
