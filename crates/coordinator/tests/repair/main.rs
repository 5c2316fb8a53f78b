//! Members that missed writes catch up, at a cost that follows what they missed.

mod beside;
mod catching_up;
mod stage;
#[path = "../support/mod.rs"]
mod support;
