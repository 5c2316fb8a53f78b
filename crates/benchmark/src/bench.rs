//! Both systems and the loads on them.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Context;
use quorate_register::Key;
use quorate_workload::load::{Plan, fill, keys, value};

use crate::args::{Args, Extent};
use crate::cell::{Asked, Cell, FEW_KEYS, KeySet, Pace, RATE_CELL, SETS};
use crate::disk::Disk;
use crate::figures::{Figure, Figures};
use crate::outcome::Compared;
use crate::quorate::ClientPath;
use crate::system::{Name, Systems};
use crate::turn::{Drive, Servers, measure};

/// How many operations are in flight to find out what rate both can sustain.
const CALIBRATION_IN_FLIGHT: usize = 64;

/// Both systems, and what they hold.
pub(crate) struct Bench {
    pub(crate) systems: Systems,
    pub(crate) extent: Extent,
    pub(crate) connections: usize,
    pub(crate) coordinators: usize,
    disk: Disk,
    /// As --rate said.
    rate: Option<u32>,
    /// Operations per second of each system with [`CALIBRATION_IN_FLIGHT`], once known.
    capacity: Option<(f64, f64)>,
    /// Keys of the kind that was asked for last: many of them take memory.
    keys: Option<(String, Arc<[Key]>)>,
    /// Which keys have values, by system and prefix.
    filled: HashSet<(Name, String)>,
}

impl Bench {
    pub(crate) fn new(systems: Systems, disk: Disk, args: &Args) -> Self {
        Self {
            systems,
            extent: args.extent(),
            connections: args.connections.into(),
            coordinators: args.coordinators.into(),
            disk,
            rate: args.rate,
            capacity: None,
            keys: None,
            filled: HashSet::new(),
        }
    }

    /// Gives both systems their turns: A B A B, as many rounds as asked for.
    pub(crate) async fn cell(&mut self, cell: &'static Cell) -> anyhow::Result<Compared> {
        let drive = match cell.pace {
            Pace::InFlight(count) => Drive::Closed(count),
            Pace::FixedRate => Drive::Open(self.rate().await?),
        };
        let mut compared = Compared {
            cell,
            rate: match drive {
                Drive::Open(per_second) => Some(per_second),
                Drive::Closed(_) => None,
            },
            quorate: Vec::new(),
            etcd: Vec::new(),
        };
        for round in 1..=self.extent.rounds {
            for name in Name::BOTH {
                let figures = self.turn(name, cell.path, &cell.asked, drive).await?;
                eprintln!(
                    "{} round {round}: {} {:.0} operations/s, {:.0} µs of server CPU each, {} errors",
                    cell.name,
                    name.word(),
                    figures.get(Figure::Throughput),
                    figures.get(Figure::ServerCpu),
                    figures.errors,
                );
                match name {
                    Name::Quorate => compared.quorate.push(figures),
                    Name::Etcd => compared.etcd.push(figures),
                }
            }
        }
        if cell.name == RATE_CELL {
            let capacity = compared.comparison(Figure::Throughput);
            self.capacity = Some((capacity.quorate, capacity.etcd));
        }
        Ok(compared)
    }

    /// Wakes a system and measures one load on it, over new connections.
    pub(crate) async fn turn(
        &mut self,
        name: Name,
        path: ClientPath,
        asked: &Asked,
        drive: Drive,
    ) -> anyhow::Result<Figures> {
        self.systems.wake(name).await?;
        if asked.set_percent < 100 {
            self.fill(name, asked).await?;
        }
        let plan = self.plan(asked);
        let system = self.systems.of(name);
        let connections = match drive {
            Drive::Closed(in_flight) => self.connections.min(in_flight),
            Drive::Open(_) => self.connections,
        };
        let registers = system.connect(path, connections).await?;
        let servers = Servers {
            process_ids: system.process_ids(),
            disk: &self.disk,
        };
        measure(drive, plan, &registers, &servers, &self.extent).await
    }

    /// What operations ask.
    pub(crate) fn plan(&mut self, asked: &Asked) -> Arc<Plan> {
        let (_, keys) = self.keys(asked);
        let distribution = asked.keys.distribution();
        let value = value(asked.value_bytes);
        let plan = Plan::new(keys, distribution, asked.set_percent, value);
        Arc::new(plan.expect("there are keys, and the distribution fits any number"))
    }

    /// Sets every key once, unless that was done. The system is awake.
    pub(crate) async fn fill(&mut self, name: Name, asked: &Asked) -> anyhow::Result<()> {
        let (prefix, keys) = self.keys(asked);
        if !self.filled.insert((name, prefix)) {
            return Ok(());
        }
        eprintln!("{}: writing {} keys", name.word(), keys.len());
        let system = self.systems.of(name);
        let registers = system.connect(ClientPath::Unary, self.connections).await?;
        let filled = fill(&registers, &keys, &value(asked.value_bytes)).await;
        filled.context("cannot write the keys to read")
    }

    /// Keys whose values have this length, and their prefix.
    fn keys(&mut self, asked: &Asked) -> (String, Arc<[Key]>) {
        let (kind, count) = match asked.keys {
            KeySet::Few => ("few", FEW_KEYS),
            KeySet::Many => ("many", self.extent.many_keys as usize),
        };
        let prefix = format!("bench-{kind}-{}-", asked.value_bytes);
        match &self.keys {
            Some((held, keys)) if *held == prefix => (prefix, keys.clone()),
            _ => {
                let keys = keys(&prefix, count);
                self.keys = Some((prefix.clone(), keys.clone()));
                (prefix, keys)
            }
        }
    }

    /// Operations per second that both systems can sustain.
    pub(crate) async fn rate(&mut self) -> anyhow::Result<u32> {
        if let Some(rate) = self.rate {
            return Ok(rate);
        }
        let (quorate, etcd) = self.capacity().await?;
        Ok(half(quorate.min(etcd)))
    }

    /// Operations per second that Quorate can sustain, whatever etcd can.
    pub(crate) async fn quorate_rate(&mut self) -> anyhow::Result<u32> {
        let (quorate, _) = self.capacity().await?;
        Ok(half(quorate))
    }

    /// What both do with the operations of [`RATE_CELL`], measured if it was not yet.
    async fn capacity(&mut self) -> anyhow::Result<(f64, f64)> {
        if let Some(capacity) = self.capacity {
            return Ok(capacity);
        }
        let mut found = Vec::new();
        for name in Name::BOTH {
            let drive = Drive::Closed(CALIBRATION_IN_FLIGHT);
            let figures = self.turn(name, ClientPath::Unary, &SETS, drive).await?;
            found.push(figures.get(Figure::Throughput));
        }
        let capacity = (found[0], found[1]);
        self.capacity = Some(capacity);
        Ok(capacity)
    }
}

fn half(per_second: f64) -> u32 {
    ((per_second / 2.0) as u32).max(1)
}
