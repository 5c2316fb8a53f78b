//! Operations that end at random points, over replicas that answer, hang, refuse or die; and
//! then the proof that nothing of them is left.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_coordinator::LiveSnapshot;
use quorate_register::{OperationError, Reason, Register};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Act, Census, Scripted, Seeded, until};

mod client;
mod current;
mod faults;

use client::Plan;
pub(crate) use current::Current;
use faults::{is_of_an_operation, script};

/// The four ways in which a quorum call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// The quorum is gathered.
    Quorum,
    /// The client's deadline comes.
    Deadline,
    /// The client leaves, or the task that serves it dies.
    Dropped,
    /// The coordinator stops.
    Stopped,
}

/// The processes or tasks in which the replicas run.
#[async_trait]
pub(crate) trait Hosts: Send + Sync {
    /// Ends one in the middle of whatever it does, with its connections.
    async fn kill(&self, replica: usize);
    /// Starts it again.
    async fn revive(&self, replica: usize);
    /// How many calls are open on the way to each, at the calling end.
    fn open_calls(&self) -> Vec<usize>;
    /// Resolves once everybody is reached again as at the start.
    async fn settle(&self);
}

/// Where the chaos takes place.
pub(crate) struct Stage {
    /// What clients call.
    pub(crate) register: Arc<dyn Register>,
    /// The coordinator behind it.
    pub(crate) current: Arc<Current>,
    pub(crate) replicas: Vec<Arc<Scripted>>,
    pub(crate) hosts: Arc<dyn Hosts>,
    pub(crate) random: Arc<Seeded>,
    /// Operations under way at once.
    pub(crate) clients: usize,
    /// An upper bound of the random times: how long an operation takes, about.
    pub(crate) pace: Duration,
}

/// How many operations ended how, as their clients saw it.
#[derive(Debug, Default)]
struct Tally {
    quorum: u64,
    deadline: u64,
    stopped: u64,
    dropped: u64,
    other: u64,
    /// The most background writes that were seen at once.
    background: i64,
}

/// Has at least so many operations ended by `trigger`, and proves that nothing is left of them.
pub(crate) async fn chaos(stage: &Stage, trigger: Trigger, operations: u64) {
    stage.hosts.settle().await;
    let before = stage.quiet_census().await;
    let dropped_before = stage.current.cancelled();
    let writes_before = stage.current.write_phases();
    for replica in &stage.replicas {
        replica.script(script(trigger.faults(), stage.pace, stage.random.clone()));
    }
    let calm = CancellationToken::new();
    let killer = tokio::spawn(kill_and_revive(stage.killing(), calm.clone()));
    let mut tally = Tally::default();
    loop {
        let ended = match trigger {
            Trigger::Quorum => tally.quorum,
            Trigger::Deadline => tally.deadline,
            Trigger::Stopped => tally.stopped,
            // What a client drops may not have begun: the coordinator's own count tells.
            Trigger::Dropped => stage.current.cancelled() - dropped_before,
        };
        if ended >= operations {
            break;
        }
        assert!(
            tally.total() < 5 * operations,
            "{trigger:?} is too rare: {tally:?}"
        );
        wave(stage, trigger, &mut tally).await;
    }
    calm.cancel();
    killer.await.expect("the killer does not panic");
    let writes = stage.current.write_phases() - writes_before;
    eprintln!("{trigger:?}: {tally:?}, {writes} of them in their second phase");
    assert!(
        writes > operations / 10,
        "the ends are not spread over both phases"
    );
    assert!(
        tally.background > 0,
        "no write ever went on in the background"
    );
    // Now nothing is answered any more: what was left behind has no other way to end.
    for replica in &stage.replicas {
        replica.script(|seen| match is_of_an_operation(seen) {
            true => Act::Hang,
            false => Act::Serve,
        });
    }
    let live = || stage.current.live();
    until("guards", live, |live| *live == LiveSnapshot::default()).await;
    stage.hosts.settle().await;
    let what = format!("before it was {before:?}");
    until(&what, || stage.census(), |now| *now == before).await;
}

impl Stage {
    fn census(&self) -> Census {
        let open_calls = self.hosts.open_calls();
        Census::take(self.current.live(), open_calls, &self.replicas)
    }

    /// The census once nothing moves any more, so that no task counts that was to end anyway.
    async fn quiet_census(&self) -> Census {
        let mut census = self.census();
        let mut same = 0;
        let look = || {
            let now = self.census();
            same = if now == census { same + 1 } else { 0 };
            census = now;
            same
        };
        until("quiet", look, |same| *same == 25).await;
        census
    }

    fn killing(&self) -> (Arc<dyn Hosts>, Arc<Seeded>, u64, Duration) {
        let replicas = self.replicas.len() as u64;
        (self.hosts.clone(), self.random.clone(), replicas, self.pace)
    }
}

impl Tally {
    fn total(&self) -> u64 {
        self.quorum + self.deadline + self.stopped + self.dropped + self.other
    }

    fn add(&mut self, end: Option<Result<(), OperationError>>) {
        let end = match end {
            None => &mut self.dropped,
            Some(Ok(())) => &mut self.quorum,
            Some(Err(error)) => match error.reason {
                Reason::NoQuorum | Reason::DeadlineExceeded => &mut self.deadline,
                // Otherwise it was refused: it never began.
                Reason::Stopping if error.details.contains_key("phase") => &mut self.stopped,
                _ => &mut self.other,
            },
        };
        *end += 1;
    }
}

/// One replica after the other dies for a while; never two at a time.
async fn kill_and_revive(
    (hosts, random, replicas, pace): (Arc<dyn Hosts>, Arc<Seeded>, u64, Duration),
    calm: CancellationToken,
) {
    while !calm.is_cancelled() {
        sleep(random.time(pace * 8)).await;
        let replica = random.below(replicas) as usize;
        hosts.kill(replica).await;
        sleep(random.time(pace * 2)).await;
        hosts.revive(replica).await;
    }
}

/// Some operations at once, until all have ended.
async fn wave(stage: &Stage, trigger: Trigger, tally: &mut Tally) {
    let mut clients = JoinSet::new();
    for _ in 0..stage.clients {
        let plan = Plan::draw(trigger, stage.pace, &stage.random);
        clients.spawn(plan.perform(stage.register.clone()));
    }
    if trigger == Trigger::Stopped {
        sleep(stage.random.time(stage.pace)).await;
        stage.current.stop();
    }
    while let Some(end) = clients.join_next().await {
        tally.add(end.expect("clients do not panic"));
        let live = stage.current.live();
        let budget = stage.current.options().quorum.background_writes as i64;
        assert!(live.background_writes <= budget, "{live:?}");
        tally.background = tally.background.max(live.background_writes);
    }
    if trigger == Trigger::Stopped {
        stage.current.ended().await;
        let live = || stage.current.live();
        until("the stopped one's guards", live, |live| {
            *live == LiveSnapshot::default()
        })
        .await;
        stage.current.start();
    }
}
