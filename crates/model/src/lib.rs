//! Quorate's protocol at message level, explored exhaustively.
//!
//! A [`Scenario`] is a small world: a few replicas, one key, clients' operations, coordinators
//! that drive a change, and a config object. [`explore()`] visits every state that any interleaving
//! leads to, breadth first, and judges every [`Invariant`] at every step: what it finds is a
//! shortest counterexample. [`Witness`]es say that the good things stay possible.
//!
//! The decisions are the program's own: [`Configs`] makes every config by `Config::joint`,
//! `finish` and `abort`, and looks up `Fence::check`, `judge_adoption`, `Quorums::reached` and
//! `Config::is_activated_by` once for every case; timestamps are chosen by `Timestamp::successor`.
//!
//! # What is left out, and why nothing is lost by it
//!
//! - A request is carried out and answered in one step, at any time after it was sent, any number
//!   of times, or never: that is loss, duplication and delay. A round ends in the step that makes
//!   its quorum: a later end only makes fewer operations ordered. A write whose answer is lost is
//!   a step of its own where a scenario says `lost_answers`.
//! - Whoever may take a step may take none ever again: every participant may crash anywhere.
//! - That a config is active is a fact that stays true, so proving it is no step: whoever needs
//!   the proof could have made it. An ambiguous swap leaves its driver as a restart does, with
//!   the object to read again.
//! - The mark `active` of a replica matters for starting only, and is not modelled.
//! - A wiped disk comes back as a stranger, which no config of the scenario lists: as gone. A
//!   disk that admission found to be an old copy is set aside: the same.
//! - Late writes that no member can store any more are forgotten; two Gets begin in order.

pub mod configs;
pub mod explore;
mod fingerprint;
mod history;
pub mod invariant;
pub mod mutation;
mod operations;
pub mod pair;
mod reconfiguration;
mod replicas;
pub mod report;
pub mod scenario;
pub mod state;
pub mod step;
pub mod world;

pub use configs::{ConfigIndex, Configs};
pub use explore::{Explored, Found, explore};
pub use invariant::{Invariant, Witness, Witnesses};
pub use mutation::{CaughtBy, Mutation};
pub use pair::Pair;
pub use report::{Hunt, hunt};
pub use scenario::{Kind, Scenario};
pub use step::Step;
pub use world::World;

/// The most replicas of a scenario.
pub const MAX_REPLICAS: usize = 4;

/// A set of replicas, by index.
pub type Replicas = u8;
