//! What the programs' command lines share.
//!
//! Parsers for durations and sizes, the settings as `/info` shows them, and the check that
//! holds every flag to the same rules.

mod byte_size;
mod check;
mod duration;
mod settings;

pub use byte_size::{ParseByteSizeError, byte_size};
pub use check::assert_environment_names;
pub use duration::{MAX_DURATION, ParseDurationError, duration};
pub use settings::{Parsed, parse, try_parse_from};

/// Splits `"10ms"` into 10 and `"ms"`. `None` unless it is digits, then something else.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}
