//! The simulated network: messages that are late, lost, doubled and overtaken.
//!
//! A [`Link`] leads from one caller to one [`Host`]. Each request is a task of its own that
//! outlives its caller, as a message does: whoever stops waiting for it may or may not stop
//! the other end. Nothing here knows the protocol.

mod conditions;
mod link;
mod message;

pub(crate) use conditions::{Conditions, Direction, Route};
pub(crate) use link::{Link, Reply};

use std::fmt;
use std::future::Future;

/// Something that requests are sent to.
pub(crate) trait Host: Send + Sync + 'static {
    /// What it is asked.
    type Request: fmt::Display + Clone + Send + Sync + 'static;
    /// What it answers.
    type Answer: fmt::Display + Send + 'static;

    /// Carries a request out. Dropping the future is what a cancelled stream does there.
    fn serve(&self, request: Self::Request) -> impl Future<Output = Served<Self::Answer>> + Send;
}

/// What became of a request at its host.
pub(crate) enum Served<A> {
    /// It was carried out, or refused by the program.
    Answered(A),
    /// No process was there; nothing was carried out.
    Refused,
    /// The process ended before it answered; the request may have been carried out.
    Died,
}

#[cfg(test)]
mod tests;
