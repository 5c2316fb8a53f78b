//! In-memory stand-ins for both roles, and servers of them on loopback.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use quorate_proto::transport::{self, ChannelOptions, Connections, Incoming, ServerOptions};
use quorate_proto::{Limits, RegisterService, ReplicaService, StatusSource, v1};
use quorate_register::fence::judge_adoption;
use quorate_register::retirement::judge_retirement;
use quorate_register::{
    Advice, Boot, Config, DIGEST_SUMS, Digest, DigestRequest, DiskBoots, Entropy, Entry, Epoch,
    Fence, HeldConfig, Identity, Key, Member, OpId, OperationError, Page, PageRequest, Pair,
    Register, Replica, ReplicaError, ReplicaId, Timestamp, Version, Write, Writes, bucket_of,
    pair_hash, scan_order,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::async_trait;
use tonic::service::Routes;
use tonic::transport::Channel;

/// No test waits longer for what should happen at once.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The timeout of calls that should be answered at once.
pub const AMPLE: Option<Duration> = Some(PATIENCE);

/// Bits 1, 2, 3, …
#[derive(Default)]
pub struct Counting(AtomicUsize);

impl Entropy for Counting {
    fn bits(&self) -> u128 {
        self.0.fetch_add(1, Ordering::Relaxed) as u128 + 1
    }
}

/// Waits until a condition holds that nothing tells of.
pub async fn eventually(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.expect("the condition should hold soon");
}

pub fn key(text: &str) -> Key {
    Key::new(text.to_owned()).unwrap()
}

pub fn timestamp(counter: u64) -> Timestamp {
    Timestamp {
        counter,
        op_id: OpId::from_bytes([7; 16]),
        ..Timestamp::ZERO
    }
}

/// A config of one member with this id.
pub fn config(replica_id: ReplicaId) -> Arc<Config> {
    let pod = "replica-0".to_owned();
    let member = Member { replica_id, pod };
    Arc::new(Config::first(vec![member], &Counting::default()).unwrap())
}

/// The same store one epoch later.
pub fn successor(of: &Config) -> Arc<Config> {
    let mut parts = of.parts().clone();
    parts.ancestors.insert(0, parts.id);
    parts.id = quorate_register::ConfigId::from_bytes([99; 16]);
    parts.epoch.number += 1;
    parts.activators = parts.current.clone();
    Arc::new(Config::new(parts).unwrap())
}

/// What calls on a stand-in are doing.
#[derive(Default)]
pub struct Calls {
    /// The timeout that the last call was given.
    pub timeout: Mutex<Option<Duration>>,
    /// Calls that began, ever.
    pub begun: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
    changed: Notify,
}

/// Counts a call as running until it ends, however it ends.
struct Running<'a>(&'a Calls);

impl Calls {
    fn begin(&self, timeout: Option<Duration>) -> Running<'_> {
        *self.timeout.lock().unwrap() = timeout;
        self.begun.fetch_add(1, Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        self.changed.notify_waiters();
        Running(self)
    }

    /// Waits until so many run.
    pub async fn running(&self, expected: usize) {
        self.wait(|| self.running.load(Ordering::SeqCst) == expected)
            .await;
    }

    /// Waits until a condition holds, which is looked at whenever a call begins or ends.
    pub async fn wait(&self, condition: impl Fn() -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if condition() {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.expect("the condition should hold soon");
    }

    /// The most that ran at once.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// How many began.
    pub fn count(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

/// A replica in memory. A call on the key `hang` never answers, one on `gate` not before
/// the gate is opened.
pub struct MemoryReplica {
    pub id: ReplicaId,
    pub calls: Calls,
    pub held: Mutex<Option<HeldConfig>>,
    pub boots: Mutex<DiskBoots>,
    pub pairs: Mutex<BTreeMap<Key, Pair>>,
    pub advices: Mutex<Vec<Advice>>,
    pub gate: Notify,
    /// What the next call answers instead.
    pub refuse: Mutex<Option<ReplicaError>>,
}

impl MemoryReplica {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            id: ReplicaId::from_bytes([1; 16]),
            calls: Calls::default(),
            held: Mutex::default(),
            boots: Mutex::default(),
            pairs: Mutex::default(),
            advices: Mutex::default(),
            gate: Notify::new(),
            refuse: Mutex::default(),
        })
    }

    /// One that holds its first config, and the fence of that.
    pub fn adopted() -> (Arc<Self>, Fence) {
        let replica = Self::new();
        let config = config(replica.id);
        let fence = Fence::new(&config, replica.id);
        let active = true;
        *replica.held.lock().unwrap() = Some(HeldConfig { config, active });
        (replica, fence)
    }

    async fn enter(
        &self,
        fence: &Fence,
        key: Option<&Key>,
        timeout: Duration,
    ) -> Result<Running<'_>, ReplicaError> {
        let running = self.calls.begin(Some(timeout));
        match key.map(|key| key.bytes().as_ref()) {
            Some(b"hang") => std::future::pending().await,
            Some(b"gate") => self.gate.notified().await,
            _ => {}
        }
        if let Some(error) = self.refuse.lock().unwrap().take() {
            return Err(error);
        }
        let held = self.held.lock().unwrap();
        fence.check(self.id, held.as_ref().map(|held| &held.config))?;
        Ok(running)
    }

    fn store(&self, key: &Key, pair: &Pair) {
        let mut pairs = self.pairs.lock().unwrap();
        let stored = pairs.entry(key.clone()).or_insert(Pair::UNWRITTEN);
        if pair.timestamp > stored.timestamp {
            *stored = pair.clone();
        }
    }
}

#[async_trait]
impl Replica for MemoryReplica {
    async fn local_read(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Pair, ReplicaError> {
        let _running = self.enter(fence, Some(key), timeout).await?;
        let pairs = self.pairs.lock().unwrap();
        Ok(pairs.get(key).cloned().unwrap_or(Pair::UNWRITTEN))
    }

    async fn local_read_timestamp(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Timestamp, ReplicaError> {
        let pair = self.local_read(fence, key, timeout).await?;
        Ok(pair.timestamp)
    }

    async fn local_write(
        &self,
        fence: &Fence,
        write: &Write,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let _running = self.enter(fence, Some(&write.key), timeout).await?;
        self.store(&write.key, &write.pair);
        Ok(())
    }

    async fn local_write_all(
        &self,
        fence: &Fence,
        writes: &Writes,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let first = writes.pairs.first().map(|(key, _)| key);
        let _running = self.enter(fence, first, timeout).await?;
        for (key, pair) in &writes.pairs {
            self.store(key, pair);
        }
        Ok(())
    }

    async fn scan(
        &self,
        fence: &Fence,
        request: &PageRequest,
        timeout: Duration,
    ) -> Result<Page, ReplicaError> {
        let _running = self.enter(fence, request.after.as_ref(), timeout).await?;
        let pairs = self.pairs.lock().unwrap();
        let after = request.after.as_ref();
        let mut behind: Vec<_> = pairs
            .iter()
            .filter(|(key, _)| after.is_none_or(|after| scan_order(key, after).is_gt()))
            .filter(|(key, _)| request.buckets.contains(bucket_of(key)))
            .collect();
        behind.sort_by(|a, b| scan_order(a.0, b.0));
        let mut page = Page {
            last: true,
            ..Page::default()
        };
        let mut bytes = 0;
        for (key, pair) in behind {
            bytes += key.bytes().len() + pair.value.as_ref().map_or(0, Bytes::len);
            if bytes > request.max_bytes && !page.pairs.is_empty() {
                page.last = false;
                break;
            }
            page.pairs.push((key.clone(), pair.clone()));
        }
        Ok(page)
    }

    async fn digest(
        &self,
        fence: &Fence,
        request: &DigestRequest,
        timeout: Duration,
    ) -> Result<Digest, ReplicaError> {
        let _running = self.enter(fence, None, timeout).await?;
        let mut sums = Box::new([0u64; DIGEST_SUMS]);
        for (key, pair) in &*self.pairs.lock().unwrap() {
            let [group, within] = bucket_of(key).to_be_bytes();
            let place = match *request {
                DigestRequest::Groups => group,
                DigestRequest::Buckets(wanted) if wanted == group => within,
                DigestRequest::Buckets(_) => continue,
            };
            let sum = &mut sums[usize::from(place)];
            *sum = sum.wrapping_add(pair_hash(key, pair.timestamp));
        }
        Ok(Digest::Sums(sums))
    }

    async fn adopt(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        active: bool,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let _running = self.calls.begin(Some(timeout));
        assert_eq!(replica_id, self.id);
        let mut held = self.held.lock().unwrap();
        judge_adoption(self.id, held.as_ref(), config, active)?;
        let config = config.clone();
        *held = Some(HeldConfig { config, active });
        Ok(())
    }

    async fn admit(
        &self,
        replica_id: ReplicaId,
        boot: Boot,
        volume: Option<&str>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let _running = self.calls.begin(Some(timeout));
        assert_eq!(replica_id, self.id);
        let mut boots = self.boots.lock().unwrap();
        *boots = boots.admitting(boot, volume);
        Ok(())
    }

    async fn retire(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let _running = self.calls.begin(Some(timeout));
        assert_eq!(replica_id, self.id);
        judge_retirement(self.id, self.held.lock().unwrap().as_ref(), config)
    }

    async fn advise(
        &self,
        replica_id: ReplicaId,
        advice: Advice,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let _running = self.calls.begin(Some(timeout));
        assert_eq!(replica_id, self.id);
        self.advices.lock().unwrap().push(advice);
        Ok(())
    }

    async fn identify(&self, timeout: Duration) -> Result<Identity, ReplicaError> {
        let _running = self.calls.begin(Some(timeout));
        let config = self.held.lock().unwrap().clone();
        Ok(Identity {
            replica_id: self.id,
            pod: "replica-0".to_owned(),
            cluster_id: config.as_ref().map(|held| held.config.cluster_id()),
            config,
            keys: self.pairs.lock().unwrap().len() as u64,
            disk_full: false,
            admitted: true,
            leaving: !self.advices.lock().unwrap().is_empty(),
            boots: self.boots.lock().unwrap().clone(),
        })
    }
}

/// A register in memory. A call on the key `hang` never answers.
#[derive(Default)]
pub struct MemoryRegister {
    pub calls: Calls,
    entries: Mutex<BTreeMap<Key, (Version, Option<Bytes>)>>,
    /// What the next call answers instead.
    pub fail: Mutex<Option<OperationError>>,
}

impl MemoryRegister {
    async fn enter(
        &self,
        key: &Key,
        timeout: Option<Duration>,
    ) -> Result<Running<'_>, OperationError> {
        let running = self.calls.begin(timeout);
        if key.bytes().as_ref() == b"hang" {
            std::future::pending::<()>().await;
        }
        self.fail.lock().unwrap().take().map_or(Ok(running), Err)
    }

    async fn write(
        &self,
        key: &Key,
        value: Option<Bytes>,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        let _running = self.enter(key, timeout).await?;
        let mut entries = self.entries.lock().unwrap();
        let before = entries
            .get(key)
            .map_or(Version::NEVER, |(version, _)| *version);
        let version = Version(timestamp(before.0.counter + 1));
        entries.insert(key.clone(), (version, value));
        Ok(version)
    }
}

#[async_trait]
impl Register for MemoryRegister {
    async fn get(&self, key: &Key, timeout: Option<Duration>) -> Result<Entry, OperationError> {
        let _running = self.enter(key, timeout).await?;
        let entry = self.entries.lock().unwrap().get(key).cloned();
        let (version, value) = entry.unwrap_or((Version::NEVER, None));
        Ok(Entry { value, version })
    }

    async fn set(
        &self,
        key: &Key,
        value: Bytes,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.write(key, Some(value), timeout).await
    }

    async fn delete(
        &self,
        key: &Key,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.write(key, None, timeout).await
    }
}

/// Every operation on a register that was never written to, with what it must answer.
pub async fn every_operation(remote: &impl Register) {
    let a = key("a");
    let never = Entry {
        value: None,
        version: Version::NEVER,
    };
    assert_eq!(remote.get(&a, AMPLE).await, Ok(never));
    for (counter, value) in [(1, Bytes::from("one")), (2, Bytes::new())] {
        let version = Version(timestamp(counter));
        assert_eq!(remote.set(&a, value.clone(), AMPLE).await, Ok(version));
        let value = Some(value);
        assert_eq!(remote.get(&a, AMPLE).await, Ok(Entry { value, version }));
    }
    let version = Version(timestamp(3));
    assert_eq!(remote.delete(&a, AMPLE).await, Ok(version));
    let deleted = Entry {
        value: None,
        version,
    };
    assert_eq!(remote.get(&a, AMPLE).await, Ok(deleted));
}

#[async_trait]
impl StatusSource for MemoryRegister {
    async fn status(&self, timeout: Duration) -> Result<v1::StatusResponse, OperationError> {
        let _running = self.calls.begin(Some(timeout));
        Ok(v1::StatusResponse {
            version: "1.2.3".to_owned(),
            epoch: Epoch {
                recovery: 0,
                number: 1,
            }
            .to_string(),
            ..v1::StatusResponse::default()
        })
    }
}

/// A server that ends with it.
pub struct Server {
    pub address: SocketAddr,
    pub connections: Connections,
    /// Ends the calls in flight too, once it was stopped.
    pub cut: CancellationToken,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start(routes: Routes, options: ServerOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = Incoming::new(vec![listener], &options);
        let connections = incoming.connections();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        let cut = CancellationToken::new();
        let cutting = cut.clone();
        let task = tokio::spawn(async move {
            let serving = transport::serve(routes, incoming, &options, stopped, cutting);
            serving.await.unwrap();
        });
        Self {
            address,
            connections,
            cut,
            stop: Some(stop),
            task,
        }
    }

    pub async fn replica(replica: Arc<MemoryReplica>) -> Self {
        let service = ReplicaService::new(replica, Limits::default()).into_server();
        Self::start(Routes::new(service), ServerOptions::default()).await
    }

    pub async fn register(register: Arc<MemoryRegister>) -> Self {
        Self::register_with(register, ServerOptions::default()).await
    }

    pub async fn register_with(register: Arc<MemoryRegister>, options: ServerOptions) -> Self {
        let service =
            RegisterService::new(register.clone(), register, Limits::default()).into_server();
        Self::start(Routes::new(service), options).await
    }

    /// A channel to it.
    pub fn channel(&self) -> Channel {
        transport::channel(&self.address.to_string(), &ChannelOptions::default()).unwrap()
    }

    /// Stops gracefully: calls in flight are waited for.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let stopped = tokio::time::timeout(PATIENCE, self.task).await;
        stopped.expect("the server should stop").unwrap();
    }
}

/// A proxy that passes bytes on both ways, those to the server through `change`.
pub async fn proxy(to: SocketAddr, change: impl Fn(&mut [u8]) + Clone + Send + 'static) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (held, holding) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((inbound, _)) = listener.accept().await {
            let outbound = TcpStream::connect(to).await.unwrap();
            let (from_client, to_client) = inbound.into_split();
            let (from_server, to_server) = outbound.into_split();
            tokio::spawn(pass(
                from_client,
                to_server,
                change.clone(),
                holding.clone(),
            ));
            let never = watch::channel(false).1;
            tokio::spawn(pass(from_server, to_client, change.clone(), never));
        }
    });
    Proxy { address, held }
}

/// What passes through a [`proxy`].
pub struct Proxy {
    pub address: SocketAddr,
    /// Whether what goes to the server waits.
    pub held: watch::Sender<bool>,
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    change: impl Fn(&mut [u8]),
    mut holding: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &mut buffer[..length];
        change(bytes);
        // Nobody holds once the proxy's owner is gone.
        let _ = holding.wait_for(|held| !held).await;
        if to.write_all(bytes).await.is_err() {
            break;
        }
    }
}
