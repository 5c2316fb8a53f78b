//! A server whose behaviour the test chooses, and command lines run against it.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use parking_lot::Mutex;
use quorate_cli::{Cli, Context, Exit, Terminal};
use quorate_client::{Entry, Key, OperationError, Register, StatusResponse, Version};
use quorate_proto::transport::{Incoming, ServerOptions, server};
use quorate_proto::{Limits, RegisterService, StatusSource};
use quorate_register::{OpId, Timestamp};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tonic::async_trait;

/// What a server does with calls.
#[derive(Debug, Clone, Default)]
pub(crate) enum Behaviour {
    /// What it should.
    #[default]
    Answer,
    /// Nothing, for ever.
    Hang,
    /// Fails.
    Fail(OperationError),
    /// Fails the first call when most of its time is over, as a coordinator without quorum
    /// does, and answers no other.
    FailLateThenHang(OperationError),
    /// Fails, except for its status.
    FailButStatus(OperationError),
    /// Fails every second call, except for its status.
    FailEverySecond(OperationError),
    /// Answers gets with the value before the last: not linearizable.
    ReadStale,
}

/// Values of a key, oldest first; `None` for a delete.
type Written = Vec<Option<Bytes>>;

/// A register in memory, whose status the test chooses.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    behaviour: Mutex<Behaviour>,
    values: Mutex<BTreeMap<Key, Written>>,
    status: Mutex<StatusResponse>,
    calls: AtomicUsize,
}

impl Fake {
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock() = behaviour;
    }

    pub(crate) fn set_status(&self, status: StatusResponse) {
        *self.status.lock() = status;
    }

    async fn begin(&self, limit: Option<Duration>) -> Result<(), OperationError> {
        let behaviour = self.behaviour.lock().clone();
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        match behaviour {
            Behaviour::Answer | Behaviour::ReadStale => Ok(()),
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Fail(error) | Behaviour::FailButStatus(error) => Err(error),
            Behaviour::FailEverySecond(error) if call % 2 == 1 => Err(error),
            Behaviour::FailEverySecond(_) => Ok(()),
            Behaviour::FailLateThenHang(_) if call > 0 => std::future::pending().await,
            Behaviour::FailLateThenHang(error) => {
                let limit = limit.expect("a server says how long a call may take");
                tokio::time::sleep(limit.mul_f64(0.7)).await;
                Err(error)
            }
        }
    }

    fn write(&self, key: &Key, value: Option<Bytes>) -> Version {
        let mut values = self.values.lock();
        let written = values.entry(key.clone()).or_default();
        written.push(value);
        version(written.len())
    }
}

fn version(number: usize) -> Version {
    Version(match number {
        0 => Timestamp::ZERO,
        number => Timestamp {
            counter: number as u64,
            op_id: OpId::from_bytes([0xab; 16]),
            ..Timestamp::ZERO
        },
    })
}

#[async_trait]
impl Register for Fake {
    async fn get(&self, key: &Key, limit: Option<Duration>) -> Result<Entry, OperationError> {
        self.begin(limit).await?;
        let stale = matches!(*self.behaviour.lock(), Behaviour::ReadStale);
        let values = self.values.lock();
        let written = values.get(key).map_or(&[][..], Vec::as_slice);
        let number = written.len().saturating_sub(usize::from(stale));
        Ok(Entry {
            value: number.checked_sub(1).and_then(|at| written[at].clone()),
            version: version(number),
        })
    }

    async fn set(
        &self,
        key: &Key,
        value: Bytes,
        limit: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.begin(limit).await?;
        Ok(self.write(key, Some(value)))
    }

    async fn delete(&self, key: &Key, limit: Option<Duration>) -> Result<Version, OperationError> {
        self.begin(limit).await?;
        Ok(self.write(key, None))
    }
}

#[async_trait]
impl StatusSource for Fake {
    async fn status(&self, _: Duration) -> Result<StatusResponse, OperationError> {
        if let Behaviour::Fail(error) = self.behaviour.lock().clone() {
            return Err(error);
        }
        Ok(self.status.lock().clone())
    }
}

/// A server of a [`Fake`]; it ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) register: Arc<Fake>,
    task: JoinHandle<()>,
}

impl Server {
    /// At a free port.
    pub(crate) fn start() -> Self {
        let listener = listen(([127, 0, 0, 1], 0).into());
        let address = listener.local_addr().expect("it listens");
        let register = Arc::new(Fake::default());
        let service = RegisterService::new(register.clone(), register.clone(), Limits::default());
        let options = ServerOptions::default();
        let serving = server(&options)
            .add_service(service.into_server())
            .serve_with_incoming(Incoming::new(vec![listener], &options));
        let task = tokio::spawn(async move { serving.await.expect("it serves") });
        Self {
            address,
            register,
            task,
        }
    }

    /// Runs a command line against it.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        run_at(&[self.address], arguments, Session::default()).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn listen(address: SocketAddr) -> TcpListener {
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

/// What surrounds a command.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    /// What the standard input has.
    pub(crate) input: Vec<u8>,
    /// Who reads.
    pub(crate) terminal: Terminal,
}

/// How a command ended, and what it wrote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
}

impl Ran {
    /// The output, which is text; line breaks and all.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.output).expect("the output is text")
    }

    /// The output, which is one line of JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.text().lines().count(), 1, "{self:?}");
        serde_json::from_str(self.text()).expect("the output is JSON")
    }
}

/// A stream that can be read after it was written.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `quorate` with these arguments and these endpoints; without endpoints as it is.
pub(crate) async fn run_at(endpoints: &[SocketAddr], arguments: &[&str], session: Session) -> Ran {
    let mut line = vec!["quorate".to_owned()];
    line.extend(arguments.iter().map(|&argument| argument.to_owned()));
    for endpoint in endpoints {
        line.extend(["--endpoint".to_owned(), endpoint.to_string()]);
    }
    let cli = Cli::try_parse_from(line).expect("the arguments are valid");
    let (output, errors) = (Captured::default(), Captured::default());
    let mut context = Context {
        output: Box::new(output.clone()),
        errors: Box::new(errors.clone()),
        input: Box::new(Cursor::new(session.input)),
        terminal: session.terminal,
        settings: serde_json::Value::Null,
    };
    let exit = cli
        .command
        .run(&mut context)
        .await
        .expect("failures are exits");
    let (output, errors) = (output.0.lock().clone(), errors.0.lock().clone());
    Ran {
        exit,
        output,
        errors: String::from_utf8(errors).expect("errors are text"),
    }
}
