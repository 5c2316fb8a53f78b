//! Keeps the stream of an exchange open, and delivers what it brings.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::time::sleep;
use tonic::{Code, Status};

use super::Wire;
use super::calls::{Calls, Down, Outgoing};
use crate::error::describe;

/// How often calls are looked at whose time may be up; only while there are any.
const SWEEP_INTERVAL: Duration = Duration::from_millis(10);

/// After how many sweeps a time is surely up.
pub(super) fn sweeps(timeout: Duration) -> u64 {
    let sweeps = timeout.as_nanos().div_ceil(SWEEP_INTERVAL.as_nanos());
    u64::try_from(sweeps).unwrap_or(u64::MAX).saturating_add(1)
}

/// The pause before a broken stream is opened again; it doubles while that fails.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How long unary calls are made to a server that does not know exchanges, before it is
/// asked again: it may have been upgraded.
const UNSUPPORTED_PAUSE: Duration = Duration::from_secs(5);

/// Keeps the exchange going until it is dropped.
pub(super) async fn drive<W: Wire>(wire: Arc<W>, calls: Arc<Calls<W>>) {
    tokio::select! {
        biased;
        () = keep_open(&*wire, &calls) => {}
        () = keep_sweeping(&calls) => {}
    }
}

/// Opens the stream and delivers its answers, again and again. Until it is open for the first
/// time, calls wait; later, while it is broken, they are refused at once, since a call that
/// waits for a dead peer helps nobody.
async fn keep_open<W: Wire>(wire: &W, calls: &Arc<Calls<W>>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let down = match wire.open(Outgoing::new(calls.clone())).await {
            Ok(mut incoming) => {
                calls.up();
                pause = FIRST_PAUSE;
                let ended = receive(calls, &mut incoming).await;
                Down::Broken(ended.into())
            }
            Err(status) if status.code() == Code::Unimplemented => {
                pause = UNSUPPORTED_PAUSE;
                Down::Unsupported
            }
            Err(status) => Down::Broken(describe(&status).into()),
        };
        calls.broke(down);
        sleep(pause).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// Delivers answers until the stream ends; says why it did.
async fn receive<W: Wire>(
    calls: &Calls<W>,
    incoming: &mut (impl futures::Stream<Item = Result<W::Response, Status>> + Unpin),
) -> String {
    loop {
        match incoming.next().await {
            Some(Ok(response)) => calls.deliver(W::answers(response)),
            Some(Err(status)) => return describe(&status),
            None => return "the other end closed the stream".to_owned(),
        }
    }
}

/// Ends calls whose time is up. No timer runs while there are no calls.
async fn keep_sweeping<W: Wire>(calls: &Calls<W>) {
    loop {
        poll_fn(|context| calls.poll_open(context)).await;
        sleep(SWEEP_INTERVAL).await;
        calls.sweep();
    }
}
