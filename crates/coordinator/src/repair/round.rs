//! One comparison of all members, and the repair of what differs.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::join_all;
use futures::stream::{self, StreamExt, TryStreamExt};
use parking_lot::Mutex;
use quorate_register::{Config, Digest, DigestRequest, MemberSet, ReplicaError};
use tokio::time::{Instant, sleep};

use super::Repairer;
use super::compare::{Places, Sums, differing, ranges};
use crate::membership::{Target, View};

/// How a round ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// All members were compared, and nothing was copied.
    Equal,
    /// All members have what was found at any.
    Repaired,
    /// The same, but for members that did not answer or refused.
    Incomplete,
    /// A member is at this newer config.
    Superseded(Arc<Config>),
}

impl Ended {
    /// One of [`RESULTS`](super::metrics::RESULTS).
    pub(super) fn result(&self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Repaired => "repaired",
            Self::Incomplete => "incomplete",
            Self::Superseded(_) => "superseded",
        }
    }
}

/// The config of a round is over.
pub(super) struct Superseded(Arc<Config>);

/// One round under one view.
pub(super) struct Round<'a> {
    pub(super) repairer: &'a Repairer,
    pub(super) view: &'a View,
    began: Instant,
    /// Which rounds came before; each reads other members than the last.
    pub(super) number: u64,
    found: Mutex<Found>,
}

/// What a round learns on its way.
#[derive(Default)]
struct Found {
    /// Members that are asked no more in this round, and why.
    problems: BTreeMap<usize, String>,
    /// Members that may lack something still.
    incomplete: MemberSet,
    copied: bool,
}

/// The buckets of a group that differ, and how many each member seems to lack.
struct Group {
    number: u8,
    places: Places,
    lag: Vec<u64>,
}

impl<'a> Round<'a> {
    pub(super) fn new(repairer: &'a Repairer, view: &'a View) -> Self {
        Self {
            repairer,
            view,
            began: Instant::now(),
            number: repairer.status.borrow().rounds,
            found: Mutex::default(),
        }
    }

    pub(super) async fn run(self) -> Ended {
        let repaired = self.compare_and_repair().await;
        let found = self.found.into_inner();
        self.repairer.status.send_modify(|status| {
            status.rounds += 1;
            for (member, known) in status.members.iter_mut().enumerate() {
                known.problem = found.problems.get(&member).cloned();
                let fine = known.problem.is_none() && !found.incomplete.contains(member);
                if repaired.is_ok() && fine {
                    known.in_step = Some(self.began);
                }
            }
        });
        match repaired {
            Err(Superseded(config)) => Ended::Superseded(config),
            Ok(()) if !found.problems.is_empty() => Ended::Incomplete,
            Ok(()) if !found.incomplete.is_empty() => Ended::Incomplete,
            Ok(()) if found.copied => Ended::Repaired,
            Ok(()) => Ended::Equal,
        }
    }

    async fn compare_and_repair(&self) -> Result<(), Superseded> {
        let first = self.look(DigestRequest::Groups).await?;
        let all = Places::all();
        let seen = differing(&first).iter().map(|group| (group, all));
        let seen = self.differing_groups(seen.collect()).await?;
        if seen.is_empty() {
            self.show_lag(&[]);
            return Ok(());
        }
        sleep(self.repairer.parts.options.second_look).await;
        let places = seen.iter().map(|group| (group.number, group.places));
        let groups = self.differing_groups(places.collect()).await?;
        self.show_lag(&groups);
        let repairs = groups.into_iter().map(|group| self.repair(group).boxed());
        let repairs: Vec<_> = repairs.collect();
        stream::iter(repairs)
            .buffer_unordered(self.repairer.parts.options.ranges.max(1))
            .try_collect()
            .await
    }

    /// Which of these buckets differ.
    async fn differing_groups(&self, among: Vec<(u8, Places)>) -> Result<Vec<Group>, Superseded> {
        let look = |(number, among)| self.look_into(number, among).boxed();
        let looks: Vec<_> = among.into_iter().map(look).collect();
        let looks = stream::iter(looks).buffered(LOOKS_AT_ONCE);
        let groups: Vec<Group> = looks.try_collect().await?;
        Ok(groups
            .into_iter()
            .filter(|group| !group.places.is_empty())
            .collect())
    }

    /// Which of these buckets of a group differ.
    async fn look_into(&self, number: u8, among: Places) -> Result<Group, Superseded> {
        let sums = self.look(DigestRequest::Buckets(number)).await?;
        let places = differing(&sums).intersection(among);
        let mut lag = vec![0; self.view.targets().len()];
        for range in ranges(number, places, &sums) {
            for member in range.behind().iter() {
                lag[member] += range.len();
            }
        }
        Ok(Group {
            number,
            places,
            lag,
        })
    }

    /// Repairs those buckets of a group that differ on a last look, too.
    async fn repair(&self, group: Group) -> Result<(), Superseded> {
        let sums = self.look(DigestRequest::Buckets(group.number)).await?;
        let places = differing(&sums).intersection(group.places);
        for range in ranges(group.number, places, &sums) {
            self.copy(&range).await?;
        }
        self.change(|status| {
            let incomplete = self.found.lock().incomplete;
            for (member, known) in status.members.iter_mut().enumerate() {
                if self.asks(member) && !incomplete.contains(member) {
                    let lag = known.lag_buckets.unwrap_or_default();
                    known.lag_buckets = Some(lag.saturating_sub(group.lag[member]));
                }
            }
        });
        Ok(())
    }

    /// The sums of all members that have not failed yet.
    async fn look(&self, request: DigestRequest) -> Result<Vec<(usize, Box<Sums>)>, Superseded> {
        let members = (0..self.view.targets().len()).filter(|&member| self.asks(member));
        let limit = self.repairer.parts.options.request_timeout;
        let request = &request;
        let look = |member: usize| {
            let look =
                move |target: &'a Target| target.replica.digest(&target.fence, request, limit);
            async move { (member, self.ask(member, look).await) }.boxed()
        };
        let looks: Vec<_> = members.map(look).collect();
        let mut sums = Vec::new();
        for (member, answer) in join_all(looks).await {
            match answer {
                Ok(Digest::Sums(of)) => sums.push((member, of)),
                Ok(Digest::Counting) => {
                    self.fail(member, "it started, and counts its pairs".to_owned());
                }
                Err(error) => self.failed(member, error)?,
            }
        }
        Ok(sums)
    }

    /// Makes a request of a member; one that does not have the config yet is sent it first. One
    /// whose queue is full is asked again a few times.
    pub(super) async fn ask<T, F>(
        &self,
        member: usize,
        call: impl Fn(&'a Target) -> F,
    ) -> Result<T, ReplicaError>
    where
        F: Future<Output = Result<T, ReplicaError>>,
    {
        let target = self.view.target(member);
        let limit = self.repairer.parts.options.request_timeout;
        let mut answer = call(target).await;
        if answer.as_ref().err() == Some(&ReplicaError::NeedConfig) {
            let (replica_id, config) = (target.fence.replica_id, self.view.config());
            target
                .replica
                .adopt(replica_id, config, true, limit)
                .await?;
            answer = call(target).await;
        }
        for _ in 0..TRIES_OF_FULL_QUEUES {
            let Err(ReplicaError::Overloaded { .. }) = answer else {
                break;
            };
            sleep(FULL_QUEUE_PAUSE).await;
            answer = call(target).await;
        }
        answer
    }

    /// Whether the member is still asked in this round.
    pub(super) fn asks(&self, member: usize) -> bool {
        !self.found.lock().problems.contains_key(&member)
    }

    /// Takes a member's error: it is asked no more, unless the whole round is over.
    pub(super) fn failed(&self, member: usize, error: ReplicaError) -> Result<(), Superseded> {
        let held = self.view.config();
        match error {
            ReplicaError::StaleEpoch { config }
                if config.cluster_id() == held.cluster_id() && config.epoch() > held.epoch() =>
            {
                Err(Superseded(config))
            }
            error => {
                self.fail(member, error.to_string());
                Ok(())
            }
        }
    }

    fn fail(&self, member: usize, problem: String) {
        self.found.lock().problems.entry(member).or_insert(problem);
    }

    /// These members may lack something still.
    pub(super) fn left_undone(&self, members: MemberSet) {
        let mut found = self.found.lock();
        found.incomplete = found.incomplete.union(members);
    }

    /// So many keys were copied to the member.
    pub(super) fn copied(&self, member: usize, keys: u64) {
        self.found.lock().copied = true;
        self.change(|status| status.members[member].keys_copied += keys);
        let pod = &self.view.target(member).pod;
        self.repairer.parts.metrics.copied(pod, keys);
    }

    fn show_lag(&self, groups: &[Group]) {
        self.change(|status| {
            for (member, known) in status.members.iter_mut().enumerate() {
                if self.asks(member) {
                    let lag = groups.iter().map(|group| group.lag[member]).sum();
                    known.lag_buckets = Some(lag);
                }
            }
        });
        let status = self.repairer.status.borrow().clone();
        self.repairer.parts.metrics.show(&status, self.began);
    }

    fn change(&self, change: impl FnOnce(&mut super::RepairStatus)) {
        self.repairer.status.send_modify(change);
    }
}

/// How many groups of buckets are looked at, at once.
const LOOKS_AT_ONCE: usize = 8;

/// How often and how soon a member whose queue is full is asked again.
const TRIES_OF_FULL_QUEUES: usize = 5;
const FULL_QUEUE_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
