//! The return of an old copy of a disk.

use std::time::Duration;

use tokio::time::sleep;

use super::{Course, Faults};

impl Faults {
    /// A copy of the disk is taken, and put back after its replica was started again: a copy that
    /// is put back within the boot it was taken in cannot be noticed (PROTOCOL 5).
    pub(super) fn restore_disk(&mut self, victim: usize, lasts: Duration) -> Option<Course> {
        if !self.may_lose(victim) {
            return None;
        }
        self.wiped.push(victim);
        let victim = self.fleet.replicas[victim].clone();
        Some(Box::pin(async move {
            victim.disk().back_up();
            victim.crash();
            sleep(lasts / 4).await;
            victim.start();
            sleep(lasts).await;
            victim.crash();
            victim.restore();
            sleep(lasts / 4).await;
            victim.start();
        }))
    }
}
