//! How long nothing completes when a process is killed under load.

use std::sync::Arc;
use std::time::Duration;

use quorate_register::Register;
use quorate_workload::load::Load;
use tokio::time::sleep;

use super::{Bound, Finding, Study};
use crate::bench::Bench;
use crate::cell::SETS;
use crate::comparison::{median, spread};
use crate::process::Process;
use crate::system::Name;

const IN_FLIGHT: usize = 64;

/// How many times as long as when healthy the longest silence may be.
const MOST_TIMES: f64 = 3.0;

/// A process that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Replica,
    Coordinator,
    Follower,
    Leader,
}

/// The longest times without any completion, in one round.
struct Silence {
    healthy: Duration,
    killed: Duration,
}

/// Kills one process after the other, each as often as there are rounds.
pub(super) async fn silences(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    // One of two is to be killed.
    let coordinators = bench.coordinators.max(2);
    bench.systems.quorate.run_coordinators(coordinators)?;
    let mut findings = Vec::new();
    for victim in [
        Victim::Replica,
        Victim::Coordinator,
        Victim::Follower,
        Victim::Leader,
    ] {
        let mut rounds = Vec::new();
        for round in 1..=bench.extent.rounds {
            let silence = victim.kill_once(bench).await?;
            eprintln!(
                "kill round {round}: {}, {:?} without completions, {:?} when healthy",
                victim.title(),
                silence.killed,
                silence.healthy
            );
            rounds.push(silence);
        }
        findings.push(victim.finding(&rounds));
    }
    let usual = bench.coordinators;
    bench.systems.quorate.run_coordinators(usual)?;
    Ok(findings)
}

impl Victim {
    fn title(self) -> &'static str {
        match self {
            Self::Replica => "quorate, a replica",
            Self::Coordinator => "quorate, the coordinator in use",
            Self::Follower => "etcd, a follower",
            Self::Leader => "etcd, the leader",
        }
    }

    fn system(self) -> Name {
        match self {
            Self::Replica | Self::Coordinator => Name::Quorate,
            Self::Follower | Self::Leader => Name::Etcd,
        }
    }

    /// Puts a load on, kills the process in its midst, and starts it again after the load.
    async fn kill_once(self, bench: &mut Bench) -> anyhow::Result<Silence> {
        let window = bench.extent.kill_window;
        bench.systems.wake(self.system()).await?;
        let plan = bench.plan(&SETS);
        let registers = self.registers(bench)?;
        let leader = match self.system() {
            Name::Etcd => bench.systems.etcd.leader().await?,
            Name::Quorate => 0,
        };
        let load = Load::closed(plan, &registers, IN_FLIGHT);
        sleep(bench.extent.warmup).await;
        load.completions().begin_window();
        sleep(window).await;
        let healthy = load.completions().longest_silence();
        load.completions().begin_window();
        self.process(bench, leader).kill();
        sleep(window).await;
        let killed = load.completions().longest_silence();
        load.stop();
        self.process(bench, leader).restart()?;
        load.finish().await;
        bench.systems.of(self.system()).ready().await?;
        Ok(Silence { healthy, killed })
    }

    /// All know every endpoint of Quorate, as programs do, and where a coordinator is to be
    /// killed all begin at that one. Of etcd each knows one member, in turn: those that do
    /// not know the victim go on by themselves.
    fn registers(self, bench: &Bench) -> anyhow::Result<Vec<Arc<dyn Register>>> {
        let connections = bench.connections;
        match self {
            Self::Replica => bench.systems.quorate.clients(connections, |number| number),
            Self::Coordinator => bench.systems.quorate.clients(connections, |_| 0),
            Self::Follower | Self::Leader => {
                // At least one for each of three members.
                Ok(bench.systems.etcd.all_members(connections.max(3)))
            }
        }
    }

    fn process(self, bench: &mut Bench, leader: usize) -> &mut Process {
        let systems = &mut bench.systems;
        match self {
            Self::Replica => systems.quorate.replica(0),
            Self::Coordinator => systems.quorate.coordinator(0),
            // Of three members any other follows.
            Self::Follower => systems.etcd.member((leader + 1) % 3),
            Self::Leader => systems.etcd.member(leader),
        }
    }

    fn finding(self, rounds: &[Silence]) -> Finding {
        let each = |of: fn(&Silence) -> Duration| -> Vec<f64> {
            let seconds = rounds.iter().map(|silence| of(silence).as_secs_f64());
            seconds.map(|seconds| seconds * 1e3).collect()
        };
        let healthy = each(|silence| silence.healthy);
        let killed = each(|silence| silence.killed);
        let times: Vec<f64> = killed.iter().zip(&healthy).map(|(k, h)| k / h).collect();
        let (least, most) = spread(times.iter().copied());
        Finding {
            study: Study::Kill.name(),
            subject: format!("longest silence after kill -9 to healthy: {}", self.title()),
            value: median(&times),
            unit: "x",
            bound: (self.system() == Name::Quorate).then_some(Bound::AtMost(MOST_TIMES)),
            note: format!(
                "{:.0} ms to {:.0} ms, medians; {least:.1} to {most:.1} x",
                median(&killed),
                median(&healthy)
            ),
        }
    }
}
