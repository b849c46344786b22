//! Certificates, keys and revocation lists in files, PEM: whole and usable, or refused with a word that says which and why.

use crate::base::{
    Timestamp,
    plain_file::{self, Rule},
};
use rustls::{
    Error, InconsistentKeys,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use std::{
    fmt,
    path::{Path, PathBuf},
};
use yinxin_pki::{sign::PublicKey, x509::Cert};

/// Why a file can't be used for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, in words that follow its name.
    pub says: String,
}

/// A certificate with its chain and its key, which belong together.
#[derive(Debug, Clone)]
pub struct Identity {
    /// For rustls.
    pub(super) certified: std::sync::Arc<CertifiedKey>,
    /// The first instant of validity, where the certificate can be read that far.
    pub not_before: Option<Timestamp>,
    /// The last instant of validity, where the certificate can be read that far.
    pub not_after: Option<Timestamp>,
}

/// The longest file of certificates or of a key.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// The longest revocation list.
const LIST_MAX_BYTES: u64 = 32 << 20;
/// The longest chain, or bundle of trusted certificates.
const CERTIFICATES_MAX: usize = 256;

/// Reads a certificate with its chain, and the key that belongs to it.
///
/// # Errors
/// [`TlsError`] for files that can't be read, are not whole, are of a kind that TLS here does not take, or don't belong together.
pub fn identity(certificate_file: &Path, key_file: &Path) -> Result<Identity, TlsError> {
    let chain = certificates(certificate_file)?;
    let leaf = chain.first().and_then(|leaf| Cert::parse(leaf).ok());
    if let Some(PublicKey::Sm2(_)) = leaf.as_ref().and_then(Cert::public_key) {
        return Err(wrong(certificate_file, SM2));
    }
    let key = key(key_file)?;
    let certified = CertifiedKey::from_der(chain, key, &super::provider()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            wrong(key_file, &format!("does not belong to the certificate in {}", certificate_file.display()))
        }
        Error::InvalidCertificate(_) => wrong(certificate_file, "holds a certificate that can't be read"),
        _ => wrong(key_file, "holds a key that TLS here does not take; P-256, P-384, Ed25519 and RSA (2048 to 4096 bits) it does"),
    })?;
    Ok(Identity {
        certified: certified.into(),
        not_before: leaf.as_ref().map(Cert::not_before),
        not_after: leaf.as_ref().map(Cert::not_after),
    })
}

const SM2: &str = "holds a certificate for an SM2 key, as our own authority issues them; TLS here takes P-256, P-384, Ed25519 \
and RSA, so this one must come from another authority";

/// Reads certificates: at least one.
///
/// # Errors
/// [`TlsError`].
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let octets = read(path, FILE_MAX_BYTES)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&octets)
        .collect::<Result<_, _>>()
        .map_err(|error| not_whole(path, &error))?;
    match found.len() {
        0 => Err(wrong(path, "holds no certificate (PEM, BEGIN CERTIFICATE)")),
        1..=CERTIFICATES_MAX => Ok(found),
        _ => Err(wrong(path, &format!("holds more than {CERTIFICATES_MAX} certificates"))),
    }
}

/// Reads revocation lists: at least one.
///
/// # Errors
/// [`TlsError`].
pub fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let octets = read(path, LIST_MAX_BYTES)?;
    let found: Vec<_> = CertificateRevocationListDer::pem_slice_iter(&octets)
        .collect::<Result<_, _>>()
        .map_err(|error| not_whole(path, &error))?;
    if found.is_empty() {
        Err(wrong(path, "holds no revocation list (PEM, BEGIN X509 CRL)"))
    } else {
        Ok(found)
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let octets = plain_file::read(path, Rule::Shared, FILE_MAX_BYTES);
    let octets = octets.map_err(|error| wrong(path, &error.to_string()))?;
    if octets.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED) {
        return Err(wrong(
            path,
            "holds an encrypted key; TLS needs it without a passphrase, kept by the file's mode",
        ));
    }
    PrivateKeyDer::from_pem_slice(&octets).map_err(|error| match error {
        pem::Error::NoItemsFound => wrong(path, "holds no private key (PEM)"),
        error => not_whole(path, &error),
    })
}

const ENCRYPTED: &[u8] = b"ENCRYPTED";

fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, TlsError> {
    let octets = plain_file::read(path, Rule::Read, max_bytes);
    octets.map(|octets| octets.to_vec()).map_err(|error| wrong(path, &error.to_string()))
}

/// As where somebody is still writing it.
fn not_whole(path: &Path, error: &pem::Error) -> TlsError {
    let says = match error {
        pem::Error::MissingSectionEnd { .. } => {
            "ends in the middle of a PEM section: it is half written, or cut off"
        }
        _ => "is no good PEM",
    };
    wrong(path, says)
}

pub(super) fn wrong(path: &Path, says: &str) -> TlsError {
    TlsError { path: path.to_owned(), says: says.to_owned() }
}

impl fmt::Display for TlsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.path.display(), self.says)
    }
}

impl std::error::Error for TlsError {}
