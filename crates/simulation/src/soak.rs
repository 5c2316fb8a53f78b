//! A long run over many seeds, in pieces, that can be interrupted and goes on where it was.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use quorate_workload::Outcome;
use serde::{Deserialize, Serialize};

use crate::campaign::{DEFAULT_SEEDS, on_all_cores};
use crate::compare::simulate_twice;
use crate::run::Run;
use crate::settings::Settings;

/// How far a soak is, and what happened in its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Soak {
    /// The first seed that is still to be run. A soak begins behind the seeds of CI.
    pub next_seed: u64,
    /// How many seeds were run, each twice, and kept every invariant.
    pub seeds: u64,
    /// How many operations clients made, by outcome; those of second runs not counted.
    pub operations: BTreeMap<String, u64>,
    /// How often each kind of event happened, faults and steps of changes among them.
    pub events: BTreeMap<String, u64>,
}

impl Default for Soak {
    fn default() -> Self {
        Self {
            next_seed: DEFAULT_SEEDS.end,
            seeds: 0,
            operations: BTreeMap::new(),
            events: BTreeMap::new(),
        }
    }
}

impl Soak {
    /// The soak that the file at `path` keeps, or a new one when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read, or is something else.
    pub fn load(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Keeps it in the file at `path`, which is replaced as a whole.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let new_path = path.with_extension("new");
        fs::write(&new_path, serde_json::to_vec_pretty(self)?)?;
        fs::rename(new_path, path)
    }

    /// Runs the next `count` seeds on all cores, each twice.
    ///
    /// # Errors
    /// With what is wrong with the first seed that fails. The soak stays where it was.
    pub fn advance(&mut self, count: u64) -> Result<(), String> {
        let seeds: Vec<_> = (self.next_seed..self.next_seed + count).collect();
        let mut advanced = self.clone();
        for run in on_all_cores(&seeds, |seed| checked(&Settings::of(*seed))) {
            advanced.add(&run?);
        }
        advanced.next_seed += count;
        *self = advanced;
        Ok(())
    }

    fn add(&mut self, run: &Run) {
        self.seeds += 1;
        for operation in &run.history.operations {
            let outcome: Outcome = operation.outcome;
            *self.operations.entry(outcome.name().into()).or_default() += 1;
        }
        for (kind, count) in &run.counts {
            *self.events.entry((*kind).into()).or_default() += count;
        }
    }
}

/// The run of a seed that is the same twice and keeps every invariant; else what is wrong, with
/// the command that shows it again.
pub fn checked(settings: &Settings) -> Result<Run, String> {
    let seed = settings.seed;
    let findings = match simulate_twice(settings) {
        Ok(run) if run.broken.is_empty() => return Ok(run),
        Ok(run) => run.to_string(),
        Err(diverged) => format!("seed {seed}: {diverged}\n"),
    };
    Err(format!(
        "{findings}  to see it again: {}SIMULATION_SEED={seed} cargo test -p quorate-simulation --test seeds every -- --nocapture\n",
        settings.scenario.variable()
    ))
}

/// The report: one count per line.
impl fmt::Display for Soak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row =
            |f: &mut fmt::Formatter<'_>, name: &str, count: u64| writeln!(f, "{count:>14}  {name}");
        row(f, "seeds, each run twice", self.seeds)?;
        row(f, "operations", self.operations.values().sum())?;
        for (outcome, count) in &self.operations {
            row(f, &format!("operations: {outcome}"), *count)?;
        }
        for (kind, count) in &self.events {
            row(f, kind, *count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soak_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("soak.json");
        let mut whole = Soak::load(&path).unwrap();
        assert_eq!(whole, Soak::default());
        whole.advance(6).unwrap();

        let mut pieces = Soak::load(&path).unwrap();
        for count in [2, 4] {
            pieces.advance(count).unwrap();
            pieces.save(&path).unwrap();
            pieces = Soak::load(&path).unwrap();
        }
        assert_eq!(pieces, whole);
        assert_eq!(whole.seeds, 6);
        assert!(whole.operations["ok"] > 0 && whole.events["healed"] == 6);
    }

    #[test]
    fn a_file_that_is_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("soak.json");
        fs::write(&path, "{}").unwrap();
        Soak::load(&path).unwrap_err();
    }
}
