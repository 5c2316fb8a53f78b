//! Values for gets to find.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::try_join_all;
use quorate_client::{Client, Register};

use super::worker::value;
use super::{Args, OperationKind};
use crate::Failure;
use crate::progress::Progress;

/// How many sets are in flight.
const IN_FLIGHT: usize = 64;

/// Makes sure that the store can be reached, and that every key has a value if gets are
/// measured.
pub(super) async fn load(args: &Args, progress: &Progress) -> Result<(), Failure> {
    let client = args.connection.client()?;
    client.status(None).await.map_err(Failure::of("status"))?;
    if args
        .operations
        .iter()
        .all(|kind| *kind == OperationKind::Set)
    {
        return Ok(());
    }
    progress.say("writing values to read");
    let next = Arc::new(AtomicU32::new(0));
    let writers = (0..IN_FLIGHT).map(|_| write(args, &client, next.clone()));
    try_join_all(writers).await.map(drop)
}

async fn write(args: &Args, client: &Client, next: Arc<AtomicU32>) -> Result<(), Failure> {
    let value = value(args.value_size);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= args.keys {
            return Ok(());
        }
        let written = client.set(&args.key(number), value.clone(), None).await;
        written.map_err(Failure::of("set"))?;
    }
}
