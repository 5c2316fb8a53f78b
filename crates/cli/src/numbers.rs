//! Numbers and durations as people read them.

use std::time::Duration;

/// `48213` as `48,213`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 key`, `2,000 keys`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// Whole microseconds, or three digits and a unit: `8 µs`, `1.23 ms`, `10.4 s`.
pub(crate) fn latency(duration: Duration) -> String {
    let us = duration.as_nanos() as f64 / 1e3;
    match us {
        us if us < 999.5 => format!("{us:.0} µs"),
        us if us < 999_500.0 => format!("{} ms", three_digits(us / 1e3)),
        us => format!("{} s", three_digits(us / 1e6)),
    }
}

/// Seconds with one decimal: `30.0 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Rounded to three decimals, for JSON.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// A number of at least three digits, with decimals where it has fewer.
pub(crate) fn three_digits(number: f64) -> String {
    match number {
        number if number < 9.995 => format!("{number:.2}"),
        number if number < 99.95 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (48_213, "48,213"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(counted(1, "key"), "1 key");
        assert_eq!(counted(0, "key"), "0 keys");
    }

    #[test]
    fn latencies_have_three_digits() {
        for (ns, text) in [
            (812_000, "812 µs"),
            (8_120, "8 µs"),
            (999_600, "1.00 ms"),
            (1_234_000, "1.23 ms"),
            (12_340_000, "12.3 ms"),
            (123_400_000, "123 ms"),
            (999_600_000, "1.00 s"),
            (12_300_000_000, "12.3 s"),
        ] {
            assert_eq!(latency(Duration::from_nanos(ns)), text);
        }
        assert_eq!(rounded(1.002_020_25), 1.002);
        assert_eq!(seconds(Duration::from_millis(30_049)), "30.0 s");
    }
}
