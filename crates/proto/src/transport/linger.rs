//! Closes a connection so that its last words arrive.
//!
//! A socket that is closed while the other end still sends resets the connection, and the other
//! end then may never read what it was told last: that the connection ends, and which calls were
//! not looked at. So what comes is discarded until the other end closes too, as RFC 9112, 9.6,
//! describes it for HTTP/1.1.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::channel::CONNECTION_WINDOW_BYTES;

/// The rest of a connection after its end for writing was closed.
#[derive(Debug)]
pub(super) struct Linger {
    /// How many bytes are discarded at most: those that the connection's window let the client send.
    bytes_left: usize,
    timeout: Pin<Box<Sleep>>,
}

impl Linger {
    /// Of a connection whose end for writing was closed now.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            bytes_left: CONNECTION_WINDOW_BYTES as usize,
            timeout: Box::pin(tokio::time::sleep(timeout)),
        }
    }

    /// Discards what comes; ready when the other end closed, or was given enough time.
    pub(super) fn poll_over(
        &mut self,
        stream: &mut TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        if self.timeout.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut room = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut room);
            let result = ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer));
            let discarded = buffer.filled().len();
            if result.is_err() || discarded == 0 || discarded > self.bytes_left {
                return Poll::Ready(());
            }
            self.bytes_left -= discarded;
        }
    }
}
