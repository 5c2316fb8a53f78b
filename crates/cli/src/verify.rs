//! `quorate verify`: is a store linearizable?
//!
//! Several clients make sets, gets and deletes at once, on keys that no run had before, so
//! that they have no value at first. Everything they ask and are answered is recorded, and
//! the history is judged by the checker of `quorate-workload`.

mod args;
mod counting;
mod judge;
mod report;
mod workload;

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_workload::History;

use crate::progress::Progress;
use crate::{Context, Exit, Failure};
pub use args::Args;
use judge::{Judgement, judge};
use report::Report;

/// Records a history, or reads one, and judges it.
pub(crate) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let mut report = match &args.check {
        Some(path) => check(path).await?,
        None => record(&args, context).await?,
    };
    if let Judgement::Violation { .. } = report.judgement
        && report.history.is_none()
        && let Some(run) = &report.run
    {
        // The only evidence there is.
        let path = PathBuf::from(format!("quorate-history-{}.jsonl", run.id));
        save(&report.operations, &path)?;
        report.history = Some(path);
    }
    report.write(args.output.output, context)?;
    report.exit()
}

/// Judges a recorded history.
async fn check(path: &Path) -> Result<Report, Failure> {
    let unreadable = |problem: &dyn std::fmt::Display| {
        Failure::File(format!(
            "cannot read the history {}: {problem}",
            path.display()
        ))
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let history = History::read_from(BufReader::new(file)).map_err(|error| unreadable(&error))?;
    let operations = Arc::new(history);
    Ok(Report {
        judgement: judge(operations.clone()).await,
        operations,
        run: None,
        history: Some(path.to_owned()),
    })
}

/// Runs a workload, saves its history if asked to, and judges it.
async fn record(args: &Args, context: &mut Context) -> Result<Report, Failure> {
    // Not only after half a minute.
    let mut file = match &args.history {
        Some(path) => Some((path, create(path)?)),
        None => None,
    };
    let progress = Progress::new(context.terminal.errors, args.output.output);
    let (history, run) = workload::run(args, &progress).await?;
    let operations = Arc::new(history);
    if let Some((path, file)) = file.take() {
        write(&operations, path, file)?;
    }
    progress.say("checking the history");
    let judgement = judge(operations.clone()).await;
    progress.clear();
    Ok(Report {
        judgement,
        operations,
        run: Some(run),
        history: args.history.clone(),
    })
}

fn save(history: &History, path: &Path) -> Result<(), Failure> {
    write(history, path, create(path)?)
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| unwritable(path, &error))
}

fn write(history: &History, path: &Path, file: File) -> Result<(), Failure> {
    let written = history.write_to(BufWriter::new(file));
    written.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::File(format!(
        "cannot write the history {}: {error}",
        path.display()
    ))
}
