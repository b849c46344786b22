//! A signer whose products are verified before anybody sees them.

use rand_core::CryptoRng;
use std::sync::Arc;
use yinxin_pki::sign::{
    Algorithm, Digest, PublicKey, SignError, SignInput, Signer, VerifyError, verify, verify_digest,
};

/// Withholds every product that doesn't verify with the signer's own public key ([`SignError::Fault`]).
///
/// Signers that say they verify by themselves are not checked twice: for SM2 that would more than double the cost of a
/// signature.
pub struct Checked(Arc<dyn Signer>);

impl Checked {
    /// Checks what `signer` makes.
    pub fn new(signer: Arc<dyn Signer>) -> Self {
        Self(signer)
    }
}

impl Signer for Checked {
    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    fn sign(&self, input: SignInput<'_>, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, SignError> {
        let value = self.0.sign(input, rng)?;
        if self.0.checks_own_products() {
            return Ok(value);
        }
        held(&self.0.public_key(), input, &value).map(|()| value).map_err(|error| {
            tracing::error!(name: "keys.withheld", %error, "a signer's product was withheld");
            SignError::Fault
        })
    }

    fn checks_own_products(&self) -> bool {
        true
    }
}

fn held(key: &PublicKey, input: SignInput<'_>, value: &[u8]) -> Result<(), VerifyError> {
    match (key, input) {
        (PublicKey::Sm2(key), SignInput::Sm2Digest(digest)) => verify_digest(key, digest, value),
        (PublicKey::Sm2(_), SignInput::Message(message)) => verify(key, Algorithm::Sm2Sm3, message, value),
        (PublicKey::P256(_), SignInput::Message(message)) => {
            verify(key, Algorithm::Ecdsa(Digest::Sha256), message, value)
        }
        // No key of another kind is kept here, so nothing says which digest its signature has.
        _ => Err(VerifyError::KeyMismatch),
    }
}
