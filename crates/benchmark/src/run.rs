//! A whole run.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tempfile::TempDir;

use crate::args::Args;
use crate::bench::Bench;
use crate::cell::CELLS;
use crate::disk::Disk;
use crate::etcd::EtcdCluster;
use crate::findings::Study;
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::ports::Ports;
use crate::quorate::{QuorateCluster, Shape};
use crate::report;
use crate::system::Systems;

/// Starts both systems, measures what was asked for, and reports it.
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let programs = programs(args)?;
    // Before the systems, and so removed after their processes have ended.
    let folder = data_folder(args)?;
    let machine = Machine::read(folder.path(), &programs.join("quorate"), &args.etcd)?;
    eprintln!("{}", report::opening(&machine));
    let mut ports = Ports::find(args.base_port)?;
    let shape = Shape::fixed(args.coordinators.into());
    let systems = Systems {
        etcd: EtcdCluster::start(&args.etcd, folder.path(), &mut ports, args.etcd_target)?,
        quorate: QuorateCluster::start(&programs, folder.path(), &mut ports, shape).await?,
    };
    let mut bench = Bench::new(systems, Disk::of(folder.path())?, args);
    let mut outcome = Outcome::new(machine, args);
    for cell in CELLS.iter().filter(|cell| args.wants(cell.name)) {
        let result = bench.cell(cell).await;
        outcome
            .cells
            .push(result.with_context(|| cell.name.to_owned())?);
    }
    for study in Study::ALL.iter().filter(|study| args.wants(study.name())) {
        let found = study.run(&mut bench).await;
        outcome
            .findings
            .extend(found.with_context(|| study.name().to_owned())?);
    }
    // The servers are of no more use, and a report can fail.
    drop(bench);
    write(args, &outcome)?;
    Ok(match outcome.errors() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn write(args: &Args, outcome: &Outcome) -> anyhow::Result<()> {
    print!("{}", report::text(outcome));
    if let Some(file) = &args.output {
        let mut json = serde_json::to_string_pretty(&report::json(outcome))?;
        json.push('\n');
        fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &args.picture {
        let picture = report::picture(outcome)?;
        fs::write(file, picture).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn programs(args: &Args) -> anyhow::Result<PathBuf> {
    match &args.quorate_dir {
        Some(folder) => Ok(folder.clone()),
        None => {
            let own = env::current_exe()?;
            let folder = own.parent().context("this program is in no folder")?;
            Ok(folder.to_owned())
        }
    }
}

fn data_folder(args: &Args) -> anyhow::Result<TempDir> {
    let parent = args.folder.clone().unwrap_or_else(env::temp_dir);
    tempfile::Builder::new()
        .prefix("bench-etcd-")
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))
}
