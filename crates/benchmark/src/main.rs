//! `bench-etcd`: Quorate and etcd side by side on one machine.
//!
//! Both run as real processes, each in turn awake, and answer the same generator; every
//! figure is a ratio of medians over rounds of one run, since those of different runs, or
//! machines, say little. What is compared is a table, [`cell::CELLS`]; what is no comparison
//! of loads is a study, in [`findings`].

mod args;
mod bench;
mod cell;
mod comparison;
mod disk;
mod etcd;
mod figures;
mod findings;
mod machine;
mod outcome;
mod ports;
mod proc_fs;
mod process;
mod quorate;
mod report;
mod run;
mod system;
mod turn;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Args;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run_to_end(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench-etcd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_to_end(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = match args.client_threads {
        // Without a second thread nothing has to be stolen or woken.
        1 => Builder::new_current_thread().enable_all().build()?,
        threads => Builder::new_multi_thread()
            .worker_threads(threads.into())
            .enable_all()
            .build()?,
    };
    runtime.block_on(async {
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut terminated = signal(SignalKind::terminate())?;
        let mut hung_up = signal(SignalKind::hangup())?;
        // Whichever is not done is dropped, and all processes and data with it.
        tokio::select! {
            result = run::run(args) => result,
            _ = interrupted.recv() => Ok(stopped_by(2)),
            _ = terminated.recv() => Ok(stopped_by(15)),
            _ = hung_up.recv() => Ok(stopped_by(1)),
        }
    })
}

/// The exit code of a program that a signal ended, as shells have it.
fn stopped_by(signal: u8) -> ExitCode {
    eprintln!("bench-etcd: stopped; all servers are killed");
    ExitCode::from(128 + signal)
}
