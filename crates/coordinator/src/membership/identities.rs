//! Asking all pods who they are.

use std::time::Duration;

use futures::future::join_all;
use quorate_register::Identity;
use tokio::time::timeout;

use super::Directory;

/// What each pod of `directory` says of itself, in its order, or why it says nothing: a few words
/// for people. Each has `limit` to answer.
pub(super) async fn identities(
    directory: &dyn Directory,
    limit: Duration,
) -> Vec<(String, Result<Identity, String>)> {
    let answers = directory.pods().into_iter().map(|pod| async move {
        let asked = async {
            let replica = directory
                .pod(&pod)
                .ok_or("no address is known".to_owned())?;
            match timeout(limit, replica.identify(limit)).await {
                Ok(answer) => answer.map_err(|error| error.to_string()),
                Err(_) => Err("no answer".to_owned()),
            }
        };
        let answer = asked.await;
        (pod, answer)
    });
    join_all(answers).await
}
