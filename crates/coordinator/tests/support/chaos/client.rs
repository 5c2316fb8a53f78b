//! What a client of the chaos does, and when it leaves.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use quorate_register::{Key, OperationError, Register};
use tokio::time::{sleep, timeout};

use super::Trigger;
use crate::support::Seeded;

/// What one client does.
pub(crate) struct Plan {
    key: Key,
    /// A get without, a delete when empty, otherwise a set.
    value: Option<Bytes>,
    timeout: Duration,
    leaves: Leaves,
}

/// When a client leaves.
enum Leaves {
    Never,
    /// It drops the call.
    After(Duration),
    /// It drops the call after it looked at it a few times.
    AfterPolls(u64, Duration),
    /// The task that waits for the call is aborted.
    Dies(Duration),
}

impl Plan {
    pub(crate) fn draw(trigger: Trigger, pace: Duration, random: &Seeded) -> Self {
        let key = Key::new(format!("key-{}", random.below(8))).expect("a valid key");
        let value = match random.below(10) {
            0..4 => None,
            4 => Some(Bytes::new()),
            _ => Some(Bytes::from(vec![7; 1 + random.below(300) as usize])),
        };
        let leaves = match (trigger, random.below(3)) {
            (Trigger::Dropped, 0) => Leaves::After(random.time(pace)),
            (Trigger::Dropped, 1) => Leaves::AfterPolls(1 + random.below(6), random.time(pace / 4)),
            (Trigger::Dropped, _) => Leaves::Dies(random.time(pace)),
            _ => Leaves::Never,
        };
        let timeout = match trigger {
            Trigger::Deadline => random.time(2 * pace),
            _ => Duration::from_secs(50),
        };
        Self {
            key,
            value,
            timeout,
            leaves,
        }
    }

    /// How the call ended; `None` when the client left before.
    pub(crate) async fn perform(
        self,
        register: Arc<dyn Register>,
    ) -> Option<Result<(), OperationError>> {
        let Self {
            key,
            value,
            timeout: limit,
            leaves,
        } = self;
        let mut call = Box::pin(async move {
            match value {
                None => register.get(&key, Some(limit)).await.map(drop),
                Some(value) if value.is_empty() => {
                    register.delete(&key, Some(limit)).await.map(drop)
                }
                Some(value) => register.set(&key, value, Some(limit)).await.map(drop),
            }
        });
        match leaves {
            Leaves::Never => Some(call.await),
            Leaves::After(time) => timeout(time, call).await.ok(),
            Leaves::AfterPolls(polls, pause) => {
                for _ in 0..polls {
                    if let Poll::Ready(end) = futures::poll!(&mut call) {
                        return Some(end);
                    }
                    sleep(pause).await;
                }
                None
            }
            Leaves::Dies(time) => {
                let task = tokio::spawn(call);
                sleep(time).await;
                task.abort();
                task.await.ok()
            }
        }
    }
}
