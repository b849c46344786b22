//! A certificate, read over the received bytes.

use super::{
    ExtendedKeyUsage, Extension, KeyUsage, Name, Oddities, X509Error,
    extension::{self, Known},
    key, pem, read_serial, read_time,
    signed::Signed,
};
use crate::{
    der::{Reader, Tlv, tag},
    oid::Oid,
    report::{Finding, SignerFace},
    sign::{PublicKey, VerifyError},
    sm3,
    time::Timestamp,
};
use std::{fmt, sync::Arc};

/// A certificate (RFC 5280 4.1, GB/T 20518). Cheap to clone; two are equal where their bytes are equal.
#[derive(Clone)]
pub struct Cert(Arc<Fields>);

struct Fields {
    signed: Signed,
    version: u64,
    serial: Box<[u8]>,
    issuer: Name,
    subject: Name,
    not_before: Timestamp,
    not_after: Timestamp,
    key: Option<PublicKey>,
    key_element: Box<[u8]>,
    extensions: Vec<Extension>,
    known: Known,
    oddities: Oddities,
}

impl Cert {
    /// Bytes of one certificate that are read at all.
    pub const BYTES_MAX: usize = 64 * 1024;

    /// Reads the DER of one certificate; nothing may follow it. No signature is checked.
    pub fn parse(der: &[u8]) -> Result<Self, X509Error> {
        let mut oddities = Oddities::default();
        let signed = Signed::read(der, Self::BYTES_MAX, &mut oddities)?;
        Fields::read(signed, oddities).map(|fields| Self(Arc::new(fields)))
    }

    /// Reads DER, or the first `CERTIFICATE` block of PEM text.
    pub fn parse_pem_or_der(bytes: &[u8]) -> Result<Self, X509Error> {
        Self::parse(&pem::first(bytes, "CERTIFICATE")?)
    }

    /// Reads one certificate in DER, or every `CERTIFICATE` block of PEM text (at most 256).
    pub fn parse_bundle(bytes: &[u8]) -> Result<Vec<Self>, X509Error> {
        if bytes.first() == Some(&tag::SEQUENCE) {
            return Ok(vec![Self::parse(bytes)?]);
        }
        pem::decode(bytes, "CERTIFICATE", pem::BUNDLE_MAX)?.iter().map(|der| Self::parse(der)).collect()
    }

    /// The certificate as received.
    pub fn der(&self) -> &[u8] {
        self.0.signed.der()
    }

    /// PEM text.
    pub fn to_pem(&self) -> String {
        pem::encode(self.der(), "CERTIFICATE")
    }

    /// The signed part (TBSCertificate) as received.
    pub fn tbs(&self) -> &[u8] {
        self.0.signed.body()
    }

    /// 1, 2 or 3.
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// The serial number: octets of its INTEGER, with the sign octet where there is one.
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// The serial number in lower-case hex, without a sign octet.
    pub fn serial_hex(&self) -> String {
        serial_hex(&self.0.serial)
    }

    /// Whose certificate it is.
    pub fn subject(&self) -> &Name {
        &self.0.subject
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Name {
        &self.0.issuer
    }

    /// First second of validity.
    pub fn not_before(&self) -> Timestamp {
        self.0.not_before
    }

    /// Last second of validity.
    pub fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// The public key; `None` for a kind that is unknown here.
    pub fn public_key(&self) -> Option<&PublicKey> {
        self.0.key.as_ref()
    }

    /// The SubjectPublicKeyInfo as received.
    pub fn public_key_der(&self) -> &[u8] {
        &self.0.key_element
    }

    /// Whether basicConstraints says that it may issue.
    pub fn is_ca(&self) -> bool {
        self.0.known.is_ca
    }

    /// How many intermediate certificates may follow below it; `None`: any number.
    pub fn path_length(&self) -> Option<u32> {
        self.0.known.path_length
    }

    /// keyUsage, `None` where the extension is absent.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.0.known.key_usage
    }

    /// extKeyUsage, `None` where the extension is absent.
    pub fn extended_key_usage(&self) -> Option<&ExtendedKeyUsage> {
        self.0.known.extended.as_ref()
    }

    /// subjectKeyIdentifier.
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.0.known.subject_key_id.as_deref()
    }

    /// keyIdentifier of authorityKeyIdentifier.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.0.known.authority_key_id.as_deref()
    }

    /// Whether it carries nameConstraints, which are not processed here: a path through it is refused.
    pub fn has_name_constraints(&self) -> bool {
        self.0.known.name_constraints
    }

    /// Critical extensions that are unknown here.
    pub fn unknown_critical_extensions(&self) -> &[Oid] {
        &self.0.known.unknown_critical
    }

    /// All extensions, undecoded, in order.
    pub fn extensions(&self) -> &[Extension] {
        &self.0.extensions
    }

    /// Whether subject and issuer are the same name; says nothing of the signature.
    pub fn is_self_issued(&self) -> bool {
        self.subject() == self.issuer()
    }

    /// Whether the signature over the received bytes holds under `key`.
    pub fn verify_signed_by(&self, key: &PublicKey) -> Result<(), VerifyError> {
        self.0.signed.verify(key)
    }

    /// SM3 of the certificate.
    pub fn sm3(&self) -> [u8; 32] {
        sm3::digest(self.der())
    }

    /// What a report shows of it.
    pub fn face(&self) -> SignerFace {
        SignerFace {
            subject: self.subject().to_string(),
            issuer: self.issuer().to_string(),
            serial: self.serial_hex(),
            not_before: self.not_before(),
            not_after: self.not_after(),
            key: self.public_key().map_or("unknown", PublicKey::kind).into(),
            sm3: hex::encode(self.sm3()),
        }
    }

    /// Oddities that change no meaning: `lenient/null-parameters` and the like, each once.
    pub fn leniencies(&self) -> &[Finding] {
        &self.0.oddities.0
    }
}

impl PartialEq for Cert {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Cert {}

impl fmt::Debug for Cert {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Cert({}, {})", self.subject(), self.serial_hex())
    }
}

impl Fields {
    fn read(signed: Signed, mut oddities: Oddities) -> Result<Self, X509Error> {
        let mut body = signed.fields()?;
        let version = read_version(&mut body, &mut oddities)?;
        let serial = read_serial(&mut body, &mut oddities)?.into();
        signed.agrees(&body.read(tag::SEQUENCE)?, &mut oddities)?;
        let issuer = Name::read(&body.read(tag::SEQUENCE)?, &mut oddities)?;
        let (not_before, not_after) = read_validity(body.sequence()?, &mut oddities)?;
        let subject = Name::read(&body.read(tag::SEQUENCE)?, &mut oddities)?;
        let key_element = body.read(tag::SEQUENCE)?;
        // issuerUniqueID and subjectUniqueID, which nobody uses.
        body.optional(tag::context_primitive(1))?;
        body.optional(tag::context_primitive(2))?;
        let extensions = read_extensions(&mut body, version, &mut oddities)?;
        body.finish()?;
        let known = Known::read(&extensions, &mut oddities)?;
        Ok(Self {
            version,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            key: key::read_public_key(&key_element)?,
            key_element: key_element.raw.into(),
            extensions,
            known,
            oddities,
            signed,
        })
    }
}

/// `[0] EXPLICIT INTEGER DEFAULT v1`; the numbers shown count from one.
fn read_version(body: &mut Reader<'_>, oddities: &mut Oddities) -> Result<u64, X509Error> {
    let Some(wrapped) = body.optional(tag::context(0))? else { return Ok(1) };
    let mut inner = wrapped.reader();
    let version = inner.small()?;
    inner.finish()?;
    match version {
        0 => oddities.note("lenient/explicit-default", "A value is written out though it is the default."),
        1 | 2 => {}
        _ => return Err(X509Error::Version),
    }
    Ok(version + 1)
}

fn read_validity(
    mut fields: Reader<'_>,
    oddities: &mut Oddities,
) -> Result<(Timestamp, Timestamp), X509Error> {
    let not_before = read_time(&mut fields, oddities)?;
    let not_after = read_time(&mut fields, oddities)?;
    fields.finish()?;
    Ok((not_before, not_after))
}

fn read_extensions(
    body: &mut Reader<'_>,
    version: u64,
    oddities: &mut Oddities,
) -> Result<Vec<Extension>, X509Error> {
    let Some(wrapped) = body.optional(tag::context(3))? else { return Ok(Vec::new()) };
    if version != 3 {
        return Err(X509Error::Version);
    }
    let list: Tlv<'_> = Reader::whole(wrapped.content, tag::SEQUENCE)?;
    extension::read_list(&list, oddities)
}

/// Lower-case hex of a serial number without its sign octet.
pub(super) fn serial_hex(octets: &[u8]) -> String {
    hex::encode(match octets {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::sample;
    use super::*;
    use crate::{der, oid};
    use proptest::prelude::*;

    fn cert(name: &str) -> Option<Cert> {
        sample(name).map(|bytes| Cert::parse(&bytes).unwrap())
    }

    #[test]
    fn certificates_made_by_others_are_read() {
        let (Some(owner), Some(ca), Some(root)) = (cert("owner.cer"), cert("ca.cer"), cert("root.cer"))
        else {
            return;
        };
        assert_eq!(owner.subject().to_string(), "C=CN,O=测试单位,CN=测试单位公章");
        assert_eq!((owner.serial_hex().as_str(), owner.version()), ("03eb", 3));
        assert_eq!(owner.not_before().rfc3339(), "2026-10-21T17:04:57Z");
        assert_eq!(owner.not_after().rfc3339(), "2036-11-17T17:04:57Z");
        let usage = KeyUsage::DIGITAL_SIGNATURE.and(KeyUsage::NON_REPUDIATION);
        assert_eq!((owner.key_usage(), owner.is_ca(), ca.is_ca()), (Some(usage), false, true));
        assert_eq!(owner.authority_key_id(), ca.subject_key_id());
        assert_eq!(owner.issuer(), ca.subject());
        assert_eq!(owner.verify_signed_by(ca.public_key().unwrap()), Ok(()));
        assert_eq!(ca.verify_signed_by(root.public_key().unwrap()), Ok(()));
        assert_eq!(owner.verify_signed_by(root.public_key().unwrap()), Err(VerifyError::Mismatch));
        assert_eq!(owner.leniencies(), []);
        assert_eq!((owner.face().key.as_str(), owner.face().serial.as_str()), ("SM2", "03eb"));
        assert_eq!(Cert::parse_pem_or_der(owner.to_pem().as_bytes()), Ok(owner));
    }

    #[test]
    fn a_tsa_certificate_names_its_one_use() {
        let Some(tsa) = cert("tsa.cer") else { return };
        let uses = ExtendedKeyUsage { uses: vec![oid::EKU_TIME_STAMPING], critical: true };
        assert_eq!(tsa.extended_key_usage(), Some(&uses));
    }

    #[test]
    fn no_certificate_with_a_flipped_bit_verifies() {
        let (Some(owner), Some(ca)) = (sample("owner.cer"), cert("ca.cer")) else { return };
        for bit in 0..owner.len() * 8 {
            let mut flipped = owner.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let holds = Cert::parse(&flipped)
                .is_ok_and(|cert| cert.verify_signed_by(ca.public_key().unwrap()).is_ok());
            assert!(!holds, "bit {bit}");
        }
    }

    /// Takes a certificate apart and puts it together with another body and outer identifier; the signature is void.
    fn rebuilt(
        name: &str,
        outer: Option<Vec<u8>>,
        body: impl Fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let bytes = sample(name)?;
        let mut parts = Reader::whole(&bytes, tag::SEQUENCE).unwrap().reader();
        let mut fields = parts.sequence().unwrap();
        let mut list = Vec::new();
        while !fields.is_empty() {
            list.push(fields.any().unwrap().raw.to_vec());
        }
        let identifier = parts.any().unwrap().raw.to_vec();
        let value = parts.any().unwrap().raw.to_vec();
        Some(der::sequence([der::sequence(body(list)), outer.unwrap_or(identifier), value]))
    }

    /// seal.md 1.5: one authority writes NULL beside SM2-with-SM3.
    #[test]
    fn null_parameters_are_a_finding() {
        let null = der::sequence([der::oid(&oid::SM2_WITH_SM3), der::null()]);
        let both = rebuilt("owner.cer", Some(null.clone()), |mut fields| {
            fields[2] = null.clone();
            fields
        });
        let outer = rebuilt("owner.cer", Some(null.clone()), |fields| fields);
        for bytes in [both, outer].into_iter().flatten() {
            let cert = Cert::parse(&bytes).unwrap();
            assert_eq!(cert.leniencies()[0].id, "lenient/null-parameters");
        }
    }

    #[test]
    fn other_oddities_are_findings_too() {
        let explicit_default = |mut fields: Vec<Vec<u8>>| {
            let inner = Reader::whole(&fields[7], tag::context(3)).unwrap().reader().sequence().unwrap();
            let plain = der::sequence([
                der::oid(&Oid::from_content(&[0x2a, 9])),
                der::boolean(false),
                der::octet_string(b""),
            ]);
            fields[7] = der::explicit(3, der::sequence([inner.rest(), &plain]));
            fields
        };
        let serial = |mut fields: Vec<Vec<u8>>, content: &[u8]| {
            fields[1] = der::element(tag::INTEGER, content);
            fields
        };
        let late = |mut fields: Vec<Vec<u8>>| {
            let times = [b"20260101000000Z", b"20270101000000Z"]
                .map(|time| der::element(tag::GENERALIZED_TIME, time));
            fields[4] = der::sequence(times);
            fields
        };
        let table = [
            (rebuilt("owner.cer", None, explicit_default), "lenient/explicit-default", "03eb"),
            (rebuilt("owner.cer", None, |fields| serial(fields, &[0, 0, 5])), "lenient/serial-number", "05"),
            (rebuilt("owner.cer", None, |fields| serial(fields, &[0xfb])), "lenient/serial-number", "fb"),
            (rebuilt("owner.cer", None, |fields| serial(fields, &[0])), "lenient/serial-number", "00"),
            (rebuilt("owner.cer", None, late), "lenient/time-form", "03eb"),
        ];
        for (bytes, id, serial) in table {
            let Some(bytes) = bytes else { return };
            let cert = Cert::parse(&bytes).unwrap();
            assert_eq!((cert.leniencies()[0].id.as_str(), cert.serial_hex().as_str()), (id, serial));
        }
    }

    #[test]
    fn algorithms_inside_and_outside_agree() {
        let other = der::sequence([der::oid(&oid::ECDSA_SHA256)]);
        let Some(bytes) = rebuilt("owner.cer", Some(other), |fields| fields) else { return };
        assert_eq!(Cert::parse(&bytes), Err(X509Error::AlgorithmsDiffer));
    }

    type Change = fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>;

    #[test]
    fn bounds_and_shapes_are_kept() {
        let table: [(&str, Change, &str); 5] = [
            (
                "a version beyond three",
                |mut f| {
                    f[0] = der::explicit(0, der::small(3));
                    f
                },
                "x509/malformed",
            ),
            ("extensions in version one", |f| f[1..].to_vec(), "x509/malformed"),
            (
                "a field too many",
                |mut f| {
                    f.push(der::null());
                    f
                },
                "x509/malformed",
            ),
            (
                "a serial number without end",
                |mut f| {
                    f[1] = der::unsigned(&[1; 65]);
                    f
                },
                "x509/malformed",
            ),
            (
                "a point off the curve",
                |mut f| {
                    let last = f[6].len() - 1;
                    f[6][last] ^= 1;
                    f
                },
                "x509/malformed-key",
            ),
        ];
        for (what, change, code) in table {
            let Some(bytes) = rebuilt("owner.cer", None, change) else { return };
            assert_eq!(Cert::parse(&bytes).map_err(|error| error.code()).err(), Some(code), "{what}");
        }
        assert!(matches!(Cert::parse(&vec![0x30; Cert::BYTES_MAX + 1]), Err(X509Error::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Cert::parse(&bytes), Cert::parse_bundle(&bytes));
        }

        #[test]
        fn mutated_certificates_are_read_without_a_panic(
            which in 0usize..3, at in any::<prop::sample::Index>(), octets in any::<[u8; 3]>(),
        ) {
            let Some(mut bytes) = sample(["owner.cer", "tsa.cer", "root.cer"][which]) else { return Ok(()) };
            let at = at.index(bytes.len() - octets.len());
            bytes[at..at + octets.len()].copy_from_slice(&octets);
            if let Ok(cert) = Cert::parse(&bytes) {
                let _ = (cert.face(), format!("{cert:?} {:?}", cert.key_usage()));
            }
        }
    }
}
