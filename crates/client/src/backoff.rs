//! How long to wait: pure functions of counts and a random number.

use std::time::Duration;

/// The first delay of a call before it is tried again; each next one may be twice as long.
const CALL_BASE: Duration = Duration::from_millis(20);
/// The longest.
const CALL_LIMIT: Duration = Duration::from_secs(1);

/// How long an endpoint is left alone after its connection failed once; twice as long after
/// each further time.
const HOLD_BASE: Duration = Duration::from_millis(50);
/// The longest.
const HOLD_LIMIT: Duration = Duration::from_secs(2);

/// How long others are preferred to an endpoint that failed otherwise, first and at most.
const AVOID_BASE: Duration = Duration::from_secs(1);
const AVOID_LIMIT: Duration = Duration::from_secs(30);

/// A random fraction, from 0 to 1, drawn from random bits.
pub(crate) fn fraction(bits: u128) -> f64 {
    // As many bits as the number holds exactly.
    (bits >> (128 - 53)) as f64 / (1_u64 << 53) as f64
}

/// The delay before a call is tried again, which failed `failures` times, at least once.
/// Full jitter (any time up to a limit that doubles) keeps the calls that failed together
/// from coming back together. What the coordinator asked for is a lower bound, and jitter
/// comes on top of it.
pub(crate) fn call_delay(failures: u32, retry_after: Option<Duration>, fraction: f64) -> Duration {
    let jittered = doubled(CALL_BASE, failures, CALL_LIMIT).mul_f64(fraction);
    retry_after.unwrap_or_default().saturating_add(jittered)
}

/// How long no connection is attempted after `failures` failed ones, at least one.
pub(crate) fn hold(failures: u32, fraction: f64) -> Duration {
    at_least_half(doubled(HOLD_BASE, failures, HOLD_LIMIT), fraction)
}

/// How long others are preferred after `failures` failures, at least one.
pub(crate) fn avoid(failures: u32, fraction: f64) -> Duration {
    at_least_half(doubled(AVOID_BASE, failures, AVOID_LIMIT), fraction)
}

fn doubled(base: Duration, failures: u32, limit: Duration) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1));
    base.saturating_mul(factor.unwrap_or(u32::MAX)).min(limit)
}

fn at_least_half(longest: Duration, fraction: f64) -> Duration {
    longest.mul_f64(0.5 + fraction / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn delays_double_up_to_their_limit() {
        let longest = |failures| call_delay(failures, None, 1.0);
        assert_eq!([1, 2, 3, 6].map(longest), [20, 40, 80, 640].map(MS));
        assert_eq!([7, 32, 33, u32::MAX].map(longest), [CALL_LIMIT; 4]);
        assert_eq!([1, 2, 7].map(|n| hold(n, 1.0)), [50, 100, 2000].map(MS));
        assert_eq!(
            [1, 2, 6].map(|n| avoid(n, 1.0)),
            [1000, 2000, 30_000].map(MS)
        );
    }

    #[test]
    fn what_the_coordinator_asked_for_is_the_least() {
        assert_eq!(call_delay(1, Some(MS(100)), 0.0), MS(100));
        assert_eq!(call_delay(1, Some(MS(100)), 1.0), MS(120));
        assert_eq!(call_delay(9, Some(Duration::MAX), 1.0), Duration::MAX);
    }

    #[test]
    fn fractions_cover_0_to_1() {
        assert_eq!(fraction(0), 0.0);
        assert_eq!(fraction(1 << 127), 0.5);
        assert!(fraction(u128::MAX) < 1.0);
    }

    proptest! {
        #[test]
        fn jitter_stays_within_its_bounds(failures in 1_u32.., bits: u128) {
            let fraction = fraction(bits);
            prop_assert!(call_delay(failures, None, fraction) <= CALL_LIMIT);
            let (hold, longest) = (hold(failures, fraction), hold(failures, 1.0));
            prop_assert!(longest / 2 <= hold && hold <= longest && longest <= HOLD_LIMIT);
            let (avoid, longest) = (avoid(failures, fraction), avoid(failures, 1.0));
            prop_assert!(longest / 2 <= avoid && avoid <= longest && longest <= AVOID_LIMIT);
        }
    }
}
