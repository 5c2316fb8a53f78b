//! What every Quorate program shares to run, whatever its role.
//!
//! A program's `main` is wiring. It parses its arguments with [`args::parse`], starts
//! [`run()`], and inside it sets up [`telemetry`] and gives its role to
//! [`Shutdown::supervise`]:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use quorate_runtime::{RuntimeArgs, Shutdown, ShutdownArgs, SystemSignals, args, run, telemetry};
//!
//! /// Says hello until it is told to stop.
//! #[derive(clap::Parser)]
//! struct Args {
//!     #[command(flatten)]
//!     log: telemetry::LogArgs,
//!     #[command(flatten)]
//!     runtime: RuntimeArgs,
//!     #[command(flatten)]
//!     shutdown: ShutdownArgs,
//! }
//!
//! fn main() -> ExitCode {
//!     let args = args::parse::<Args>().args;
//!     run("hello", &args.runtime, async {
//!         let signals = SystemSignals::new()?;
//!         let _telemetry = telemetry::init(&args.log)?;
//!         let shutdown = Shutdown::new();
//!         let role = hello(shutdown.clone());
//!         shutdown.supervise(role, signals, args.shutdown.settings()).await
//!     })
//! }
//!
//! async fn hello(shutdown: Shutdown) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//!     println!("hello");
//!     shutdown.cancel.cancelled().await;
//!     Ok(())
//! }
//! ```
//!
//! Nothing here is global but what the operating system makes so: signals, and the one
//! subscriber of `tracing`. Registries, listeners, tokens and signals are passed in.
//!
//! The library sets no allocator. A program does, in its `main.rs`:
//!
//! ```no_run
//! #[global_allocator]
//! static ALLOCATOR: quorate_runtime::Allocator = quorate_runtime::ALLOCATOR;
//! # fn main() {}
//! ```

pub mod admin;
mod allocator;
pub mod args;
mod build_info;
mod entropy;
pub mod listener;
pub mod metrics;
mod run;
mod shutdown;
pub mod telemetry;

pub use admin::{Admin, Readiness};
pub use allocator::{ALLOCATOR, Allocator};
pub use build_info::BuildInfo;
pub use entropy::SystemEntropy;
pub use listener::{ListenAddress, ListenError};
pub use run::{RuntimeArgs, exit, run};
pub use shutdown::{
    Ending, Shutdown, ShutdownArgs, ShutdownSettings, Signal, Signals, SystemSignals,
};
