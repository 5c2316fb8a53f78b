//! `quorate replace`: another disk for one member.

use quorate_client::StatusResponse;
use quorate_proto::v1::ReplaceRequest;
use serde_json::json;

use super::{ChangeArgs, ask, follow};
use crate::{Context, Exit, Failure, Format};

/// Arguments of `replace`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The member, by the name of its pod.
    member: String,

    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

fn disk<'a>(status: &'a StatusResponse, pod: &str) -> Option<&'a str> {
    let mut members = status.members.iter();
    let member = members.find(|member| member.pod == pod)?;
    Some(&member.replica_id)
}

/// Asks for the replacement, and waits until another disk is a member in the same place.
pub(crate) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let Args { member, change } = args;
    let before = change.connection.client()?.status(None).await;
    let before = before.map_err(Failure::of("replace"))?;
    let before = disk(&before, &member).map(str::to_owned);
    let asked = ReplaceRequest {
        member: member.clone(),
    };
    ask(&change.connection, |mut client| {
        let asked = asked.clone();
        async move { client.replace(asked).await }
    })
    .await?;
    let mut after = None;
    if !change.no_wait {
        let done = |status: &StatusResponse| {
            let now = disk(status, &member);
            !status.joint && now.is_some() && now != before.as_deref()
        };
        let status = follow::follow(&change, context, done).await?;
        after = disk(&status, &member).map(str::to_owned);
    }
    match change.output.output {
        Format::Json => context.write_json(&json!({
            "member": member, "replica_id": after, "done": after.is_some(),
        }))?,
        Format::Text => context.write_line(&match after {
            Some(after) => format!("{member} is replica {after} now"),
            None => format!("{member} is to be replaced"),
        })?,
    }
    Ok(Exit::DONE)
}
