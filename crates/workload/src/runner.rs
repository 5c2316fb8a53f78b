//! Lets clients make operations until there are enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_register::Register;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Generator, Generators, History, InvalidWorkload, Recorder, Request, Workload};

/// The most clients of a run.
const MAX_CLIENTS: u64 = 10_000;

/// Clients that leave before they are answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Abandon {
    /// The share of calls that is abandoned, unless answered before; from 0 to 1.
    pub share: f64,
    /// Such a call is dropped at a random time up to this one after its start.
    pub within: Duration,
}

/// How a run goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How many clients there are, 1 to 10,000; each makes one call at a time.
    pub clients: u64,
    /// How many calls all clients together make at most, so that memory has a limit: about
    /// 300 bytes each, and the values.
    pub operations: u64,
    /// What they ask for.
    pub workload: Workload,
    /// What each call is given as its timeout.
    pub timeout: Duration,
    /// How long a client waits beyond that for a call that does not keep its timeout,
    /// before it abandons it.
    pub patience: Duration,
    /// How long a client rests after each call that is answered: a random time up to this.
    pub pause: Duration,
    /// How long it rests after one that failed: a random time up to this. With zero, and a
    /// register that refuses at once, virtual time would stand still.
    pub pause_after_failure: Duration,
    /// Calls that are abandoned on purpose.
    pub abandon: Option<Abandon>,
}

impl Default for Options {
    /// Ten clients without a pause, as many calls as memory easily holds.
    fn default() -> Self {
        Self {
            clients: 10,
            operations: 1_000_000,
            workload: Workload::default(),
            timeout: Duration::from_secs(2),
            patience: Duration::from_secs(2),
            pause: Duration::ZERO,
            pause_after_failure: Duration::from_millis(20),
            abandon: None,
        }
    }
}

/// Why a run cannot begin.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidOptions {
    /// No client, or too many.
    #[error("clients is {0}; a run has 1 to {MAX_CLIENTS} clients")]
    Clients(u64),
    /// There is nothing to call.
    #[error("no register was given")]
    NoRegister,
    /// A share outside 0 to 1.
    #[error("abandon.share is {0}; it is a number from 0 to 1")]
    AbandonShare(f64),
    /// The workload cannot be generated.
    #[error(transparent)]
    Workload(#[from] InvalidWorkload),
}

/// Runs all clients as tasks of the current runtime until `stop` fires or all operations
/// are made, and returns the recorder's history. Calls in flight when `stop` fires are
/// waited for, by their timeout and patience.
///
/// Client `n` calls the register `n` modulo their number. Dropping the future ends the
/// clients; the recorder then has their calls as abandoned ones.
///
/// # Errors
/// When an option is outside its limits; nothing was called then.
pub async fn run(
    registers: &[Arc<dyn Register>],
    options: &Options,
    seed: u64,
    recorder: &Arc<Recorder>,
    stop: &CancellationToken,
) -> Result<History, InvalidOptions> {
    if registers.is_empty() {
        return Err(InvalidOptions::NoRegister);
    }
    if !(1..=MAX_CLIENTS).contains(&options.clients) {
        return Err(InvalidOptions::Clients(options.clients));
    }
    let generators = Generators::new(&options.workload, seed)?;
    let remaining = Arc::new(AtomicU64::new(options.operations));
    let mut tasks = JoinSet::new();
    for (number, register) in (0..options.clients).zip(registers.iter().cycle()) {
        let client = Client::new(number, options, &generators, remaining.clone())?;
        let (register, recorder, stop) = (register.clone(), recorder.clone(), stop.clone());
        tasks.spawn(async move { client.run(&*register, &recorder, &stop).await });
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    Ok(recorder.history())
}

/// One client of a run, for those that place clients themselves, such as a simulation with
/// a host for each.
#[derive(Debug)]
pub struct Client {
    options: Options,
    generator: Generator,
    /// Draws pauses and which calls are abandoned.
    rng: ChaCha8Rng,
    /// How many operations all clients together may still begin.
    remaining: Arc<AtomicU64>,
}

impl Client {
    /// Client `number` of a run; all its clients share the generators of its workload and
    /// seed, and `remaining`, the count of operations they may still begin.
    ///
    /// # Errors
    /// When an option is outside its limits.
    pub fn new(
        number: u64,
        options: &Options,
        generators: &Generators,
        remaining: Arc<AtomicU64>,
    ) -> Result<Self, InvalidOptions> {
        let share = options.abandon.map_or(0.0, |abandon| abandon.share);
        if !(0.0..=1.0).contains(&share) {
            return Err(InvalidOptions::AbandonShare(share));
        }
        // The generators draw from the streams of the same seed that have no high bit.
        let mut rng = ChaCha8Rng::seed_from_u64(generators.seed());
        rng.set_stream(number | 1 << 63);
        Ok(Self {
            options: options.clone(),
            generator: generators.client(number),
            rng,
            remaining,
        })
    }

    /// Makes one call after the other until `stop` fires or no operation remains.
    pub async fn run(
        mut self,
        register: &dyn Register,
        recorder: &Recorder,
        stop: &CancellationToken,
    ) {
        while !stop.is_cancelled() && self.take_operation() {
            let request = self.generator.request();
            let answered = self.call(register, recorder, &request).await;
            let longest = if answered {
                self.options.pause
            } else {
                self.options.pause_after_failure
            };
            if longest.is_zero() {
                // A register that never waits must not keep others from running.
                tokio::task::yield_now().await;
            } else {
                let pause = self.rng.random_range(Duration::ZERO..=longest);
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }

    fn take_operation(&self) -> bool {
        let one_less = |remaining: u64| remaining.checked_sub(1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.remaining.fetch_update(set, fetch, one_less).is_ok()
    }

    /// Makes one call; whether it was answered without an error.
    async fn call(
        &mut self,
        register: &dyn Register,
        recorder: &Recorder,
        request: &Request,
    ) -> bool {
        let timeout = Some(self.options.timeout);
        let limit = self.longest_wait();
        let recording = recorder.begin(self.generator.client(), request);
        let answer = async {
            match request {
                Request::Get(key) => Answer::Got(register.get(key, timeout).await),
                Request::Set(key, value) => {
                    Answer::Wrote(register.set(key, value.clone(), timeout).await)
                }
                Request::Delete(key) => Answer::Wrote(register.delete(key, timeout).await),
            }
        };
        // When the limit comes first the call is dropped, and with it the recording.
        match tokio::time::timeout(limit, answer).await {
            Ok(Answer::Got(result)) => {
                recording.got(&result);
                result.is_ok()
            }
            Ok(Answer::Wrote(result)) => {
                recording.wrote(&result);
                result.is_ok()
            }
            Err(_) => false,
        }
    }

    fn longest_wait(&mut self) -> Duration {
        let patience = self.options.timeout.saturating_add(self.options.patience);
        match self.options.abandon {
            Some(Abandon { share, within }) if self.rng.random_bool(share) => {
                self.rng.random_range(Duration::ZERO..=within).min(patience)
            }
            _ => patience,
        }
    }
}

/// What a call returned.
enum Answer {
    Got(Result<quorate_register::Entry, quorate_register::OperationError>),
    Wrote(Result<quorate_register::Version, quorate_register::OperationError>),
}
