//! Says what was found.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use quorate_workload::{Counts, History};
use serde_json::{Map, Value, json};

use super::judge::Judgement;
use super::workload::Run;
use crate::numbers::{counted, rounded, seconds, thousands};
use crate::table::{Colour, coloured};
use crate::{Context, Exit, Failure, Format, bytes_json};

/// A judged history.
pub(super) struct Report {
    pub(super) judgement: Judgement,
    pub(super) operations: Arc<History>,
    /// How it was recorded, if by this command.
    pub(super) run: Option<Run>,
    /// The file it is in.
    pub(super) history: Option<PathBuf>,
}

impl Report {
    /// The exit code; a failure when nothing could be verified, since no operation succeeded.
    pub(super) fn exit(&self) -> Result<Exit, Failure> {
        match self.judgement {
            Judgement::Violation { .. } => Ok(Exit::VIOLATION),
            Judgement::Undecided { .. } => Ok(Exit::UNDECIDED),
            Judgement::Linearizable if self.counts().ok > 0 => Ok(Exit::DONE),
            Judgement::Linearizable => Ok(Exit::FAILED),
        }
    }

    pub(super) fn write(&self, format: Format, context: &mut Context) -> Result<(), Failure> {
        match format {
            Format::Json => context.write_json(&self.json()),
            Format::Text => {
                let colours = context.terminal.colours;
                self.lines(colours)
                    .iter()
                    .try_for_each(|line| context.write_line(line))
            }
        }
    }

    fn word(&self) -> (&'static str, Colour) {
        match self.judgement {
            Judgement::Linearizable if self.counts().ok == 0 => ("nothing verified", Colour::Red),
            Judgement::Linearizable => ("linearizable", Colour::Green),
            Judgement::Violation { .. } => ("NOT LINEARIZABLE", Colour::Red),
            Judgement::Undecided { .. } => ("undecided", Colour::Yellow),
        }
    }

    /// The verdict in one line, and the reasons if it is not a good one.
    fn lines(&self, colours: bool) -> Vec<String> {
        let (word, colour) = self.word();
        let word = coloured(word, colour, colours);
        let mut lines = vec![format!("{word}: {}", self.sentence())];
        match &self.judgement {
            Judgement::Violation { witness, .. } => lines.push(witness.clone()),
            Judgement::Undecided { key, reason } => {
                lines.push(format!("key {}: {reason}", key.escape_ascii()));
            }
            Judgement::Linearizable if self.counts().ok > 0 => return lines,
            Judgement::Linearizable => {
                let last = self.run.as_ref().and_then(|run| run.last_error.as_ref());
                lines.extend(last.map(|error| format!("the last error: {error}")));
                return lines;
            }
        }
        if let (Some(run), Some(path)) = (&self.run, &self.history) {
            let (path, seed) = (path.display(), run.seed);
            lines.push(format!(
                "the history is in {path}; the requests are those of --seed {seed}"
            ));
        }
        lines
    }

    fn counts(&self) -> Counts {
        let summary = self.operations.summary();
        let kinds = [summary.gets, summary.sets, summary.deletes];
        kinds.iter().fold(Counts::default(), |sum, kind| Counts {
            ok: sum.ok + kind.ok,
            fail: sum.fail + kind.fail,
            unknown: sum.unknown + kind.unknown,
        })
    }

    fn clients_and_keys(&self) -> (u64, u64) {
        if let Some(run) = &self.run {
            return (run.clients, run.keys);
        }
        let operations = &self.operations.operations;
        let clients: BTreeSet<_> = operations
            .iter()
            .map(|operation| operation.client)
            .collect();
        let keys: BTreeSet<_> = operations.iter().map(|operation| &operation.key).collect();
        (clients.len() as u64, keys.len() as u64)
    }

    fn sentence(&self) -> String {
        let counts = self.counts();
        let (clients, keys) = self.clients_and_keys();
        let time = self.run.as_ref();
        let time = time.map_or_else(String::new, |run| format!(" in {}", seconds(run.elapsed)));
        format!(
            "{} by {} on {}{time}, {} failed{}, {} unknown{}",
            counted(counts.total(), "operation"),
            counted(clients, "client"),
            counted(keys, "key"),
            thousands(counts.fail),
            self.causes("NO"),
            thousands(counts.unknown),
            self.causes("MAYBE"),
        )
    }

    /// Why operations failed, in parentheses.
    fn causes(&self, applied: &str) -> String {
        let errors = self.run.iter().flat_map(|run| &run.errors);
        let causes = errors
            .filter(|((of, _), _)| *of == applied)
            .map(|((_, reason), count)| format!("{reason} {}", thousands(*count)));
        match causes.collect::<Vec<_>>() {
            causes if causes.is_empty() => String::new(),
            causes => format!(" ({})", causes.join(", ")),
        }
    }

    fn json(&self) -> Value {
        let verdict = match &self.judgement {
            Judgement::Linearizable if self.counts().ok == 0 => "nothing_verified",
            Judgement::Linearizable => "linearizable",
            Judgement::Violation { .. } => "violation",
            Judgement::Undecided { .. } => "undecided",
        };
        let counts = self.counts();
        let (clients, keys) = self.clients_and_keys();
        let mut object = Map::new();
        let mut insert = |name: &str, value: Value| object.insert(name.to_owned(), value);
        insert("verdict", verdict.into());
        insert("operations", counts.total().into());
        insert("ok", counts.ok.into());
        insert("failed", counts.fail.into());
        insert("unknown", counts.unknown.into());
        insert("clients", clients.into());
        insert("keys", keys.into());
        if let Some(run) = &self.run {
            insert("seconds", rounded(run.elapsed.as_secs_f64()).into());
            insert("seed", run.seed.into());
            let errors = run.errors.iter().map(|((applied, reason), count)| {
                json!({ "reason": reason, "applied": applied, "count": count })
            });
            insert("errors", errors.collect());
        }
        if let Some(path) = &self.history {
            insert("history", path.display().to_string().into());
        }
        match &self.judgement {
            Judgement::Linearizable => {}
            Judgement::Violation { key, witness } => {
                object.insert("witness".to_owned(), witness.as_str().into());
                bytes_json::insert(&mut object, "key", key);
            }
            Judgement::Undecided { key, reason } => {
                object.insert("reason".to_owned(), reason.as_str().into());
                bytes_json::insert(&mut object, "key", key);
            }
        }
        Value::Object(object)
    }
}
