//! One run from beginning to end.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use quorate_workload::{History, Recorder, TokioClock};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::clients;
use crate::faults::Faults;
use crate::fleet::Fleet;
use crate::invariant::{Broken, Invariant};
use crate::panics;
use crate::settings::Settings;
use crate::trace::Trace;

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The seed it follows from.
    pub seed: u64,
    /// Its settings and everything that happened, a line per event.
    pub trace: String,
    /// How often each kind of event happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// What clients asked and were answered.
    pub history: History,
    /// What is broken; empty for a good run.
    pub broken: Vec<Broken>,
}

impl Run {
    /// The history as JSON lines.
    pub fn history_text(&self) -> String {
        let mut text = Vec::new();
        let written = self.history.write_to(&mut text);
        written.expect("a vector takes everything");
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// What is broken, and how to see it again.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for broken in &self.broken {
            writeln!(f, "seed {}: {broken}", self.seed)?;
        }
        Ok(())
    }
}

/// Runs the real coordinators and replicas under these settings, in virtual time.
///
/// Nothing in it reads the machine's clock or randomness, so the same settings give the same
/// [`Run`], byte for byte.
pub fn simulate(settings: &Settings) -> Run {
    panics::watch();
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without input and output needs nothing of the machine");
    let ended = runtime.block_on(async {
        let trace = Trace::start();
        trace.event("settings", format_args!("{settings}"));
        let body = AssertUnwindSafe(Box::pin(body(settings, trace.clone())));
        let ended = futures::FutureExt::catch_unwind(body).await;
        let (history, broken) = ended.unwrap_or_default();
        (trace, history, broken)
    });
    // Whatever is left is dropped here, under the watch for panics.
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(runtime)));
    let (trace, history, mut broken) = ended;
    for finding in panics::taken() {
        let invariant = Invariant::NoPanic;
        broken.push(Broken { invariant, finding });
    }
    assert!(dropped.is_ok() || !broken.is_empty(), "panics are watched");
    Run {
        seed: settings.seed,
        trace: trace.text(),
        counts: trace.counts(),
        history,
        broken,
    }
}

async fn body(settings: &Settings, trace: Trace) -> (History, Vec<Broken>) {
    let fleet = Arc::new(Fleet::start(settings, &trace));
    let recorder = Arc::new(Recorder::new(Arc::new(TokioClock::start())));
    under_faults(settings, &fleet, &recorder).await;
    fleet.heal();
    if settings.changes.is_some() {
        fleet.ready(1, READY_LIMIT).await;
        fleet.recover().await;
    }
    if !fleet.ready(settings.coordinators, READY_LIMIT).await {
        let waited = READY_LIMIT.as_secs();
        let finding = format!("no config is known {waited} s after all is healed");
        fleet.judge.broken(Invariant::Liveness, finding);
    }
    clients::after_healing(settings, &fleet, &recorder).await;
    fleet.quiet().await;
    let history = recorder.history();
    fleet.judge.judge_disks();
    fleet.judge_coordinators();
    fleet.judge.judge_strangers();
    fleet.judge.judge_history(&history);
    fleet.stop().await;
    (history, fleet.judge.findings())
}

/// Clients work while faults happen, until they made their operations.
async fn under_faults(settings: &Settings, fleet: &Arc<Fleet>, recorder: &Arc<Recorder>) {
    let early = settings.faults.from_the_start;
    let clients = async {
        // Under faults a config may never come; operations are refused then.
        let ready = if early { 1 } else { settings.coordinators };
        fleet.ready(ready, PATIENCE).await;
        clients::under_faults(settings, fleet, recorder).await;
    };
    let faults = async {
        if !early {
            fleet.ready(settings.coordinators, PATIENCE).await;
        }
        Faults::new(settings, fleet).run().await;
        std::future::pending::<()>().await
    };
    let work = async {
        tokio::select! {
            biased;
            () = clients => {}
            () = faults => {}
        }
    };
    if timeout(FAULTS_LIMIT, work).await.is_err() {
        let finding = "clients do not end while faults happen".to_owned();
        fleet.judge.broken(Invariant::Liveness, finding);
    }
}

/// How long clients wait for a first config while faults may keep it from being made.
const PATIENCE: Duration = Duration::from_secs(3);

/// Longer than all clients' timeouts and pauses one behind the other.
const FAULTS_LIMIT: Duration = Duration::from_secs(300);

/// Longer than any backoff and any message takes.
const READY_LIMIT: Duration = Duration::from_secs(10);
