//! Stopping without hurting anybody.
//!
//! A shutdown goes through phases. Each has a token, and each ends the one before it for
//! good, so they are children of one another: cancelling a later one cancels the earlier.
//!
//! 1. The first SIGTERM or SIGINT. *Draining*: health and readiness say no, so that load
//!    balancers go elsewhere. New connections are still served for
//!    [`delay`](ShutdownSettings::delay), since it takes a while until all of them know.
//! 2. *Stop accepting*: no new connections, no new calls. Those in flight have
//!    [`limit`](ShutdownSettings::limit) to finish.
//! 3. *Cancel*: what is left is cancelled, and the rest of the program (admin HTTP,
//!    background work) ends too, within [`cancel_limit`](ShutdownSettings::cancel_limit).
//!
//! A second signal ends the program at once, wherever it is.

mod ending;
mod phases;
mod settings;
mod signal;
#[cfg(test)]
mod tests;

pub use ending::Ending;
pub use phases::Shutdown;
pub use settings::{ShutdownArgs, ShutdownSettings};
pub use signal::{Signal, Signals, SystemSignals};
