//! `quorate`: see the library.

use std::process::ExitCode;

use quorate_cli::{Cli, Context};
use quorate_runtime::{Allocator, args, run};

#[global_allocator]
static ALLOCATOR: Allocator = quorate_runtime::ALLOCATOR;

fn main() -> ExitCode {
    let parsed = args::parse::<Cli>();
    let command = parsed.args.command;
    let runtime = command.runtime();
    let mut context = Context::system(parsed.settings);
    run("quorate", &runtime, command.run(&mut context))
}
