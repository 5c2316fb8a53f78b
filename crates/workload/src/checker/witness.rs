//! Says in words why there is no order.

use std::fmt;

use quorate_register::Key;

use super::interval::Interval;
use super::shrink::Proof;
use super::zones::{Anomalous, Side};
use crate::{Action, Operation, Outcome};

/// What kind of contradiction a [`Witness`] shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anomaly {
    /// A get returned a value that nobody wrote.
    NeverWritten,
    /// A get returned the value of a set that failed, which says it has no effect.
    FailedWriteRead,
    /// A get returned a value before the set of it began.
    NotYetWritten,
    /// A value, or the absence of one, was there again after another had replaced it: stale
    /// reads, lost updates, reads that go back in time, deletes undone.
    CameBack,
    /// Anything else: every order of the operations contradicts one of them.
    NoOrder,
}

/// A few operations on one key that contradict each other, and why; prints as text of
/// several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The key.
    pub key: Key,
    /// What kind of contradiction it is.
    pub anomaly: Anomaly,
    /// The operations, in order of their start. Without the rest of the history they are
    /// impossible as well, so that nothing else need be looked at.
    pub operations: Vec<Operation>,
    /// One sentence that says what is wrong.
    pub summary: String,
    /// The reasons, a sentence each.
    pub reasons: Vec<String>,
}

impl Witness {
    /// The proof in words; its intervals carry indices into `operations`, all of the key.
    pub(super) fn new(key: &Key, operations: &[&Operation], proof: Proof) -> Self {
        let involved = |interval: &Interval| operations[interval.index].clone();
        let involved: Vec<Operation> = proof.intervals.iter().map(involved).collect();
        let text = match proof.anomalous {
            None => no_order(involved),
            Some(Anomalous::NeverWritten { read }) => never_written(operations, &involved[read]),
            Some(Anomalous::NotYetWritten { read, write }) => {
                let (read, write) = (&involved[read], &involved[write]);
                Text {
                    anomaly: Anomaly::NotYetWritten,
                    summary: format!("{} before it was written", got(read)),
                    reasons: vec![before(read, write)],
                    operations: vec![read.clone(), write.clone()],
                }
            }
            Some(Anomalous::Contradiction { left, right }) => came_back(involved, &left, &right),
        };
        Self {
            key: key.clone(),
            anomaly: text.anomaly,
            operations: text.operations,
            summary: text.summary,
            reasons: text.reasons,
        }
    }
}

/// A witness without its key.
struct Text {
    anomaly: Anomaly,
    operations: Vec<Operation>,
    summary: String,
    reasons: Vec<String>,
}

fn no_order(operations: Vec<Operation>) -> Text {
    let unknown = operations
        .iter()
        .any(|operation| operation.outcome == Outcome::Unknown);
    let leave = "each may be taken out only with the contradiction";
    let mut reasons = vec![format!(
        "every order that respects their times fails; {leave}"
    )];
    if unknown {
        let free = "those with an unknown outcome may take effect at any time after their start";
        reasons.push(format!("{free}, or never: that does not help"));
    }
    Text {
        anomaly: Anomaly::NoOrder,
        summary: format!(
            "no order explains what these {} operations returned",
            operations.len()
        ),
        operations,
        reasons,
    }
}

fn never_written(operations: &[&Operation], read: &Operation) -> Text {
    let wrote_it =
        |other: &&&Operation| other.action.writes() && other.action.value() == read.action.value();
    match operations.iter().find(wrote_it) {
        Some(&failed) => Text {
            anomaly: Anomaly::FailedWriteRead,
            summary: format!("{}, whose only set had failed", got(read)),
            reasons: vec![format!(
                "{} returned that it never takes effect",
                call(failed)
            )],
            operations: vec![failed.clone(), read.clone()],
        },
        None => Text {
            anomaly: Anomaly::NeverWritten,
            summary: format!("{}, which nobody wrote", got(read)),
            reasons: vec!["no set of this value is in the history".into()],
            operations: vec![read.clone()],
        },
    }
}

fn came_back(operations: Vec<Operation>, left: &Side, right: &Side) -> Text {
    if let (None, Some(ended)) = (left.write, right.first_end) {
        // The absence at first needs no words: only that it was there again.
        let (read, ended) = (&operations[left.last_start], &operations[ended]);
        let value = ended
            .action
            .value()
            .map_or_else(String::new, |value| quoted(value));
        return Text {
            anomaly: Anomaly::CameBack,
            summary: format!("{} although {value} was there before", got(read)),
            reasons: vec![
                before(ended, read),
                "no delete can have taken effect in between".into(),
            ],
            operations,
        };
    }
    let name = |side: &Side| {
        let write = side
            .write
            .expect("a cluster without a write is the absence at first");
        match &operations[write].action {
            Action::Set(value) => quoted(value),
            _ => call(&operations[write]),
        }
    };
    let order = |first: &Side, second: &Side| {
        let (earlier, later) = (name(first), name(second));
        let ended = first
            .first_end
            .expect("only the absence at first begins before all times");
        let reason = before(&operations[ended], &operations[second.last_start]);
        format!("{earlier} came before {later}: {reason}")
    };
    // The left side is the one that lasted, before and after the other.
    let (framing, framed) = (name(left), name(right));
    let why = format!("nothing can have written {framing} again in between");
    Text {
        anomaly: Anomaly::CameBack,
        summary: format!("{framing} was there both before and after {framed}"),
        reasons: vec![order(left, right), order(right, left), why],
        operations,
    }
}

/// Why one operation stands before another.
fn before(earlier: &Operation, later: &Operation) -> String {
    let (end, start) = (milliseconds(earlier.end_ns), milliseconds(later.start_ns));
    format!(
        "{} ended at {end}, before {} began at {start}",
        call(earlier),
        call(later)
    )
}

/// Who was answered what.
fn got(read: &Operation) -> String {
    let value = read
        .action
        .value()
        .map_or_else(|| "nothing".into(), |value| quoted(value));
    format!("client {} got {value}", read.client)
}

/// Who called what, and what was returned.
fn call(operation: &Operation) -> String {
    format!(
        "client {}'s {}",
        operation.client,
        action(&operation.action)
    )
}

fn action(action: &Action) -> String {
    match action {
        Action::Get(Some(value)) => format!("get of {}", quoted(value)),
        Action::Get(None) => "get of nothing".into(),
        Action::Set(value) => format!("set of {}", quoted(value)),
        Action::Delete => "delete".into(),
    }
}

/// A time to the nanosecond, as people read it.
fn milliseconds(ns: u64) -> String {
    format!("{}.{:06} ms", ns / 1_000_000, ns % 1_000_000)
}

/// Bytes as a text in quotes, or as hexadecimal digits; cut where they are long.
pub(super) fn quoted(bytes: &[u8]) -> String {
    const SHOWN: usize = 40;
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().count() <= SHOWN => format!("{text:?}"),
        Ok(text) => {
            let shown: String = text.chars().take(SHOWN).collect();
            format!("{shown:?}… ({} bytes)", bytes.len())
        }
        Err(_) => {
            let shown = bytes
                .iter()
                .take(SHOWN / 2)
                .map(|byte| format!("{byte:02x}"));
            let more = if bytes.len() > SHOWN / 2 { "…" } else { "" };
            format!(
                "0x{}{more} ({} bytes)",
                shown.collect::<String>(),
                bytes.len()
            )
        }
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "key {}: {}", quoted(self.key.bytes()), self.summary)?;
        for operation in &self.operations {
            write!(
                f,
                "  client {}: {}, {} to {}",
                operation.client,
                action(&operation.action),
                milliseconds(operation.start_ns),
                milliseconds(operation.end_ns),
            )?;
            match operation.outcome {
                Outcome::Ok => writeln!(f)?,
                Outcome::Fail => writeln!(f, ", failed")?,
                Outcome::Unknown => writeln!(f, ", outcome unknown")?,
            }
        }
        write!(f, "  because {}", self.reasons.join(";\n          "))
    }
}
