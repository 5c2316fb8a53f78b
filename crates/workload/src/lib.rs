//! Workloads over any [`Register`](quorate_register::Register), and the judgement on what
//! it answered.
//!
//! [`run`] lets several clients make operations that a [`Workload`] describes; a
//! [`Recorder`] notes when each began and ended and what it returned. The [`History`] that
//! results is judged by [`check`]: *linearizable* (Herlihy, Wing 1990), or a [`Witness`]
//! that says in words which few operations contradict each other. The same recorder and
//! checker serve the simulation, processes on loopback and a real cluster: time comes from
//! a [`Clock`], randomness from a seed.
//!
//! ```
//! use quorate_workload::{History, Limits, Verdict, check};
//!
//! let lines = r#"
//!     {"client":1,"op":"set","key":"k","value":"a","start":0,"end":10,"outcome":"ok"}
//!     {"client":1,"op":"set","key":"k","value":"b","start":20,"end":30,"outcome":"ok"}
//!     {"client":2,"op":"get","key":"k","value":"a","start":40,"end":50,"outcome":"ok"}
//! "#;
//! let history = History::read_from(lines.as_bytes())?;
//! let report = check(&history, Limits::default());
//! assert!(matches!(report.verdict, Verdict::Violation(_)), "a stale read");
//! # Ok::<(), quorate_workload::HistoryError>(())
//! ```

mod checker;
mod clock;
mod generator;
pub mod history;
mod keys;
pub mod load;
mod recorder;
mod runner;
mod versions;
mod workload;

pub use checker::{Anomaly, Limits, Report, Undecided, Verdict, Witness, check};
pub use clock::{Clock, TokioClock};
pub use generator::{Generator, Generators, Request};
pub use history::{Action, Counts, History, HistoryError, Operation, Outcome, Summary};
pub use keys::KeyDistribution;
pub use recorder::{Observer, Recorder, Recording};
pub use runner::{Abandon, Client, InvalidOptions, Options, run};
pub use versions::{VersionsOutOfOrder, check_versions};
pub use workload::{InvalidWorkload, Mix, Workload};
