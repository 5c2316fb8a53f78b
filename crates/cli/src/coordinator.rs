//! `quorate coordinator`: the active role in the program that has most of it anyway, so that an
//! image with both is the size of one.

use anyhow::anyhow;
use quorate_coordinator::{CoordinatorArgs, run_until_signalled};

use crate::{Context, Exit};

/// Runs until signals have ended it.
///
/// # Errors
/// The text is for the user.
pub async fn run(args: CoordinatorArgs, context: &Context) -> anyhow::Result<Exit> {
    let ending = run_until_signalled(args, context.settings.clone()).await;
    let ending = ending.map_err(|error| anyhow!(error))?;
    Ok(Exit::from_code(ending.code()))
}
