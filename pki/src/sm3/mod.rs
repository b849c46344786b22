//! SM3 (GB/T 32905): the 256-bit digest of everything here.

pub(crate) mod recurring;

use sm3::Digest as _;

/// A digest in progress.
#[derive(Clone, Default)]
pub struct Sm3(sm3::Sm3);

impl Sm3 {
    /// An empty digest.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes more bytes in.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.0.update(bytes.as_ref());
        self
    }

    /// The digest of all bytes taken in.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

impl std::fmt::Debug for Sm3 {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Sm3(…)")
    }
}

/// The digest of `bytes`.
pub fn digest(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    let mut digest = Sm3::new();
    digest.update(bytes);
    digest.finish()
}

#[cfg(test)]
mod tests {
    /// GB/T 32905-2016 appendix A.1 and A.2.
    #[test]
    fn the_published_vectors_hold() {
        let abc = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
        let abcd16 = "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732";
        assert_eq!(hex::encode(super::digest("abc")), abc);
        assert_eq!(hex::encode(super::digest("abcd".repeat(16))), abcd16);
    }
}
