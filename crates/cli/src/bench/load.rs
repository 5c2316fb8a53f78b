//! Values for gets to find.

use std::sync::Arc;

use quorate_client::Register;
use quorate_workload::load::{fill, value};

use super::{Args, OperationKind};
use crate::Failure;
use crate::progress::Progress;

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
    let registers = [Arc::new(client) as Arc<dyn Register>];
    let filled = fill(&registers, &args.keys(), &value(args.value_size)).await;
    filled.map_err(Failure::of("set"))
}
