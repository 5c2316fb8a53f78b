//! Waiting for conditions.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a condition is waited for, unless a test knows better.
const LIMIT: Duration = Duration::from_secs(30);

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within half a minute.
pub async fn until(what: &str, condition: impl AsyncFnMut() -> bool) {
    until_within(LIMIT, what, condition).await;
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within `limit`.
pub async fn until_within(limit: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + limit;
    while !condition().await {
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}
