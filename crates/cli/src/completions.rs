//! `quorate completions`: what a shell needs to complete a command line.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{Cli, Context, Exit, Failure};

/// Arguments of `completions`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The shell to write completions for.
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes a script for the shell to read.
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "quorate", &mut script);
    context.write(&script)?;
    Ok(Exit::DONE)
}
