//! The commands that change the members: `scale`, `replace` and `recover`.

mod follow;
pub mod recover;
pub mod replace;
pub mod scale;

use std::future::Future;
use std::time::Duration;

use quorate_proto::transport::{ChannelOptions, channel};
use quorate_proto::v1::membership_client::MembershipClient;
use quorate_runtime::args::duration;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

pub(crate) use follow::sentence;

use crate::{ConnectionArgs, Failure, OutputArgs};

/// What these commands have in common.
#[derive(Debug, Clone, clap::Args)]
pub struct ChangeArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    /// Do not wait for the change: it goes on by itself either way.
    #[arg(long, env = "QUORATE_NO_WAIT")]
    pub(crate) no_wait: bool,

    /// How long to wait for the change to end; afterwards it goes on by itself.
    #[arg(long, env = "QUORATE_WAIT", value_name = "DURATION", value_parser = duration, default_value = "10m")]
    pub(crate) wait: Duration,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Asks the first coordinator that can be reached.
async fn ask<T, F>(
    connection: &ConnectionArgs,
    call: impl Fn(MembershipClient<Channel>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let mut problems = Vec::new();
    for endpoint in &connection.endpoint {
        let client = connection.client_of(endpoint)?;
        let address = client.endpoints().next().unwrap_or(endpoint).to_owned();
        let channel = channel(&address, &ChannelOptions::default());
        let channel = channel.map_err(|error| Failure::Usage(error.to_string()))?;
        let asked = tokio::time::timeout(connection.timeout, call(MembershipClient::new(channel)));
        match asked.await {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) if status.code() == Code::InvalidArgument => {
                return Err(Failure::Usage(status.message().to_owned()));
            }
            Ok(Err(status)) if status.code() != Code::Unavailable => {
                return Err(Failure::Other(status.message().to_owned()));
            }
            Ok(Err(status)) => problems.push(format!("{address}: {}", status.message())),
            Err(_) => problems.push(format!("{address}: no answer")),
        }
    }
    Err(Failure::Other(format!(
        "no coordinator took the wish down: {}",
        problems.join("; ")
    )))
}
