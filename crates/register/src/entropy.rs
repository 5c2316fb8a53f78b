//! Randomness, passed in so that a simulation can own it.

/// A source of random bits.
///
/// In production it must be unpredictable and never repeat: ids and [`OpId`](crate::OpId)s
/// are drawn from it, and two equal ones would be one writer using a timestamp twice.
pub trait Entropy: Send + Sync {
    /// 128 fresh random bits.
    fn bits(&self) -> u128;
}
