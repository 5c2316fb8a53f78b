//! The quorum calls of one operation, across changes of the config.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use quorate_register::mutation::{Mutation, active};
use quorate_register::{
    Config, Key, MemberSet, Pair, QuorumCalls, Replies, Timestamp, TimestampsExhausted, Write,
    WriteBack,
};
use tokio::time::Instant;

use super::attempts::AttemptContext;
use super::request::{LocalRead, LocalReadTimestamp, LocalWrite, Request};
use super::round::{RoundEnd, gather};
use super::{Background, GivenUp, Phase, Progress, traced};
use crate::membership::View;
use crate::metrics::PhaseObserver;
use crate::operation::Operation;

/// Why an operation ended before its deadline without its quorums.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Final refusals made a quorum impossible.
    Impossible,
    /// The key takes no more writes.
    Exhausted,
}

impl From<TimestampsExhausted> for Failure {
    fn from(_: TimestampsExhausted) -> Self {
        Self::Exhausted
    }
}

/// One operation's access to the replicas.
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) context: &'a Arc<AttemptContext>,
    pub(crate) background: &'a Background,
    pub(crate) progress: Arc<Progress>,
    /// The view of the latest round; a write-back belongs to the same.
    pub(crate) view: Mutex<Arc<View>>,
    /// Whether the members of this view were asked once more whether they changed.
    pub(crate) doubted: AtomicBool,
}

impl Call<'_> {
    fn view(&self) -> Arc<View> {
        self.view.lock().clone()
    }

    /// Runs rounds until one reaches its quorum, following the config as it changes.
    async fn gather<R: Request>(&self, request: &R) -> Result<Replies<R::Answer>, Failure> {
        let rounds = |began| self.rounds(request, began);
        self.phase(Phase::Read, rounds).await
    }

    /// Observes a phase, whose rounds are told when it, and the first of them, began.
    async fn phase<A, F: Future<Output = Result<A, Failure>>>(
        &self,
        phase: Phase,
        rounds: impl FnOnce(Instant) -> F,
    ) -> Result<A, Failure> {
        let began = Instant::now();
        let metrics = &self.context.metrics;
        let _observer = PhaseObserver::begin(metrics, self.operation, phase, began);
        let mut span = traced::phase(phase);
        let result = span.scope(rounds(began)).await;
        traced::end_phase(&mut span, &self.progress, result.as_ref().err());
        result
    }

    async fn rounds<R: Request>(
        &self,
        request: &R,
        mut began: Instant,
    ) -> Result<Replies<R::Answer>, Failure> {
        loop {
            let view = self.view();
            let end = gather(
                self.context,
                &self.progress,
                &view,
                Phase::Read,
                request,
                MemberSet::EMPTY,
                began,
            );
            match end.await {
                RoundEnd::Quorum { answers, slower } => {
                    self.context.metrics.reached_quorum(Phase::Read);
                    slower.give_up(GivenUp::Quorum);
                    return Ok(Replies {
                        config: view.config().clone(),
                        answers,
                    });
                }
                RoundEnd::Impossible => return Err(Failure::Impossible),
                RoundEnd::Replaced => self.doubt()?,
                RoundEnd::Stale(config) => self.follow(config).await,
            }
            began = Instant::now();
        }
    }

    /// One round of LocalWrite; `false` when another is to be made: the config changed, which was
    /// followed, or may have.
    async fn store(
        &self,
        view: &Arc<View>,
        write: Write,
        counted: MemberSet,
        began: Instant,
    ) -> Result<bool, Failure> {
        let request = LocalWrite(write);
        let end = gather(
            self.context,
            &self.progress,
            view,
            Phase::Write,
            &request,
            counted,
            began,
        );
        match end.await {
            RoundEnd::Quorum { slower, .. } => {
                self.context.metrics.reached_quorum(Phase::Write);
                self.background
                    .finish(slower, request.bytes(), &self.progress, began);
                Ok(true)
            }
            RoundEnd::Impossible => Err(Failure::Impossible),
            RoundEnd::Replaced => self.doubt().map(|()| false),
            RoundEnd::Stale(config) => {
                self.follow(config).await;
                Ok(false)
            }
        }
    }

    /// Waits until `config`, or a newer one, is proven active, and continues under it.
    async fn follow(&self, config: Arc<Config>) {
        self.progress.blocked(format!(
            "a replica is at epoch {}, which is not proven active yet",
            config.epoch()
        ));
        let view = self.context.membership.follow(&config).await;
        *self.view.lock() = view;
        self.doubted.store(false, Ordering::Relaxed);
    }

    /// Lets the round be made once more where another disk is in a member's place: those that
    /// answered before the members changed say so now.
    fn doubt(&self) -> Result<(), Failure> {
        match self.doubted.swap(true, Ordering::Relaxed) {
            true => Err(Failure::Impossible),
            false => Ok(()),
        }
    }
}

impl QuorumCalls for Call<'_> {
    type Error = Failure;

    async fn read(&self, key: &Key) -> Result<Replies<Pair>, Failure> {
        let replies = self.gather(&LocalRead(key.clone())).await?;
        let fast = replies.quorum_reports(replies.largest().timestamp);
        self.context.metrics.read(fast);
        Ok(replies)
    }

    async fn read_timestamp(&self, key: &Key) -> Result<Replies<Timestamp>, Failure> {
        self.gather(&LocalReadTimestamp(key.clone())).await
    }

    async fn write(&self, key: &Key, pair: &Pair) -> Result<(), Failure> {
        let mut counted = MemberSet::EMPTY;
        if active(Mutation::RoundsMixed) {
            counted = self
                .progress
                .latest()
                .map_or(counted, |round| round.members_counted());
        }
        let write = write(key, pair, &self.view());
        let rounds = async |mut began| {
            while !self
                .store(&self.view(), write.clone(), counted, began)
                .await?
            {
                counted = MemberSet::EMPTY;
                began = Instant::now();
            }
            Ok::<_, Failure>(())
        };
        self.phase(Phase::Write, rounds).await
    }

    async fn write_back(
        &self,
        key: &Key,
        pair: &Pair,
        replies: &Replies<Pair>,
    ) -> Result<WriteBack, Failure> {
        let view = self.view();
        let mut reporters = replies.reporters(pair.timestamp);
        if active(Mutation::WriteBackToCurrentOnly) {
            let next = view.config().quorums().next().unwrap_or_default();
            reporters = reporters.union(next);
        }
        let write = write(key, pair, &view);
        let stored = |began| self.store(&view, write, reporters, began);
        Ok(match self.phase(Phase::Write, stored).await? {
            true => WriteBack::Stored,
            false => WriteBack::ConfigChanged,
        })
    }
}

/// The pair on its way, picked or read under `view`.
fn write(key: &Key, pair: &Pair, view: &View) -> Write {
    Write {
        key: key.clone(),
        pair: pair.clone(),
        origin: view.config().epoch(),
    }
}
