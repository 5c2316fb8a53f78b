//! Everything that happens in a run, in order, as text.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_register::{Key, Timestamp};
use tokio::time::Instant;

/// The events of one run. Clones are the same trace.
///
/// It serves three: two runs of one seed are compared by it byte for byte, a person reads it
/// to understand a failure, and counts by kind show that a run was not vacuous.
#[derive(Clone)]
pub(crate) struct Trace {
    began: Instant,
    events: Arc<Mutex<Events>>,
}

#[derive(Default)]
struct Events {
    text: String,
    counts: BTreeMap<&'static str, u64>,
}

impl Trace {
    /// An empty trace whose time is zero now.
    pub(crate) fn start() -> Self {
        Self {
            began: Instant::now(),
            events: Arc::default(),
        }
    }

    /// An event of this kind; the kind is counted and not printed.
    pub(crate) fn event(&self, kind: &'static str, text: fmt::Arguments<'_>) {
        // On turmoil's machines each has a clock of its own, and the simulation the common one.
        let at = turmoil::sim_elapsed().unwrap_or_else(|| self.began.elapsed());
        self.event_at(at, kind, text);
    }

    /// The same, at this time since the beginning.
    pub(crate) fn event_at(&self, at: Duration, kind: &'static str, text: fmt::Arguments<'_>) {
        let mut events = self.events.lock();
        let (milliseconds, rest) = (at.as_millis(), at.subsec_nanos() % 1_000_000);
        // Timers fire at whole milliseconds; anything else would be a surprise worth seeing.
        let written = match rest {
            0 => writeln!(events.text, "{milliseconds:>7} ms  {text}"),
            _ => writeln!(events.text, "{milliseconds:>7}.{rest:06} ms  {text}"),
        };
        written.expect("a String takes everything");
        *events.counts.entry(kind).or_default() += 1;
    }

    /// The text so far.
    pub(crate) fn text(&self) -> String {
        self.events.lock().text.clone()
    }

    /// How often each kind of event happened.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.events.lock().counts.clone()
    }
}

/// A key as the trace prints it.
pub(crate) fn shown_key(key: &Key) -> impl fmt::Display {
    String::from_utf8_lossy(key.bytes()).into_owned()
}

/// A timestamp as the trace prints it: the counter and the first digits of the op id, which
/// suffice to tell the writes of one run apart.
pub(crate) struct Short(pub(crate) Timestamp);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Timestamp::ZERO {
            return f.write_str("never");
        }
        let op_id = u128::from_be_bytes(self.0.op_id.to_bytes());
        write!(f, "{}-{:06x}", self.0.counter, op_id >> 104)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn events_have_their_time_and_are_counted() {
        let trace = Trace::start();
        trace.event("first", format_args!("one"));
        tokio::time::sleep(Duration::from_millis(1500)).await;
        trace.event("second", format_args!("two"));
        trace.event("second", format_args!("three"));
        let expected = "      0 ms  one\n   1500 ms  two\n   1500 ms  three\n";
        assert_eq!(trace.text(), expected);
        assert_eq!(trace.counts()["second"], 2);
    }
}
