//! How long each phase of a shutdown may take.

use std::time::Duration;

use crate::args::duration;

/// What is left when the calls in flight were cancelled has this long to end.
const CANCEL_LIMIT: Duration = Duration::from_secs(2);

/// How long each phase of a shutdown may take. Their sum is what a supervisor must wait
/// before it kills: less than `terminationGracePeriodSeconds` in Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownSettings {
    /// How long new connections are still served while health says not-serving.
    pub delay: Duration,
    /// How long calls in flight then have to finish.
    pub limit: Duration,
    /// How long everything then has to end once it was cancelled.
    pub cancel_limit: Duration,
}

impl ShutdownSettings {
    /// For a program in somebody's terminal, which no load balancer sends anything to:
    /// Ctrl-C ends it within a second whatever is in flight.
    pub const fn interactive() -> Self {
        Self {
            delay: Duration::ZERO,
            limit: Duration::from_millis(400),
            cancel_limit: Duration::from_millis(400),
        }
    }
}

/// The flags of a shutdown. By default it takes at most 27 s, of the 30 s that Kubernetes
/// waits by default.
#[derive(Debug, Clone, clap::Args)]
pub struct ShutdownArgs {
    /// How long new connections are still served after the signal to end, while health
    /// already says not-serving.
    #[arg(long, env = "QUORATE_SHUTDOWN_DELAY", value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub shutdown_delay: Duration,

    /// How long calls in flight may then take to finish before they are cancelled.
    #[arg(long, env = "QUORATE_SHUTDOWN_LIMIT", value_name = "DURATION", value_parser = duration, default_value = "20s")]
    pub shutdown_limit: Duration,
}

impl ShutdownArgs {
    /// The settings these flags ask for.
    pub const fn settings(&self) -> ShutdownSettings {
        ShutdownSettings {
            delay: self.shutdown_delay,
            limit: self.shutdown_limit,
            cancel_limit: CANCEL_LIMIT,
        }
    }
}
