//! The domain of Quorate: a linearizable register per key, replicated without a leader.
//!
//! A *coordinator* performs [`get`] and [`set`] by asking *replicas*. Each operation has
//! at most two *phases*, and each phase waits for a *quorum*: a majority of every *group*
//! of the current [`Config`]. Any two quorums share a replica, so a phase always meets
//! somebody who knows what the phases completed before it stored. That is the whole idea
//! (Attiya, Bar-Noy, Dolev 1995; several writers: Lynch, Shvartsman 1997):
//!
//! - [`set`] asks a quorum for the largest [`Timestamp`], takes a larger one, and stores
//!   the new [`Pair`] at a quorum;
//! - [`get`] asks a quorum for the largest pair; unless a quorum has it already, it
//!   stores that pair at a quorum before it answers (*write-back*), so that no later
//!   get can answer with an older one.
//!
//! This crate has neither network, disk, clock nor randomness. What it decides is pure:
//! timestamps ([`Timestamp::successor`]), quorum counting ([`Quorums`]), which config a
//! replica serves ([`fence`]). What it needs from outside stands behind traits:
//! [`Replica`], [`QuorumCalls`], [`Entropy`]. The rules are in `docs/protocol.md`.

mod advice;
mod boot;
mod bucket;
pub mod config;
mod digest;
mod entropy;
pub mod fence;
mod id;
mod key;
pub mod mutation;
mod operation;
mod outcome;
mod pair;
mod quorum;
mod register;
mod replica;
pub mod retirement;
mod stand_in;
mod timestamp;

pub use advice::Advice;
pub use boot::{Boot, DiskBoots, MAX_VOLUME_BYTES};
pub use bucket::{BUCKETS, Buckets, bucket_of, pair_hash, scan_order};
pub use config::{Config, ConfigParts, Epoch, Member};
pub use digest::{DIGEST_SUMS, Digest, DigestRequest};
pub use entropy::Entropy;
pub use fence::Fence;
pub use id::{BootNonce, ClusterId, ConfigId, ParseIdError, ReplicaId};
pub use key::{InvalidKey, Key, MAX_KEY_BYTES};
pub use operation::{QuorumCalls, Replies, TimestampsExhausted, WriteBack, get, set};
pub use outcome::{Applied, OperationError, Reason};
pub use pair::{ChecksumMismatch, Pair};
pub use quorum::{MAX_GROUP_MEMBERS, MAX_MEMBERS, MemberSet, Quorums, Shortfall, majority};
pub use register::{Entry, Register, Version};
pub use replica::{HeldConfig, Identity, Page, PageRequest, Replica, ReplicaError, Write, Writes};
pub use stand_in::StandIn;
pub use timestamp::{OpId, Timestamp};
