//! From `main` to the async world and back.

use std::error::Error;
use std::future::Future;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// How long blocking work that is left over, such as the lookup of a name, may hold up the
/// end of the process.
const LEFTOVER_LIMIT: Duration = Duration::from_millis(100);

/// What the exit codes of the servers mean. A panic of the main task is Rust's 101.
pub mod exit {
    /// It did what it was asked to, and ended when asked to.
    pub const OK: u8 = 0;
    /// It failed, and said why in one line on the standard error.
    pub const FAILURE: u8 = 1;
    /// It was called wrongly: clap's code.
    pub const USAGE: u8 = 2;
    /// After a signal, something did not end although it was cancelled.
    pub const ABANDONED: u8 = 3;
    /// A second signal ended it at once; the signal's number is added, as shells do: 130
    /// for SIGINT, 143 for SIGTERM.
    pub const FORCED: u8 = 128;
}

/// How the program uses the machine.
#[derive(Debug, Clone, clap::Args)]
pub struct RuntimeArgs {
    /// Number of threads that serve calls. One does the most for its processor time; more
    /// carry a load that one processor cannot, spread by connections and calls, where an
    /// exchange is one.
    #[arg(long, env = "QUORATE_WORKER_THREADS", value_name = "COUNT", value_parser = worker_threads, default_value = "1")]
    pub worker_threads: NonZeroUsize,
}

impl Default for RuntimeArgs {
    fn default() -> Self {
        Self {
            worker_threads: NonZeroUsize::MIN,
        }
    }
}

/// The largest number of threads: more is a typing error, and each takes memory.
const MAX_WORKER_THREADS: usize = 1024;

/// Parses a number of threads.
fn worker_threads(text: &str) -> Result<NonZeroUsize, String> {
    let parsed = text.parse().ok();
    parsed
        .filter(|count: &NonZeroUsize| count.get() <= MAX_WORKER_THREADS)
        .ok_or_else(|| format!("a number of threads is 1 to {MAX_WORKER_THREADS}"))
}

/// Runs `work` on a runtime of its own and returns the exit code of the process: what the
/// result of `work` reports, or [`exit::FAILURE`] after its error was printed as one line,
/// `program: error: cause: cause of the cause`. Tasks that are left over are dropped; call
/// it at the end of `main` only.
pub fn run<T, E>(
    program: &str,
    args: &RuntimeArgs,
    work: impl Future<Output = Result<T, E>>,
) -> ExitCode
where
    T: Termination,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    run_with(program, args, work, &mut io::stderr())
}

/// [`run`] that prints to `errors`.
fn run_with<T, E>(
    program: &str,
    args: &RuntimeArgs,
    work: impl Future<Output = Result<T, E>>,
    errors: &mut impl Write,
) -> ExitCode
where
    T: Termination,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let runtime = match runtime(args) {
        Ok(runtime) => runtime,
        Err(error) => return failure(program, &error, errors),
    };
    let result = runtime.block_on(work);
    // Without a limit, a blocking call that hangs would keep the process from ending.
    runtime.shutdown_timeout(LEFTOVER_LIMIT);
    match result {
        Ok(value) => value.report(),
        Err(error) => failure(program, error.into().as_ref(), errors),
    }
}

fn runtime(args: &RuntimeArgs) -> io::Result<Runtime> {
    let mut builder = match args.worker_threads.get() {
        // No work stealing: waking a task costs no more than queueing it.
        1 => Builder::new_current_thread(),
        threads => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    builder.enable_all().build()
}

/// Prints the error. That it cannot be printed changes nothing: the code still tells.
fn failure(program: &str, error: &(dyn Error + 'static), errors: &mut impl Write) -> ExitCode {
    let _ = writeln!(errors, "{program}: {}", one_line(error));
    ExitCode::from(exit::FAILURE)
}

/// The error and its causes. An error that ends with its cause's text already does not
/// have it repeated.
fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
