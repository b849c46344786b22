//! Issuing tokens: a draft, the attributes to be signed, the token. A slow device may sit between the last two.

use super::{Accuracy, Request, SERIAL_LIMIT_OCTETS, Token, TspError, request};
use crate::{
    cms::{self, make::digest_for},
    der::{self, DerError, tag},
    oid::{self, Oid},
    time::Timestamp,
    x509::Cert,
};

/// A token that is being issued.
#[derive(Debug, Clone)]
pub struct TokenDraft<'a> {
    /// The request it answers: imprint, nonce, and whether certificates are wanted.
    pub request: &'a Request,
    /// The policy it is issued under.
    pub policy: Oid,
    /// Its number, unique per authority: up to 20 octets, big-endian, read as unsigned.
    pub serial: &'a [u8],
    /// When, in whole seconds; a fraction is dropped.
    pub time: Timestamp,
    /// How exactly, where the authority says so; only whole seconds are written.
    pub accuracy: Option<Accuracy>,
    /// The authority's certificate; its key is SM2 or P-256.
    pub authority: &'a Cert,
    /// Certificates above it, carried along where certificates are wanted; the root is not needed.
    pub chain: &'a [Cert],
}

/// A token whose authority has yet to sign.
#[derive(Debug, Clone)]
pub struct PreparedToken(cms::make::Prepared);

impl TokenDraft<'_> {
    /// Writes what the authority is to sign. An error where the serial is too long or the key is of another kind.
    pub fn prepare(&self) -> Result<PreparedToken, TspError> {
        let serial = der::unsigned(self.serial);
        if serial.len() > SERIAL_LIMIT_OCTETS + 2 {
            return Err(TspError::at("serialNumber")(DerError::Content { what: "INTEGER" }));
        }
        let digest = self.authority.public_key().and_then(digest_for).ok_or(TspError::Key)?;
        let info = self.info(serial);
        let mut certificates = Vec::new();
        if self.request.certificate_wanted {
            certificates.push(self.authority.clone());
            certificates.extend_from_slice(self.chain);
        }
        let draft = cms::Draft {
            content_type: oid::TST_INFO,
            content: Some(&info),
            message_digest: &digest.of(&[&info]),
            signing_time: Some(self.time.whole_seconds()),
            signer: self.authority,
            certificates: &certificates,
        };
        draft.prepare().map(PreparedToken).ok_or(TspError::Key)
    }

    fn info(&self, serial: Vec<u8>) -> Vec<u8> {
        let mut parts = vec![
            der::small(1),
            der::oid(&self.policy),
            request::write_imprint(self.request.digest, &self.request.imprint),
            serial,
            der::generalized_time(self.time.whole_seconds()),
        ];
        parts.extend(self.accuracy.map(|accuracy| der::sequence([der::small(accuracy.seconds)])));
        parts.extend(self.request.nonce.as_ref().map(|octets| der::element(tag::INTEGER, octets)));
        der::sequence(parts)
    }
}

impl PreparedToken {
    /// The bytes that the authority signs.
    pub fn to_be_signed(&self) -> &[u8] {
        self.0.to_be_signed()
    }

    /// The token, from the signature in DER. Whether it holds is for [`crate::judge::token`] to say.
    pub fn assemble(&self, signature: &[u8]) -> Result<Vec<u8>, TspError> {
        let token = self.0.assemble(signature, None)?;
        Token::parse(&token)?;
        Ok(token)
    }
}
