//! `quorate-coordinator`: the active role as a process.

use std::process::ExitCode;

use quorate_coordinator::{CoordinatorArgs, run_until_signalled};
use quorate_runtime::{Allocator, args};

#[global_allocator]
static ALLOCATOR: Allocator = quorate_runtime::ALLOCATOR;

fn main() -> ExitCode {
    let args::Parsed { args, settings } = args::parse::<CoordinatorArgs>();
    let runtime = args.runtime.clone();
    let role = run_until_signalled(args, settings);
    quorate_runtime::run("quorate-coordinator", &runtime, role)
}
