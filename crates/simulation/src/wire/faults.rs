//! What happens to machines and connections of a run over HTTP/2.

use std::time::Duration;

use turmoil::Sim;

use super::settings::WireSettings;
use crate::random::Random;
use crate::trace::Trace;

/// Something that happens for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireFault {
    /// Two machines cannot reach each other.
    Cut,
    /// One machine cannot reach another, which can reach it.
    CutOneWay,
    /// Everything between two machines is held back, and then arrives at once.
    Hold,
    /// A replica's process dies; what is not synced is lost.
    CrashReplica,
    /// A coordinator's process dies.
    CrashCoordinator,
}

impl WireFault {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Cut,
        Self::CutOneWay,
        Self::Hold,
        Self::CrashReplica,
        Self::CrashCoordinator,
    ];

    /// What each fault of this kind is counted as.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cut => "fault: cut a link",
            Self::CutOneWay => "fault: cut one way",
            Self::Hold => "fault: hold a link",
            Self::CrashReplica => "fault: crash a replica",
            Self::CrashCoordinator => "fault: crash a coordinator",
        }
    }
}

/// The faults of a run: begun and ended between two steps of the simulation.
pub(super) struct Faults {
    random: Random,
    settings: WireSettings,
    next: Duration,
    lasting: Vec<Lasting>,
}

/// A fault that goes on.
struct Lasting {
    kind: WireFault,
    /// The machine that is dead, or both ends of a link.
    machines: (String, String),
    until: Duration,
}

impl Faults {
    pub(super) fn new(settings: &WireSettings) -> Self {
        let random = Random::new(settings.seed, "wire faults");
        Self {
            next: random.milliseconds(settings.every_ms.clone()),
            random,
            settings: settings.clone(),
            lasting: Vec::new(),
        }
    }

    /// Ends what is over by now, and begins what is due.
    pub(super) fn step(&mut self, simulation: &mut Sim<'_>, trace: &Trace) {
        let now = simulation.elapsed();
        self.end(simulation, trace, |fault| fault.until <= now);
        if now < self.next || self.settings.faults.is_empty() {
            return;
        }
        self.next = now + self.random.milliseconds(self.settings.every_ms.clone());
        let kind = self.random.pick(&self.settings.faults);
        let until = now + self.random.milliseconds(self.settings.lasts_ms.clone());
        let machines = self.pick_machines(kind);
        // turmoil has one state per link: what goes on there is not made another.
        if self.lasting.iter().any(|fault| fault.machines == machines) {
            return;
        }
        let (one, other) = (machines.0.as_str(), machines.1.as_str());
        match kind {
            WireFault::Cut => simulation.partition(one, other),
            WireFault::CutOneWay if self.random.chance(0.5) => {
                simulation.partition_oneway(one, other);
            }
            WireFault::CutOneWay => simulation.partition_oneway(other, one),
            WireFault::Hold => simulation.hold(one, other),
            WireFault::CrashReplica | WireFault::CrashCoordinator => {
                self.crash(one, simulation, trace);
            }
        }
        let text = format_args!("{} {one} {other}", kind.name());
        trace.event_at(now, kind.name(), text);
        self.lasting.push(Lasting {
            kind,
            machines,
            until,
        });
    }

    /// A machine that dies says nothing to anybody, and faults at its links end with it.
    ///
    /// What a dying process says would not follow from the seed: tokio ends its tasks, and with them
    /// the connections, in an order that depends on their ids, which go on from run to run.
    fn crash(&mut self, machine: &str, simulation: &mut Sim<'_>, trace: &Trace) {
        let at = |fault: &Lasting| fault.machines.0 == machine || fault.machines.1 == machine;
        self.end(simulation, trace, at);
        let others = self.settings.machines();
        let others: Vec<_> = others.filter(|other| other != machine).collect();
        for other in &others {
            simulation.partition(machine, other.as_str());
        }
        simulation.crash(machine);
        for other in &others {
            simulation.repair(machine, other.as_str());
        }
    }

    /// Ends all of them.
    pub(super) fn heal(&mut self, simulation: &mut Sim<'_>, trace: &Trace) {
        self.end(simulation, trace, |_| true);
        trace.event_at(
            simulation.elapsed(),
            "healed",
            format_args!("all is healed"),
        );
    }

    fn end(&mut self, simulation: &mut Sim<'_>, trace: &Trace, is_over: impl Fn(&Lasting) -> bool) {
        let all = std::mem::take(&mut self.lasting).into_iter();
        let (over, lasting): (Vec<_>, Vec<_>) = all.partition(is_over);
        self.lasting = lasting;
        for Lasting { kind, machines, .. } in over {
            let (one, other) = (machines.0.as_str(), machines.1.as_str());
            match kind {
                WireFault::Cut | WireFault::CutOneWay => simulation.repair(one, other),
                WireFault::Hold => simulation.release(one, other),
                WireFault::CrashReplica | WireFault::CrashCoordinator => simulation.bounce(one),
            }
            let text = format_args!("ended: {} {one} {other}", kind.name());
            trace.event_at(simulation.elapsed(), "fault ended", text);
        }
    }

    /// Whom it hits.
    fn pick_machines(&self, kind: WireFault) -> (String, String) {
        let coordinator = format!("c{}", self.random.index(self.settings.coordinators));
        let replica = format!("r{}", self.random.index(self.settings.replicas));
        let client = format!(
            "client{}",
            self.random.index(self.settings.clients as usize)
        );
        match kind {
            WireFault::CrashReplica => (replica, String::new()),
            WireFault::CrashCoordinator => (coordinator, String::new()),
            _ if self.random.chance(0.7) => (coordinator, replica),
            _ => (client, coordinator),
        }
    }
}
