//! Connections that grow old.
//!
//! A client keeps an HTTP/2 connection for as long as it can, and with it the one server behind
//! it: one that was started later would never be asked anything. So a connection may have an age
//! at which the server asks for another, by GOAWAY.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

/// Exchanges end this much later than GOAWAY is sent, so that a client that opens another has
/// heard of it, and takes another connection.
const EXCHANGES_LATER: Duration = Duration::from_millis(100);

/// Ages lie up to this part of the limit below or above it, in steps of a quarter of that.
const SPREAD: u32 = 10;

/// When a server asks for another connection.
///
/// Connections in turn have ages up to a tenth less or more, so that clients that came at the same
/// moment, when another server ended, do not go at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionAge {
    /// The age at which GOAWAY is sent: what was called before goes on, and further calls take
    /// another connection.
    pub limit: Duration,
    /// How long what was called before may then take until the connection is cut.
    pub grace: Duration,
}

impl ConnectionAge {
    /// The ages that connections have in turn.
    pub(super) fn spread(self) -> impl Iterator<Item = Self> {
        let parts = 4 * SPREAD;
        (parts - 4..=parts + 4).map(move |part| Self {
            limit: self.limit.mul_f64(f64::from(part) / f64::from(parts)),
            grace: self.grace,
        })
    }
}

/// Ends when a connection is to have no more exchanges. The calls of a connection have it among
/// their extensions.
#[derive(Debug, Clone, Default)]
pub struct Retired(pub CancellationToken);

/// The age of one connection.
///
/// tonic sends the GOAWAY (`max_connection_age`). Its `max_connection_age_grace` is not used: with
/// it, version 0.14.9 sends none, and only cuts the connection when both times are over.
#[derive(Debug)]
pub(super) struct Aging {
    retired: Retired,
    /// Until exchanges are told, and then until the connection is cut.
    next: Pin<Box<Sleep>>,
    cut_at: Instant,
}

impl Aging {
    /// Of a connection that was accepted now.
    pub(super) fn new(age: ConnectionAge, retired: Retired) -> Self {
        let told = age.limit + EXCHANGES_LATER;
        Self {
            retired,
            next: Box::pin(tokio::time::sleep(told)),
            cut_at: Instant::now() + told.max(age.limit + age.grace),
        }
    }

    /// Tells exchanges when it is time; ready when the connection is to be cut.
    pub(super) fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.retired.0.is_cancelled() {
            ready!(self.next.as_mut().poll(context));
            self.retired.0.cancel();
            self.next.as_mut().reset(self.cut_at);
        }
        self.next.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_lie_around_the_limit() {
        let age = ConnectionAge {
            limit: Duration::from_secs(100),
            grace: Duration::from_secs(7),
        };
        let ages: Vec<_> = age.spread().collect();
        let seconds: Vec<_> = ages.iter().map(|age| age.limit.as_secs_f64()).collect();
        let expected = [90.0, 92.5, 95.0, 97.5, 100.0, 102.5, 105.0, 107.5, 110.0];
        assert_eq!(seconds, expected);
        assert!(ages.iter().all(|it| it.grace == age.grace));
    }
}
