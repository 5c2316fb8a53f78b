//! Seeded simulations of Quorate's real code under faults.
//!
//! One process, one thread, one seed: the coordinators and replicas of a release run on
//! tokio's paused clock, over a simulated network and disks that lose what is not synced.
//! Messages are late, lost, doubled and overtaken; links are cut, one way too; processes
//! crash, stand still, shut down and come back; syncs fail, disks fill up, are wiped, or go back
//! to old copies; clients have little time and abandon calls. Nothing reads the machine's clock or
//! randomness, so one seed is one run: every seed is run twice and compared byte for byte
//! before its result is read.
//!
//! That is the first level, and what this page is about. The second runs the same roles over real gRPC
//! and HTTP/2, on turmoil's TCP: [`simulate_wire`].
//!
//! # What a run is
//!
//! 1. [`Settings::of`] draws everything from the seed: sizes, limits, weather, and which
//!    [`FaultKind`]s happen. Runs differ much on purpose.
//! 2. Coordinators make the first config, and clients work while faults happen.
//! 3. Everything is healed, and clients work on: now nothing may fail.
//! 4. When nothing is under way any more, the [`Invariant`]s are judged: what clients saw is
//!    linearizable, what completed is on a majority of disks, nothing is left, and more. Some
//!    are judged earlier, in the instant in which they could break.
//!
//! # How to run it
//!
//! ```text
//! cargo test -p quorate-simulation                          the seeds of CI, and seeds.txt
//! SIMULATION_SEEDS=10000..30000 cargo test -p quorate-simulation --test seeds every
//! SIMULATION_SEED=42 cargo test -p quorate-simulation --test seeds every -- --nocapture
//! SIMULATION_SCENARIO=changing SIMULATION_SEED=42 cargo test ...   the members change all the time
//! SIMULATION_SCENARIO=lagging SIMULATION_SEED=42 cargo test ...    and some requests are late
//! just soak                                                  100,000 more, resumed if interrupted
//! WIRE_SEEDS=0..500 cargo test -p quorate-simulation --test wire every        the second level
//! cargo test -p quorate-simulation --features mutations --test mutations -- --nocapture
//! ```
//!
//! The last plants the bugs of [`quorate_register::mutation`] one by one and prints how many
//! seeds it took to catch each. With the feature, `SIMULATION_MUTATION='no write-back'` plants
//! one while a single seed is shown.
//!
//! # How to read a failure
//!
//! A failing seed names the broken invariant and the command that shows the run again. That
//! prints the settings, then one line per event with its virtual time, then the history:
//!
//! ```text
//!    120 ms  client1>c0 #7 set k0 = "1-3"                   a client's call leaves
//!    121 ms  c0>r2 #31 local_read_timestamp k0              a coordinator asks a replica
//!    122 ms  c0>r2 #31 does: 4-3fa2c1                       the replica carried it out
//!    125 ms  c0>r2 #31 is answered                          the answer arrived
//!    131 ms  c0>r1 #32 local_write k0 = 5-77b01e "1-3"
//!    133 ms  r1: crashes
//!    134 ms  !!! stored by a majority: c0 completes ...     the invariant breaks here
//! ```
//!
//! `c0>r2 #31` is the 31st request on that link; each line of its life repeats the name.
//! `4-3fa2c1` is a timestamp, its counter and the first digits of its op id.
//!
//! 1. Search for `!!!`: the first is the place where something broke. A history that is not
//!    linearizable is judged at the end and has a witness instead: two or three operations
//!    with their client, value and time. Search for their values.
//! 2. From there search backwards for the timestamp: who stored it (`local_write`, `does:
//!    done`), whose answers made the quorum, and what the replicas that did not store it were
//!    doing (`crashes`, `is paused`, `cut:`).
//! 3. A broken *liveness* is an operation behind `all is healed` that fails: look at what its
//!    coordinator still asks, and what it is told.
//! 4. When the cause is found, put the seed into `seeds.txt` with a word on what it found. A
//!    seed means another run once the order of events changes, so a bug that is worth a seed
//!    is worth a test of its own too.
//!
//! When two runs of one seed *diverge*, read nothing else: something in the run does not
//! follow from the seed (the order of a hash map, a clock, randomness of the machine), and the
//! first line that differs is near it.

mod campaign;
mod clients;
mod compare;
mod coordinator;
mod faults;
mod fleet;
mod gate;
#[cfg(feature = "mutations")]
mod hunt;
mod invariant;
mod judge;
mod network;
mod panics;
mod random;
mod replica;
mod run;
mod settings;
mod soak;
mod trace;
mod wire;

pub use campaign::{DEFAULT_SEEDS, InvalidSeeds, Seeds, listed, on_all_cores};
pub use clients::FIRST_PATIENT_CLIENT;
pub use compare::{Diverged, compare, simulate_twice};
pub use faults::FaultKind;
#[cfg(feature = "mutations")]
pub use hunt::{Catch, Hunt, hunt, simulate_planted};
pub use invariant::{Broken, Invariant};
pub use run::{Run, simulate};
pub use settings::{FaultSettings, Lags, Scenario, Settings, Weather};
pub use soak::{Soak, checked};
pub use wire::{WireFault, WireSettings, simulate_wire, simulate_wire_twice};
