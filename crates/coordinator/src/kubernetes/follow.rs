//! Following the objects of one kind: list them, watch them, list them again.
//!
//! A watch by itself can be wrong for ever and never know: after the cluster's state was
//! restored from an older snapshot it waits for versions of the future, and on a connection
//! that died silently it waits for nothing. So each watch ends after [`WATCH_LIMIT`], and all
//! objects are listed anew, from the store itself and not from a cache. There are few of them.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use parking_lot::Mutex;
use quorate_register::Entropy;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout_at};

use super::access::{Answer, ApiAccess, ApiProblem};
use crate::quorum::Backoff;

/// How long one watch lasts.
const WATCH_LIMIT: Duration = Duration::from_secs(25);
/// How much later than that the server's end of it is waited for.
const WATCH_GRACE: Duration = Duration::from_secs(5);
/// A server that ends watches at once is not asked more often than this.
const SHORTEST_ROUND: Duration = Duration::from_secs(1);
/// What was heard is no longer trusted to be current after this time.
const TRUSTED_FOR: Duration = Duration::from_secs(60);

const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(500),
    most: Duration::from_secs(8),
};

/// What takes the objects in.
pub(super) trait Sink<K>: Send + Sync {
    /// These are all there are.
    fn replace(&self, objects: Vec<K>);
    /// This one is new or changed.
    fn apply(&self, object: K);
    /// This one is gone.
    fn delete(&self, object: K);
}

/// Whether the API tells what there is, and since when not.
#[derive(Debug, Clone, Default)]
pub struct Contact(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    last: Option<Instant>,
    failing: bool,
}

impl Contact {
    fn heard(&self) {
        *self.0.lock() = Heard {
            last: Some(Instant::now()),
            failing: false,
        };
    }

    fn failed(&self) {
        self.0.lock().failing = true;
    }

    /// How long ago the API last told something; `None` before the first time.
    pub fn age(&self) -> Option<Duration> {
        self.0.lock().last.map(|last| last.elapsed())
    }

    /// Whether what it told is current.
    pub fn is_current(&self) -> bool {
        let failing = self.0.lock().failing;
        !failing && self.age().is_some_and(|age| age < TRUSTED_FOR)
    }
}

/// Which objects are followed.
pub(super) struct Followed<K> {
    pub(super) api: Api<K>,
    /// As in a Role.
    pub(super) resource: &'static str,
    pub(super) labels: Option<String>,
    pub(super) fields: Option<String>,
}

impl<K> Followed<K>
where
    K: Clone + Debug + DeserializeOwned + Send + 'static,
{
    /// Follows for ever, through all that may go wrong.
    pub(super) async fn run(
        self,
        access: ApiAccess,
        sink: impl Sink<K>,
        contact: Contact,
        entropy: Arc<dyn Entropy>,
    ) {
        let mut failed = 0;
        let mut said = String::new();
        loop {
            let started = Instant::now();
            match self.round(&access, &sink, &contact).await {
                Ok(()) => {
                    failed = 0;
                    if !std::mem::take(&mut said).is_empty() {
                        tracing::info!(resource = self.resource, "the Kubernetes API is back");
                    }
                    sleep(SHORTEST_ROUND.saturating_sub(started.elapsed())).await;
                }
                Err(problem) => {
                    contact.failed();
                    let text = problem.to_string();
                    if text != said {
                        tracing::warn!(problem = text, "going on with what is known");
                        said = text;
                    }
                    failed += 1;
                    let pause = BACKOFF.pause(failed, &*entropy);
                    sleep(pause.max(problem.retry_after.unwrap_or_default())).await;
                }
            }
        }
    }

    /// Lists, then watches until the watch ends.
    async fn round(
        &self,
        access: &ApiAccess,
        sink: &impl Sink<K>,
        contact: &Contact,
    ) -> Result<(), ApiProblem> {
        let list = ListParams {
            label_selector: self.labels.clone(),
            field_selector: self.fields.clone(),
            ..ListParams::default()
        };
        let listing = self.api.list(&list);
        let listed = access.call("list", self.resource, listing).await?;
        let version = listed.metadata.resource_version.unwrap_or_default();
        sink.replace(listed.items);
        contact.heard();
        match self.watch(access, sink, contact, &version).await {
            // The version is no longer kept; the next list has a newer one.
            Err(problem) if problem.answer == Answer::Gone => Ok(()),
            ended => ended,
        }
    }

    async fn watch(
        &self,
        access: &ApiAccess,
        sink: &impl Sink<K>,
        contact: &Contact,
        version: &str,
    ) -> Result<(), ApiProblem> {
        let watch = WatchParams {
            label_selector: self.labels.clone(),
            field_selector: self.fields.clone(),
            timeout: Some(WATCH_LIMIT.as_secs() as u32),
            bookmarks: true,
            send_initial_events: false,
        };
        let end = Instant::now() + WATCH_LIMIT + WATCH_GRACE;
        let watching = self.api.watch(&watch, version);
        let events = access.call("watch", self.resource, watching).await?;
        let mut events = std::pin::pin!(events);
        let failed = |error| {
            let namespace = access.namespace();
            ApiProblem::new("watch", self.resource, namespace, Some(error))
        };
        // A watch that the server does not end is dead, or it would have: the list tells.
        while let Ok(Some(event)) = timeout_at(end, events.next()).await {
            match event.map_err(failed)? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => sink.apply(object),
                WatchEvent::Deleted(object) => sink.delete(object),
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(status) => return Err(failed(kube::Error::Api(status))),
            }
            contact.heard();
        }
        Ok(())
    }
}
