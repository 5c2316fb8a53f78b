//! The command line of Quorate.
//!
//! Each subcommand is a module with its arguments, `Args`, and a function `run` that takes
//! them and a [`Context`]: the streams to read and write, so that tests can read what a user
//! would. How a command ends is an [`Exit`]; a [`Failure`] becomes one line on the standard
//! error and an exit too.

pub mod bench;
pub mod bootstrap;
mod bytes_json;
mod command;
pub mod completions;
mod connection;
mod context;
pub mod coordinator;
pub mod delete;
pub mod dev;
mod exit;
mod failure;
pub mod get;
mod key;
pub mod membership;
pub mod node;
mod numbers;
mod output;
mod progress;
pub mod set;
pub mod status;
mod table;
pub mod verify;

pub use command::{Cli, Command};
pub use connection::ConnectionArgs;
pub use context::{Context, Terminal};
pub use exit::Exit;
pub use failure::Failure;
pub use key::KeyArgs;
pub use output::{Format, OutputArgs};
