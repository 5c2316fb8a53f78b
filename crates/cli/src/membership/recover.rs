//! `quorate recover`: a lost config object, or a lost majority.

use quorate_proto::v1::{RecoverRequest, RecoverResponse};
use serde_json::json;

use super::ask;
use crate::{ConnectionArgs, Context, Exit, Failure, Format, OutputArgs};

/// Arguments of `recover`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: ConnectionArgs,

    /// Go on without the members that cannot be reached. Writes that only they have are lost,
    /// acknowledged ones too; their disks never join again.
    #[arg(long, env = "QUORATE_FORCE_DATA_LOSS")]
    force_data_loss: bool,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Asks a coordinator to make the config anew.
pub(crate) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let request = RecoverRequest {
        force_data_loss: args.force_data_loss,
    };
    let RecoverResponse {
        config_id,
        epoch,
        members,
        lost,
    } = ask(&args.connection, async |mut client| {
        client.recover(request).await
    })
    .await?;
    match args.output.output {
        Format::Json => context.write_json(&json!({
            "config_id": config_id, "epoch": epoch, "members": members, "lost": lost,
        }))?,
        Format::Text => {
            context.write_line(&format!(
                "made config {config_id}, epoch {epoch}, of {}",
                members.join(", ")
            ))?;
            if !lost.is_empty() {
                context.write_line(&format!(
                    "left behind, with whatever only they had: {}",
                    lost.join(", ")
                ))?;
            }
        }
    }
    Ok(Exit::DONE)
}
