//! Runs seed after seed for hours, and reports what happened in them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use quorate_simulation::Soak;

/// Runs the simulation with one seed after the other, each twice, until one fails.
#[derive(Parser)]
struct Args {
    /// How many seeds there shall be in all, those of earlier calls among them.
    #[arg(long, default_value_t = 100_000)]
    until: u64,
    /// The file that keeps how far it is; without it the soak begins anew.
    #[arg(long, default_value = "target/soak.json")]
    state: PathBuf,
}

/// How many seeds are run before the state is saved: what an interruption loses.
const PIECE: u64 = 100;

fn main() -> anyhow::Result<ExitCode> {
    let Args { until, state } = Args::parse();
    let named = || format!("the state file {}", state.display());
    let mut soak = Soak::load(&state).with_context(named)?;
    while soak.seeds < until {
        if let Err(finding) = soak.advance(PIECE.min(until - soak.seeds)) {
            println!("{soak}\nafter these, a seed fails:\n{finding}");
            return Ok(ExitCode::FAILURE);
        }
        soak.save(&state).with_context(named)?;
        println!("{} seeds of {until}", soak.seeds);
    }
    print!("{soak}");
    Ok(ExitCode::SUCCESS)
}
