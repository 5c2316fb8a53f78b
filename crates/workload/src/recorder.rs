//! Notes what clients ask and what they are answered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_register::{Entry, Key, OperationError, Version};

use crate::{Action, Clock, History, Operation, Outcome, Request};

/// Called with each operation when it ended, for a progress bar or a file; must not block.
pub type Observer = Arc<dyn Fn(&Operation) + Send + Sync>;

/// Records the operations of all clients of one run.
///
/// Time stamps never repeat: of two events the one that was recorded first has the smaller
/// one, also when the clock stood still between them, as a simulation's often does. So the
/// history says which of two operations came first whenever one ended before the other
/// began.
pub struct Recorder {
    clock: Arc<dyn Clock>,
    observer: Option<Observer>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last stamp given.
    last_ns: u64,
    begun: u64,
    in_flight: BTreeMap<u64, Operation>,
    ended: Vec<Operation>,
}

impl State {
    fn stamp(&mut self, clock: &dyn Clock) -> u64 {
        self.last_ns = clock.elapsed_ns().max(self.last_ns.saturating_add(1));
        self.last_ns
    }
}

impl Recorder {
    /// A recorder of an empty history that takes the time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            observer: None,
            state: Mutex::default(),
        }
    }

    /// Calls `observer` with each operation when it ended.
    pub fn with_observer(self, observer: Observer) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Records the start of a call, which the caller makes after this returns.
    pub fn begin(&self, client: u64, request: &Request) -> Recording<'_> {
        let mut state = self.state.lock();
        let start_ns = state.stamp(&*self.clock);
        let number = state.begun;
        state.begun += 1;
        let operation = Operation {
            client,
            key: request.key().clone(),
            action: request.action(),
            start_ns,
            end_ns: start_ns,
            outcome: Outcome::Unknown,
            version: None,
        };
        state.in_flight.insert(number, operation);
        Recording {
            recorder: self,
            number,
        }
    }

    /// Everything recorded so far. Calls in flight are in it with an unknown outcome that
    /// ends now: their effects may be in what others were answered.
    pub fn history(&self) -> History {
        let mut state = self.state.lock();
        let now_ns = state.stamp(&*self.clock);
        let unknown = |operation: &Operation| Operation {
            end_ns: now_ns,
            ..operation.clone()
        };
        let mut operations = state.ended.clone();
        operations.extend(state.in_flight.values().map(unknown));
        History { operations }
    }

    /// How many calls have not ended.
    pub fn in_flight(&self) -> usize {
        self.state.lock().in_flight.len()
    }

    fn end(&self, number: u64, conclude: impl FnOnce(&mut Operation)) {
        let mut state = self.state.lock();
        let end_ns = state.stamp(&*self.clock);
        let operation = state.in_flight.remove(&number);
        let mut operation = operation.expect("a recording ends once");
        operation.end_ns = end_ns;
        conclude(&mut operation);
        if let Some(observer) = &self.observer {
            state.ended.push(operation.clone());
            drop(state);
            observer(&operation);
        } else {
            state.ended.push(operation);
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Recorder")
            .field("ended", &state.ended.len())
            .field("in_flight", &state.in_flight.len())
            .finish_non_exhaustive()
    }
}

/// A call that is being made. Dropping it records an abandoned call, whose outcome is unknown.
#[derive(Debug)]
#[must_use = "dropping it records an abandoned call"]
pub struct Recording<'a> {
    recorder: &'a Recorder,
    number: u64,
}

impl Recording<'_> {
    /// Records what a get returned.
    pub fn got(self, result: &Result<Entry, OperationError>) {
        self.end(|operation| match result {
            Ok(entry) => {
                operation.action = Action::Get(entry.value.clone());
                operation.version = Some(entry.version);
                operation.outcome = Outcome::Ok;
            }
            Err(error) => operation.outcome = outcome_of(error),
        });
    }

    /// Records what a set or delete returned.
    pub fn wrote(self, result: &Result<Version, OperationError>) {
        self.end(|operation| match result {
            Ok(version) => {
                operation.version = Some(*version);
                operation.outcome = Outcome::Ok;
            }
            Err(error) => operation.outcome = outcome_of(error),
        });
    }

    fn end(self, conclude: impl FnOnce(&mut Operation)) {
        let (recorder, number) = (self.recorder, self.number);
        std::mem::forget(self);
        recorder.end(number, conclude);
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.recorder.end(self.number, |_| {});
    }
}

fn outcome_of(error: &OperationError) -> Outcome {
    if error.has_no_effect() {
        Outcome::Fail
    } else {
        Outcome::Unknown
    }
}

impl Request {
    /// What is recorded of it while it is in flight.
    fn action(&self) -> Action {
        match self {
            Self::Get(_) => Action::Get(None),
            Self::Set(_, value) => Action::Set(value.clone()),
            Self::Delete(_) => Action::Delete,
        }
    }

    /// Which register it asks.
    pub fn key(&self) -> &Key {
        match self {
            Self::Get(key) | Self::Set(key, _) | Self::Delete(key) => key,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use quorate_register::Reason;

    use super::*;

    struct StandingStill;

    impl Clock for StandingStill {
        fn elapsed_ns(&self) -> u64 {
            7
        }
    }

    fn set(value: &'static str) -> Request {
        Request::Set(Key::new("k").unwrap(), value.into())
    }

    fn get() -> Request {
        Request::Get(Key::new("k").unwrap())
    }

    #[test]
    fn outcomes_follow_from_what_was_returned() {
        let recorder = Recorder::new(Arc::new(StandingStill));
        recorder.begin(1, &set("a")).wrote(&Ok(Version::NEVER));
        let refused = OperationError::not_applied(Reason::Overloaded, "");
        recorder.begin(1, &set("b")).wrote(&Err(refused.clone()));
        let lost = OperationError::unknown(Reason::NoQuorum, "");
        recorder.begin(1, &set("c")).wrote(&Err(lost));
        drop(recorder.begin(1, &set("d")));
        recorder.begin(2, &get()).got(&Err(refused));
        let entry = Entry {
            value: Some("a".into()),
            version: Version::NEVER,
        };
        recorder.begin(2, &get()).got(&Ok(entry));
        let outcomes: Vec<_> = recorder
            .history()
            .operations
            .iter()
            .map(|o| o.outcome)
            .collect();
        use Outcome::{Fail, Ok as Done, Unknown};
        assert_eq!(outcomes, [Done, Fail, Unknown, Unknown, Fail, Done]);
        assert_eq!(
            recorder.history().operations[5].action,
            Action::Get(Some("a".into()))
        );
    }

    #[test]
    fn events_keep_their_order_while_the_clock_stands_still() {
        let recorder = Recorder::new(Arc::new(StandingStill));
        let first = recorder.begin(1, &set("a"));
        let second = recorder.begin(2, &get());
        first.wrote(&Ok(Version::NEVER));
        drop(second);
        drop(recorder.begin(1, &get()));
        let history = recorder.history();
        let times = history.operations.iter().map(|o| (o.start_ns, o.end_ns));
        assert_eq!(times.collect::<Vec<_>>(), [(7, 9), (8, 10), (11, 12)]);
    }

    #[test]
    fn calls_in_flight_are_in_the_history_as_unknown() {
        let recorder = Recorder::new(Arc::new(StandingStill));
        let recording = recorder.begin(1, &set("a"));
        let history = recorder.history();
        assert_eq!(history.operations[0].outcome, Outcome::Unknown);
        assert_eq!(recorder.in_flight(), 1);
        recording.wrote(&Ok(Version::NEVER));
        assert_eq!(recorder.history().operations[0].outcome, Outcome::Ok);
        assert_eq!(recorder.in_flight(), 0);
    }

    #[test]
    fn the_observer_sees_each_operation_once_it_ended() {
        let seen = Arc::new(AtomicU64::new(0));
        let counter = seen.clone();
        let observer: Observer = Arc::new(move |operation| {
            assert!(operation.end_ns > operation.start_ns);
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let recorder = Recorder::new(Arc::new(StandingStill)).with_observer(observer);
        let recording = recorder.begin(1, &set("a"));
        assert_eq!(seen.load(Ordering::Relaxed), 0);
        recording.wrote(&Ok(Version::NEVER));
        drop(recorder.begin(2, &get()));
        assert_eq!(seen.load(Ordering::Relaxed), 2);
    }
}
