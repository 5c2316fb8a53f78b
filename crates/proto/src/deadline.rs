//! How long a call may take, as the wire says it.
//!
//! A call's deadline counts from the arrival of its headers, and what serves it ends a
//! little before it, since tonic ends every call at `grpc-timeout` by itself: on the server
//! by dropping the handler and answering CANCELLED, which for a write whose outcome is
//! unknown would be wrong, on the client likewise, whatever the answer that is under way.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use crate::InvalidMessage;

/// The time of a call that does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time of a call: one that asks for more gets this.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// What is at least and at most kept for the way of an answer. Timers count milliseconds, so
/// that half of the least is what tells two of them apart.
const MIN_MARGIN: Duration = Duration::from_millis(2);
const MAX_MARGIN: Duration = Duration::from_millis(50);

const HEADER: &str = "grpc-timeout";

/// When a call ends, and when an answer to it must be ready.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    arrived: Instant,
    timeout: Duration,
}

impl Deadline {
    /// That of a call whose headers arrived then.
    pub fn new(arrived: Instant, timeout: Duration) -> Self {
        Self { arrived, timeout }
    }

    /// The time of the whole call.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What is left for the work, so that its result arrives in time: a tenth of the
    /// timeout, though 2 to 50 ms, is kept for its way.
    pub fn left_for_work(&self) -> Duration {
        (self.timeout - self.margin()).saturating_sub(self.arrived.elapsed())
    }

    /// When to answer even though the work did not end, though it should have: halfway
    /// between the end of [`Self::left_for_work`] and the end of the call.
    pub fn last_answer(&self) -> Instant {
        self.arrived + self.timeout - self.margin() / 2
    }

    fn margin(&self) -> Duration {
        (self.timeout / 10)
            .clamp(MIN_MARGIN, MAX_MARGIN)
            .min(self.timeout)
    }
}

/// The time that a request's headers give it, within [`MAX_TIMEOUT`]; [`DEFAULT_TIMEOUT`]
/// without `grpc-timeout`.
///
/// # Errors
/// When the header is not one to eight digits and a unit, as the gRPC specification has it.
pub fn timeout(headers: &HeaderMap) -> Result<Duration, InvalidMessage> {
    let Some(header) = headers.get(HEADER) else {
        return Ok(DEFAULT_TIMEOUT);
    };
    let timeout = header.to_str().ok().and_then(parse).ok_or_else(|| {
        let problem = format!("it is 1 to 8 digits and one of H, M, S, m, u, n; not {header:?}");
        InvalidMessage::new(HEADER, problem)
    })?;
    Ok(timeout.min(MAX_TIMEOUT))
}

fn parse(text: &str) -> Option<Duration> {
    let digits = text.get(..text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match text.as_bytes().last()? {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &str) -> Result<Duration, InvalidMessage> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, value.parse().unwrap());
        timeout(&headers)
    }

    #[test]
    fn every_unit_is_understood() {
        assert_eq!(timeout(&HeaderMap::new()), Ok(DEFAULT_TIMEOUT));
        assert_eq!(header("1H"), Ok(MAX_TIMEOUT));
        assert_eq!(header("99999999H"), Ok(MAX_TIMEOUT));
        assert_eq!(header("1M"), Ok(Duration::from_secs(60)));
        assert_eq!(header("3S"), Ok(Duration::from_secs(3)));
        assert_eq!(header("250m"), Ok(Duration::from_millis(250)));
        assert_eq!(header("7u"), Ok(Duration::from_micros(7)));
        assert_eq!(header("0n"), Ok(Duration::ZERO));
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for text in [
            "",
            "S",
            "10",
            "123456789m",
            "-1S",
            "+1S",
            "1.5S",
            "1s",
            "1 S",
        ] {
            let error = header(text).unwrap_err();
            assert_eq!(error.field, HEADER, "{text:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_ends_before_the_last_answer_and_that_before_the_call() {
        for timeout in [0, 1, 10, 100, 10_000].map(Duration::from_millis) {
            let now = Instant::now();
            let deadline = Deadline::new(now, timeout);
            let work = now + deadline.left_for_work();
            assert!(work <= deadline.last_answer(), "{timeout:?}");
            assert!(deadline.last_answer() <= now + timeout, "{timeout:?}");
            let last = now + timeout - deadline.last_answer();
            assert!(last >= (MIN_MARGIN / 2).min(timeout / 2), "{timeout:?}");
            let kept = timeout - deadline.left_for_work();
            assert!(kept <= MAX_MARGIN, "{timeout:?}");
        }
        let deadline = Deadline::new(Instant::now(), Duration::from_secs(1));
        tokio::time::advance(Duration::from_millis(600)).await;
        assert_eq!(deadline.left_for_work(), Duration::from_millis(350));
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(deadline.left_for_work(), Duration::ZERO);
    }
}
