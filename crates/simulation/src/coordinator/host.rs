//! A machine on which a coordinator's process runs, dies and starts again.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::Registry;
use quorate_coordinator::membership::{AdmissionState, Admissions, Membership, admit_all};
use quorate_coordinator::reconfiguration::{
    ReconfigurationMetrics, ReconfigurationOptions, Reconfigurer, ReconfigurerParts,
};
use quorate_coordinator::repair::{RepairMetrics, RepairOptions, Repairer, RepairerParts};
use quorate_coordinator::{
    Coordinator, CoordinatorMetrics, CoordinatorOptions, LiveCounts, LiveSnapshot, Violations,
};
use tokio_util::sync::CancellationToken;

use super::request::{Operation, OperationAnswer};
use super::{BootObject, ConfigObject, Wanted};
use crate::gate::Gate;
use crate::judge::Judge;
use crate::network::{Host, Link, Served};
use crate::random::Random;
use crate::replica::ReplicaHost;
use crate::settings::Settings;
use crate::trace::Trace;

/// What a coordinator finds outside itself.
pub(crate) struct Surroundings {
    /// The way to each replica's pod.
    pub(crate) replicas: Vec<(String, Arc<Link<ReplicaHost>>)>,
    /// Where the config lies.
    pub(crate) object: Arc<ConfigObject>,
    /// Where boots are counted, if they are.
    pub(crate) boots: Option<Arc<BootObject>>,
    /// What people want of the members.
    pub(crate) wanted: Arc<Wanted>,
    /// Who judges what operations return.
    pub(crate) judge: Arc<Judge>,
}

/// The machine of one coordinator.
pub(crate) struct CoordinatorHost {
    /// Itself, for the task that starts the process.
    this: Weak<Self>,
    pub(super) name: String,
    options: CoordinatorOptions,
    changes: Option<ReconfigurationOptions>,
    /// How many replicas the first config has.
    pub(super) first_members: usize,
    repair: Option<RepairOptions>,
    /// How long each step of finding a config waits for the replicas.
    pub(super) find_limit: Duration,
    /// Whether it asks replicas on exchanges, and not call by call.
    pub(super) exchanges: bool,
    pub(super) surroundings: Surroundings,
    pub(super) entropy: Arc<Random>,
    pub(super) trace: Trace,
    gate: Gate,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    process: Option<Process>,
    /// The run is over.
    stopped: bool,
    /// What every process there was counts.
    all: Vec<LiveCounts>,
    violations: Vec<Violations>,
}

#[derive(Clone)]
struct Process {
    coordinator: Arc<Coordinator>,
    stop: CancellationToken,
    dead: CancellationToken,
}

impl CoordinatorHost {
    /// A machine without a process yet.
    pub(crate) fn new(
        index: usize,
        settings: &Settings,
        surroundings: Surroundings,
        trace: Trace,
    ) -> Arc<Self> {
        let name = format!("c{index}");
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            options: CoordinatorOptions {
                quorum: settings.quorum,
                operations_in_flight: settings.operations_in_flight,
                ..CoordinatorOptions::default()
            },
            changes: settings.changes,
            first_members: settings.replicas,
            repair: settings.repair,
            find_limit: settings.find_limit,
            exchanges: settings.exchanges,
            surroundings,
            entropy: Arc::new(Random::new(settings.seed, &name)),
            trace,
            gate: Gate::default(),
            state: Mutex::default(),
            name,
        })
    }

    /// Starts the process, which finds its config by itself; `false` when one is running.
    pub(crate) fn start(&self) -> bool {
        let mut state = self.state.lock();
        if state.process.is_some() || state.stopped {
            return false;
        }
        let registry = Registry::new();
        let metrics = CoordinatorMetrics::new(&registry);
        let metrics = metrics.expect("the registry is empty");
        let directory = Arc::new(self.directory());
        let membership = Membership::new(directory, self.entropy.clone(), metrics.clone());
        let membership = Arc::new(membership);
        let stop = CancellationToken::new();
        let coordinator = Arc::new(Coordinator::new(
            self.options.clone(),
            membership.clone(),
            self.entropy.clone(),
            metrics,
            stop.clone(),
        ));
        let process = Process {
            coordinator: coordinator.clone(),
            stop,
            dead: CancellationToken::new(),
        };
        state.all.push(coordinator.live_counts());
        state.violations.push(coordinator.violations().clone());
        state.process = Some(process.clone());
        self.note("coordinator started", &"starts");
        if let Some(options) = self.repair {
            let repairer = Repairer::new(RepairerParts {
                options,
                membership: membership.clone(),
                entropy: self.entropy.clone(),
                metrics: RepairMetrics::new(&registry).expect("the registry has no such metrics"),
                live: coordinator.live_counts(),
            });
            self.repair(repairer, process.clone());
        }
        self.keep_admitting(&membership, process.clone());
        let this = self.this.clone();
        let reconfigurer = self.reconfigurer(&process, membership);
        tokio::spawn(async move {
            let Some(host) = this.upgrade() else { return };
            let work = async {
                host.find_config(&process.coordinator).await;
                if let Some(reconfigurer) = reconfigurer {
                    reconfigurer.run().await;
                }
            };
            tokio::select! {
                biased;
                () = process.dead.cancelled() => {}
                () = process.stop.cancelled() => {}
                () = host.gate.hold(work) => {}
            }
        });
        true
    }

    /// What changes the members, if this run does.
    fn reconfigurer(&self, process: &Process, membership: Arc<Membership>) -> Option<Reconfigurer> {
        let metrics = ReconfigurationMetrics::new(&Registry::new());
        Some(Reconfigurer::new(ReconfigurerParts {
            options: self.changes?,
            membership,
            config_store: self.surroundings.object.clone(),
            workload: self.surroundings.wanted.clone(),
            entropy: self.entropy.clone(),
            metrics: metrics.expect("the registry is empty"),
            live: process.coordinator.live_counts(),
            repair: None,
            leads: None,
        }))
    }

    /// Admits replicas until the process ends, if boots are counted.
    fn keep_admitting(&self, membership: &Arc<Membership>, process: Process) {
        let Some(boots) = self.surroundings.boots.clone() else {
            return;
        };
        let (this, membership) = (self.this.clone(), membership.clone());
        tokio::spawn(async move {
            let Some(host) = this.upgrade() else { return };
            let admitting = async {
                loop {
                    let config = membership.view().map(|view| view.config().clone());
                    let directory = &**membership.directory();
                    let limit = host.find_limit;
                    match admit_all(directory, &*boots, None, config.as_deref(), limit).await {
                        Ok(admissions) => {
                            host.note_set_aside(&admissions);
                            membership.publish_admissions(admissions);
                        }
                        Err(error) => host.note("not admitted", &error),
                    }
                    tokio::time::sleep(host.entropy.milliseconds(5..=100)).await;
                }
            };
            tokio::select! {
                biased;
                () = process.dead.cancelled() => {}
                () = process.stop.cancelled() => {}
                () = host.gate.hold(admitting) => {}
            }
        });
    }

    fn note_set_aside(&self, admissions: &Admissions) {
        for found in &admissions.pods {
            if let AdmissionState::Amnesiac(amnesia) = &found.state {
                let text = format!("{} is set aside: {amnesia}", found.pod);
                self.note("old disk set aside", &text);
            }
        }
    }

    /// Repairs until the process ends.
    fn repair(&self, repairer: Repairer, process: Process) {
        let this = self.this.clone();
        tokio::spawn(async move {
            let Some(host) = this.upgrade() else { return };
            tokio::select! {
                biased;
                () = process.dead.cancelled() => {}
                () = process.stop.cancelled() => {}
                () = host.gate.hold(repairer.run()) => {}
            }
        });
    }

    pub(super) fn note(&self, kind: &'static str, text: &dyn fmt::Display) {
        self.trace
            .event(kind, format_args!("{}: {text}", self.name));
    }

    /// Ends the process at once, with all it was doing; `false` when none is running.
    pub(crate) fn crash(&self) -> bool {
        let Some(process) = self.state.lock().process.take() else {
            return false;
        };
        // Operations end before they could notice the stop, which ends what goes on behind
        // them: a process that dies answers nobody.
        process.dead.cancel();
        process.stop.cancel();
        self.gate.open();
        self.note("coordinator crashed", &"crashes");
        true
    }

    /// Ends the process as SIGTERM does: operations are answered that it stops.
    pub(crate) fn shut_down(&self) -> bool {
        let Some(process) = self.state.lock().process.take() else {
            return false;
        };
        process.stop.cancel();
        self.note("coordinator shut down", &"shuts down");
        true
    }

    /// Ends the process in good order and for ever.
    pub(crate) fn stop(&self) {
        self.resume();
        self.state.lock().stopped = true;
        self.shut_down();
    }

    /// Stops the process without ending it.
    pub(crate) fn pause(&self) {
        self.gate.close();
        self.note("coordinator paused", &"is paused");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        if self.gate.open() {
            self.note("coordinator resumed", &"goes on");
        }
    }

    /// Whether the process is running and knows its config.
    pub(crate) fn is_ready(&self) -> bool {
        let state = self.state.lock();
        let process = state.process.as_ref();
        process.is_some_and(|process| process.coordinator.membership().view().is_some())
    }

    /// What each of its processes has under way, running or not.
    pub(crate) fn live(&self) -> Vec<LiveSnapshot> {
        let state = self.state.lock();
        state.all.iter().map(LiveCounts::snapshot).collect()
    }

    /// The violations that its processes counted.
    pub(crate) fn violations(&self) -> u64 {
        let state = self.state.lock();
        state.violations.iter().map(Violations::total).sum()
    }

    /// The name it has in the trace.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Host for CoordinatorHost {
    type Request = Operation;
    type Answer = OperationAnswer;

    async fn serve(&self, operation: Operation) -> Served<OperationAnswer> {
        self.gate.hold(std::future::ready(())).await;
        let Some(process) = self.state.lock().process.clone() else {
            return Served::Refused;
        };
        let answer = async {
            let answer = operation.perform(&*process.coordinator).await;
            // Judged in the very instant in which the coordinator would answer.
            if let Some(version) = answer.version() {
                let key = operation.request.key();
                self.surroundings.judge.completed(&self.name, key, version);
            }
            answer
        };
        tokio::select! {
            biased;
            () = process.dead.cancelled() => Served::Died,
            answer = self.gate.hold(answer) => Served::Answered(answer),
        }
    }
}
