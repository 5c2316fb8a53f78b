//! An accepted connection, as a server sees it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

use super::age::{Aging, ConnectionAge, Retired};
use super::connections::Place;
use super::linger::Linger;

/// The length of the words with which every HTTP/2 client begins (RFC 9113, 3.4).
const PREFACE_BYTES: usize = 24;

/// A TCP connection that counts against the limit of its
/// [`Incoming`](super::Incoming) while it exists.
///
/// Reading from it fails once it is cut or too old, or when its client does not begin to speak
/// HTTP/2 in time: keep-alive only watches those that did. Its end waits for that of the client,
/// for a while, so that the last words arrive.
#[derive(Debug)]
pub struct Accepted {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    retired: Retired,
    aging: Option<Aging>,
    /// Until the client began to speak: how many bytes are missing, and the time it has.
    preface: Option<(usize, Pin<Box<Sleep>>)>,
    /// How long its client has for its last words, and a new one for its first.
    timeout: Duration,
    /// Once the end for writing is closed.
    linger: Option<Linger>,
    _permit: OwnedSemaphorePermit,
}

impl Accepted {
    pub(super) fn new(stream: TcpStream, place: Place, timeout: Duration) -> Self {
        Self {
            stream,
            cut: Box::pin(place.cut),
            retired: Retired::default(),
            aging: None,
            preface: Some((PREFACE_BYTES, Box::pin(tokio::time::sleep(timeout)))),
            timeout,
            linger: None,
            _permit: place.permit,
        }
    }

    /// Gives it an age, counted from now.
    pub(super) fn aging(mut self, age: Option<ConnectionAge>) -> Self {
        self.aging = age.map(|age| Aging::new(age, self.retired.clone()));
        self
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if let Some(aging) = &mut self.aging
            && aging.poll_cut(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some((missing, timeout)) = &mut self.preface else {
            return polled;
        };
        match polled {
            Poll::Ready(Ok(())) => {
                *missing = missing.saturating_sub(buffer.filled().len() - before);
                if *missing == 0 {
                    self.preface = None;
                }
            }
            Poll::Pending if timeout.as_mut().poll(context).is_ready() => {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            _ => {}
        }
        polled
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        if connection.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if connection.linger.is_none() {
            ready!(Pin::new(&mut connection.stream).poll_shutdown(context))?;
        }
        let timeout = connection.timeout;
        let linger = connection
            .linger
            .get_or_insert_with(|| Linger::new(timeout));
        linger.poll_over(&mut connection.stream, context).map(Ok)
    }
}

impl Connected for Accepted {
    type ConnectInfo = Retired;

    fn connect_info(&self) -> Retired {
        self.retired.clone()
    }
}
