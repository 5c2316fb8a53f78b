//! `quorate delete`: deletes a key's value.

use quorate_client::Register;

use crate::set::write_version;
use crate::{ConnectionArgs, Context, Exit, Failure, KeyArgs, OutputArgs};

/// Arguments of `delete`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Deletes the value, if there is one, and says which version the delete became.
pub(crate) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let key = args.key.key()?;
    let client = args.connection.client()?;
    let version = client.delete(&key, None).await;
    let version = version.map_err(Failure::of("delete"))?;
    write_version(&key, version, args.output.output, context)
}
