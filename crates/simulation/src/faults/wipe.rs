//! The loss of a disk.

use std::time::Duration;

use tokio::time::sleep;

use super::cut::both_ways;
use super::{Course, Faults};

impl Faults {
    /// Only once an operation completed: before, all members are needed to make the first
    /// config active, and there is nothing to lose.
    ///
    /// Half of the time it comes at the worst moment: when a minority that was cut off for a
    /// while, and missed what happened, can be reached again, and the others die for a while.
    /// Were the wiped disk counted, it would be a majority together with that minority.
    pub(super) fn wipe_disk(&mut self, victim: usize, lasts: Duration) -> Option<Course> {
        if !self.may_lose(victim) {
            return None;
        }
        let replicas = &self.fleet.replicas;
        self.wiped.push(victim);
        let worst = self.random.chance(0.5);
        let others = (1..replicas.len()).map(|offset| (victim + offset) % replicas.len());
        let others: Vec<_> = others.filter(|_| worst).collect();
        let (behind, ahead) = others.split_at(others.len() / 2);
        let coordinators: Vec<_> = (0..self.fleet.coordinators.len()).collect();
        let mended = worst.then(|| self.cut(both_ways(&coordinators, behind)));
        let replica = |index: &usize| replicas[*index].clone();
        let ahead: Vec<_> = ahead.iter().map(replica).collect();
        let victim = replica(&victim);
        Some(Box::pin(async move {
            if let Some(mended) = mended {
                sleep(lasts).await;
                mended();
            }
            victim.crash();
            victim.wipe();
            for replica in &ahead {
                replica.crash();
            }
            if !ahead.is_empty() {
                victim.start();
            }
            sleep(lasts).await;
            victim.start();
            for replica in &ahead {
                replica.start();
            }
        }))
    }

    /// Whether the group can spare this disk too.
    pub(super) fn may_lose(&self, victim: usize) -> bool {
        let minority = match self.smallest {
            None => (self.fleet.replicas.len() - 1) / 2,
            // A smaller group may be without a minority to spare.
            Some(_) => usize::from(self.fleet.first_members >= 3),
        };
        let began = self.fleet.judge.anything_completed();
        began && self.wiped.len() < minority && !self.wiped.contains(&victim)
    }
}
