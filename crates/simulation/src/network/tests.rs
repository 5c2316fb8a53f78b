use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{Conditions, Direction, Host, Link, Reply, Route, Served};
use crate::settings::Weather;
use crate::trace::Trace;

/// Counts what it began and what it carried out, each of which takes 10 ms.
#[derive(Default)]
struct Counter {
    begun: AtomicU64,
    done: AtomicU64,
    is_down: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Word(&'static str);

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Host for Counter {
    type Request = Word;
    type Answer = Word;

    async fn serve(&self, request: Word) -> Served<Word> {
        if self.is_down {
            return Served::Refused;
        }
        self.begun.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(10)).await;
        self.done.fetch_add(1, Ordering::Relaxed);
        Served::Answered(request)
    }
}

const FAIR: Weather = Weather {
    usual_ms: 5,
    slow: 0.0,
    slow_ms: 50,
    lost: 0.0,
    duplicated: 0.0,
    cancelled: 0.0,
};

const ROUTE: Route = Route::Replica {
    coordinator: 0,
    replica: 0,
};

struct Rig {
    host: Arc<Counter>,
    conditions: Arc<Conditions>,
    link: Arc<Link<Counter>>,
    trace: Trace,
}

fn rig(weather: Weather, route: Route, host: Counter) -> Rig {
    let (host, trace) = (Arc::new(host), Trace::start());
    let conditions = Arc::new(Conditions::new(weather));
    let link = Link::new(
        1,
        "a>b".into(),
        route,
        host.clone(),
        conditions.clone(),
        trace.clone(),
    );
    Rig {
        link: Arc::new(link),
        host,
        conditions,
        trace,
    }
}

impl Rig {
    /// Asks once and waits for an answer and for all that comes behind it.
    async fn ask(&self) -> Option<Reply<Word>> {
        let reply = timeout(PATIENCE, self.link.ask(Word("hello"))).await;
        sleep(PATIENCE).await;
        reply.ok()
    }

    fn begun_and_done(&self) -> (u64, u64) {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (count(&self.host.begun), count(&self.host.done))
    }
}

const PATIENCE: Duration = Duration::from_secs(1);

fn is_answer(reply: Option<Reply<Word>>) -> bool {
    matches!(reply, Some(Reply::Answer(Word("hello"))))
}

#[tokio::test(start_paused = true)]
async fn in_fair_weather_a_request_is_carried_out_once_and_answered() {
    let rig = rig(FAIR, ROUTE, Counter::default());
    assert!(is_answer(rig.ask().await));
    assert_eq!(rig.begun_and_done(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_is_never_carried_out_and_a_lost_answer_always() {
    let all_lost = Weather { lost: 1.0, ..FAIR };
    let requests = rig(all_lost, ROUTE, Counter::default());
    assert!(requests.ask().await.is_none());
    assert_eq!(requests.begun_and_done(), (0, 0));

    for (direction, expected) in [(Direction::Request, (0, 0)), (Direction::Answer, (1, 1))] {
        let rig = rig(FAIR, ROUTE, Counter::default());
        rig.conditions.cut(ROUTE, direction);
        assert!(rig.ask().await.is_none());
        assert_eq!(rig.begun_and_done(), expected, "{direction:?}");
        rig.conditions.mend(ROUTE, direction);
        assert!(is_answer(rig.ask().await));
    }
}

#[tokio::test(start_paused = true)]
async fn a_doubled_request_is_carried_out_twice_and_answered_once() {
    let doubled = Weather {
        duplicated: 1.0,
        ..FAIR
    };
    let replica = rig(doubled.clone(), ROUTE, Counter::default());
    assert!(is_answer(replica.ask().await));
    assert_eq!(replica.begun_and_done(), (2, 2));
    assert!(replica.trace.text().contains("is answered again"));

    // What a client asks a coordinator is never doubled.
    let client = rig(
        doubled,
        Route::Client { coordinator: 0 },
        Counter::default(),
    );
    assert!(is_answer(client.ask().await));
    assert_eq!(client.begun_and_done(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_request_goes_on_unless_the_host_learns_of_it() {
    for (cancelled, done) in [(0.0, 1), (1.0, 0)] {
        let weather = Weather {
            cancelled,
            usual_ms: 0,
            ..FAIR
        };
        let rig = rig(weather, ROUTE, Counter::default());
        let abandoned = timeout(Duration::from_millis(5), rig.link.ask(Word("hello")));
        assert!(abandoned.await.is_err());
        sleep(PATIENCE).await;
        assert_eq!(rig.begun_and_done(), (1, done));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_overtake_each_other() {
    let slow = Weather { slow: 0.5, ..FAIR };
    let rig = rig(slow, ROUTE, Counter::default());
    let asked = (0..20).map(|_| rig.link.ask(Word("hello")));
    futures::future::join_all(asked).await;
    let text = rig.trace.text();
    let answered = text.lines().filter(|line| line.ends_with("is answered"));
    let number = |line: &str| {
        let number = line.split('#').nth(1)?.split(' ').next()?;
        number.parse::<u64>().ok()
    };
    let order: Vec<_> = answered.filter_map(number).collect();
    assert_eq!(order.len(), 20);
    assert!(!order.is_sorted(), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_down_refuses_or_says_nothing() {
    let host = Counter {
        is_down: true,
        ..Counter::default()
    };
    let rig = rig(FAIR, ROUTE, host);
    let mut refused = 0;
    for _ in 0..20 {
        match rig.ask().await {
            Some(Reply::Refused) => refused += 1,
            None => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((1..20).contains(&refused), "{refused}");
}
