//! Accepts connections, within a limit.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

use super::{Accepted, Connections, ServerOptions, turn_away};

/// How long accepting pauses when the system has no descriptors or memory left for it.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// How many connections are turned away at once; more are just closed.
const MAX_TURNED_AWAY: usize = 64;

/// How many connections are accepted in one go, before other tasks have their turn.
const MAX_ACCEPTED_AT_ONCE: usize = 64;

/// The connections of some listeners, for
/// [`serve_with_incoming`](tonic::transport::server::Router::serve_with_incoming).
///
/// At most [`ServerOptions::max_connections`] are open at once; one more is answered with an
/// HTTP/2 GOAWAY that says so, ENHANCE_YOUR_CALM, which clients report as RESOURCE_EXHAUSTED
/// or UNAVAILABLE. TCP_NODELAY is on for each, or it is closed.
#[derive(Debug)]
pub struct Incoming {
    listeners: Vec<TcpListener>,
    options: ServerOptions,
    connections: Connections,
    turned_away: FuturesUnordered<BoxFuture<'static, ()>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    /// The connections that these listeners accept.
    pub fn new(listeners: Vec<TcpListener>, options: &ServerOptions) -> Self {
        Self {
            listeners,
            options: *options,
            connections: Connections::new(options.max_connections),
            turned_away: FuturesUnordered::new(),
            pause: None,
        }
    }

    /// The addresses listened on.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// The open connections.
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// The next connection of any listener; each is asked.
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        // The one that was served last comes last, so that none starves.
        for index in 0..self.listeners.len() {
            if let Poll::Ready(result) = self.listeners[index].poll_accept(context) {
                self.listeners.rotate_left(index + 1);
                return Poll::Ready(result.map(|(stream, _)| stream));
            }
        }
        Poll::Pending
    }

    /// The next connection there is room for.
    fn poll_admitted(&mut self, context: &mut Context<'_>) -> Poll<Accepted> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        for _ in 0..MAX_ACCEPTED_AT_ONCE {
            match ready!(self.poll_accept(context)) {
                Ok(stream) => {
                    if let Some(accepted) = self.admit(stream) {
                        return Poll::Ready(accepted);
                    }
                }
                Err(error) if of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections; pausing");
                    self.pause = Some(Box::pin(tokio::time::sleep(EXHAUSTED_PAUSE)));
                    break;
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Prepares a connection; `None` for one that is turned away or broke already.
    fn admit(&mut self, stream: TcpStream) -> Option<Accepted> {
        if let Err(error) = prepare(&stream, &self.options) {
            tracing::debug!(%error, "closed a connection whose options could not be set");
            return None;
        }
        if let Some(place) = self.connections.take_place() {
            let timeout = self.options.keep_alive_timeout;
            return Some(Accepted::new(stream, place, timeout));
        }
        if self.turned_away.len() < MAX_TURNED_AWAY {
            let limit = self.connections.limit();
            self.turned_away
                .push(Box::pin(turn_away::turn_away(stream, limit)));
        }
        None
    }
}

fn prepare(stream: &TcpStream, options: &ServerOptions) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if !stream.nodelay()? {
        return Err(io::Error::other("TCP_NODELAY cannot be turned on"));
    }
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    SockRef::from(stream).set_tcp_user_timeout(Some(options.user_timeout))?;
    Ok(())
}

/// Whether an accept failed for that connection only, which was gone before it was accepted.
fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// Never ends, and never yields an error.
impl Stream for Incoming {
    type Item = io::Result<Accepted>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.poll_admitted(context);
        // Only now, since those that were just turned away must be polled for the first time.
        while let Poll::Ready(Some(())) = Pin::new(&mut self.turned_away).poll_next(context) {}
        polled.map(|accepted| Some(Ok(accepted)))
    }
}
