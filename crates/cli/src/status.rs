//! `quorate status`: how the store is, at a glance.

mod json;
mod text;
mod verdict;

use futures::future::join_all;
use quorate_client::{OperationError, Reason, StatusResponse};

use crate::{ConnectionArgs, Context, Exit, Failure, Format, OutputArgs};
use verdict::{Health, Verdict};

/// Arguments of `status`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// A coordinator that was asked, and what it said.
struct Answer {
    endpoint: String,
    status: Result<StatusResponse, OperationError>,
}

impl Answer {
    /// What is wrong with the coordinator, without its address, which a client with one
    /// endpoint says too.
    fn problem(&self, error: &OperationError) -> String {
        let cause = error.details.get(&format!("cause/{}", self.endpoint));
        let problem = cause.unwrap_or(&error.message);
        let prefix = format!("{}: ", self.endpoint);
        problem.strip_prefix(&prefix).unwrap_or(problem).to_owned()
    }
}

/// Asks every endpoint, and shows the store as the first that knows a config sees it, or
/// the first that answers if none does.
pub(crate) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let mut asked = Vec::new();
    for endpoint in &args.connection.endpoint {
        asked.push((endpoint, args.connection.client_of(endpoint)?));
    }
    let answers = asked.into_iter().map(async |(endpoint, client)| Answer {
        endpoint: client.endpoints().next().unwrap_or(endpoint).to_owned(),
        status: client.status(None).await,
    });
    let answers = join_all(answers).await;
    let answered = || {
        let answers = answers.iter();
        answers.filter_map(|answer| Some((answer, answer.status.as_ref().ok()?)))
    };
    let with_config = answered().find(|(_, status)| !verdict::has_no_config(status));
    let Some((answer, status)) = with_config.or_else(|| answered().next()) else {
        return Err(Failure::of("status")(none_answered(&answers)));
    };
    let verdict = Verdict::of(status);
    match args.output.output {
        Format::Json => context.write_json(&json::status(&answers, answer, status, &verdict))?,
        Format::Text => {
            let colours = context.terminal.colours;
            for line in text::status(&answers, answer, status, &verdict, colours) {
                context.write_line(&line)?;
            }
        }
    }
    Ok(match verdict.health {
        Health::ReadOnly | Health::NoQuorum | Health::NotReady => Exit::NO_QUORUM,
        Health::Healthy | Health::Degraded => Exit::DONE,
    })
}

/// The error when no coordinator said how the store is: of one its own, and of several one
/// that says of each what is wrong with it.
fn none_answered(answers: &[Answer]) -> OperationError {
    let said_more = |error: &OperationError| error.reason != Reason::Unreachable;
    let errors = answers.iter();
    let errors: Vec<_> = errors
        .filter_map(|answer| Some((answer, answer.status.as_ref().err()?)))
        .collect();
    if let [(_, error)] = errors[..] {
        return error.clone();
    }
    let worst = errors.iter().find(|(_, error)| said_more(error));
    let reason = worst.map_or(Reason::Unreachable, |(_, error)| error.reason);
    let mut all = OperationError::not_applied(reason, "no coordinator says how the store is");
    for (at, (answer, error)) in errors.into_iter().enumerate() {
        let (endpoint, problem) = (&answer.endpoint, answer.problem(error));
        let separator = if at == 0 { ": " } else { "; " };
        all.message += &format!("{separator}{endpoint}: {problem}");
        all.details.insert(format!("cause/{endpoint}"), problem);
    }
    all
}
