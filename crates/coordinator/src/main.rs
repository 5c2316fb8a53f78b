//! `quorate-coordinator`: the active role as a process.

use std::error::Error;
use std::process::ExitCode;

use quorate_coordinator::{CoordinatorArgs, run};
use quorate_runtime::{Allocator, Shutdown, SystemSignals, args, telemetry};

#[global_allocator]
static ALLOCATOR: Allocator = quorate_runtime::ALLOCATOR;

fn main() -> ExitCode {
    let args::Parsed { args, settings } = args::parse::<CoordinatorArgs>();
    quorate_runtime::run("quorate-coordinator", &args.runtime.clone(), async {
        let signals = SystemSignals::new()?;
        let telemetry = telemetry::init(&args.log)?;
        let shutdown = Shutdown::new();
        let phases = args.shutdown.settings();
        let role = run(args, settings, telemetry, shutdown.clone());
        let ending = shutdown.supervise(role, signals, phases).await?;
        Ok::<_, Box<dyn Error + Send + Sync>>(ending)
    })
}
