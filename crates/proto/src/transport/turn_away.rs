//! Tells a client that there are too many connections, in its own language.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::linger::Linger;

/// How long it may take to tell one.
const TIMEOUT: Duration = Duration::from_secs(1);

/// HTTP/2's code for "you ask for too much" (RFC 9113, 7), which gRPC maps to
/// RESOURCE_EXHAUSTED.
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// Answers the connection with a GOAWAY and closes it.
pub(super) async fn turn_away(mut stream: TcpStream, limit: usize) {
    let told = async {
        stream.write_all(&goaway(limit)).await?;
        stream.shutdown().await?;
        let mut linger = Linger::new(TIMEOUT);
        poll_fn(|context| linger.poll_over(&mut stream, context)).await;
        std::io::Result::Ok(())
    };
    // A client that is gone before it heard needs no answer.
    let _ = tokio::time::timeout(TIMEOUT, told).await;
}

/// A server's first words, empty SETTINGS, and its last: no stream was or will be looked at.
fn goaway(limit: usize) -> Vec<u8> {
    let reason = format!("this server has its {limit} connections; try another one or later");
    let mut bytes = frame(0x4, 0);
    bytes.extend(frame(0x7, 8 + reason.len()));
    bytes.extend(0_u32.to_be_bytes()); // the last stream that was looked at
    bytes.extend(ENHANCE_YOUR_CALM.to_be_bytes());
    bytes.extend(reason.into_bytes());
    bytes
}

/// The head of a frame of the connection: length (24 bits), type, flags, stream 0.
fn frame(kind: u8, length: usize) -> Vec<u8> {
    let length = u32::try_from(length)
        .expect("the reason is short")
        .to_be_bytes();
    vec![length[1], length[2], length[3], kind, 0, 0, 0, 0, 0]
}
