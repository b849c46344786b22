//! The signature of signed data: whose certificate, over which bytes, and whether the value holds.

use super::{Question, chain, trial::Trial};
use crate::{
    cms::{Attributes, SignedData, SignerId},
    der::{Reader, tag},
    oid,
    report::Finding,
    sign::{self, Algorithm, PublicKey, VerifyError},
    x509::Cert,
};
use std::borrow::Cow;

/// What a signature without attributes covers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    /// In one piece.
    Whole(&'a [u8]),
    /// One after the other.
    Parts(&'a [&'a [u8]]),
}

/// What arithmetic says of a signature value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It holds.
    Holds,
    /// It does not.
    Broken,
    /// It was not computed.
    Unknown,
}

/// The certificates that came along; what cannot be read is passed over.
pub(super) fn certificates(signed: &SignedData<'_>) -> Vec<Cert> {
    signed.certificates.iter().filter_map(|der| Cert::parse(der).ok()).collect()
}

/// The signer's certificate: from those that came along, else from those at hand.
pub(super) fn signer(signed: &SignedData<'_>, bag: &[Cert], question: &Question<'_>) -> Option<Cert> {
    let named = |cert: &&Cert| match signed.signer.id {
        SignerId::IssuerAndSerial { issuer, serial } => {
            cert.issuer().der() == issuer && cert.serial() == serial
        }
        SignerId::KeyId(id) => cert.subject_key_id() == Some(id),
    };
    let at_hand = question.material.intermediates.iter().chain(question.material.anchors);
    bag.iter().chain(at_hand).find(named).cloned()
}

/// Checks the signature of signed data: oddities, the certificate that was meant, content type, algorithm, value.
pub(super) fn signature(
    signed: &SignedData<'_>,
    signer: Option<&Cert>,
    content: Content<'_>,
    trial: &mut Trial,
    prefix: &str,
) -> Proof {
    trial.all_lenient(&signed.oddities);
    let message = match &signed.signer.signed {
        Some(attributes) => {
            content_type(signed, attributes, trial, prefix);
            Cow::Owned(attributes.to_be_signed())
        }
        None => plain(content, trial, prefix),
    };
    let Some(cert) = signer else {
        trial.undecided(format!("{prefix}no-certificate"), "The signer's certificate is not at hand.");
        return Proof::Unknown;
    };
    let meant = signed.signer.signed.as_ref().and_then(|attributes| attributes.certificate.as_ref());
    if meant.is_some_and(|meant| !meant.names(cert.der())) {
        let says = "The signature names another certificate than the one it carries.";
        trial.fail(format!("{prefix}certificate"), says);
    }
    match value_holds(signed, cert, &message, trial) {
        Ok(()) => Proof::Holds,
        Err(error) => {
            let (code, proof) = match error {
                VerifyError::Algorithm(_) => ("algorithm", Proof::Unknown),
                VerifyError::KeyMismatch => ("key", Proof::Unknown),
                VerifyError::Malformed => ("malformed", Proof::Broken),
                VerifyError::Mismatch => ("mismatch", Proof::Broken),
            };
            trial.fail(format!("{prefix}{code}"), format!("The signature is not accepted: {error}."));
            proof
        }
    }
}

fn value_holds(
    signed: &SignedData<'_>,
    cert: &Cert,
    message: &[u8],
    trial: &mut Trial,
) -> Result<(), VerifyError> {
    let (algorithm, value) = (signed.algorithm()?, signed.signer.signature);
    let key = cert.public_key().ok_or(VerifyError::KeyMismatch)?;
    let (PublicKey::Sm2(key), Algorithm::Sm2Sm3) = (key, algorithm) else {
        return sign::verify(key, algorithm, message, value);
    };
    let value = chain::sm2_value(trial, value).ok_or(VerifyError::Malformed)?;
    key.verify(&key.digest(message), &value).map_err(|_| VerifyError::Mismatch)
}

/// The attribute contentType must name the content's type (RFC 5652 11.1). One vendor names GM/T 0010's plain data in
/// one place and RFC 5652's in the other, which mean the same (seal.md §1.6).
fn content_type(signed: &SignedData<'_>, attributes: &Attributes<'_>, trial: &mut Trial, prefix: &str) {
    let plain = |id: &oid::Oid| *id == oid::GM_DATA || *id == oid::PKCS7_DATA;
    if attributes.content_type == signed.content_type {
        return;
    }
    if plain(&attributes.content_type) && plain(&signed.content_type) {
        let says = "Content and attribute name plain data by different identifiers.";
        trial.lenient(&Finding::new("lenient/content-type", says));
    } else {
        trial.fail(format!("{prefix}content-type"), "The signed content type is not that of the content.");
    }
}

/// The message of a signature without attributes. What looks like attributes is refused: it could be those of another
/// signature, shown as a document.
fn plain<'a>(content: Content<'a>, trial: &mut Trial, prefix: &str) -> Cow<'a, [u8]> {
    let message = match content {
        Content::Whole(bytes) | Content::Parts(&[bytes]) => Cow::Borrowed(bytes),
        Content::Parts(parts) => Cow::Owned(parts.concat()),
    };
    if Reader::whole(&message, tag::SET).is_ok_and(|set| !set.content.is_empty()) {
        trial.fail(
            format!("{prefix}ambiguous"),
            "The content looks like the attributes of another signature.",
        );
    }
    message
}
