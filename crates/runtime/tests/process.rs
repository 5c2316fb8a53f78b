//! Real processes, real signals, real exit codes.
//!
//! This program has no test harness: with a role's name in its environment it *is* that
//! role, and otherwise it starts itself as each of them and checks how they end.

use std::error::Error;
use std::future::pending;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use clap::Parser;
use quorate_runtime::{RuntimeArgs, Shutdown, ShutdownArgs, SystemSignals, args, run, telemetry};
use rustix::process::{Pid, Signal, kill_process};

/// Set, to its name, for the process that is a role.
const ROLE: &str = "QUORATE_TEST_ROLE";

/// What a role prints when it runs.
const RUNNING: &str = "running\n";

fn main() -> ExitCode {
    if let Ok(role) = std::env::var(ROLE) {
        return be(&role);
    }
    check_end("good", &[], &[Signal::TERM], 0);
    check_end("good", &[], &[Signal::INT], 0);
    check_end("slow", &["--shutdown-limit", "1ms"], &[Signal::TERM], 0);
    check_end("stuck", &["--shutdown-limit", "1ms"], &[Signal::TERM], 3);
    let patient = ["--shutdown-delay", "1h"];
    check_end("good", &patient, &[Signal::TERM, Signal::INT], 130);
    check_end("stuck", &patient, &[Signal::INT, Signal::TERM], 143);
    check_failure("failing", &[], 1, "quorate-test: no store: disk on fire");
    let mistake = "error: invalid value '10' for '--shutdown-delay <DURATION>'";
    check_failure("good", &["--shutdown-delay", "10"], 2, mistake);
    println!("processes end as they should");
    ExitCode::SUCCESS
}

/// Nothing but what every program has.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    log: telemetry::LogArgs,
    #[command(flatten)]
    runtime: RuntimeArgs,
    #[command(flatten)]
    shutdown: ShutdownArgs,
}

/// Why the role `failing` fails.
#[derive(Debug, thiserror::Error)]
#[error("no store")]
struct NoStore(#[source] std::io::Error);

/// A role's whole program, as any `main` has it.
fn be(role: &str) -> ExitCode {
    let args = args::parse::<Args>().args;
    run("quorate-test", &args.runtime, async {
        let signals = SystemSignals::new()?;
        let _telemetry = telemetry::init(&args.log)?;
        let shutdown = Shutdown::new();
        let work = work(role, shutdown.clone());
        let settings = args.shutdown.settings();
        shutdown.supervise(work, signals, settings).await
    })
}

/// What the role does. A task is left over each time, and must not matter.
async fn work(role: &str, shutdown: Shutdown) -> Result<(), Box<dyn Error + Send + Sync>> {
    tokio::spawn(pending::<()>());
    let cancel = shutdown.cancel.clone();
    print!("{RUNNING}");
    match role {
        "good" => shutdown.stop_accepting.cancelled().await,
        "slow" => {
            let call = async move { cancel.cancelled().await };
            shutdown.calls.spawn(call);
            shutdown.stop_accepting.cancelled().await;
        }
        "stuck" => pending().await,
        "failing" => return Err(NoStore(std::io::Error::other("disk on fire")).into()),
        other => return Err(format!("no role is called {other}").into()),
    }
    Ok(())
}

/// Starts a process that ends by itself, or by `check_end`'s signals.
fn start(role: &str, arguments: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let program = std::env::current_exe().expect("this program is a file");
    let mut command = Command::new(program);
    command.args(arguments).env(ROLE, role);
    // Short, unless the arguments say otherwise: nothing is in flight that needs it.
    command.env("QUORATE_SHUTDOWN_DELAY", "1ms");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts itself");
    let output = child.stdout.take().expect("its output is a pipe");
    (child, BufReader::new(output))
}

/// Starts `role`, sends the signals, each once the last one was logged, and compares the
/// exit code.
fn check_end(role: &str, arguments: &[&str], signals: &[Signal], expected: i32) {
    let (mut child, mut output) = start(role, arguments);
    let mut running = String::new();
    output.read_line(&mut running).expect("it prints");
    assert_eq!(running, RUNNING, "{role}");
    let mut log = BufReader::new(child.stderr.take().expect("its log is a pipe"));
    let mut logged = String::new();
    for signal in signals {
        let pid = Pid::from_child(&child);
        kill_process(pid, *signal).expect("it still runs");
        log.read_line(&mut logged).expect("it logs");
    }
    log.read_to_string(&mut logged).expect("it ends");
    let status = child.wait().expect("it ended");
    assert_eq!(
        status.code(),
        Some(expected),
        "{role} {arguments:?}: {logged}"
    );
    assert!(logged.contains("shutting down"), "{role}: {logged}");
}

/// Starts `role`, which fails by itself, and compares the exit code and what it says first.
fn check_failure(role: &str, arguments: &[&str], expected: i32, says: &str) {
    let (child, _output) = start(role, arguments);
    let output = child.wait_with_output().expect("it ends");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(expected), "{role}: {log}");
    assert!(log.starts_with(says), "{role}: {log}");
}
