//! Stopping a process without ending it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, Waker};

use parking_lot::Mutex;

/// Lets futures run while it is open. Closed it does what SIGSTOP, a long garbage collection
/// or a frozen machine does to a process: nothing in it moves on, and its time runs out.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    /// Holds everything.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Lets everything go on; `false` when it was open.
    pub(crate) fn open(&self) -> bool {
        let mut state = self.state.lock();
        let was_closed = std::mem::take(&mut state.closed);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for waker in waiting {
            waker.wake();
        }
        was_closed
    }

    /// Runs the future whenever the gate is open.
    pub(crate) async fn hold<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            let mut state = self.state.lock();
            if state.closed {
                let waker = context.waker();
                if !state.waiting.iter().any(|known| known.will_wake(waker)) {
                    state.waiting.push(waker.clone());
                }
                return Poll::Pending;
            }
            drop(state);
            future.as_mut().poll(context)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_moves_while_it_is_closed() {
        let gate = Arc::new(Gate::default());
        let began = Instant::now();
        let held = gate.clone();
        let task = tokio::spawn(async move { held.hold(sleep(Duration::from_secs(1))).await });
        gate.close();
        sleep(Duration::from_secs(5)).await;
        assert!(!task.is_finished());
        assert!(gate.open() && !gate.open());
        task.await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_secs(5));
    }
}
