//! Changing the members: what the steps of a change do, whoever takes them and whoever dies.

mod changes;
mod faults;
mod leader;
mod stage;
#[path = "../support/mod.rs"]
mod support;
