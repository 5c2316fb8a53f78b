//! TCP connections of channels.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

use super::ChannelOptions;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects to a URI's host and port, over IPv6 and IPv4, whichever answers.
///
/// TCP_NODELAY is on, or there is no connection. Where a name has several addresses they
/// are tried in turn.
#[derive(Debug, Clone)]
pub struct TcpConnector {
    http: HttpConnector,
}

impl TcpConnector {
    /// A connector with these limits.
    pub fn new(options: &ChannelOptions) -> Self {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(options.connect_timeout));
        http.set_nodelay(true);
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        http.set_tcp_user_timeout(Some(options.user_timeout));
        Self { http }
    }
}

impl Service<Uri> for TcpConnector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.http.call(uri);
        Box::pin(async move {
            let io = connecting.await?;
            // The connector only logs when it cannot set it.
            if !io.inner().nodelay()? {
                return Err(io::Error::other("TCP_NODELAY cannot be turned on").into());
            }
            Ok(io)
        })
    }
}
