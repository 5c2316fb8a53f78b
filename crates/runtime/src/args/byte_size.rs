//! Sizes as people write them.

use super::number_and_unit;

/// Why a text is not a size in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseByteSizeError {
    /// It is not a whole number with a known unit.
    #[error("a size is a whole number and a unit (B, KiB, MiB, GiB, TiB), such as 64MiB")]
    Malformed,
    /// It does not fit into 64 bits.
    #[error("a size is less than 16777216TiB")]
    TooLarge,
}

/// Parses a whole number and one of the units `B`, `KiB`, `MiB`, `GiB` and `TiB` (powers of
/// 1024) into bytes. For a flag: `#[arg(value_parser = byte_size)]`.
///
/// # Errors
/// See [`ParseByteSizeError`].
pub fn byte_size(text: &str) -> Result<u64, ParseByteSizeError> {
    let (number, unit) = number_and_unit(text).ok_or(ParseByteSizeError::Malformed)?;
    let unit_bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(ParseByteSizeError::Malformed),
    };
    let bytes = number.checked_mul(unit_bytes);
    bytes.ok_or(ParseByteSizeError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_size() {
        for (text, expected) in [
            ("0B", 0),
            ("1024B", 1024),
            ("1KiB", 1024),
            ("64MiB", 64 * 1024 * 1024),
            ("3GiB", 3 * 1024 * 1024 * 1024),
            ("2TiB", 2 * 1024 * 1024 * 1024 * 1024),
        ] {
            assert_eq!(byte_size(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", "64", "MiB", "64MB", "64Mi", "64mib", "-1B", "1.5GiB", "1 KiB",
        ] {
            let refused = Err(ParseByteSizeError::Malformed);
            assert_eq!(byte_size(text), refused, "{text}");
        }
    }

    #[test]
    fn more_than_64_bits_are_refused() {
        for text in ["16777216TiB", "18446744073709551615KiB"] {
            let refused = Err(ParseByteSizeError::TooLarge);
            assert_eq!(byte_size(text), refused, "{text}");
        }
    }
}
