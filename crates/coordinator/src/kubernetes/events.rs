//! Events, which tell people what goes on where they look for it: `kubectl describe`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::KubernetesMetrics;
use super::access::ApiAccess;
use crate::membership::News;

/// As in a Role.
const EVENTS: &str = "events.events.k8s.io";
/// Who reports.
const CONTROLLER: &str = "quorate.dev/coordinator";
/// Events that wait for the API; more are dropped.
const QUEUE: usize = 32;
/// What was said within this time is not said again.
const REPEAT_AFTER: Duration = Duration::from_secs(300);
/// At most so many Events within [`RATE_TIME`].
const RATE: usize = 20;
const RATE_TIME: Duration = Duration::from_secs(60);
/// The API server takes no longer notes.
const MOST_NOTE_BYTES: usize = 1024;

/// Takes Events without ever waiting; clones share the queue.
#[derive(Clone)]
pub struct EventQueue {
    sender: mpsc::Sender<Event>,
    shared: Arc<Mutex<Shared>>,
    metrics: KubernetesMetrics,
    reporter: Arc<str>,
}

#[derive(Default)]
struct Shared {
    regarding: Option<ObjectReference>,
    rate: Rate,
}

/// Publishes what the queue takes.
pub struct EventPublisher {
    receiver: mpsc::Receiver<Event>,
    access: ApiAccess,
}

/// A queue and its publisher; `reporter` is this coordinator's pod.
pub fn events(access: ApiAccess, reporter: &str) -> (EventQueue, EventPublisher) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let queue = EventQueue {
        sender,
        shared: Arc::default(),
        metrics: access.metrics().clone(),
        reporter: reporter.into(),
    };
    (queue, EventPublisher { receiver, access })
}

impl EventQueue {
    /// Later Events are about this object.
    pub(super) fn regards(&self, object: ObjectReference) {
        self.shared.lock().regarding = Some(object);
    }

    /// Takes an Event, unless there are too many or it was just said.
    pub fn publish(&self, news: &News) {
        match news.warning {
            true => tracing::warn!(reason = news.reason, "{}", news.message),
            false => tracing::info!(reason = news.reason, "{}", news.message),
        }
        let (admitted, regarding) = {
            let mut shared = self.shared.lock();
            let admitted = shared.rate.admits(news, Instant::now());
            (admitted, shared.regarding.clone())
        };
        match (admitted, regarding) {
            (Admitted::Yes, Some(object)) => {
                let event = event(news, object, &self.reporter);
                if self.sender.try_send(event).is_err() {
                    self.metrics.event_dropped();
                }
            }
            (Admitted::JustSaid, _) => {}
            _ => self.metrics.event_dropped(),
        }
    }
}

impl EventPublisher {
    /// Publishes for ever. What the API does not take is dropped: logs have it.
    pub async fn run(mut self) {
        while let Some(event) = self.receiver.recv().await {
            let api = Api::<Event>::namespaced(self.access.client(), self.access.namespace());
            let parameters = PostParams::default();
            let create = api.create(&parameters, &event);
            if let Err(problem) = self.access.call("create", EVENTS, create).await {
                self.access.metrics().event_dropped();
                tracing::debug!(%problem, "dropped an Event");
            }
        }
    }
}

fn event(news: &News, regarding: ObjectReference, reporter: &str) -> Event {
    let name = regarding.name.as_deref().unwrap_or("quorate");
    let mut note = news.message.clone();
    while note.len() > MOST_NOTE_BYTES {
        note.pop();
    }
    Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{name}-")),
            ..ObjectMeta::default()
        },
        // For people to read; nothing is decided by it.
        event_time: Some(MicroTime(Timestamp::now())),
        type_: Some(if news.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(news.reason.to_owned()),
        action: Some(news.reason.to_owned()),
        note: Some(note),
        regarding: Some(regarding),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(reporter.to_owned()),
        ..Event::default()
    }
}

/// What was said lately, the oldest first.
#[derive(Debug, Default)]
struct Rate {
    said: VecDeque<(Instant, String)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Admitted {
    Yes,
    JustSaid,
    TooMany,
}

impl Rate {
    fn admits(&mut self, news: &News, now: Instant) -> Admitted {
        let is_old = |(when, _): &(Instant, String)| now - *when >= REPEAT_AFTER;
        while self.said.front().is_some_and(is_old) {
            self.said.pop_front();
        }
        let text = format!("{}: {}", news.reason, news.message);
        if self.said.iter().any(|(_, said)| *said == text) {
            return Admitted::JustSaid;
        }
        let lately = |(when, _): &&(Instant, String)| now - *when < RATE_TIME;
        if self.said.iter().filter(lately).count() >= RATE {
            return Admitted::TooMany;
        }
        self.said.push_back((now, text));
        Admitted::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(message: &str) -> News {
        News {
            reason: "ChangeFinished",
            warning: false,
            message: message.to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_just_said_is_not_said_again() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        assert_eq!(rate.admits(&news("a"), start), Admitted::Yes);
        assert_eq!(rate.admits(&news("b"), start), Admitted::Yes);
        assert_eq!(rate.admits(&news("a"), start), Admitted::JustSaid);
        let later = start + REPEAT_AFTER;
        assert_eq!(rate.admits(&news("a"), later), Admitted::Yes);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_never_many_at_once() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        for n in 0..RATE {
            assert_eq!(rate.admits(&news(&n.to_string()), start), Admitted::Yes);
        }
        assert_eq!(rate.admits(&news("one more"), start), Admitted::TooMany);
        let later = start + RATE_TIME;
        assert_eq!(rate.admits(&news("one more"), later), Admitted::Yes);
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let long = format!("{}äöü", "x".repeat(MOST_NOTE_BYTES - 1));
        let event = event(&news(&long), ObjectReference::default(), "pod");
        assert_eq!(event.note.unwrap().len(), MOST_NOTE_BYTES - 1);
    }
}
