//! One caller's way to one host.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::message::{Fate, Message};
use super::{Conditions, Direction, Host, Route};
use crate::random::Random;
use crate::settings::Weather;
use crate::trace::Trace;

/// What a caller is told, if anything.
#[derive(Debug)]
pub(crate) enum Reply<A> {
    /// The host's answer.
    Answer(A),
    /// Nobody listens there; nothing was carried out.
    Refused,
    /// The connection broke; the request may have been carried out.
    Reset,
}

/// The way from one caller to one host.
pub(crate) struct Link<H> {
    pub(super) name: String,
    pub(super) route: Route,
    pub(super) host: Arc<H>,
    pub(super) conditions: Arc<Conditions>,
    pub(super) trace: Trace,
    pub(super) random: Random,
    /// How long a usual message takes, as a share of what the weather allows, to and fro:
    /// links differ, so that some replica is always ahead of another.
    speed: [f64; 2],
    /// Whether requests may arrive twice.
    duplicates: bool,
    sent: AtomicU64,
}

impl<H: Host> Link<H> {
    /// A link of a run with this seed; its randomness follows from seed and name.
    pub(crate) fn new(
        seed: u64,
        name: String,
        route: Route,
        host: Arc<H>,
        conditions: Arc<Conditions>,
        trace: Trace,
    ) -> Self {
        let random = Random::new(seed, &name);
        let speeds = [0.1, 0.5, 1.0];
        Self {
            speed: [random.pick(&speeds), random.pick(&speeds)],
            // A client's write that came twice would be two writes, which no network may make
            // of one: HTTP/2 does not, and proxies are told not to.
            duplicates: matches!(route, Route::Replica { .. }),
            name,
            route,
            host,
            conditions,
            trace,
            random,
            sent: AtomicU64::new(0),
        }
    }

    /// The machine at the other end.
    pub(crate) fn host(&self) -> &Arc<H> {
        &self.host
    }

    /// The name it has in the trace.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A number for what travels next.
    pub(crate) fn next_number(&self) -> u64 {
        self.sent.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether everything is lost this way now.
    pub(crate) fn is_cut(&self, direction: Direction) -> bool {
        self.conditions.is_cut(self.route, direction)
    }

    /// How long something takes this way.
    pub(crate) fn delay(&self, direction: Direction) -> Duration {
        self.draw_delay(&self.conditions.weather(), self.speed[direction as usize])
    }

    /// Whether something is lost on its way.
    pub(crate) fn loses(&self) -> bool {
        self.random.chance(self.conditions.weather().lost)
    }

    /// Whether that breaks a connection, and is not just sent again.
    pub(crate) fn breaks(&self) -> bool {
        self.random.chance(0.5)
    }

    /// Something happened to what has this name.
    pub(crate) fn event(&self, kind: &'static str, name: &str, text: &str) {
        self.trace.event(kind, format_args!("{name} {text}"));
    }

    /// Sends a request and waits for what comes back, for ever if nothing does. Dropping the
    /// future abandons the request.
    pub(crate) async fn ask(self: &Arc<Self>, request: H::Request) -> Reply<H::Answer> {
        let abandoned = CancellationToken::new();
        let replied = self.send(request, &abandoned);
        let _abandon = abandoned.drop_guard();
        match replied.await {
            Ok(reply) => reply,
            Err(_) => pending().await,
        }
    }

    /// Puts a request on its way, in one or two copies.
    fn send(
        self: &Arc<Self>,
        request: H::Request,
        abandoned: &CancellationToken,
    ) -> oneshot::Receiver<Reply<H::Answer>> {
        let number = self.next_number();
        let text = format_args!("{} #{number} {request}", self.name);
        self.trace.event("request sent", text);
        let (reply, replied) = oneshot::channel();
        let ear = Arc::new(Mutex::new(Some(reply)));
        let (fate, twin) = self.draw_fates();
        for fate in [Some(fate), twin].into_iter().flatten() {
            let message = Message {
                link: self.clone(),
                number,
                request: request.clone(),
                fate,
            };
            tokio::spawn(message.travel(ear.clone(), abandoned.clone()));
        }
        replied
    }

    /// All that happens to a message is drawn when it is sent, so that what happens to one
    /// does not depend on when another arrives.
    fn draw_fates(&self) -> (Fate, Option<Fate>) {
        let weather = self.conditions.weather();
        let random = &self.random;
        let fate = self.draw_fate(&weather);
        let doubled = self.duplicates && random.chance(weather.duplicated);
        let twin = doubled.then(|| {
            let mut twin = self.draw_fate(&weather);
            twin.there += random.milliseconds(0..=weather.slow_ms);
            twin
        });
        (fate, twin)
    }

    fn draw_delay(&self, weather: &Weather, speed: f64) -> Duration {
        match self.random.chance(weather.slow) {
            true => self.random.milliseconds(0..=weather.slow_ms),
            false => {
                let most = (weather.usual_ms as f64 * speed).round() as u64;
                self.random.milliseconds(0..=most)
            }
        }
    }

    fn draw_fate(&self, weather: &Weather) -> Fate {
        let random = &self.random;
        let way = |speed: f64| self.draw_delay(weather, speed);
        Fate {
            there: way(self.speed[0]),
            back: way(self.speed[1]),
            request_lost: random.chance(weather.lost),
            answer_lost: random.chance(weather.lost),
            cancelled: random.chance(weather.cancelled).then(|| way(self.speed[0])),
            // A machine that is gone says nothing, a process that is gone is told of.
            silent: random.chance(0.5),
        }
    }
}
