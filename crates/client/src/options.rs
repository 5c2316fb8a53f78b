//! How a client behaves.

use std::sync::Arc;
use std::time::Duration;

use quorate_proto::deadline::DEFAULT_TIMEOUT;
use quorate_proto::transport::{ChannelOptions, InvalidAddress};
use quorate_register::Entropy;

/// The most endpoints of one client.
pub const MAX_ENDPOINTS: usize = 64;

/// How a client behaves; the default is right for most programs.
#[derive(Clone)]
pub struct ClientOptions {
    /// The time of a call that has none of its own: 10 seconds. A coordinator gives no call
    /// more than a minute.
    pub timeout: Duration,
    /// How often a call is tried at most, the first time included: 32. With 1 nothing is
    /// ever retried.
    pub max_attempts: u32,
    /// Whether a call goes on while no endpoint can be reached, a Get until its deadline, a
    /// Set or Delete for half of its time: yes. If not, it fails once it knows that none can.
    pub wait_for_ready: bool,
    /// The number of the endpoint to begin with; a random one if `None`, so that many
    /// clients spread over all.
    pub first_endpoint: Option<usize>,
    /// Whether operations travel many to a message on one stream per endpoint, instead of a
    /// gRPC call each: no. It takes a fraction of the processor time where very many are in
    /// flight, and hides them from whatever counts or routes calls on the way.
    pub exchange: bool,
    /// Time limits of connections.
    pub channel: ChannelOptions,
    /// Where randomness comes from: the operating system's, unless a test brings its own.
    pub entropy: Arc<dyn Entropy>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            timeout: DEFAULT_TIMEOUT,
            max_attempts: 32,
            wait_for_ready: true,
            first_endpoint: None,
            exchange: false,
            channel: ChannelOptions::default(),
            entropy: Arc::new(ThreadEntropy),
        }
    }
}

impl std::fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientOptions")
            .field("timeout", &self.timeout)
            .field("max_attempts", &self.max_attempts)
            .field("wait_for_ready", &self.wait_for_ready)
            .field("first_endpoint", &self.first_endpoint)
            .field("exchange", &self.exchange)
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// Endpoints of which no client can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoints {
    /// There is none.
    #[error("no endpoint is given")]
    None,
    /// There are more than [`MAX_ENDPOINTS`].
    #[error("{0} endpoints are given; a client has up to {MAX_ENDPOINTS}")]
    TooMany(usize),
    /// One of them is no address.
    #[error("not an endpoint: {0}")]
    Address(#[from] InvalidAddress),
}

/// The generator that each thread has, seeded by the operating system. It draws delays and
/// the first endpoint, nothing that must never repeat.
#[derive(Debug)]
struct ThreadEntropy;

impl Entropy for ThreadEntropy {
    fn bits(&self) -> u128 {
        rand::random()
    }
}
