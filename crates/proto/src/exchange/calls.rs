//! The calls of one exchange, between those who make them and the stream that carries them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_register::mutation::{Mutation, active};
use slab::Slab;
use tokio::time::Instant;

use super::calling::Calling;
use super::{BATCH_BYTES, BATCH_ENTRIES, MAX_OPEN_CALLS, MAX_QUEUED_BYTES, Wire};

/// An id is a sequence number, never used twice, and in its low bits the index of the call's
/// slot, by which its answer is delivered without a search.
pub(super) const INDEX_BITS: u32 = 15;

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// Too many calls are open, or too many bytes wait.
    Full,
    /// The other end took no exchange, and with it no call: make unary calls.
    NotTaken,
    /// No answer came within the call's time.
    TimedOut {
        /// Whether the call may have left this process.
        sent: bool,
    },
    /// The stream ended, or cannot be opened.
    Broken {
        /// Why.
        problem: Arc<str>,
        /// Whether the call may have left this process.
        sent: bool,
    },
}

/// Why there is no stream.
#[derive(Debug, Clone)]
pub(super) enum Down {
    NotTaken,
    Broken(Arc<str>),
}

impl Down {
    fn unanswered(&self, sent: bool) -> Unanswered {
        match self {
            Self::NotTaken => Unanswered::NotTaken,
            Self::Broken(problem) => Unanswered::Broken {
                problem: problem.clone(),
                sent,
            },
        }
    }
}

/// What one message carries.
pub(super) struct Batch<C> {
    pub(super) calls: Vec<(u64, C)>,
    pub(super) cancelled: Vec<u64>,
}

/// All calls that are not over.
pub(super) struct Calls<W: Wire> {
    state: Mutex<State<W>>,
}

struct State<W: Wire> {
    slots: Slab<Slot<W>>,
    /// Of the latest call.
    sequence: u64,
    /// Counts the streams there were. One that ended may be polled once more, and must not
    /// take what is meant for its successor.
    stream: u64,
    /// Nobody makes calls any more.
    closed: bool,
    /// Ids in the order of their calls; those that were given up meanwhile are passed over.
    queue: VecDeque<u64>,
    queued: usize,
    queued_bytes: usize,
    /// To be sent: calls that the other end need not answer any more. What was sent and is
    /// not answered fits into the stream's window, which bounds this.
    cancelled: Vec<u64>,
    down: Option<Down>,
    /// From when on time is counted.
    began: Instant,
    /// How many [`SWEEP_INTERVAL`]s passed since then, at the latest sweep.
    now: u64,
    /// The stream, when it waits for something to send.
    sender: Option<Waker>,
    /// The driver, when it waits for calls to sweep.
    sweeper: Option<Waker>,
}

struct Slot<W: Wire> {
    id: u64,
    /// In [`SWEEP_INTERVAL`]s: when the call's time is up, or that of its orphan.
    expires: u64,
    stage: Stage<W>,
}

/// How often calls are looked at whose time may be up; only while there are any.
pub(super) const SWEEP_INTERVAL: Duration = Duration::from_millis(10);

/// A message names no more cancelled calls than this.
const MAX_CANCELLED: usize = 4096;

/// An exchange that had more calls open than this gives their memory back when none is left.
const KEPT_SLOTS: usize = 1024;

/// For how many sweeps the answer to a call that was given up is awaited before the call is
/// cancelled. To most it arrives a moment after the quorum that did not wait for it, and
/// costs less than cancelling would.
const ORPHAN_SWEEPS: u64 = 2;

enum Stage<W: Wire> {
    Queued(W::Call, Option<Waker>),
    Sent(Option<Waker>),
    Answered(Result<W::Answer, Unanswered>),
    /// Nobody waits for the answer any more.
    Orphan,
}

impl<W: Wire> Default for Calls<W> {
    fn default() -> Self {
        let state = State {
            slots: Slab::new(),
            sequence: 0,
            stream: 0,
            closed: false,
            queue: VecDeque::new(),
            queued: 0,
            queued_bytes: 0,
            cancelled: Vec::new(),
            down: None,
            began: Instant::now(),
            now: 0,
            sender: None,
            sweeper: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

impl<W: Wire> Calls<W> {
    /// Queues a call, whose time is up after `timeout`, and at most two sweeps later.
    pub(super) fn queue(
        &self,
        call: W::Call,
        timeout: Duration,
    ) -> Result<Calling<'_, W>, Unanswered> {
        let mut state = self.state.lock();
        if let Some(down) = &state.down {
            return Err(down.unanswered(false));
        }
        let bytes = W::bytes(&call);
        let full = state.slots.len() == MAX_OPEN_CALLS
            || state.queued_bytes + bytes > MAX_QUEUED_BYTES && state.queued > 0;
        if full {
            return Err(Unanswered::Full);
        }
        state.sequence += 1;
        if state.slots.is_empty() {
            // Nobody swept while there was nothing to sweep.
            state.now = intervals(state.began.elapsed());
        }
        let expires = state
            .now
            .saturating_add(intervals(timeout))
            .saturating_add(2);
        let sequence = state.sequence;
        let entry = state.slots.vacant_entry();
        let id = sequence << INDEX_BITS | entry.key() as u64;
        entry.insert(Slot {
            id,
            expires,
            stage: Stage::Queued(call, None),
        });
        state.queue.push_back(id);
        state.queued += 1;
        state.queued_bytes += bytes;
        let (sender, sweeper) = (state.sender.take(), state.sweeper.take());
        drop(state);
        sender.into_iter().chain(sweeper).for_each(Waker::wake);
        Ok(Calling::new(self, id))
    }

    /// The number of the next stream.
    pub(super) fn stream(&self) -> u64 {
        self.state.lock().stream
    }

    /// How many calls are not over.
    pub(super) fn open(&self) -> usize {
        self.state.lock().slots.len()
    }

    /// Whatever is to be sent on the stream, up to the limits of a message.
    pub(super) fn poll_batch(
        &self,
        stream: u64,
        context: &mut Context<'_>,
    ) -> Poll<Option<Batch<W::Call>>> {
        let mut state = self.state.lock();
        if stream != state.stream || state.closed {
            return Poll::Ready(None);
        }
        let batch = state.take_batch();
        if batch.calls.is_empty() && batch.cancelled.is_empty() {
            state.sender = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Some(batch))
    }

    /// Delivers answers, and wakes those who wait for them.
    pub(super) fn deliver(&self, answers: impl Iterator<Item = (u64, W::Answer)>) {
        let mut wakers = Vec::with_capacity(answers.size_hint().0);
        {
            let mut state = self.state.lock();
            for (id, answer) in answers {
                wakers.extend(state.answer(id, answer));
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until there are calls to sweep.
    pub(super) fn poll_open(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.slots.is_empty() {
            state.sweeper = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Ends the calls whose time is up, and cancels those that were sent. One look at all of
    /// them, now and then, costs much less than a timer for each.
    pub(super) fn sweep(&self, now: Instant) {
        let mut wakers = Vec::new();
        {
            let mut state = self.state.lock();
            state.now = intervals(now.saturating_duration_since(state.began));
            let State {
                slots,
                queued,
                queued_bytes,
                cancelled,
                now,
                ..
            } = &mut *state;
            slots.retain(|_, slot| {
                if slot.expires > *now {
                    return true;
                }
                let sent = match std::mem::replace(&mut slot.stage, Stage::Orphan) {
                    Stage::Queued(call, caller) => {
                        *queued -= 1;
                        *queued_bytes -= W::bytes(&call);
                        wakers.extend(caller);
                        false
                    }
                    Stage::Sent(caller) => {
                        cancelled.push(slot.id);
                        wakers.extend(caller);
                        true
                    }
                    Stage::Answered(answer) => {
                        slot.stage = Stage::Answered(answer);
                        return true;
                    }
                    Stage::Orphan => {
                        cancelled.push(slot.id);
                        return false;
                    }
                };
                slot.stage = Stage::Answered(Err(Unanswered::TimedOut { sent }));
                true
            });
            if slots.is_empty() && slots.capacity() > KEPT_SLOTS {
                slots.shrink_to_fit();
            }
            state.forget_given_up();
            if !state.cancelled.is_empty() {
                wakers.extend(state.sender.take());
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The stream is open.
    pub(super) fn up(&self) {
        self.state.lock().down = None;
    }

    /// The stream is gone: answers every call that is open, and refuses new ones until it is
    /// [up](Self::up) again.
    pub(super) fn broke(&self, down: Down) {
        self.end_stream(down, |_| true);
    }

    /// The other end wants no more calls. Those that were not sent are answered so; the others
    /// wait for their answers.
    pub(super) fn wind_down(&self) {
        let down = Down::Broken("the other end is stopping".into());
        self.end_stream(down, |stage| matches!(stage, Stage::Queued(..)));
    }

    /// Answers the calls of these stages with the reason, and refuses new ones.
    fn end_stream(&self, down: Down, concerns: impl Fn(&Stage<W>) -> bool) {
        let mut wakers = Vec::new();
        {
            let mut state = self.state.lock();
            state.stream += 1;
            wakers.extend(state.sender.take());
            state.queue.clear();
            (state.queued, state.queued_bytes) = (0, 0);
            state.cancelled.clear();
            state.slots.retain(|_, slot| {
                if !concerns(&slot.stage) {
                    return true;
                }
                let (sent, caller) = match std::mem::replace(&mut slot.stage, Stage::Orphan) {
                    Stage::Queued(_, caller) => (false, caller),
                    Stage::Sent(caller) => (true, caller),
                    Stage::Answered(answer) => {
                        slot.stage = Stage::Answered(answer);
                        return true;
                    }
                    Stage::Orphan => return false,
                };
                wakers.extend(caller);
                slot.stage = Stage::Answered(Err(down.unanswered(sent)));
                true
            });
            state.down = Some(down);
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends the messages, also those of a stream that is being opened at this moment: nobody
    /// makes calls any more.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let sender = state.sender.take();
        drop(state);
        if let Some(sender) = sender {
            sender.wake();
        }
    }

    pub(super) fn poll_answer(
        &self,
        id: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<W::Answer, Unanswered>> {
        let mut state = self.state.lock();
        let slot = &mut state.slots[index(id)];
        assert_eq!(slot.id, id, "a slot belongs to its call until that is over");
        match &mut slot.stage {
            Stage::Queued(_, caller) | Stage::Sent(caller) => {
                match caller {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *caller = Some(context.waker().clone()),
                }
                return Poll::Pending;
            }
            Stage::Answered(_) => {}
            Stage::Orphan => unreachable!("its caller is here"),
        }
        match state.slots.remove(index(id)).stage {
            Stage::Answered(answer) => Poll::Ready(answer),
            _ => unreachable!("looked at above"),
        }
    }

    /// The caller waits no longer.
    pub(super) fn give_up(&self, id: u64) {
        let mut state = self.state.lock();
        let expires = state.now + ORPHAN_SWEEPS;
        let Some(slot) = state.slots.get_mut(index(id)).filter(|slot| slot.id == id) else {
            return;
        };
        match std::mem::replace(&mut slot.stage, Stage::Orphan) {
            Stage::Sent(_) => slot.expires = expires,
            Stage::Queued(call, _) => {
                state.queued -= 1;
                state.queued_bytes -= W::bytes(&call);
                state.slots.remove(index(id));
                state.forget_given_up();
            }
            Stage::Answered(_) | Stage::Orphan => {
                state.slots.remove(index(id));
            }
        }
    }
}

fn intervals(duration: Duration) -> u64 {
    let intervals = duration.as_nanos() / SWEEP_INTERVAL.as_nanos();
    u64::try_from(intervals).unwrap_or(u64::MAX)
}

fn index(id: u64) -> usize {
    (id & (MAX_OPEN_CALLS as u64 - 1)) as usize
}

fn is_open<W: Wire>(slots: &Slab<Slot<W>>, id: u64) -> bool {
    slots.get(index(id)).is_some_and(|slot| slot.id == id)
}

impl<W: Wire> State<W> {
    fn take_batch(&mut self) -> Batch<W::Call> {
        let mut calls = Vec::with_capacity(self.queued.min(BATCH_ENTRIES));
        let mut bytes = 0;
        while calls.len() < BATCH_ENTRIES && bytes < BATCH_BYTES {
            let Some(id) = self.queue.pop_front() else {
                break;
            };
            let slot = self.slots.get_mut(index(id)).filter(|slot| slot.id == id);
            let Some(slot) = slot else { continue };
            let call = match std::mem::replace(&mut slot.stage, Stage::Orphan) {
                Stage::Queued(call, caller) => {
                    slot.stage = Stage::Sent(caller);
                    call
                }
                // Its time was up while it waited.
                stage => {
                    slot.stage = stage;
                    continue;
                }
            };
            self.queued -= 1;
            let call_bytes = W::bytes(&call);
            self.queued_bytes -= call_bytes;
            bytes += call_bytes;
            calls.push((id, call));
        }
        let cancelled = self.cancelled.len().min(MAX_CANCELLED);
        let cancelled = self.cancelled.drain(..cancelled).collect();
        Batch { calls, cancelled }
    }

    fn answer(&mut self, id: u64, answer: W::Answer) -> Option<Waker> {
        let matches = |slot: &&mut Slot<W>| slot.id == id || active(Mutation::AnswersMismatched);
        let slot = self.slots.get_mut(index(id)).filter(matches)?;
        match &mut slot.stage {
            Stage::Sent(caller) => {
                let caller = caller.take();
                slot.stage = Stage::Answered(Ok(answer));
                caller
            }
            Stage::Orphan => {
                self.slots.remove(index(id));
                None
            }
            // Answered twice, or before it was asked: the first answer stands.
            Stage::Queued(..) | Stage::Answered(_) => None,
        }
    }

    /// Keeps ids of calls that were given up from piling up while nothing can be sent.
    fn forget_given_up(&mut self) {
        if self.queue.len() > 2 * self.queued + BATCH_ENTRIES {
            let slots = &self.slots;
            self.queue.retain(|&id| is_open(slots, id));
        }
    }
}
