//! Waiting for a change, and showing how far it is.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use quorate_client::{MembershipStatus, StatusResponse};
use tokio::time::{Instant, sleep};

use super::ChangeArgs;
use crate::numbers::thousands;
use crate::{Context, Failure, Format};

/// How often the status is asked.
const INTERVAL: Duration = Duration::from_millis(200);

/// Waits until the status is as it should be, and returns it; `Err` once the time is over.
pub(super) async fn follow(
    args: &ChangeArgs,
    context: &Context,
    is_done: impl Fn(&StatusResponse) -> bool,
) -> Result<StatusResponse, Failure> {
    let client = args.connection.client()?;
    let deadline = Instant::now() + args.wait;
    let shown = context.terminal.errors && args.output.output == Format::Text;
    let target = match shown {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("a valid template");
    let bar = ProgressBar::with_draw_target(None, target).with_style(style);
    bar.enable_steady_tick(INTERVAL);
    let mut said = "the coordinators have not begun yet".to_owned();
    while Instant::now() < deadline {
        // A coordinator that does not answer now may have died; another one goes on.
        if let Ok(status) = client.status(None).await {
            if is_done(&status) {
                bar.finish_and_clear();
                return Ok(status);
            }
            if let Some(membership) = &status.membership {
                said = sentence(membership);
                bar.set_message(said.clone());
            }
        }
        sleep(INTERVAL).await;
    }
    bar.finish_and_clear();
    Err(Failure::Other(format!(
        "the change has not ended within {} s; it goes on by itself. {said}",
        args.wait.as_secs()
    )))
}

/// What the members are waiting for, or what a change is doing.
pub(crate) fn sentence(membership: &MembershipStatus) -> String {
    let MembershipStatus {
        step,
        from,
        to,
        keys_transferred,
        bytes_transferred,
        blocked,
        ..
    } = membership;
    if !blocked.is_empty() {
        return format!("waiting: {blocked}");
    }
    if step == "idle" {
        return "no change is under way here".to_owned();
    }
    let moved = match keys_transferred {
        0 => String::new(),
        keys => format!(
            ", {} keys and {} KB moved",
            thousands(*keys),
            thousands(bytes_transferred / 1000)
        ),
    };
    format!("{step}: {} to {} members{moved}", from.len(), to.len())
}
