//! A scripted replica behind a socket on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parking_lot::Mutex;
use quorate_proto::transport::{
    ChannelOptions, Connections, Incoming, ServerOptions, channel, server,
};
use quorate_proto::{Limits, RemoteReplica, ReplicaService};
use quorate_register::Replica;
use quorate_trace::Traces;
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Scripted, until};

/// The server of one replica. It can be killed, with all its connections, and revived at the
/// same address.
pub(crate) struct Served {
    replica: Arc<Scripted>,
    address: SocketAddr,
    running: Mutex<Option<Running>>,
    traces: Traces,
}

struct Running {
    server: JoinHandle<()>,
    connections: Connections,
}

impl Served {
    /// Serves the replica at `address`, where port 0 is any.
    pub(crate) fn new(replica: Arc<Scripted>, address: SocketAddr) -> Arc<Self> {
        Self::listening(replica, listen(address))
    }

    /// Serves the replica where a socket listens already.
    pub(crate) fn listening(replica: Arc<Scripted>, listener: TcpListener) -> Arc<Self> {
        Self::traced(replica, listener, Traces::off())
    }

    /// The same, taking part in traces.
    pub(crate) fn traced(
        replica: Arc<Scripted>,
        listener: TcpListener,
        traces: Traces,
    ) -> Arc<Self> {
        let (address, running) = serve(&replica, listener, traces.clone());
        Arc::new(Self {
            replica,
            address,
            running: Mutex::new(Some(running)),
            traces,
        })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The replica as it is reached over the network.
    pub(crate) fn remote(&self) -> Arc<RemoteReplica> {
        let channel = channel(&self.address.to_string(), &ChannelOptions::default());
        Arc::new(RemoteReplica::new(channel.unwrap(), Limits::default()))
    }

    /// Ends the replica and its server: connections are reset, and new ones refused.
    pub(crate) async fn kill(&self) {
        let running = self.running.lock().take();
        let Some(running) = running else { return };
        self.replica.kill();
        running.server.abort();
        let ended = running.server.await.unwrap_err();
        assert!(ended.is_cancelled(), "the server ended by itself: {ended}");
        running.connections.cut();
        let open = || running.connections.open();
        until("connections of a dead server", open, |open| *open == 0).await;
    }

    /// Starts it again.
    pub(crate) fn revive(&self) {
        let mut running = self.running.lock();
        if running.is_none() {
            self.replica.revive();
            let listener = listen(self.address);
            *running = Some(serve(&self.replica, listener, self.traces.clone()).1);
        }
    }
}

/// Listens there; a port that a dead server had is taken back at once.
pub(crate) fn listen(address: SocketAddr) -> TcpListener {
    nonblocking(std::net::TcpListener::bind(address).expect("a free port"))
}

/// The listener as the runtime's.
pub(crate) fn nonblocking(listener: std::net::TcpListener) -> TcpListener {
    listener.set_nonblocking(true).expect("a socket");
    TcpListener::from_std(listener).expect("a runtime")
}

fn serve(replica: &Arc<Scripted>, listener: TcpListener, traces: Traces) -> (SocketAddr, Running) {
    let options = ServerOptions::default();
    let incoming = Incoming::new(vec![listener], &options);
    let address = incoming.local_addresses().unwrap()[0];
    let connections = incoming.connections();
    // Closing then resets the connection, as the end of a process may.
    let incoming = incoming.inspect(|accepted| {
        let socket = SockRef::from(accepted.as_ref().unwrap().stream());
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    });
    let service = ReplicaService::new(replica.clone(), Limits::default())
        .traced_by(traces)
        .into_server();
    let serving = server(&options)
        .add_service(service)
        .serve_with_incoming(incoming);
    let server = tokio::spawn(async move { serving.await.expect("serving does not fail") });
    let running = Running {
        server,
        connections,
    };
    (address, running)
}
