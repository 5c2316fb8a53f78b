//! `quorate-replica`: the passive role as a process.

use std::error::Error;
use std::process::ExitCode;

use quorate_replica::{DepartingSignals, Departure, ReplicaArgs, run};
use quorate_runtime::{Allocator, Shutdown, SystemSignals, args, telemetry};

#[global_allocator]
static ALLOCATOR: Allocator = quorate_runtime::ALLOCATOR;

fn main() -> ExitCode {
    let args::Parsed { args, settings } = args::parse::<ReplicaArgs>();
    quorate_runtime::run("quorate-replica", &args.runtime.clone(), async {
        let (departure, silence) = (Departure::default(), args.wait_for_advice);
        let signals = DepartingSignals::new(SystemSignals::new()?, departure.clone(), silence);
        let telemetry = telemetry::init(&args.log)?;
        let shutdown = Shutdown::new();
        let phases = args.shutdown.settings();
        let role = run(args, settings, departure, telemetry, shutdown.clone());
        let ending = shutdown.supervise(role, signals, phases).await?;
        Ok::<_, Box<dyn Error + Send + Sync>>(ending)
    })
}
