//! Which replicas are asked: the config's store, how the first config is made, and how a
//! coordinator finds the config at its start.

mod activation;
mod admission;
mod advising;
mod bootstrap;
mod conformance;
mod file_store;
mod load;
#[path = "../support/mod.rs"]
mod support;
