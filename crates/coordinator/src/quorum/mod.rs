//! The quorum call.
//!
//! A *round* is one phase under one config: it sends one request to each member at once and
//! resolves when a majority of every group has answered, or as soon as final answers make
//! that impossible. For each member it makes *attempts*, with a timeout each and a randomised
//! pause between, until that member answers or the round ends.
//!
//! Everything a round starts is a future that the round owns. However it ends (quorum,
//! deadline, a caller that left, a stop), dropping it drops the attempts, their timers and
//! their streams. The one exception is made openly: once a write has its quorum, the slower
//! attempts may move to the [background](Background), whose size is bounded and counted.

mod attempts;
mod background;
mod backoff;
mod call;
mod patience;
mod pending;
mod progress;
mod request;
mod round;
mod traced;

use std::time::Duration;

pub(crate) use attempts::AttemptContext;
pub(crate) use background::Background;
pub use backoff::Backoff;
pub(crate) use call::{Call, Failure};
pub(crate) use patience::Patience;
pub(crate) use pending::GivenUp;
pub(crate) use progress::{Phase, Progress};
pub(crate) use request::Method;

/// How attempts are made.
#[derive(Debug, Clone, Copy)]
pub struct QuorumOptions {
    /// How long one attempt waits for its answer at most, and as long as nothing is known of
    /// how long the member's answers take.
    pub attempt_timeout: Duration,
    /// How long it waits at least.
    pub shortest_attempt_timeout: Duration,
    /// The pause before the next attempt.
    pub backoff: Backoff,
    /// The most writes that go on in the background after their quorum was reached.
    pub background_writes: usize,
    /// The most bytes of keys and values that these writes hold.
    pub background_bytes: usize,
    /// How long such a write may go on.
    pub background_timeout: Duration,
}

impl Default for QuorumOptions {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(1),
            shortest_attempt_timeout: Duration::from_millis(100),
            backoff: Backoff::default(),
            background_writes: 4096,
            background_bytes: 64 << 20,
            background_timeout: Duration::from_secs(5),
        }
    }
}
