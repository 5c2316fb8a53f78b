//! Channels and servers over turmoil's TCP.

use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, TryStreamExt, stream};
use hyper_util::rt::TokioIo;
use quorate_proto::transport::{ChannelOptions, endpoint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Uri};
use turmoil::net::{TcpListener, TcpStream};

/// The port on which every machine listens.
const PORT: u16 = 7400;

/// A channel to a machine, that connects when it is first used and again whenever its connection
/// broke.
pub(super) fn channel(machine: &str, options: &ChannelOptions) -> Channel {
    let endpoint = endpoint(&format!("{machine}:{PORT}"), options);
    let endpoint = endpoint.expect("a machine's name is a host's name");
    endpoint.connect_with_connector_lazy(tower::service_fn(connect))
}

async fn connect(uri: Uri) -> io::Result<TokioIo<TcpStream>> {
    let address = (uri.host().unwrap_or_default(), PORT);
    Ok(TokioIo::new(TcpStream::connect(address).await?))
}

/// The connections that this machine accepts.
pub(super) async fn incoming() -> io::Result<impl Stream<Item = io::Result<Accepted>>> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let accepted = stream::try_unfold(listener, |listener: TcpListener| async move {
        let (stream, _) = listener.accept().await?;
        Ok::<_, io::Error>(Some((stream, listener)))
    });
    Ok(accepted.map_ok(Accepted))
}

/// An accepted connection, as tonic wants it.
pub(super) struct Accepted(TcpStream);

impl Connected for Accepted {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
