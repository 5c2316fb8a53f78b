//! Load: operations as fast as they are answered, or at a fixed rate, and what they took.
//!
//! Unlike [`run`](crate::run) it keeps no history, only latencies: it is for measuring how
//! fast a register is, not whether it is right. One generator serves every kind of register,
//! so that what is measured side by side was asked the same.

mod closed_loop;
mod completions;
mod fill;
mod measurement;
mod open_loop;
mod plan;
mod processors;
mod running;
mod schedule;
mod stage;
mod tally;

pub use completions::Completions;
pub use fill::fill;
pub use measurement::Measurement;
pub use plan::{Plan, keys, value};
pub use processors::{NoSuchProcess, ProcessorTime, Processors};
pub use running::Load;
pub use schedule::Schedule;
pub use tally::{ErrorKind, Tally};
