//! Whom to believe: anchors, certificates that help to reach them, and revocation lists.

use std::fmt;
use yinxin_pki::x509::{Cert, Crl, X509Error};

/// Anchors, intermediates and revocation lists. Only anchors are believed by themselves.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Believed.
    pub anchors: Vec<Cert>,
    /// May help to build a path; believed for nothing.
    pub intermediates: Vec<Cert>,
    /// Revocation lists; each counts only if its issuer signed it.
    pub crls: Vec<Crl>,
    /// Who may make seals: these, and whom the authorities among them certify. Empty: whoever leads to an anchor. Believed
    /// for nothing by themselves.
    pub makers: Vec<Cert>,
}

/// Why a file holds no certificate or list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustError {
    what: &'static str,
    error: X509Error,
}

impl fmt::Display for TrustError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "holds no {} in PEM or DER: {}", self.what, self.error)
    }
}

impl std::error::Error for TrustError {}

impl Trust {
    /// Adds anchors: one certificate in DER, or any number in PEM.
    ///
    /// # Errors
    /// [`TrustError`] where one of them cannot be read; nothing is added then.
    pub fn add_anchors(&mut self, file: &[u8]) -> Result<(), TrustError> {
        self.anchors.extend(certificates(file)?);
        Ok(())
    }

    /// Adds intermediates: one certificate in DER, or any number in PEM.
    ///
    /// # Errors
    /// As [`Trust::add_anchors`].
    pub fn add_intermediates(&mut self, file: &[u8]) -> Result<(), TrustError> {
        self.intermediates.extend(certificates(file)?);
        Ok(())
    }

    /// Adds makers of seals, or authorities that certify none but makers: one certificate in DER, or any number in PEM.
    ///
    /// # Errors
    /// As [`Trust::add_anchors`].
    pub fn add_makers(&mut self, file: &[u8]) -> Result<(), TrustError> {
        self.makers.extend(certificates(file)?);
        Ok(())
    }

    /// Adds a revocation list, in DER or PEM.
    ///
    /// # Errors
    /// [`TrustError`] where it cannot be read.
    pub fn add_crl(&mut self, file: &[u8]) -> Result<(), TrustError> {
        let crl =
            Crl::parse_pem_or_der(file).map_err(|error| TrustError { what: "revocation list", error })?;
        self.crls.push(crl);
        Ok(())
    }
}

fn certificates(file: &[u8]) -> Result<Vec<Cert>, TrustError> {
    Cert::parse_bundle(file).map_err(|error| TrustError { what: "certificate", error })
}
