//! The rules of docs/protocol.md that a coordinator keeps, over replicas that do as a test
//! says, under a clock that leaps.

mod background;
mod config_changes;
mod deadlines;
mod limits;
mod metrics;
mod notable;
mod other_configs;
mod outcomes;
mod over_grpc;
mod refusals;
mod status;
#[path = "../support/mod.rs"]
mod support;
mod transports;
mod write_back;
