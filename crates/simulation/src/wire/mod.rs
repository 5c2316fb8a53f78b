//! The second level: the same roles over real tonic and HTTP/2, on turmoil's network.
//!
//! The first level carries messages of the protocol itself, so it is fast and each message can be
//! lost by itself; what lies below them, gRPC, HTTP/2, flow control, keep-alive and the making of
//! connections, is not in it. Here everything above TCP is the code of a release, each machine
//! with a runtime and a clock of its own, and TCP is [turmoil]'s. It is slower by far, and has
//! fewer kinds of faults: links are cut, both ways or one, or hold everything back for a while, and
//! processes die and start again. Members stay the same.
//!
//! A packet that is lost stays lost, and what is sent behind it waits for ever: to both ends the
//! connection is silent, until their pings give it up. So every cut that hits traffic tries the
//! keep-alive.
//!
//! A run is the same twice, as in the first level, and is judged by the same invariants where they
//! make sense without a change of members.

mod faults;
mod judge;
mod machines;
mod network;
mod packets;
mod run;
mod settings;

pub use faults::WireFault;
pub use run::{simulate_wire, simulate_wire_twice};
pub use settings::WireSettings;
