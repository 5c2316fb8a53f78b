//! The serving end.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::channel::mpsc;
use futures::stream::{Stream, StreamExt};
use quorate_proto::v1::exchange_answer::Answer;
use quorate_proto::v1::exchange_call::Method;
use quorate_proto::v1::refusal::Code;
use quorate_proto::{Limits, exchange_answers, v1};
use quorate_register::{Fence, Key, Pair};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use crate::common::{MemoryReplica, PATIENCE, key, timestamp};

type Response = Result<v1::ExchangeResponse, Status>;

/// What is sent to a replica's exchange, and what comes back.
struct Exchange {
    requests: mpsc::UnboundedSender<Result<v1::ExchangeRequest, Status>>,
    answers: Pin<Box<dyn Stream<Item = Response> + Send>>,
    work: AbortOnDropHandle<()>,
    stop: CancellationToken,
    fence: Fence,
}

impl Exchange {
    fn with(replica: &Arc<MemoryReplica>, fence: Fence) -> Self {
        let (requests, incoming) = mpsc::unbounded();
        let stop = CancellationToken::new();
        let (work, answers) = exchange_answers(replica.clone(), Limits::default(), incoming, &stop);
        Self {
            requests,
            answers: Box::pin(answers),
            work: AbortOnDropHandle::new(tokio::spawn(work)),
            stop,
            fence,
        }
    }

    fn send(&self, calls: Vec<v1::ExchangeCall>, cancelled: Vec<u64>) {
        let fences = vec![(&self.fence).into()];
        let request = v1::ExchangeRequest {
            fences,
            calls,
            cancelled,
        };
        self.requests.unbounded_send(Ok(request)).unwrap();
    }

    async fn answers(&mut self) -> Option<Vec<(u64, Answer)>> {
        let next = tokio::time::timeout(PATIENCE, self.answers.next());
        let response = next.await.expect("answers soon")?.expect("no error");
        let answers = response.answers.into_iter();
        Some(answers.map(|it| (it.id, it.answer.unwrap())).collect())
    }
}

fn call(id: u64, method: Method, name: &str) -> v1::ExchangeCall {
    v1::ExchangeCall {
        id,
        method: method.into(),
        key: Bytes::copy_from_slice(name.as_bytes()),
        timeout_us: 1_000_000,
        ..v1::ExchangeCall::default()
    }
}

fn write(id: u64, key: &Key, pair: Pair) -> v1::ExchangeCall {
    v1::ExchangeCall {
        key: key.bytes().clone(),
        pair: Some(pair.into()),
        origin_epoch: Some(v1::Epoch {
            number: 1,
            ..v1::Epoch::default()
        }),
        ..call(id, Method::LocalWrite, "")
    }
}

fn code(answer: &Answer) -> Option<Code> {
    match answer {
        Answer::Refusal(refusal) => Code::try_from(refusal.code).ok(),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn each_call_is_answered_and_what_is_ready_goes_in_one_message() {
    let (replica, fence) = MemoryReplica::adopted();
    let mut exchange = Exchange::with(&replica, fence);
    let k = key("k");
    let pair = Pair::new(&k, timestamp(3), Some("value".into()));
    exchange.send(vec![write(1, &k, pair.clone())], vec![]);
    let answers = exchange.answers().await.unwrap();
    assert!(matches!(answers[..], [(1, Answer::Acknowledgement(_))]));
    let calls = vec![
        call(2, Method::LocalRead, "k"),
        call(3, Method::LocalReadTimestamp, "k"),
        call(4, Method::LocalRead, "gate"),
        call(5, Method::LocalRead, "never written"),
    ];
    exchange.send(calls, vec![]);
    let answers = exchange.answers().await.unwrap();
    let ids: Vec<_> = answers.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [2, 3, 5], "who waits holds nobody up");
    assert_eq!(answers[0].1, Answer::Pair(pair.into()));
    assert_eq!(answers[1].1, Answer::Timestamp(timestamp(3).into()));
    assert_eq!(answers[2].1, Answer::Pair(v1::Pair::default()));
    replica.gate.notify_one();
    let answers = exchange.answers().await.unwrap();
    assert!(matches!(answers[..], [(4, Answer::Pair(_))]));
}

#[tokio::test(start_paused = true)]
async fn what_breaks_the_interface_is_refused_by_name_and_the_rest_is_served() {
    let (replica, fence) = MemoryReplica::adopted();
    let mut exchange = Exchange::with(&replica, fence);
    let k = key("k");
    let mut changed = Pair::new(&k, timestamp(1), Some("value".into()));
    changed.checksum ^= 1;
    let calls = vec![
        call(1, Method::Unspecified, "k"),
        call(2, Method::LocalRead, ""),
        v1::ExchangeCall {
            fence: 7,
            ..call(3, Method::LocalRead, "k")
        },
        write(4, &k, changed),
        call(5, Method::LocalWrite, "k"),
        call(6, Method::LocalRead, "k"),
    ];
    exchange.send(calls, vec![]);
    let answers = exchange.answers().await.unwrap();
    let codes: Vec<_> = answers.iter().map(|(id, it)| (*id, code(it))).collect();
    let invalid = Some(Code::Invalid);
    let expected = [
        (1, invalid),
        (2, invalid),
        (3, invalid),
        (4, Some(Code::Corrupted)),
        (5, invalid),
        (6, None),
    ];
    assert_eq!(codes, expected);
    let field = |index: usize| match &answers[index].1 {
        Answer::Refusal(refusal) => refusal.message.clone(),
        other => panic!("{other:?}"),
    };
    assert!(field(0).contains("method"), "{}", field(0));
    assert!(field(1).contains("key"), "{}", field(1));
    assert!(field(2).contains("fence"), "{}", field(2));
    assert!(field(4).contains("pair"), "{}", field(4));
    let other = Fence {
        epoch: quorate_register::Epoch {
            number: 9,
            ..fence.epoch
        },
        ..fence
    };
    exchange.fence = other;
    exchange.send(vec![call(7, Method::LocalRead, "k")], vec![]);
    let answers = exchange.answers().await.unwrap();
    assert_eq!(code(&answers[0].1), Some(Code::NeedConfig));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_is_dropped_and_never_answered() {
    let (replica, fence) = MemoryReplica::adopted();
    let mut exchange = Exchange::with(&replica, fence);
    let calls = [1, 2].map(|id| call(id, Method::LocalRead, "hang"));
    exchange.send(calls.to_vec(), vec![]);
    replica.calls.running(2).await;
    exchange.send(vec![call(3, Method::LocalRead, "k")], vec![1, 99]);
    let answers = exchange.answers().await.unwrap();
    assert!(matches!(answers[..], [(3, Answer::Pair(_))]));
    replica.calls.running(1).await;
    drop(exchange);
    replica.calls.running(0).await;
}

#[tokio::test(start_paused = true)]
async fn when_the_caller_ends_the_stream_open_calls_are_answered() {
    let (replica, fence) = MemoryReplica::adopted();
    let mut exchange = Exchange::with(&replica, fence);
    exchange.send(vec![call(1, Method::LocalRead, "gate")], vec![]);
    replica.calls.running(1).await;
    exchange.requests.close_channel();
    replica.gate.notify_one();
    let answers = exchange.answers().await.unwrap();
    assert!(matches!(answers[..], [(1, Answer::Pair(_))]));
    assert!(exchange.answers().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn when_the_server_stops_the_caller_is_told_and_what_comes_late_is_refused() {
    let (replica, fence) = MemoryReplica::adopted();
    let mut exchange = Exchange::with(&replica, fence);
    exchange.send(vec![call(1, Method::LocalRead, "gate")], vec![]);
    replica.calls.running(1).await;
    exchange.stop.cancel();
    let told = exchange.answers.next().await.unwrap().unwrap();
    assert!(told.closing && told.answers.is_empty());
    // It had sent this before it heard.
    exchange.send(vec![call(2, Method::LocalRead, "k")], vec![]);
    let answers = exchange.answers().await.unwrap();
    let stopping = "the replica is stopping";
    assert!(matches!(&answers[..], [(2, Answer::Failure(why))] if why.contains(stopping)));
    assert_eq!(replica.calls.count(), 1);
    replica.gate.notify_one();
    let answers = exchange.answers().await.unwrap();
    assert!(matches!(answers[..], [(1, Answer::Pair(_))]));
    // A caller that does not end the stream is not waited for.
    assert!(exchange.answers().await.is_none());
    assert!(exchange.work.is_finished());
}

/// What a transport says when a message is too long or none of this interface.
#[tokio::test(start_paused = true)]
async fn a_broken_message_ends_the_stream_with_its_reason_behind_what_was_asked_before() {
    let (replica, fence) = MemoryReplica::adopted();
    let mut exchange = Exchange::with(&replica, fence);
    exchange.send(vec![call(1, Method::LocalRead, "gate")], vec![]);
    replica.calls.running(1).await;
    let status = Status::internal("no protobuf");
    exchange.requests.unbounded_send(Err(status)).unwrap();
    replica.gate.notify_one();
    let answers = exchange.answers().await.unwrap();
    assert!(matches!(answers[..], [(1, Answer::Pair(_))]));
    let status = exchange.answers.next().await.unwrap().unwrap_err();
    assert_eq!(status.message(), "no protobuf");
    assert!(exchange.answers.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_may_be_open_are_refused_by_name() {
    const LIMIT: u64 = 1 << 15;
    let (replica, fence) = MemoryReplica::adopted();
    let mut exchange = Exchange::with(&replica, fence);
    let calls = (0..LIMIT + 2).map(|id| call(id, Method::LocalRead, "hang"));
    exchange.send(calls.collect(), vec![]);
    let answers = exchange.answers().await.unwrap();
    let refused: Vec<_> = answers.iter().map(|(id, it)| (*id, code(it))).collect();
    let overloaded = Some(Code::Overloaded);
    assert_eq!(refused, [(LIMIT, overloaded), (LIMIT + 1, overloaded)]);
}

#[tokio::test(start_paused = true)]
async fn answers_have_limits_in_number_and_bytes() {
    let (replica, fence) = MemoryReplica::adopted();
    let mut exchange = Exchange::with(&replica, fence);
    for (name, length) in [("medium", 30 << 10), ("large", 100 << 10)] {
        let k = key(name);
        let pair = Pair::new(&k, timestamp(1), Some(vec![5; length].into()));
        replica.pairs.lock().unwrap().insert(k, pair);
    }
    let calls = |name, count| (0..count).map(move |id| call(id, Method::LocalRead, name));
    exchange.send(calls("medium", 10).collect(), vec![]);
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 10 {
        sizes.push(exchange.answers().await.unwrap().len());
    }
    assert_eq!(sizes, [3, 3, 3, 1]);
    exchange.send(calls("nothing", 1200).collect(), vec![]);
    sizes.clear();
    while sizes.iter().sum::<usize>() < 1200 {
        sizes.push(exchange.answers().await.unwrap().len());
    }
    assert_eq!(sizes, [512, 512, 176]);
    exchange.send(calls("large", 1).collect(), vec![]);
    let answers = exchange.answers().await.unwrap();
    assert!(matches!(answers[..], [(0, Answer::TooLarge(_))]));
}

/// A peer that does not take its answers holds up neither its calls nor their deadlines; only
/// so many answers are kept for it.
#[tokio::test(start_paused = true)]
async fn calls_go_on_while_nobody_takes_answers_and_their_answers_are_limited() {
    let (replica, fence) = MemoryReplica::adopted();
    let k = key("k");
    let pair = Pair::new(&k, timestamp(1), Some(vec![5; 60 << 10].into()));
    replica.pairs.lock().unwrap().insert(k, pair);
    let mut exchange = Exchange::with(&replica, fence);
    exchange.send(vec![call(0, Method::LocalRead, "gate")], vec![]);
    replica.calls.running(1).await;
    replica.gate.notify_one();
    replica.calls.running(0).await;

    for id in 1..=1000 {
        exchange.send(vec![call(id, Method::LocalRead, "k")], vec![]);
    }
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let begun = replica.calls.count();
    assert!((10..50).contains(&begun), "{begun} answers are kept");
    let mut answered = 0;
    while answered < 1001 {
        answered += exchange.answers().await.unwrap().len();
    }
    assert_eq!(replica.calls.count(), 1001);
}
