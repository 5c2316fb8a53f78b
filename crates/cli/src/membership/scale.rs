//! `quorate scale`: another number of members.

use quorate_client::StatusResponse;
use quorate_proto::v1::ScaleRequest;
use serde_json::json;

use super::{ChangeArgs, ask, follow};
use crate::numbers::counted;
use crate::{Context, Exit, Failure, Format};

/// Arguments of `scale`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// How many members there should be, 1 to 31. An even number survives the loss of no more
    /// members than one less would.
    size: u32,

    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// Asks for the size, and waits until the store has it.
pub(crate) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let Args { size, change } = args;
    ask(&change.connection, async |mut client| {
        client.scale(ScaleRequest { size }).await
    })
    .await?;
    let done = |status: &StatusResponse| !status.joint && status.members.len() == size as usize;
    let members = counted(u64::from(size), "member");
    let even = match size % 2 {
        0 => format!(
            "; {} would survive the loss of as many",
            counted(u64::from(size) - 1, "member")
        ),
        _ => String::new(),
    };
    if change.no_wait {
        return say(
            &change,
            context,
            &format!("{members} are wanted now{even}"),
            size,
            None,
        );
    }
    let status = follow::follow(&change, context, done).await?;
    let text = format!("{members} at epoch {}{even}", status.epoch);
    say(&change, context, &text, size, Some(&status))
}

fn say(
    change: &ChangeArgs,
    context: &mut Context,
    text: &str,
    size: u32,
    status: Option<&StatusResponse>,
) -> Result<Exit, Failure> {
    match change.output.output {
        Format::Text => context.write_line(text)?,
        Format::Json => context.write_json(&json!({
            "wanted": size,
            "epoch": status.map(|status| &status.epoch),
            "done": status.is_some(),
        }))?,
    }
    Ok(Exit::DONE)
}
