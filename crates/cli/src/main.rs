//! `quorate`: see the library.

use std::process::ExitCode;

use quorate_cli::{Cli, Context};
use quorate_runtime::{args, run};

/// Saves 10 to 25 % of the processor time of a small call.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let parsed = args::parse::<Cli>();
    let command = parsed.args.command;
    let runtime = command.runtime();
    let mut context = Context::system(parsed.settings);
    run("quorate", &runtime, command.run(&mut context))
}
