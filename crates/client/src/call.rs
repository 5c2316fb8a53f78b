//! One call: attempts at endpoints, until one is answered or nothing more can be done.

use std::time::Duration;

use parking_lot::Mutex;
use quorate_proto::RemoteRegister;
use quorate_register::{OperationError, Reason};
use tokio::time::{Instant, sleep};

use crate::ClientOptions;
use crate::choice::{Choice, Standings};
use crate::connection::Endpoint;
use crate::{backoff, failure};

/// A read that has less left is not tried again: it could not be answered in time, and what
/// failed before says more. It is a tenth of the timeout, though at most this.
const MIN_ATTEMPT: Duration = Duration::from_millis(100);

/// The longest time of a call; a longer one could overflow the clock.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// What all calls of a client share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) standings: Mutex<Standings>,
    pub(crate) options: ClientOptions,
}

/// What a call would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Read,
    /// Write.
    Write,
}

/// The attempts of one call.
struct Attempts {
    kind: Kind,
    began: Instant,
    timeout: Duration,
    /// Which endpoints were asked.
    tried: Vec<bool>,
    made: u32,
    last: Option<OperationError>,
}

impl Shared {
    /// Makes a call within `timeout`: `operation` is made with a register and a timeout.
    pub(crate) async fn call<A, F>(
        &self,
        kind: Kind,
        timeout: Option<Duration>,
        operation: impl Fn(RemoteRegister, Duration) -> F,
    ) -> Result<A, OperationError>
    where
        F: Future<Output = Result<A, OperationError>>,
    {
        let mut attempts = Attempts {
            kind,
            began: Instant::now(),
            timeout: timeout.unwrap_or(self.options.timeout).min(MAX_TIMEOUT),
            tried: vec![false; self.endpoints.len()],
            made: 0,
            last: None,
        };
        loop {
            let Some(index) = self.choose(&attempts).await else {
                return Err(self.conclude(attempts));
            };
            // A busy machine wakes later than it was asked to.
            if attempts.made > 0 && !attempts.leave_time_after(Duration::ZERO) {
                return Err(self.conclude(attempts));
            }
            let endpoint = &self.endpoints[index];
            attempts.tried[index] = true;
            attempts.made += 1;
            let deadline = self.attempt_deadline(&attempts, index);
            let error = match endpoint.call(deadline, &operation).await {
                Ok(answer) => {
                    self.standings.lock().answered(index);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            self.note(index, &error);
            let again = self.may_try_again(&attempts, &error);
            let delay = self.delay(&attempts, &error);
            attempts.keep(failure::at_endpoint(
                error,
                endpoint.address(),
                attempts.made,
            ));
            if !again || !attempts.leave_time_after(delay) {
                return Err(self.conclude(attempts));
            }
            sleep(delay).await;
        }
    }

    /// The endpoint of the next attempt; waits for one, if it may. `None` if none can be
    /// reached in time. The loop ends, since each wait is for a later instant.
    async fn choose(&self, attempts: &Attempts) -> Option<usize> {
        loop {
            let now = Instant::now();
            let choice = self.standings.lock().choose(now, &attempts.tried);
            let delay = match choice {
                Choice::Use(index) => return Some(index),
                Choice::Wait(until) => until.saturating_duration_since(now),
            };
            if !self.options.wait_for_ready || !attempts.leave_time_after(delay) {
                return None;
            }
            sleep(delay).await;
        }
    }

    fn may_try_again(&self, attempts: &Attempts, error: &OperationError) -> bool {
        let known_down = !self.options.wait_for_ready
            && self.standings.lock().unreachable().count() == self.endpoints.len();
        failure::is_retryable(error, attempts.kind == Kind::Read)
            && attempts.made < self.options.max_attempts
            && !known_down
    }

    /// When an attempt ends. A read leaves half of its time for another endpoint, if there
    /// is one; a write that was sent can go nowhere else.
    fn attempt_deadline(&self, attempts: &Attempts, index: usize) -> Instant {
        let now = Instant::now();
        let left = attempts.timeout.saturating_sub(attempts.began.elapsed());
        let halves = attempts.kind == Kind::Read
            && attempts.made < self.options.max_attempts
            && attempts.leave_time_after(left / 2)
            && self.standings.lock().has_alternative(index, now);
        now + if halves { left / 2 } else { left }
    }

    fn note(&self, index: usize, error: &OperationError) {
        let mut standings = self.standings.lock();
        match failure::fault(error) {
            Some(fault) => standings.failed(index, fault, Instant::now(), self.fraction()),
            None => standings.answered(index),
        }
    }

    /// How long to wait after an error. Another endpoint is asked at once, unless the error
    /// says that there is too much to do: then it is likely to have as much.
    fn delay(&self, attempts: &Attempts, error: &OperationError) -> Duration {
        let next = self
            .standings
            .lock()
            .choose(Instant::now(), &attempts.tried);
        let untried = matches!(next, Choice::Use(index) if !attempts.tried[index]);
        if untried && error.reason != Reason::Overloaded {
            return Duration::ZERO;
        }
        backoff::call_delay(attempts.made, error.retry_after, self.fraction())
    }

    /// The error of a call after its last attempt.
    fn conclude(&self, attempts: Attempts) -> OperationError {
        let standings = self.standings.lock();
        let problems: Vec<_> = standings.unreachable().collect();
        match attempts.last {
            Some(error) if failure::weight(&error) > 0 || !error.has_no_effect() => error,
            Some(error) if problems.len() < self.endpoints.len() => error,
            _ => failure::none_reachable(
                problems
                    .into_iter()
                    .map(|(index, problem)| (self.endpoints[index].address(), problem)),
                attempts.made,
            ),
        }
    }

    fn fraction(&self) -> f64 {
        backoff::fraction(self.options.entropy.bits())
    }
}

impl Attempts {
    /// Keeps the error that the caller is to see: one that ends the call, or the one of
    /// those that were retried which tells most.
    fn keep(&mut self, error: OperationError) {
        self.last = Some(match self.last.take() {
            Some(earlier) => failure::most_telling(earlier, error),
            None => error,
        });
    }

    /// Whether an attempt that begins after this delay could well be answered in time. A
    /// write needs half of the whole time: until it is sent again it is certain that it was
    /// not applied, and one that is then not answered is certain no more.
    fn leave_time_after(&self, delay: Duration) -> bool {
        let needed = match self.kind {
            Kind::Read => (self.timeout / 10).min(MIN_ATTEMPT),
            Kind::Write => self.timeout / 2,
        };
        let spent = self.began.elapsed().saturating_add(delay);
        spent.saturating_add(needed) <= self.timeout
    }
}
