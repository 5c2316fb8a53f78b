use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;
use crate::{ClusterId, ConfigId, ConfigParts, Epoch, Member, ReplicaId};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Exhausted,
    NoQuorum,
}

impl From<TimestampsExhausted> for Failure {
    fn from(_: TimestampsExhausted) -> Self {
        Self::Exhausted
    }
}

/// One quorum call as the fake saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    Read,
    ReadTimestamp,
    Write(Pair),
    /// The pair, and the members it was sent to.
    WriteBack(Pair, MemberSet),
}

/// How the fake answers one call.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// These members carry it out and answer.
    By(MemberSet),
    /// These members carry it out, yet the call fails.
    FailAfter(MemberSet),
    /// The config changes during the write-back; these members carried it out before.
    ConfigChanged(MemberSet),
}

/// Replicas in memory, and a choice per call of which of them answer.
struct Fake {
    config: Arc<Config>,
    pairs: Arc<Mutex<Vec<Pair>>>,
    /// Answers to the calls to come, the next one last; everyone answers when it is empty.
    script: Mutex<Vec<Answer>>,
    calls: Mutex<Vec<Call>>,
}

fn key() -> Key {
    Key::new("greeting").unwrap()
}

fn op(n: u8) -> OpId {
    OpId::from_bytes([n; 16])
}

fn at(counter: u64, n: u8) -> Timestamp {
    Timestamp {
        counter,
        op_id: op(n),
        ..Timestamp::ZERO
    }
}

fn pair(counter: u64, n: u8) -> Pair {
    Pair::new(&key(), at(counter, n), Some(vec![n].into()))
}

/// Members `0..current`, and with `next` a joint config whose second group is that range.
fn config(current: usize, next: Option<std::ops::Range<usize>>) -> Arc<Config> {
    let group = |range: std::ops::Range<usize>| {
        let member = |n: usize| Member {
            replica_id: ReplicaId::from_bytes([n as u8; 16]),
            pod: format!("replica-{n}"),
        };
        range.map(member).collect::<Vec<_>>()
    };
    let parts = ConfigParts {
        cluster_id: ClusterId::from_bytes([1; 16]),
        id: ConfigId::from_bytes([2; 16]),
        ancestors: Vec::new(),
        epoch: Epoch {
            recovery: 0,
            number: 1,
        },
        current: group(0..current),
        next: next.map(group),
        activators: Vec::new(),
        retired: Vec::new(),
    };
    Arc::new(Config::new(parts).unwrap())
}

/// Every set of members that is a quorum of the config.
fn quorums(config: &Config) -> Vec<MemberSet> {
    let members = config.members().len();
    let set = |bits: u32| (0..members).filter(|m| bits & (1 << m) != 0).collect();
    let all = (0..1_u32 << members).map(set);
    all.filter(|&set| config.quorums().reached(set)).collect()
}

impl Fake {
    fn new(config: Arc<Config>, pairs: Vec<Pair>, answers: &[Answer]) -> Self {
        assert_eq!(pairs.len(), config.members().len());
        Self {
            config,
            pairs: Arc::new(Mutex::new(pairs)),
            script: Mutex::new(answers.iter().rev().copied().collect()),
            calls: Mutex::default(),
        }
    }

    fn answer(&self) -> Answer {
        let everyone = (0..self.config.members().len()).collect();
        let scripted = self.script.lock().unwrap().pop();
        scripted.unwrap_or(Answer::By(everyone))
    }

    fn note(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    fn members(&self, set: MemberSet) -> impl Iterator<Item = usize> + use<> {
        (0..self.config.members().len()).filter(move |&m| set.contains(m))
    }

    async fn collect<T>(&self, select: impl Fn(&Pair) -> T) -> Result<Replies<T>, Failure> {
        let Answer::By(set) = self.answer() else {
            return Err(Failure::NoQuorum);
        };
        let mut answers = Vec::new();
        for member in self.members(set) {
            yield_once().await;
            answers.push((member, select(&self.pairs.lock().unwrap()[member])));
        }
        Ok(Replies {
            config: self.config.clone(),
            answers,
        })
    }

    async fn store(&self, pair: &Pair, set: MemberSet) {
        for member in self.members(set) {
            yield_once().await;
            let stored = &mut self.pairs.lock().unwrap()[member];
            if pair.timestamp > stored.timestamp {
                *stored = pair.clone();
            }
        }
    }

    /// The members that hold this timestamp or a larger one.
    fn holders(&self, timestamp: Timestamp) -> MemberSet {
        let pairs = self.pairs.lock().unwrap();
        let holds = |&m: &usize| pairs[m].timestamp >= timestamp;
        (0..pairs.len()).filter(holds).collect()
    }
}

impl QuorumCalls for Fake {
    type Error = Failure;

    async fn read(&self, _key: &Key) -> Result<Replies<Pair>, Failure> {
        self.note(Call::Read);
        self.collect(Pair::clone).await
    }

    async fn read_timestamp(&self, _key: &Key) -> Result<Replies<Timestamp>, Failure> {
        self.note(Call::ReadTimestamp);
        self.collect(|pair| pair.timestamp).await
    }

    async fn write(&self, key: &Key, pair: &Pair) -> Result<(), Failure> {
        assert_eq!(pair.verify(key), Ok(()));
        self.note(Call::Write(pair.clone()));
        match self.answer() {
            Answer::By(set) => {
                assert!(self.config.quorums().reached(set));
                self.store(pair, set).await;
                Ok(())
            }
            Answer::FailAfter(set) | Answer::ConfigChanged(set) => {
                self.store(pair, set).await;
                Err(Failure::NoQuorum)
            }
        }
    }

    async fn write_back(
        &self,
        key: &Key,
        pair: &Pair,
        replies: &Replies<Pair>,
    ) -> Result<WriteBack, Failure> {
        assert_eq!(pair.verify(key), Ok(()));
        let reporters = replies.reporters(pair.timestamp);
        let lagging = |set: MemberSet| {
            self.members(set)
                .filter(|&m| !reporters.contains(m))
                .collect()
        };
        let (set, ended) = match self.answer() {
            Answer::By(set) => (lagging(set), Ok(WriteBack::Stored)),
            Answer::FailAfter(set) => (lagging(set), Err(Failure::NoQuorum)),
            Answer::ConfigChanged(set) => (lagging(set), Ok(WriteBack::ConfigChanged)),
        };
        self.note(Call::WriteBack(pair.clone(), set));
        self.store(pair, set).await;
        if ended == Ok(WriteBack::Stored) {
            assert!(self.config.quorums().reached(set.union(reporters)));
        }
        ended
    }
}

/// Pending once, so that other operations run in between.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut yielded, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Runs one operation alone.
fn run<T>(operation: impl Future<Output = T>) -> T {
    let mut operation = std::pin::pin!(operation);
    for _ in 0..10_000 {
        if let Poll::Ready(result) = operation
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return result;
        }
    }
    panic!("the operation does not end");
}

/// Whatever quorum answers, and however many members hold the newest pair: the largest
/// answer is returned, written back unless a quorum reported it, and a quorum holds it.
fn check_gets(config: &Arc<Config>) -> (usize, usize) {
    let members = config.members().len();
    let everyone: MemberSet = (0..members).collect();
    let (mut fast, mut slow) = (0, 0);
    for holders in 0..=members {
        for answered in quorums(config) {
            let pairs = (0..members).map(|m| pair(if m < holders { 2 } else { 1 }, 1));
            let fake = Fake::new(config.clone(), pairs.collect(), &[Answer::By(answered)]);
            let got = run(get(&fake, &key())).unwrap();

            let reporters: MemberSet = fake.members(answered).filter(|&m| m < holders).collect();
            let reporters = if reporters.is_empty() {
                answered
            } else {
                reporters
            };
            let newest = fake.members(answered).any(|m| m < holders);
            assert_eq!(got, pair(if newest { 2 } else { 1 }, 1));
            if config.quorums().reached(reporters) {
                assert_eq!(fake.calls(), [Call::Read]);
                fast += 1;
            } else {
                let lagging = fake.members(everyone).filter(|&m| !reporters.contains(m));
                let lagging = lagging.collect();
                assert_eq!(
                    fake.calls(),
                    [Call::Read, Call::WriteBack(got.clone(), lagging)]
                );
                slow += 1;
            }
            assert!(config.quorums().reached(fake.holders(got.timestamp)));
        }
    }
    (fast, slow)
}

#[test]
fn a_get_answers_in_one_phase_only_when_a_quorum_reports_the_largest() {
    for members in 1..=7 {
        let (fast, slow) = check_gets(&config(members, None));
        assert!(fast > 0);
        assert_eq!(slow > 0, members > 1, "{members} members");
    }
}

#[test]
fn a_get_under_a_joint_config_needs_both_groups_to_report() {
    for (current, next) in [(1, 1..2), (3, 1..4), (3, 3..6), (3, 0..4), (2, 1..5)] {
        let (fast, slow) = check_gets(&config(current, Some(next)));
        assert!(fast > 0 && slow > 0);
    }
}

#[test]
fn a_set_succeeds_the_largest_timestamp_that_any_quorum_reports() {
    for members in 1..=7 {
        let config = config(members, None);
        for read in quorums(&config) {
            // Counters 1, 2, …: the largest is that of the last member that answers.
            let pairs = (0..members).map(|m| pair(m as u64 + 1, 1));
            let script = [Answer::By(read)];
            let fake = Fake::new(config.clone(), pairs.collect(), &script);
            let largest = fake.members(read).last().unwrap() as u64 + 1;
            let value = Bytes::from_static(b"hello");
            let timestamp = run(set(&fake, &key(), Some(value.clone()), op(9))).unwrap();
            assert_eq!(timestamp, at(largest + 1, 9));
            let written = Pair::new(&key(), timestamp, Some(value));
            assert_eq!(fake.calls(), [Call::ReadTimestamp, Call::Write(written)]);
        }
    }
}

#[test]
fn equal_counters_are_told_apart_by_op_id() {
    let pairs = vec![pair(4, 1), pair(4, 3), pair(4, 2)];
    let fake = Fake::new(config(3, None), pairs, &[]);
    assert_eq!(run(get(&fake, &key())).unwrap(), pair(4, 3));
    assert_eq!(run(set(&fake, &key(), None, op(1))).unwrap(), at(5, 1));
}

#[test]
fn a_config_change_during_write_back_starts_the_get_again() {
    let config = config(3, None);
    let old = [0, 1].into_iter().collect();
    let rest = [1, 2].into_iter().collect();
    let script = [
        Answer::By(old),
        Answer::ConfigChanged(MemberSet::EMPTY),
        Answer::By(rest),
        Answer::ConfigChanged(MemberSet::EMPTY),
        Answer::By(rest),
    ];
    // The first round sees 1 and 2; the rounds after it see 3 as well, which is larger.
    let pairs = vec![pair(2, 2), pair(1, 1), pair(3, 3)];
    let fake = Fake::new(config, pairs, &script);
    assert_eq!(run(get(&fake, &key())).unwrap(), pair(3, 3));
    let written_back = |call: &Call| match call {
        Call::WriteBack(pair, _) => Some(pair.timestamp.counter),
        _ => None,
    };
    let calls = fake.calls();
    assert_eq!(calls.len(), 6);
    assert_eq!(
        calls.iter().filter_map(written_back).collect::<Vec<_>>(),
        [2, 3, 3]
    );
}

#[test]
fn a_failed_phase_fails_the_operation() {
    let none = Answer::FailAfter(MemberSet::EMPTY);
    let two: MemberSet = [0, 1].into_iter().collect();
    let mixed = || vec![pair(2, 2), pair(1, 1), pair(1, 1)];
    let fake = |script: &[Answer]| Fake::new(config(3, None), mixed(), script);

    let reading = fake(&[none]);
    assert_eq!(run(get(&reading, &key())), Err(Failure::NoQuorum));
    assert_eq!(reading.calls(), [Call::Read]);

    let writing_back = fake(&[Answer::By(two), none]);
    assert_eq!(run(get(&writing_back, &key())), Err(Failure::NoQuorum));
    assert_eq!(writing_back.calls().len(), 2);

    // A set that fails in phase one never begins phase two: it has no effect.
    let choosing = fake(&[none]);
    assert_eq!(
        run(set(&choosing, &key(), None, op(3))),
        Err(Failure::NoQuorum)
    );
    assert_eq!(choosing.calls(), [Call::ReadTimestamp]);
    assert_eq!(*choosing.pairs.lock().unwrap(), mixed());

    let writing = fake(&[
        Answer::By(two),
        Answer::FailAfter([2].into_iter().collect()),
    ]);
    assert_eq!(
        run(set(&writing, &key(), None, op(3))),
        Err(Failure::NoQuorum)
    );
    assert_eq!(writing.holders(at(3, 3)), [2].into_iter().collect());
}

#[test]
fn a_used_up_counter_refuses_writes_and_still_reads() {
    let last = pair(u64::MAX, 1);
    let fake = Fake::new(config(3, None), vec![last.clone(); 3], &[]);
    assert_eq!(
        run(set(&fake, &key(), None, op(2))),
        Err(Failure::Exhausted)
    );
    assert_eq!(fake.calls(), [Call::ReadTimestamp]);
    assert_eq!(run(get(&fake, &key())), Ok(last));
}

#[test]
fn a_key_never_written_reads_as_unwritten_in_one_phase() {
    for members in 1..=7 {
        let fake = Fake::new(config(members, None), vec![Pair::UNWRITTEN; members], &[]);
        assert_eq!(run(get(&fake, &key())), Ok(Pair::UNWRITTEN));
        assert_eq!(fake.calls(), [Call::Read]);
    }
}

#[test]
fn a_tombstone_is_written_read_and_succeeded_like_a_value() {
    let two = Answer::By([0, 1].into_iter().collect());
    let other_two = Answer::By([1, 2].into_iter().collect());
    let script = [two, two, other_two, other_two];
    let fake = Fake::new(config(3, None), vec![pair(1, 1); 3], &script);
    assert_eq!(run(set(&fake, &key(), None, op(2))), Ok(at(2, 2)));
    // Member 2 lags with a value: the tombstone wins over it and is written back.
    let tombstone = Pair::new(&key(), at(2, 2), None);
    assert_eq!(run(get(&fake, &key())), Ok(tombstone.clone()));
    let lagging = [2].into_iter().collect();
    assert_eq!(
        fake.calls()[2..],
        [Call::Read, Call::WriteBack(tombstone, lagging)]
    );
    let value = Some(Bytes::from_static(b"again"));
    assert_eq!(run(set(&fake, &key(), value, op(1))), Ok(at(3, 1)));
}

/// What a finished operation returned: when it began and ended in steps, and its pair.
#[derive(Debug)]
struct Finished {
    start: usize,
    end: usize,
    writes: bool,
    pair: Pair,
}

#[derive(Debug, Clone)]
enum Planned {
    Get,
    Set(bool),
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(bool, Pair), Failure>> + 'a>>;

/// Runs `plans` over shared replicas, three at a time, each call answered by a quorum of
/// `choices` and some writes failing half way; `schedule` says who takes the next step.
fn interleave(
    config: &Arc<Config>,
    plans: &[(Planned, [u16; 4])],
    schedule: &[u8],
) -> Vec<Finished> {
    const CLIENTS: usize = 3;
    let quorums = quorums(config);
    let pairs = Arc::new(Mutex::new(vec![Pair::UNWRITTEN; config.members().len()]));
    let fake = |choices: &[u16; 4]| {
        let answer = |&choice: &u16| {
            let set = quorums[usize::from(choice) / 8 % quorums.len()];
            if choice % 8 < 3 {
                // Less than everything that would be a quorum: a write that stops half way.
                Answer::FailAfter(
                    (0..usize::from(choice) / 64 % 4)
                        .filter(|&m| set.contains(m))
                        .collect(),
                )
            } else {
                Answer::By(set)
            }
        };
        Fake {
            config: config.clone(),
            pairs: pairs.clone(),
            script: Mutex::new(choices.iter().map(answer).collect()),
            calls: Mutex::default(),
        }
    };
    let fakes: Vec<_> = plans.iter().map(|(_, choices)| fake(choices)).collect();
    let key = key();
    let begin = |index: usize| -> Running<'_> {
        let (fake, key) = (&fakes[index], &key);
        match plans[index].0 {
            Planned::Get => Box::pin(async move { Ok((false, get(fake, key).await?)) }),
            Planned::Set(value) => Box::pin(async move {
                let value = value.then(|| Bytes::from(vec![index as u8]));
                let timestamp = set(fake, key, value.clone(), op(index as u8)).await?;
                Ok((true, Pair::new(key, timestamp, value)))
            }),
        }
    };
    let mut waiting = (0..plans.len()).map(|index| (index, begin(index)));
    let mut running: Vec<(usize, Running<'_>)> = Vec::new();
    let mut finished = Vec::new();
    for step in 0..100_000 {
        if running.len() < CLIENTS
            && let Some((_, operation)) = waiting.next()
        {
            running.push((step, operation));
        }
        if running.is_empty() {
            return finished;
        }
        let turn = usize::from(schedule[step % schedule.len()]) % running.len();
        let (start, operation) = &mut running[turn];
        let start = *start;
        if let Poll::Ready(result) = operation
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            drop(running.remove(turn));
            if let Ok((writes, pair)) = result {
                finished.push(Finished {
                    start,
                    end: step,
                    writes,
                    pair,
                });
            }
        }
    }
    panic!("the operations do not end");
}

/// How many members, the second group of a joint config, what runs and in which order.
type Plan = (
    usize,
    Option<(usize, usize)>,
    Vec<(Planned, [u16; 4])>,
    Vec<u8>,
);

fn any_plan() -> impl Strategy<Value = Plan> {
    let planned = prop_oneof![3 => Just(Planned::Get), 1 => any::<bool>().prop_map(Planned::Set)];
    (
        1..6usize,
        prop::option::of((0..3usize, 1..4usize)),
        prop::collection::vec((planned, any::<[u16; 4]>()), 1..24),
        prop::collection::vec(any::<u8>(), 1..64),
    )
}

/// Of two ordered operations the later has the larger timestamp, strictly if it writes, and
/// a timestamp stands for one value: the tags that make a register linearizable (Lynch,
/// Distributed Algorithms, lemma 13.16).
fn check_order((members, joint, plans, schedule): Plan) -> Result<(), TestCaseError> {
    let next = joint.map(|(start, length)| start.min(members)..start.min(members) + length);
    let finished = interleave(&config(members, next), &plans, &schedule);
    let mut values = BTreeMap::new();
    for operation in &finished {
        let pair = &operation.pair;
        prop_assert_eq!(pair.verify(&key()), Ok(()));
        let value = values.entry(pair.timestamp).or_insert(pair.value.clone());
        prop_assert_eq!(&*value, &pair.value);
    }
    for later in &finished {
        for earlier in finished.iter().filter(|earlier| earlier.end < later.start) {
            let (before, after) = (earlier.pair.timestamp, later.pair.timestamp);
            prop_assert!(before <= after, "{earlier:?} then {later:?}");
            prop_assert!(
                !later.writes || before < after,
                "{earlier:?} then {later:?}"
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn operations_over_arbitrary_quorums_are_ordered_by_their_timestamps(plan in any_plan()) {
        check_order(plan)?;
    }
}

/// The property above is worth something: it notices an algorithm that is broken.
#[cfg(feature = "mutations")]
#[test]
fn a_broken_algorithm_is_noticed() {
    use proptest::test_runner::{TestError, TestRunner};

    for mutation in [Mutation::FastPathOnOneReply, Mutation::NoWriteBack] {
        crate::mutation::plant(Some(mutation));
        let result = TestRunner::deterministic().run(&any_plan(), check_order);
        crate::mutation::plant(None);
        assert!(
            matches!(result, Err(TestError::Fail(..))),
            "{}",
            mutation.name()
        );
    }
}
