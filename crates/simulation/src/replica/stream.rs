//! The stream of an exchange over the simulated network.
//!
//! It behaves as TCP does: messages arrive in order or not at all. A lost one is sent again,
//! which takes time, or the connection breaks; a cut link holds everything up until it is
//! mended, or until one side gives the silent connection up. When a process dies its
//! connections break, and the other side is told, or finds out.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};
use quorate_proto::{ExchangeStream, Limits, Requests, Responses, exchange_answers, v1};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::ReplicaHost;
use crate::network::{Direction, Link};

/// Opens streams to one replica.
pub(crate) struct SimulatedStream {
    link: Arc<Link<ReplicaHost>>,
}

impl SimulatedStream {
    /// Streams over this link.
    pub(crate) fn new(link: Arc<Link<ReplicaHost>>) -> Self {
        Self { link }
    }
}

/// How long a connection may be silent because its link is cut, until it is given up: what
/// HTTP/2 pings do, only sooner, since a run is short.
const SILENCE_LIMIT: Duration = Duration::from_millis(400);

/// How many messages are under way in one direction, before the sender waits.
const WINDOW: usize = 16;

impl ExchangeStream for SimulatedStream {
    async fn open(&self, outgoing: Requests<Self>) -> Result<Responses, Status> {
        let link = &self.link;
        sleep(link.delay(Direction::Request)).await;
        let cut = |direction| link.is_cut(direction);
        if cut(Direction::Request) || cut(Direction::Answer) {
            sleep(SILENCE_LIMIT).await;
            return Err(Status::unavailable("connection timed out"));
        }
        let Some((replica, dead)) = link.host().process() else {
            return Err(Status::unavailable("connection refused"));
        };
        let name = format!("{} stream {}", link.name(), link.next_number());
        link.event("stream opened", &name, "is open");
        let broken = CancellationToken::new();
        let way = |direction| Way {
            link: link.clone(),
            name: name.clone(),
            direction,
            broken: broken.clone(),
        };
        let (requests, incoming) = mpsc::channel(WINDOW);
        let (answers, received) = mpsc::channel(WINDOW);
        let there = way(Direction::Request).carry(outgoing, requests);
        let stop = CancellationToken::new();
        let (host, limits) = (link.host().clone(), Limits::default());
        let (work, served) = exchange_answers(Arc::new(replica), limits, incoming, &stop);
        let served = served.inspect(move |_| host.disk().observe());
        let served = served.filter_map(async |answer| answer.ok());
        let back = way(Direction::Answer);
        let (host, name) = (link.host().clone(), name.clone());
        let link = link.clone();
        tokio::spawn(async move {
            let serving = async {
                // A machine that is paused takes messages in and does nothing with them.
                let serving = back.carry(Box::pin(served), answers);
                let working = async { tokio::join!(work, serving) };
                tokio::join!(there, host.hold(working));
            };
            tokio::select! {
                biased;
                () = dead.cancelled() => link.event("stream died", &name, "is dead: the host died"),
                () = broken.cancelled() => link.event("stream broken", &name, "is broken"),
                () = serving => link.event("stream ended", &name, "is over"),
            }
        });
        // When the task ends, so does `received`, which tells the caller.
        Ok(received.boxed())
    }
}

/// One direction of a stream.
struct Way {
    link: Arc<Link<ReplicaHost>>,
    name: String,
    direction: Direction,
    broken: CancellationToken,
}

impl Way {
    /// Carries messages in order, each after its time on the way, until they end, nobody takes
    /// them any more, or the connection breaks.
    async fn carry<M: Carried>(
        self,
        mut messages: impl futures::Stream<Item = M> + Unpin,
        mut arrived: mpsc::Sender<Result<M, Status>>,
    ) {
        let mut under_way: VecDeque<(Instant, M)> = VecDeque::new();
        let mut ended = false;
        while !ended || !under_way.is_empty() {
            let next = async {
                match under_way.front() {
                    Some((due, _)) => sleep_until(*due).await,
                    None => pending().await,
                }
            };
            let room = under_way.len() < WINDOW && !ended;
            tokio::select! {
                biased;
                () = next => {
                    let (_, message) = under_way.pop_front().expect("it was due");
                    if !self.may_pass().await {
                        self.broken.cancel();
                        return;
                    }
                    self.link.event("stream carried", &self.name, &message.shown());
                    message.prepare(self.link.host());
                    if arrived.send(Ok(message)).await.is_err() {
                        return;
                    }
                }
                message = messages.next(), if room => match message {
                    Some(message) => {
                        let due = Instant::now() + self.link.delay(self.direction);
                        let due = under_way.back().map_or(due, |(last, _)| due.max(*last));
                        under_way.push_back((due, message));
                    }
                    None => ended = true,
                },
            }
        }
    }

    /// Waits while the link is cut; `false` when the connection breaks instead.
    async fn may_pass(&self) -> bool {
        if self.link.loses() {
            match self.link.breaks() {
                true => return false,
                false => sleep(self.link.delay(self.direction)).await,
            }
        }
        let deadline = Instant::now() + SILENCE_LIMIT;
        while self.link.is_cut(self.direction) {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(Duration::from_millis(10)).await;
        }
        true
    }
}

/// A message of either direction.
trait Carried: Send {
    /// What it carries, for the trace.
    fn shown(&self) -> String;

    /// What the host's machine does to it when it arrives.
    fn prepare(&self, _: &ReplicaHost) {}
}

impl Carried for v1::ExchangeRequest {
    fn shown(&self) -> String {
        let ids: Vec<_> = self.calls.iter().map(|call| call.id).collect();
        format!("asks {ids:?}, cancels {:?}", self.cancelled)
    }

    fn prepare(&self, host: &ReplicaHost) {
        host.draw_sync();
    }
}

impl Carried for v1::ExchangeResponse {
    fn shown(&self) -> String {
        let ids: Vec<_> = self.answers.iter().map(|answer| answer.id).collect();
        format!("answers {ids:?}")
    }
}
