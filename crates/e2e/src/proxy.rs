//! A TCP proxy that can stop forwarding without closing anything, as a network does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Context;
use kube::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Stands between a client and the API server.
pub struct Proxy {
    address: SocketAddr,
    /// Connections of a generation up to this one are dead, and say nothing.
    frozen: watch::Sender<usize>,
    generation: Arc<AtomicUsize>,
    refusing: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy to the API server of `config`, and the config that leads through it.
    ///
    /// # Errors
    /// When it cannot listen, or the config has no address.
    pub async fn new(mut config: Config) -> anyhow::Result<(Self, Config)> {
        let url = config.cluster_url.clone();
        let host = url.host().context("the API server has a host")?.to_owned();
        let target = format!("{host}:{}", url.port_u16().unwrap_or(443));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        config.cluster_url = format!("https://{address}").parse()?;
        config.tls_server_name.get_or_insert(host);
        let (frozen, follow) = watch::channel(0);
        let generation = Arc::new(AtomicUsize::new(1));
        let refusing = Arc::new(AtomicBool::new(false));
        let (generations, refuses) = (generation.clone(), refusing.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if refuses.load(Ordering::SeqCst) {
                    continue;
                }
                let (target, follow) = (target.clone(), follow.clone());
                let generation = generations.load(Ordering::SeqCst);
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(target).await {
                        forward(client, server, generation, follow).await;
                    }
                });
            }
        });
        let proxy = Self {
            address,
            frozen,
            generation,
            refusing,
            accepting,
        };
        Ok((proxy, config))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing arrives on the connections that are open; new ones work.
    pub fn freeze_open_connections(&self) {
        let generation = self.generation.fetch_add(1, Ordering::SeqCst);
        self.frozen.send_replace(generation);
    }

    /// From now on nothing arrives on the connections that are open, and new ones are closed.
    pub fn go_away(&self) {
        self.refusing.store(true, Ordering::SeqCst);
        self.freeze_open_connections();
    }

    /// New connections work again.
    pub fn come_back(&self) {
        self.refusing.store(false, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(
    client: TcpStream,
    server: TcpStream,
    generation: usize,
    mut frozen: watch::Receiver<usize>,
) {
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let both = async {
        tokio::join!(
            copy(client_read, server_write),
            copy(server_read, client_write)
        )
    };
    let mut both = std::pin::pin!(both);
    tokio::select! {
        _ = &mut both => return,
        gone = frozen.wait_for(|frozen| *frozen >= generation) => {
            if gone.is_err() {
                return;
            }
        }
    }
    // Held open until the proxy goes, without a word.
    while frozen.changed().await.is_ok() {}
}

async fn copy(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}
