//! The calling end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use quorate_proto::v1;
use quorate_proto::v1::exchange_answer::Answer;
use quorate_proto::v1::exchange_call::Method;
use quorate_register::{Fence, Key, Pair, Replica, ReplicaError, Timestamp, Write};
use tokio::task::JoinHandle;
use tonic::Status;

use crate::common::{MemoryReplica, PATIENCE, key, timestamp};
use crate::stream::hand_driven;

/// Longer than an answer to a call that was given up is awaited.
const AWHILE: Duration = Duration::from_millis(100);

fn write(key: &Key, value: impl Into<Bytes>, fence: &Fence) -> Write {
    Write {
        key: key.clone(),
        pair: Pair::new(key, timestamp(1), Some(value.into())),
        origin: fence.epoch,
    }
}

/// A write of a small value, under way.
fn writing(
    replica: &Arc<impl Replica + 'static>,
    name: &str,
    fence: Fence,
    timeout: Duration,
) -> JoinHandle<Result<(), ReplicaError>> {
    let (replica, key) = (replica.clone(), key(name));
    tokio::spawn(async move {
        let write = write(&key, "value", &fence);
        replica.local_write(&fence, &write, timeout).await
    })
}

fn unreachable(problem: &str) -> Result<(), ReplicaError> {
    Err(ReplicaError::Unreachable {
        problem: problem.to_owned(),
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_goes_in_one_message_and_a_lone_call_at_once() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let names = ["a", "b", "c"];
    let calls = names.map(|name| writing(&replica, name, fence, PATIENCE));
    let wanted = wants.next().await;
    tokio::task::yield_now().await;
    let mut session = wanted.accept();

    let message = session.request().await;
    assert_eq!(message.fences.len(), 1, "the calls share their fence");
    let keys: Vec<_> = message.calls.iter().map(|call| call.key.clone()).collect();
    assert_eq!(keys, names);
    for call in message.calls.iter().rev() {
        assert_eq!(call.method, i32::from(Method::LocalWrite));
        assert_eq!(Duration::from_micros(call.timeout_us), PATIENCE);
        session.acknowledge(call.id);
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(()));
    }
    let before = tokio::time::Instant::now();
    let call = writing(&replica, "d", fence, PATIENCE);
    let message = session.request().await;
    assert_eq!(message.calls.len(), 1);
    assert_eq!(
        before.elapsed(),
        Duration::ZERO,
        "nothing waits for company"
    );
    session.acknowledge(message.calls[0].id);
    assert_eq!(call.await.unwrap(), Ok(()));
    assert_eq!(replica.open_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn messages_have_limits_in_calls_and_bytes() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let value = vec![7; 30 << 10];
    let large = (0..4).map(|number| {
        let (replica, key, value) = (replica.clone(), key(&format!("{number}")), value.clone());
        tokio::spawn(async move {
            let write = write(&key, value, &fence);
            replica.local_write(&fence, &write, PATIENCE).await
        })
    });
    let large: Vec<_> = large.collect();
    let small: Vec<_> = (0..2000)
        .map(|number| writing(&replica, &format!("small {number}"), fence, PATIENCE))
        .collect();
    let wanted = wants.next().await;
    tokio::task::yield_now().await;
    let mut session = wanted.accept();
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < large.len() + small.len() {
        let message = session.request().await;
        sizes.push(message.calls.len());
        message
            .calls
            .iter()
            .for_each(|call| session.acknowledge(call.id));
    }
    assert_eq!(sizes[0], 3, "the third took it over the limit of bytes");
    assert!(sizes.iter().all(|size| *size <= 512), "{sizes:?}");
    for call in large.into_iter().chain(small) {
        assert_eq!(call.await.unwrap(), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_given_up_before_it_is_sent_is_never_sent() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let first = writing(&replica, "first", fence, PATIENCE);
    let second = writing(&replica, "second", fence, PATIENCE);
    let wanted = wants.next().await;
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let mut session = wanted.accept();
    let message = session.request().await;
    assert_eq!(message.calls.len(), 1);
    assert_eq!(message.calls[0].key, "second");
    assert!(message.cancelled.is_empty());
    session.acknowledge(message.calls[0].id);
    assert_eq!(second.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_call_given_up_later_is_cancelled_unless_its_answer_comes_first() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let calls = ["answered", "not"].map(|name| writing(&replica, name, fence, PATIENCE));
    let mut session = wants.accept().await;
    let message = session.request().await;
    let ids: Vec<_> = message.calls.iter().map(|call| call.id).collect();
    for call in calls {
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    session.acknowledge(ids[0]);
    let message = session.request().await;
    assert!(message.calls.is_empty());
    assert_eq!(message.cancelled, [ids[1]]);
    assert_eq!(replica.open_calls(), 0);
    // Its answer was under way: it reaches nobody, and not the call in its place either.
    let call = writing(&replica, "third", fence, PATIENCE);
    let message = session.request().await;
    session.acknowledge(ids[1]);
    session.acknowledge(ids[0]);
    tokio::time::sleep(AWHILE).await;
    assert!(!call.is_finished());
    session.acknowledge(message.calls[0].id);
    session.acknowledge(message.calls[0].id);
    assert_eq!(call.await.unwrap(), Ok(()));
    assert!(session.is_silent(AWHILE).await);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_by_its_timeout_and_is_cancelled() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let timeout = Duration::from_millis(250);
    let timed_out = Err(ReplicaError::TimedOut { waited: timeout });
    let call = writing(&replica, "k", fence, timeout);
    let mut session = wants.accept().await;
    let message = session.request().await;
    let sent = tokio::time::Instant::now();
    assert_eq!(call.await.unwrap(), timed_out);
    assert!(sent.elapsed() >= timeout && sent.elapsed() < timeout + AWHILE);
    assert_eq!(session.request().await.cancelled, [message.calls[0].id]);
    assert_eq!(replica.open_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_sent_ends_by_its_timeout_too() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let call = writing(&replica, "k", fence, AWHILE);
    let wanted = wants.next().await;
    wanted.refuse(Status::unavailable("not yet"));
    assert_eq!(call.await.unwrap(), unreachable("not yet"));
    let mut session = wants.accept().await;
    // Nobody takes the messages.
    tokio::task::yield_now().await;
    let call = writing(&replica, "k", fence, AWHILE);
    let timed_out = Err(ReplicaError::TimedOut { waited: AWHILE });
    assert_eq!(call.await.unwrap(), timed_out);
    assert!(session.is_silent(AWHILE).await, "what is over is not sent");
}

#[tokio::test(start_paused = true)]
async fn when_the_stream_breaks_each_call_is_answered_once() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let sent = ["a", "b"].map(|name| writing(&replica, name, fence, PATIENCE));
    let mut session = wants.accept().await;
    let ids: Vec<_> = session
        .request()
        .await
        .calls
        .iter()
        .map(|call| call.id)
        .collect();
    session.acknowledge(ids[0]);
    let queued = writing(&replica, "queued", fence, PATIENCE);
    tokio::task::yield_now().await;
    let old_requests = session.break_off("the cable");
    let [acknowledged, lost] = sent;
    assert_eq!(acknowledged.await.unwrap(), Ok(()));
    assert_eq!(lost.await.unwrap(), unreachable("the cable"));
    assert_eq!(queued.await.unwrap(), unreachable("the cable"));
    // Until there is a stream again, calls are refused at once.
    let refused = writing(&replica, "refused", fence, PATIENCE);
    assert_eq!(refused.await.unwrap(), unreachable("the cable"));

    let mut session = wants.accept().await;
    tokio::task::yield_now().await;
    let call = writing(&replica, "again", fence, PATIENCE);
    tokio::task::yield_now().await;
    // The old stream takes nothing of what is meant for the new one, though it is polled.
    let mut old_requests = old_requests;
    assert!(futures::StreamExt::next(&mut old_requests).await.is_none());
    let message = session.request().await;
    assert!(!ids.contains(&message.calls[0].id), "an id is used once");
    session.acknowledge(message.calls[0].id);
    assert_eq!(call.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn when_the_other_end_closes_what_was_sent_is_waited_for_and_the_rest_is_not_sent() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let sent = writing(&replica, "sent", fence, PATIENCE);
    let mut session = wants.accept().await;
    let id = session.request().await.calls[0].id;
    session.close();
    let queued = writing(&replica, "queued", fence, PATIENCE);
    let stopping = unreachable("the other end is stopping");
    assert_eq!(queued.await.unwrap(), stopping);
    let later = writing(&replica, "later", fence, PATIENCE);
    assert_eq!(later.await.unwrap(), stopping);
    assert!(session.is_over().await, "the caller ends its side");
    assert!(!sent.is_finished());
    session.acknowledge(id);
    assert_eq!(sent.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_knows_no_exchange_is_asked_plainly_and_again_later() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let call = writing(&replica, "a", fence, PATIENCE);
    wants.refuse(Status::unimplemented("what is that?")).await;
    assert_eq!(call.await.unwrap(), Ok(()));
    assert_eq!(plain.calls.count(), 1);
    let k = key("a");
    let read = replica.local_read_timestamp(&fence, &k, PATIENCE).await;
    assert_eq!(read, Ok(timestamp(1)));
    assert_eq!(plain.calls.count(), 2);
    // It was upgraded meanwhile.
    let mut session = wants.accept().await;
    tokio::task::yield_now().await;
    let call = writing(&replica, "b", fence, PATIENCE);
    let message = session.request().await;
    session.acknowledge(message.calls[0].id);
    assert_eq!(call.await.unwrap(), Ok(()));
    assert_eq!(plain.calls.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn large_values_travel_by_themselves() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let k = key("k");
    let large = write(&k, vec![1; 100 << 10], &fence);
    replica.local_write(&fence, &large, PATIENCE).await.unwrap();
    assert_eq!(plain.calls.count(), 1, "plainly");
    let reading = {
        let replica = replica.clone();
        tokio::spawn(async move { replica.local_read(&fence, &key("k"), PATIENCE).await })
    };
    let mut session = wants.accept().await;
    let id = session.request().await.calls[0].id;
    session.answer(id, Answer::TooLarge(v1::TooLarge {}));
    assert_eq!(reading.await.unwrap(), Ok(large.pair));
    assert_eq!(plain.calls.count(), 2, "plainly");
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_another_method_is_none() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let call = writing(&replica, "k", fence, PATIENCE);
    let mut session = wants.accept().await;
    let id = session.request().await.calls[0].id;
    session.answer(id, Answer::Timestamp(Timestamp::ZERO.into()));
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, ReplicaError::Invalid { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn too_many_open_calls_are_refused() {
    const LIMIT: usize = 1 << 15;
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let key = key("k");
    let calls = (0..LIMIT + 1).map(|_| replica.local_read_timestamp(&fence, &key, AWHILE));
    let mut calls = std::pin::pin!(join_all(calls));
    assert!(futures::poll!(&mut calls).is_pending());
    assert_eq!(replica.open_calls(), LIMIT);
    let _wanted = wants.next().await;
    let answers = calls.await;
    let refused = ReplicaError::Overloaded { limit: LIMIT };
    let count = |error: &ReplicaError| {
        let ends = answers
            .iter()
            .filter(|answer| answer.as_ref() == Err(error));
        ends.count()
    };
    assert_eq!(count(&refused), 1);
    assert_eq!(count(&ReplicaError::TimedOut { waited: AWHILE }), LIMIT);
    assert_eq!(replica.open_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_with_the_last_of_its_users() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let call = writing(&replica, "k", fence, PATIENCE);
    let mut session = wants.accept().await;
    let id = session.request().await.calls[0].id;
    session.acknowledge(id);
    assert_eq!(call.await.unwrap(), Ok(()));
    drop(replica);
    assert!(session.is_over().await);
    let metrics = tokio::runtime::Handle::current().metrics();
    crate::common::eventually(|| metrics.num_alive_tasks() == 0).await;
}

/// Found by a simulation: what closes an exchange may come in the very moment in which its
/// stream is opened again.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_opened_when_nobody_needs_it_any_more_ends() {
    let (plain, fence) = MemoryReplica::adopted();
    let (replica, wants) = hand_driven(&plain);
    let call = writing(&replica, "k", fence, PATIENCE);
    wants.refuse(Status::unavailable("not yet")).await;
    assert_eq!(call.await.unwrap(), unreachable("not yet"));
    // As long as the pause before the next try.
    tokio::time::sleep(Duration::from_millis(10)).await;
    drop(replica);
    if let Some(wanted) = wants.next_if_any(AWHILE).await {
        assert!(wanted.stays_silent().await);
    }
}
