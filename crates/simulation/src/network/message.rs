//! One request on its way, and its answer on the way back.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Direction, Host, Link, Reply, Served};

/// What is to happen to a message, drawn when it is sent.
#[derive(Debug, Clone)]
pub(super) struct Fate {
    /// How long the request travels.
    pub(super) there: Duration,
    /// How long the answer travels.
    pub(super) back: Duration,
    /// The request never arrives.
    pub(super) request_lost: bool,
    /// It is carried out, and the answer never arrives.
    pub(super) answer_lost: bool,
    /// How long after the caller stopped waiting the host learns of it; `None` for never.
    pub(super) cancelled: Option<Duration>,
    /// The caller is not told that nobody is there, or that the host died.
    pub(super) silent: bool,
}

/// The caller's ear, shared by the copies of a request: the first answer is heard.
pub(super) type Ear<A> = Arc<Mutex<Option<oneshot::Sender<Reply<A>>>>>;

/// A request with its fate.
pub(super) struct Message<H: Host> {
    pub(super) link: Arc<Link<H>>,
    pub(super) number: u64,
    pub(super) request: H::Request,
    pub(super) fate: Fate,
}

impl<H: Host> Message<H> {
    /// Goes there and back, unless the caller stops waiting and the host learns of it.
    pub(super) async fn travel(self, ear: Ear<H::Answer>, abandoned: CancellationToken) {
        let cancelled = async {
            abandoned.cancelled().await;
            match self.fate.cancelled {
                Some(delay) => sleep(delay).await,
                None => pending().await,
            }
            if self.is_cut(Direction::Request) {
                pending().await
            }
        };
        tokio::select! {
            biased;
            () = self.there_and_back(&ear) => {}
            () = cancelled => self.event("request cancelled", "is cancelled"),
        }
    }

    async fn there_and_back(&self, ear: &Ear<H::Answer>) {
        sleep(self.fate.there).await;
        if self.fate.request_lost || self.is_cut(Direction::Request) {
            return self.event("request lost", "is lost");
        }
        let served = self.link.host.serve(self.request.clone()).await;
        let reply = match served {
            Served::Answered(answer) => {
                let text = format_args!("{} #{} does: {answer}", self.link.name, self.number);
                self.link.trace.event("request served", text);
                Reply::Answer(answer)
            }
            Served::Refused => Reply::Refused,
            Served::Died => Reply::Reset,
        };
        let untold = !matches!(reply, Reply::Answer(_)) && self.fate.silent;
        sleep(self.fate.back).await;
        if untold || self.fate.answer_lost || self.is_cut(Direction::Answer) {
            return self.event("answer lost", "is not answered: the answer is lost");
        }
        let heard = match &reply {
            Reply::Answer(_) => "is answered",
            Reply::Refused => "is refused: nobody is there",
            Reply::Reset => "is not answered: the host died",
        };
        let ear = ear.lock().take();
        let heard = match ear.map(|ear| ear.send(reply)) {
            Some(Ok(())) => heard,
            Some(Err(_)) => "is answered, and nobody waits",
            None => "is answered again",
        };
        self.event("answer arrived", heard);
    }

    fn is_cut(&self, direction: Direction) -> bool {
        self.link.conditions.is_cut(self.link.route, direction)
    }

    fn event(&self, kind: &'static str, text: &str) {
        let text = format_args!("{} #{} {text}", self.link.name, self.number);
        self.link.trace.event(kind, text);
    }
}
