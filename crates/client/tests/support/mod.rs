//! Real servers over a register whose behaviour the test chooses.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_client::{
    Client, ClientOptions, Entry, Key, OperationError, Register, StatusResponse, Version,
};
use quorate_proto::transport::{
    ConnectionAge, Connections, Incoming, Routes, ServerOptions, serve,
};
use quorate_proto::{Limits, RegisterService, StatusSource};
use quorate_register::Timestamp;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::async_trait;

/// What a register does with a call.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// What it should.
    Answer,
    /// Nothing, for ever.
    Hang,
    /// Fails.
    Fail(OperationError),
    /// Fails when a little more than half of the time is over.
    FailLate(OperationError),
}

/// A register in memory that counts its calls.
#[derive(Debug)]
pub(crate) struct Fake {
    /// Behaviours of the next calls, and of all after them.
    behaviours: Mutex<(Vec<Behaviour>, Behaviour)>,
    values: Mutex<BTreeMap<Key, (bytes::Bytes, u64)>>,
    calls: AtomicUsize,
}

impl Fake {
    /// How often it was called.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// From now on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.behaviours.lock() = (Vec::new(), behaviour);
    }

    /// For the next calls, and as it should after them.
    pub(crate) fn behave_first(&self, behaviours: &[Behaviour]) {
        let reversed = behaviours.iter().rev().cloned().collect();
        *self.behaviours.lock() = (reversed, Behaviour::Answer);
    }

    async fn begin(&self, limit: Option<Duration>) -> Result<(), OperationError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let behaviour = {
            let mut behaviours = self.behaviours.lock();
            let next = behaviours.0.pop();
            next.unwrap_or_else(|| behaviours.1.clone())
        };
        match behaviour {
            Behaviour::Answer => Ok(()),
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Fail(error) => Err(error),
            Behaviour::FailLate(error) => {
                let limit = limit.expect("a server says how long a call may take");
                tokio::time::sleep(limit.mul_f64(0.6)).await;
                Err(error)
            }
        }
    }
}

fn version(counter: u64) -> Version {
    Version(Timestamp {
        counter,
        ..Timestamp::ZERO
    })
}

#[async_trait]
impl Register for Fake {
    async fn get(&self, key: &Key, limit: Option<Duration>) -> Result<Entry, OperationError> {
        self.begin(limit).await?;
        let values = self.values.lock();
        let found = values.get(key);
        Ok(Entry {
            value: found.map(|(value, _)| value.clone()),
            version: found.map_or(Version::NEVER, |(_, counter)| version(*counter)),
        })
    }

    async fn set(
        &self,
        key: &Key,
        value: bytes::Bytes,
        limit: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.begin(limit).await?;
        let mut values = self.values.lock();
        let counter = values.get(key).map_or(1, |(_, counter)| counter + 1);
        values.insert(key.clone(), (value, counter));
        Ok(version(counter))
    }

    async fn delete(&self, key: &Key, limit: Option<Duration>) -> Result<Version, OperationError> {
        self.begin(limit).await?;
        self.values.lock().remove(key);
        Ok(version(1))
    }
}

#[async_trait]
impl StatusSource for Fake {
    async fn status(&self, limit: Duration) -> Result<StatusResponse, OperationError> {
        self.begin(Some(limit)).await?;
        Ok(StatusResponse {
            epoch: "7".to_owned(),
            ..StatusResponse::default()
        })
    }
}

/// A server of a [`Fake`]; it ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) register: Arc<Fake>,
    pub(crate) connections: Connections,
    task: JoinHandle<()>,
}

impl Server {
    /// At a free port.
    pub(crate) fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into())
    }

    pub(crate) fn start_at(address: SocketAddr) -> Self {
        Self::start_with(address, ServerOptions::default())
    }

    /// At a free port, with connections of this age.
    pub(crate) fn aging(age: ConnectionAge) -> Self {
        let options = ServerOptions {
            max_connection_age: Some(age),
            ..ServerOptions::default()
        };
        Self::start_with(([127, 0, 0, 1], 0).into(), options)
    }

    fn start_with(address: SocketAddr, options: ServerOptions) -> Self {
        let listener = listen(address);
        let address = listener.local_addr().expect("it listens");
        let incoming = Incoming::new(vec![listener], &options);
        let connections = incoming.connections();
        let register = Arc::new(Fake {
            behaviours: Mutex::new((Vec::new(), Behaviour::Answer)),
            values: Mutex::default(),
            calls: AtomicUsize::new(0),
        });
        let service = RegisterService::new(register.clone(), register.clone(), Limits::default());
        let routes = Routes::new(service.into_server());
        let task = tokio::spawn(async move {
            let (stop, cut) = (std::future::pending(), CancellationToken::new());
            let serving = serve(routes, incoming, &options, stop, cut);
            serving.await.expect("it serves");
        });
        Self {
            address,
            register,
            connections,
            task,
        }
    }

    /// Ends it and cuts its connections, as the death of its process would. When this
    /// returns its port refuses connections.
    pub(crate) async fn kill(self) -> SocketAddr {
        self.task.abort();
        self.connections.cut();
        while std::net::TcpStream::connect(self.address).is_ok() {
            tokio::task::yield_now().await;
        }
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        self.connections.cut();
    }
}

/// A client of the servers that begins with the first.
pub(crate) fn client(servers: &[&Server]) -> Client {
    client_with(servers, ClientOptions::default())
}

pub(crate) fn client_with(servers: &[&Server], options: ClientOptions) -> Client {
    let addresses = servers.iter().map(|server| server.address.to_string());
    let options = ClientOptions {
        first_endpoint: Some(0),
        ..options
    };
    Client::with_options(addresses, options).expect("the addresses are valid")
}

fn listen(address: SocketAddr) -> TcpListener {
    let listener = std::net::TcpListener::bind(address).expect("the port is free");
    listener.set_nonblocking(true).expect("it can be");
    TcpListener::from_std(listener).expect("it listens")
}

/// A port that nobody else gets while this exists, and where nobody listens.
pub(crate) struct Nobody {
    pub(crate) address: SocketAddr,
    _socket: TcpSocket,
}

pub(crate) fn nobody() -> Nobody {
    let socket = TcpSocket::new_v4().expect("there is IPv4");
    let any = ([127, 0, 0, 1], 0).into();
    socket.bind(any).expect("a port is free");
    Nobody {
        address: socket.local_addr().expect("it is bound"),
        _socket: socket,
    }
}

pub(crate) fn key() -> Key {
    Key::new("k").expect("a key")
}
