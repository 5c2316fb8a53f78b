//! What asks a program to end.

use std::fmt;
use std::future::Future;
use std::io;

use tokio::signal::unix::{self, SignalKind};

/// A request to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: a person pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: Kubernetes, or another supervisor, stops the program.
    Terminate,
}

impl Signal {
    /// Its number, the same on every Unix.
    pub const fn number(self) -> u8 {
        match self {
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Where requests to end come from: [`SystemSignals`], or a test.
pub trait Signals: Send {
    /// Waits for the next request. Dropping the future loses none.
    fn receive(&mut self) -> impl Future<Output = Signal> + Send;
}

/// SIGINT and SIGTERM of this process.
#[derive(Debug)]
pub struct SystemSignals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl SystemSignals {
    /// From here on, and to the end of the process, the signals no longer end it by
    /// themselves. Call it early: the first process of a container ignores them before.
    ///
    /// # Errors
    /// The operating system refused. Panics outside of a tokio runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }
}

impl Signals for SystemSignals {
    async fn receive(&mut self) -> Signal {
        tokio::select! {
            biased;
            Some(()) = self.terminate.recv() => Signal::Terminate,
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            // Both streams ended with the runtime: no signal will ever come.
            else => std::future::pending().await,
        }
    }
}
