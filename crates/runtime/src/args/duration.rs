//! Durations as people write them.

use std::time::Duration;

use super::number_and_unit;

/// The longest duration that a flag takes: a year. Longer ones are typing errors, and
/// adding them to a clock could overflow it.
pub const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDurationError {
    /// It is not a whole number with a known unit.
    #[error("a duration is a whole number and a unit, such as 500ms, 10s, 2m or 1h")]
    Malformed,
    /// It is longer than [`MAX_DURATION`].
    #[error("a duration is at most 8760h, a year")]
    TooLong,
}

/// Parses a whole number and one of the units `ms`, `s`, `m` (minutes) and `h`. For a flag:
/// `#[arg(value_parser = duration)]`.
///
/// # Errors
/// See [`ParseDurationError`].
pub fn duration(text: &str) -> Result<Duration, ParseDurationError> {
    let (number, unit) = number_and_unit(text).ok_or(ParseDurationError::Malformed)?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        _ => return Err(ParseDurationError::Malformed),
    };
    let milliseconds = number.checked_mul(unit_ms);
    milliseconds
        .map(Duration::from_millis)
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or(ParseDurationError::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_duration() {
        let seconds = Duration::from_secs;
        for (text, expected) in [
            ("0s", Duration::ZERO),
            ("500ms", Duration::from_millis(500)),
            ("10s", seconds(10)),
            ("2m", seconds(120)),
            ("1h", seconds(3600)),
            ("8760h", MAX_DURATION),
        ] {
            assert_eq!(duration(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", "10", "s", "-1s", "+1s", "1.5s", "1 s", "1S", "1us", "1m30s", "١s",
        ] {
            let refused = Err(ParseDurationError::Malformed);
            assert_eq!(duration(text), refused, "{text}");
        }
    }

    #[test]
    fn more_than_a_year_is_refused() {
        for text in ["8761h", "31536000001ms", "18446744073709551615h"] {
            assert_eq!(duration(text), Err(ParseDurationError::TooLong), "{text}");
        }
    }
}
