//! Certificate requests (PKCS#10, RFC 2986): made, and read only together with their proof of possession.

use super::{
    Cert, ExtendedKeyUsage, Extension, KeyUsage, Name, Oddities, X509Error,
    extension::{self, Known},
    issue::IssueError,
    key, pem,
    profile::Profile,
    signed::Signed,
    subject::Subject,
    write,
};
use crate::{
    der::{self, Tlv, tag},
    oid,
    report::Finding,
    sign::{PublicKey, Signer, VerifyError},
};
use rand_core::CryptoRng;
use std::fmt;

/// Attributes in one request.
const ATTRIBUTES_MAX: usize = 16;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// It cannot be read.
    Unreadable(X509Error),
    /// Its key is of a kind that is unknown here.
    UnknownKey,
    /// It was not signed with the key that it names: no proof that the applicant has it.
    Signature(VerifyError),
}

impl fmt::Display for RequestError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(out, "the request cannot be read: {error}"),
            Self::UnknownKey => out.write_str("the key in the request is of an unknown kind"),
            Self::Signature(error) => {
                write!(out, "the request does not prove possession of its key: {error}")
            }
        }
    }
}

impl std::error::Error for RequestError {}

impl From<X509Error> for RequestError {
    fn from(error: X509Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<der::DerError> for RequestError {
    fn from(error: der::DerError) -> Self {
        Self::Unreadable(error.into())
    }
}

/// A request whose signature holds under the key that it names.
///
/// What it asks for is a wish: the profile of the certificate decides, and nothing is taken over by itself.
#[derive(Debug)]
pub struct Request {
    signed: Signed,
    subject: Name,
    key: PublicKey,
    extensions: Vec<Extension>,
    known: Known,
    oddities: Oddities,
}

impl Request {
    /// Makes a request for `subject` with the key of `signer`, asking for the usages of `profile` where one is given.
    /// The product is read and checked before it is returned.
    pub fn make(
        subject: &Subject,
        profile: Option<&Profile>,
        signer: &dyn Signer,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, IssueError> {
        let subject = subject.name().ok_or(IssueError::Subject)?;
        let key = signer.public_key();
        let algorithm = write::algorithm(&key).ok_or(IssueError::Key)?;
        let attributes = profile.map_or_else(Vec::new, extension_request);
        let body = der::sequence([
            der::small(0),
            subject.der().to_vec(),
            key::write_public_key(&key),
            der::element(tag::context(0), &attributes),
        ]);
        let bytes = write::signed(&body, &algorithm, signer, rng)?;
        let request = Self::parse(&bytes).map_err(|_| IssueError::Product)?;
        let sound = request.subject == subject && request.key == key && request.oddities.0.is_empty();
        if sound { Ok(request) } else { Err(IssueError::Product) }
    }

    /// Reads the DER of one request and checks its signature; nothing may follow it.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        let mut oddities = Oddities::default();
        let signed = Signed::read(bytes, Cert::BYTES_MAX, &mut oddities)?;
        let mut body = signed.fields()?;
        if body.small()? != 0 {
            return Err(X509Error::Version.into());
        }
        let subject = Name::read(&body.read(tag::SEQUENCE)?, &mut oddities)?;
        let key = key::read_public_key(&body.read(tag::SEQUENCE)?)?.ok_or(RequestError::UnknownKey)?;
        let extensions = match body.optional(tag::context(0))? {
            Some(attributes) => read_attributes(&attributes, &mut oddities)?,
            None => Vec::new(),
        };
        body.finish()?;
        signed.verify(&key).map_err(RequestError::Signature)?;
        let known = Known::read(&extensions, &mut oddities)?;
        Ok(Self { signed, subject, key, extensions, known, oddities })
    }

    /// Reads DER, or the first `CERTIFICATE REQUEST` block of PEM text (also under its old name `NEW CERTIFICATE REQUEST`).
    pub fn parse_pem_or_der(bytes: &[u8]) -> Result<Self, RequestError> {
        let der = pem::first(bytes, LABEL).or_else(|_| pem::first(bytes, "NEW CERTIFICATE REQUEST"))?;
        Self::parse(&der)
    }

    /// The request as received.
    pub fn der(&self) -> &[u8] {
        self.signed.der()
    }

    /// PEM text.
    pub fn to_pem(&self) -> String {
        pem::encode(self.der(), LABEL)
    }

    /// Who asks, as the request says.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The key; its possession is proven.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The keyUsage asked for.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.known.key_usage
    }

    /// The extended uses asked for.
    pub fn extended_key_usage(&self) -> Option<&ExtendedKeyUsage> {
        self.known.extended.as_ref()
    }

    /// All extensions asked for, undecoded.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Oddities that change no meaning, each once.
    pub fn leniencies(&self) -> &[Finding] {
        &self.oddities.0
    }
}

const LABEL: &str = "CERTIFICATE REQUEST";

fn extension_request(profile: &Profile) -> Vec<u8> {
    let mut wanted = vec![Extension::key_usage(profile.usage)];
    if !profile.extended.is_empty() {
        wanted.push(Extension::extended(profile.extended, profile.extended_critical));
    }
    let list = write::extension_list(&wanted);
    der::sequence([der::oid(&oid::EXTENSION_REQUEST), der::set_of(vec![list])])
}

/// The extensions asked for; other attributes (a challenge password) are passed over.
fn read_attributes(attributes: &Tlv<'_>, oddities: &mut Oddities) -> Result<Vec<Extension>, X509Error> {
    let mut reader = attributes.reader();
    let mut wanted = None;
    for _ in 0..ATTRIBUTES_MAX {
        if reader.is_empty() {
            break;
        }
        let mut fields = reader.sequence()?;
        let id = fields.oid()?;
        let mut values = fields.read(tag::SET)?.reader();
        fields.finish()?;
        if id != oid::EXTENSION_REQUEST {
            continue;
        }
        let list = extension::read_list(&values.read(tag::SEQUENCE)?, oddities)?;
        values.finish()?;
        if wanted.replace(list).is_some() {
            return Err(X509Error::DuplicateExtension(id));
        }
    }
    let limit = ATTRIBUTES_MAX;
    if reader.is_empty() {
        Ok(wanted.unwrap_or_default())
    } else {
        Err(X509Error::TooMany { what: "attributes", limit })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{draft::key, profile, subject::Field};
    use super::*;
    use crate::testing::Steps;
    use proptest::prelude::*;

    fn request() -> Request {
        let subject = Subject::new().with(Field::CommonName, "某单位公章").unwrap();
        Request::make(&subject, Some(&profile::TSA), &key(5), &mut Steps::default()).unwrap()
    }

    #[test]
    fn a_request_carries_its_wishes_and_its_proof() {
        let request = request();
        let read = Request::parse_pem_or_der(request.to_pem().as_bytes()).unwrap();
        assert_eq!(read.subject().to_string(), "CN=某单位公章");
        assert_eq!(*read.public_key(), Signer::public_key(&key(5)));
        assert_eq!(read.key_usage(), Some(profile::TSA.usage));
        assert!(
            read.extended_key_usage().is_some_and(|uses| uses.critical && uses.has(&oid::EKU_TIME_STAMPING))
        );
        assert_eq!((read.extensions().len(), read.leniencies()), (2, &[][..]));
    }

    #[test]
    fn no_request_with_a_flipped_bit_is_accepted() {
        let bytes = request().der().to_vec();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Request::parse(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_signer_with_another_key_than_it_says_is_found_out() {
        struct Liar;
        impl Signer for Liar {
            fn public_key(&self) -> PublicKey {
                Signer::public_key(&key(5))
            }
            fn sign(
                &self,
                input: crate::sign::SignInput<'_>,
                rng: &mut dyn CryptoRng,
            ) -> Result<Vec<u8>, crate::sign::SignError> {
                Signer::sign(&key(6), input, rng)
            }
        }
        let subject = Subject::new().with(Field::CommonName, "a").unwrap();
        let made = Request::make(&subject, None, &Liar, &mut Steps::default());
        assert_eq!(made.err(), Some(IssueError::Product));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Request::parse(&bytes), Request::parse_pem_or_der(&bytes));
        }
    }
}
