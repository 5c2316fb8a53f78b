//! How large what arrives may be.

/// A limit that cannot be set so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the largest value can be set to 1 to {max} bytes, not to {0}", max = Limits::MAX_VALUE_BYTES)]
pub struct LimitOutOfRange(pub usize);

/// The limits that are settable; those of keys and configs are fixed in `quorate-register`.
///
/// Replicas must be set to at least what the coordinators are set to, or a write that a
/// coordinator accepts is refused by every replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    max_value_bytes: usize,
}

impl Limits {
    /// The largest value unless set otherwise: 1 MiB.
    pub const DEFAULT_MAX_VALUE_BYTES: usize = 1024 * 1024;

    /// What the largest value can be set to: 64 MiB. A value is held in memory once per
    /// request, so this bounds what one request can take.
    pub const MAX_VALUE_BYTES: usize = 64 * 1024 * 1024;

    /// What a message has room for besides one value of the largest size: a key, the largest
    /// config, or many small pairs of a scanned page.
    const MESSAGE_OVERHEAD_BYTES: usize = 256 * 1024;

    /// Limits with this largest value, in bytes.
    ///
    /// # Errors
    /// When it is 0 or above [`Self::MAX_VALUE_BYTES`].
    pub const fn new(max_value_bytes: usize) -> Result<Self, LimitOutOfRange> {
        match max_value_bytes {
            1..=Self::MAX_VALUE_BYTES => Ok(Self { max_value_bytes }),
            other => Err(LimitOutOfRange(other)),
        }
    }

    /// The largest a store can be set to, for readers that do not know how it is set.
    pub const fn largest() -> Self {
        Self {
            max_value_bytes: Self::MAX_VALUE_BYTES,
        }
    }

    /// The largest value, in bytes.
    pub const fn max_value_bytes(self) -> usize {
        self.max_value_bytes
    }

    /// The largest message of either service, in bytes: any valid one fits.
    pub const fn max_message_bytes(self) -> usize {
        self.max_value_bytes + Self::MESSAGE_OVERHEAD_BYTES
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_value_bytes: Self::DEFAULT_MAX_VALUE_BYTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sensible_limits_can_be_set() {
        assert_eq!(Limits::new(0), Err(LimitOutOfRange(0)));
        assert_eq!(Limits::new(7).unwrap().max_value_bytes(), 7);
        assert_eq!(Limits::new(Limits::MAX_VALUE_BYTES), Ok(Limits::largest()));
        let error = Limits::new(Limits::MAX_VALUE_BYTES + 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the largest value can be set to 1 to 67108864 bytes, not to 67108865"
        );
        assert_eq!(Limits::default().max_value_bytes(), 1_048_576);
    }
}
