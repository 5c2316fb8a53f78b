//! Repair in the background: members that missed writes catch up (PROTOCOL section 4, "Repair").
//!
//! An operation needs a majority, so a member that was away lacks what was written meanwhile, and
//! were another member lost then, some pairs would be at fewer members than a majority. Hence
//! each coordinator compares the members again and again, and copies what some lack:
//!
//! 1. Every member is asked for 256 sums over its pairs, and for 256 more wherever these differ.
//!    Thus equal members cost one small message each, however many keys there are.
//! 2. What differs is looked at again a little later, since writes in flight make it differ too.
//! 3. The buckets that still differ are read at one member of each kind, in step, and each key's
//!    newest pair is written to those who lack it. The cost follows the differences.
//!
//! Pairs are copied by ordinary LocalWrites under the fence of the view: a newer pair is never
//! replaced, and a member that has moved on refuses. That a key is absent deletes nothing.
//! Several coordinators that repair at once do each other's work twice, and no harm.

mod compare;
mod copy;
mod metrics;
mod options;
mod pace;
mod round;
mod status;

use std::sync::Arc;

use quorate_register::{Config, ConfigId, Entropy};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

pub use metrics::RepairMetrics;
pub use options::RepairOptions;
pub use status::{MemberRepair, RepairStatus, caught_up};

use self::pace::Pace;
use self::round::{Ended, Round};
use crate::live::LiveCounts;
use crate::membership::Membership;

/// What a repairer is made of.
pub struct RepairerParts {
    /// Its times and limits.
    pub options: RepairOptions,
    /// Whom to repair.
    pub membership: Arc<Membership>,
    /// Spreads the rounds of coordinators over time.
    pub entropy: Arc<dyn Entropy>,
    /// Where it counts.
    pub metrics: RepairMetrics,
    /// What the coordinator has under way, so that repair makes room for it.
    pub live: LiveCounts,
}

/// Compares the members of the config operated under, and brings each what it lacks.
pub struct Repairer {
    parts: RepairerParts,
    status: watch::Sender<RepairStatus>,
    pace: Pace,
    wanted: Notify,
}

impl Repairer {
    /// One that does nothing until [`run`](Self::run).
    pub fn new(parts: RepairerParts) -> Self {
        Self {
            parts,
            status: watch::Sender::new(RepairStatus::default()),
            pace: Pace::new(),
            wanted: Notify::new(),
        }
    }

    /// What is known of the members.
    pub fn status(&self) -> watch::Receiver<RepairStatus> {
        self.status.subscribe()
    }

    /// Begins the next round at once, or as soon as the running one ends.
    pub fn look_now(&self) {
        self.wanted.notify_one();
    }

    /// Waits until all members of `config` were in step in a round that began after this call; see
    /// [`caught_up`]. Somebody must [`run`](Self::run) the repairer.
    pub async fn caught_up(&self, config: ConfigId) {
        let since = Instant::now();
        let mut status = self.status();
        self.look_now();
        // The sender is this repairer's, and lives as long as it is borrowed.
        let _ = status
            .wait_for(|status| caught_up(status, config, since))
            .await;
    }

    /// Repairs for ever; dropping the future ends it, with whatever is in flight.
    pub async fn run(&self) {
        let membership = &self.parts.membership;
        let mut epochs = membership.epochs();
        let compared_since = Instant::now();
        loop {
            epochs.mark_unchanged();
            let Some(view) = membership.view() else {
                // The sender is the membership's, which this holds.
                let _ = epochs.changed().await;
                continue;
            };
            self.begin(view.config());
            let ended = Round::new(self, &view).run().await;
            self.parts.metrics.ended(ended.result());
            let status = self.status.borrow().clone();
            self.parts.metrics.show(&status, compared_since);
            if let Ended::Superseded(config) = ended {
                let limit = self.parts.options.request_timeout;
                let _ = timeout(limit, membership.follow(&config)).await;
            }
            tokio::select! {
                biased;
                _ = epochs.changed() => {}
                () = self.wanted.notified() => {}
                () = sleep(self.pause()) => {}
            }
        }
    }

    /// Forgets what was known under another config.
    fn begin(&self, config: &Config) {
        let of = Some((config.epoch(), config.id()));
        self.status.send_if_modified(|status| {
            let other = status.config != of;
            if other {
                *status = RepairStatus::of(config);
            }
            other
        });
    }

    /// Between three quarters of the interval and all of it.
    fn pause(&self) -> std::time::Duration {
        let fraction = f64::from(self.parts.entropy.bits() as u32) / f64::from(u32::MAX);
        self.parts.options.interval.mul_f64(1.0 - fraction / 4.0)
    }

    /// How many keys may be copied a second now.
    fn rate(&self) -> u64 {
        let options = &self.parts.options;
        match self.parts.live.snapshot().operations > 0 {
            true => options.busy_rate.min(options.rate),
            false => options.rate,
        }
    }
}
