//! The flags that say which store, and the client for it.

use std::time::Duration;

use quorate_client::{Client, ClientOptions, InvalidEndpoints};
use quorate_runtime::args::duration;

use crate::Failure;

/// Which coordinators to ask, and how long to wait for them.
#[derive(Debug, Clone, clap::Args)]
pub struct ConnectionArgs {
    /// A coordinator, host:port, also with http:// before it. Repeat the flag, or separate
    /// by commas, to name several: the first that can be reached is asked, beginning with a
    /// random one.
    #[arg(
        long,
        short,
        env = "QUORATE_ENDPOINT",
        value_name = "ENDPOINT",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:7400",
        value_parser = endpoint
    )]
    pub endpoint: Vec<String>,

    /// How long an operation may take, at most a minute at the coordinator.
    #[arg(
        long,
        short,
        env = "QUORATE_TIMEOUT",
        value_name = "DURATION",
        default_value = "10s",
        value_parser = duration
    )]
    pub timeout: Duration,

    /// Send operations many to a message on one stream, as programs do that make very many,
    /// instead of by a call each.
    #[arg(long, env = "QUORATE_EXCHANGE")]
    pub exchange: bool,
}

fn endpoint(text: &str) -> Result<String, String> {
    match Client::new([text]) {
        Ok(_) => Ok(text.to_owned()),
        Err(InvalidEndpoints::Address(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

impl ConnectionArgs {
    /// A client that gives up once it knows that no endpoint can be reached: a person waits.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.client_with(ClientOptions {
            wait_for_ready: false,
            ..ClientOptions::default()
        })
    }

    /// A client with options, but for the timeout.
    pub(crate) fn client_with(&self, options: ClientOptions) -> Result<Client, Failure> {
        let options = ClientOptions {
            timeout: self.timeout,
            exchange: self.exchange,
            ..options
        };
        Client::with_options(&self.endpoint, options)
            .map_err(|error| Failure::Usage(error.to_string()))
    }

    /// A client of one of the endpoints only.
    pub(crate) fn client_of(&self, endpoint: &str) -> Result<Client, Failure> {
        let one = Self {
            endpoint: vec![endpoint.to_owned()],
            ..self.clone()
        };
        one.client()
    }
}
