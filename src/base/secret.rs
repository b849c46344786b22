//! Values that are wiped on drop and never printed.

use std::fmt;
use zeroize::Zeroize;

/// A secret. Prints as an ellipsis; the value is reached only by [`Secret::expose`], which is easy to look for.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes a value into custody.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the act that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_prints_as_an_ellipsis() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "…");
    }
}
