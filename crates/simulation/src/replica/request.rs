//! What a replica is asked and answers, as values that can travel.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quorate_register::{
    Advice, Boot, Config, Digest, DigestRequest, Fence, Identity, Key, Page, PageRequest, Pair,
    Replica, ReplicaError, ReplicaId, Timestamp, Write, Writes,
};

use crate::trace::{Short, shown_key};

/// A call of [`Replica`] with its timeout.
#[derive(Debug, Clone)]
pub(crate) struct ReplicaRequest {
    pub(super) method: Method,
    pub(super) timeout: Duration,
}

/// Which call.
#[derive(Debug, Clone)]
pub(super) enum Method {
    Read(Fence, Key),
    ReadTimestamp(Fence, Key),
    Write(Fence, Write),
    WriteAll(Fence, Writes),
    Scan(Fence, PageRequest),
    Digest(Fence, DigestRequest),
    Adopt {
        replica_id: ReplicaId,
        config: Arc<Config>,
        active: bool,
    },
    Admit {
        replica_id: ReplicaId,
        boot: Boot,
        volume: Option<String>,
    },
    Retire {
        replica_id: ReplicaId,
        config: Arc<Config>,
    },
    Advise {
        replica_id: ReplicaId,
        advice: Advice,
    },
    Identify,
}

/// The kinds of calls that [lag](crate::settings::Lags) each by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    Scan,
    Adopt,
    Other,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [
        Self::Read,
        Self::Write,
        Self::Scan,
        Self::Adopt,
        Self::Other,
    ];
}

/// What the call returned when it went well.
#[derive(Debug)]
pub(super) enum Returned {
    Pair(Pair),
    Timestamp(Timestamp),
    Page(Page),
    Digest(Digest),
    Identity(Identity),
    Nothing,
}

/// What the call returned.
#[derive(Debug)]
pub(crate) struct ReplicaAnswer(pub(super) Result<Returned, ReplicaError>);

impl ReplicaRequest {
    /// What kind of call this is.
    pub(super) fn kind(&self) -> Kind {
        match self.method {
            Method::Read(..) | Method::ReadTimestamp(..) => Kind::Read,
            Method::Write(..) => Kind::Write,
            Method::Scan(..) => Kind::Scan,
            Method::Adopt { .. } => Kind::Adopt,
            _ => Kind::Other,
        }
    }

    /// Whether something is to be stored.
    pub(super) fn stores(&self) -> bool {
        !matches!(
            self.method,
            Method::Read(..)
                | Method::ReadTimestamp(..)
                | Method::Scan(..)
                | Method::Advise { .. }
                | Method::Identify
        )
    }

    /// Makes the call.
    pub(super) async fn perform(&self, replica: &impl Replica) -> ReplicaAnswer {
        let timeout = self.timeout;
        ReplicaAnswer(match &self.method {
            Method::Read(fence, key) => {
                let pair = replica.local_read(fence, key, timeout).await;
                pair.map(Returned::Pair)
            }
            Method::ReadTimestamp(fence, key) => {
                let timestamp = replica.local_read_timestamp(fence, key, timeout).await;
                timestamp.map(Returned::Timestamp)
            }
            Method::Write(fence, write) => {
                let written = replica.local_write(fence, write, timeout).await;
                written.map(|()| Returned::Nothing)
            }
            Method::WriteAll(fence, writes) => {
                let written = replica.local_write_all(fence, writes, timeout).await;
                written.map(|()| Returned::Nothing)
            }
            Method::Scan(fence, request) => {
                let page = replica.scan(fence, request, timeout).await;
                page.map(Returned::Page)
            }
            Method::Digest(fence, request) => {
                let digest = replica.digest(fence, request, timeout).await;
                digest.map(Returned::Digest)
            }
            Method::Adopt {
                replica_id,
                config,
                active,
            } => {
                let adopted = replica.adopt(*replica_id, config, *active, timeout).await;
                adopted.map(|()| Returned::Nothing)
            }
            Method::Admit {
                replica_id,
                boot,
                volume,
            } => {
                let volume = volume.as_deref();
                let admitted = replica.admit(*replica_id, *boot, volume, timeout).await;
                admitted.map(|()| Returned::Nothing)
            }
            Method::Retire { replica_id, config } => {
                let retired = replica.retire(*replica_id, config, timeout).await;
                retired.map(|()| Returned::Nothing)
            }
            Method::Advise { replica_id, advice } => {
                let advised = replica.advise(*replica_id, *advice, timeout).await;
                advised.map(|()| Returned::Nothing)
            }
            Method::Identify => replica.identify(timeout).await.map(Returned::Identity),
        })
    }
}

impl fmt::Display for ReplicaRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.method {
            Method::Read(_, key) => write!(f, "local_read {}", shown_key(key)),
            Method::ReadTimestamp(_, key) => write!(f, "local_read_timestamp {}", shown_key(key)),
            Method::Write(_, Write { key, pair, .. }) => {
                write!(f, "local_write {} = {}", shown_key(key), Shown(pair))
            }
            Method::WriteAll(_, writes) => {
                f.write_str("local_write_all")?;
                let mut pairs = writes.pairs.iter();
                pairs.try_for_each(|(key, pair)| write!(f, " {} = {}", shown_key(key), Shown(pair)))
            }
            Method::Scan(..) => f.write_str("scan"),
            Method::Digest(_, request) => write!(f, "digest {request:?}"),
            Method::Adopt { config, active, .. } => {
                let known = if *active { " as active" } else { "" };
                write!(f, "adopt epoch {}{known}", config.epoch())
            }
            Method::Admit { boot, .. } => write!(f, "admit boot {}", boot.number),
            Method::Retire { config, .. } => write!(f, "retire under epoch {}", config.epoch()),
            Method::Advise { advice, .. } => write!(f, "advise {advice:?}"),
            Method::Identify => f.write_str("identify"),
        }
    }
}

impl fmt::Display for ReplicaAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(Returned::Pair(pair)) => write!(f, "{}", Shown(pair)),
            Ok(Returned::Timestamp(timestamp)) => write!(f, "{}", Short(*timestamp)),
            Ok(Returned::Page(page)) => write!(f, "{} pairs", page.pairs.len()),
            Ok(Returned::Digest(digest)) => match digest.sums() {
                Some(sums) => {
                    let total = sums
                        .iter()
                        .fold(0u64, |total, sum| total.wrapping_add(*sum));
                    write!(f, "digest {total:016x}")
                }
                None => f.write_str("counting"),
            },
            Ok(Returned::Identity(identity)) => match &identity.config {
                Some(held) => write!(f, "{} at {}", identity.pod, held.config.epoch()),
                None => write!(f, "{} without a config", identity.pod),
            },
            Ok(Returned::Nothing) => f.write_str("done"),
            Err(error) => write!(f, "{error}"),
        }
    }
}

/// A pair as the trace prints it.
struct Shown<'a>(&'a Pair);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = Short(self.0.timestamp);
        match &self.0.value {
            Some(value) => write!(f, "{timestamp} {:?}", String::from_utf8_lossy(value)),
            None => write!(f, "{timestamp} no value"),
        }
    }
}
