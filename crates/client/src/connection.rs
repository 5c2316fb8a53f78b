//! One endpoint and the connection to it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use parking_lot::Mutex;
use quorate_proto::RemoteRegister;
use quorate_proto::transport::{ChannelOptions, InvalidAddress, TcpConnector, endpoint};
use quorate_register::{OperationError, Reason};
use tokio::time::{Instant, timeout_at};
use tower::Service;

use crate::failure;

/// How often one attempt uses a connection: one that was there before may have broken while
/// nobody looked, and a fresh one is made then.
const CONNECTIONS_PER_ATTEMPT: usize = 2;

/// Where a coordinator is, and the connection to it, if there is one.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// As the user wrote it, without `http://`.
    address: String,
    endpoint: tonic::transport::Endpoint,
    options: ChannelOptions,
    /// Whether operations travel on an exchange.
    exchange: bool,
    state: Mutex<State>,
    /// Held by the call that connects. All others that need the connection wait for it.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    /// How many connections were made.
    made: u64,
    /// When the last try to connect failed, and why.
    failure: Option<(Instant, String)>,
}

#[derive(Debug, Clone)]
struct Connection {
    register: RemoteRegister,
    /// Counts from 1.
    number: u64,
}

impl Endpoint {
    pub(crate) fn new(
        address: &str,
        options: ChannelOptions,
        exchange: bool,
    ) -> Result<Self, InvalidAddress> {
        let endpoint = endpoint(address, &options)?;
        let authority = endpoint.uri().authority();
        Ok(Self {
            address: authority.map_or(address, |it| it.as_str()).to_owned(),
            endpoint,
            options,
            exchange,
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        })
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Makes one call, given its timeout, on the connection or a new one.
    pub(crate) async fn call<A, F>(
        &self,
        deadline: Instant,
        operation: impl Fn(RemoteRegister, Duration) -> F,
    ) -> Result<A, OperationError>
    where
        F: Future<Output = Result<A, OperationError>>,
    {
        let made_before = self.state.lock().made;
        let mut connections = 1;
        loop {
            let connection = match timeout_at(deadline, self.connection()).await {
                Ok(connection) => connection?,
                Err(_) => return Err(unconnected("no connection in time")),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // What is not sent is certain to have no effect.
                return Err(unconnected("no time was left"));
            }
            let error = match operation(connection.register, whole_milliseconds(left)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.reason != Reason::Unreachable {
                return Err(error);
            }
            self.drop_connection(connection.number);
            let was_there = connection.number <= made_before;
            let again = was_there && error.has_no_effect();
            if !again || connections == CONNECTIONS_PER_ATTEMPT {
                return Err(error);
            }
            connections += 1;
        }
    }

    /// The connection; made by one call for all that wait, which share its failure too.
    async fn connection(&self) -> Result<Connection, OperationError> {
        let began = Instant::now();
        if let Some(connection) = self.state.lock().connection.clone() {
            return Ok(connection);
        }
        let _connecting = self.connecting.lock().await;
        {
            let state = self.state.lock();
            if let Some(connection) = state.connection.clone() {
                return Ok(connection);
            }
            if let Some((at, problem)) = &state.failure
                && *at > began
            {
                return Err(unconnected(problem));
            }
        }
        let connector = OnceConnector(Some(TcpConnector::new(&self.options)));
        let connected = self.endpoint.connect_with_connector(connector).await;
        let mut state = self.state.lock();
        match connected {
            Ok(channel) => {
                state.made += 1;
                let connection = Connection {
                    register: match self.exchange {
                        true => RemoteRegister::exchanging(channel),
                        false => RemoteRegister::new(channel),
                    },
                    number: state.made,
                };
                state.connection = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                let problem = failure::of_connecting(&error, self.options.connect_timeout);
                state.failure = Some((Instant::now(), problem.clone()));
                Err(unconnected(problem))
            }
        }
    }

    /// Forgets a connection that broke, unless there is a newer one.
    fn drop_connection(&self, number: u64) {
        let mut state = self.state.lock();
        if state
            .connection
            .as_ref()
            .is_some_and(|it| it.number == number)
        {
            state.connection = None;
        }
    }
}

/// A time that reads well in an error's text; very short ones keep what they have.
fn whole_milliseconds(duration: Duration) -> Duration {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match milliseconds {
        0..10 => duration,
        milliseconds => Duration::from_millis(milliseconds),
    }
}

fn unconnected(problem: impl Into<String>) -> OperationError {
    OperationError::not_applied(Reason::Unreachable, problem)
}

/// Connects once. A channel whose connection broke would otherwise connect again for each
/// call that waits in it, one after the other, each with the whole time limit.
struct OnceConnector(Option<TcpConnector>);

impl Service<Uri> for OnceConnector {
    type Response = <TcpConnector as Service<Uri>>::Response;
    type Error = <TcpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match &mut self.0 {
            Some(connector) => connector.poll_ready(context),
            None => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self.0.take() {
            Some(mut connector) => connector.call(uri),
            None => Box::pin(async {
                let lost = io::Error::new(io::ErrorKind::NotConnected, "the connection broke");
                Err(lost.into())
            }),
        }
    }
}
