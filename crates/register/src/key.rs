//! The name of a register.

use std::fmt;

use bytes::Bytes;

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// What the keys begin with that the store keeps for itself.
const RESERVED_PREFIX: &[u8] = b"\0quorate/";

/// Why bytes are not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It has no bytes.
    #[error("it is empty; a key has 1 to {MAX_KEY_BYTES} bytes")]
    Empty,
    /// It has more than [`MAX_KEY_BYTES`].
    #[error("it has {0} bytes; a key has 1 to {MAX_KEY_BYTES} bytes")]
    TooLong(usize),
}

/// 1 to [`MAX_KEY_BYTES`] bytes of any content; ordered bytewise; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Bytes);

impl Key {
    /// These bytes as a key.
    ///
    /// # Errors
    /// When there are none or too many of them.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, InvalidKey> {
        let bytes = bytes.into();
        match bytes.len() {
            0 => Err(InvalidKey::Empty),
            1..=MAX_KEY_BYTES => Ok(Self(bytes)),
            length => Err(InvalidKey::TooLong(length)),
        }
    }

    /// A key of the store's own, which no client can name.
    ///
    /// # Panics
    /// When the name is longer than a key may be.
    pub fn reserved(name: &str) -> Self {
        let bytes = [RESERVED_PREFIX, name.as_bytes()].concat();
        Self::new(bytes).expect("the names in this program are short")
    }

    /// Whether it is one of the store's own.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(RESERVED_PREFIX)
    }

    /// The same key in memory of its own. A key that arrived over a network shares the buffer
    /// it arrived in, and whoever keeps it for long would keep that too.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// The bytes of the key, shared.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_store_are_told_apart() {
        assert!(Key::reserved("canary").is_reserved());
        for bytes in ["quorate/canary", "\0", "\0quorate", "\0other/canary"] {
            assert!(!Key::new(bytes).unwrap().is_reserved(), "{bytes:?}");
        }
    }

    #[test]
    fn length_decides() {
        assert_eq!(Key::new(""), Err(InvalidKey::Empty));
        assert!(Key::new("a").is_ok());
        assert!(Key::new(vec![0; MAX_KEY_BYTES]).is_ok());
        let error = Key::new(vec![0; MAX_KEY_BYTES + 1]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it has 1025 bytes; a key has 1 to 1024 bytes"
        );
    }
}
