use std::time::Duration;

use quorate_register::{Config, Fence, Key, Member, OpId, Pair, Timestamp, Write};
use tokio::time::sleep;

use super::super::request::{Method, Returned};
use super::*;

struct Rig {
    host: Arc<ReplicaHost>,
    config: Arc<Config>,
}

/// A replica that serves and whose syncs take 20 ms.
async fn serving() -> Rig {
    let settings = Settings {
        sync_ms: 20..=20,
        ..Settings::of(1)
    };
    let host = ReplicaHost::new(0, &settings, Trace::start());
    assert!(host.start() && !host.start());
    let member = Member {
        replica_id: host.disk().replica_id(),
        pod: host.pod().to_owned(),
    };
    let config = Config::first(vec![member], &Random::new(1, "config")).unwrap();
    let config = Arc::new(config);
    let rig = Rig { host, config };
    let adopt = rig.adopt();
    assert!(matches!(rig.ask(adopt).await, Some(Ok(Returned::Nothing))));
    rig
}

impl Rig {
    async fn ask(
        &self,
        method: Method,
    ) -> Option<Result<Returned, quorate_register::ReplicaError>> {
        let timeout = Duration::from_secs(1);
        match self.host.serve(ReplicaRequest { method, timeout }).await {
            Served::Answered(answer) => Some(answer.0),
            Served::Refused | Served::Died => None,
        }
    }

    fn fence(&self) -> Fence {
        Fence::new(&self.config, self.config.members()[0].replica_id)
    }

    fn adopt(&self) -> Method {
        Method::Adopt {
            replica_id: self.config.members()[0].replica_id,
            config: self.config.clone(),
            active: true,
        }
    }

    fn write(&self) -> Method {
        let timestamp = Timestamp::ZERO.successor(OpId::from_bytes([1; 16]));
        let pair = Pair::new(&key(), timestamp.unwrap(), None);
        let write = Write {
            key: key(),
            pair,
            origin: self.config.epoch(),
        };
        Method::Write(self.fence(), write)
    }
}

fn key() -> Key {
    Key::new("k").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_crash_loses_what_is_not_synced_and_keeps_what_is() {
    let rig = serving().await;
    let cut_short = async {
        sleep(Duration::from_millis(10)).await;
        assert!(rig.host.crash() && !rig.host.crash());
    };
    let (written, ()) = tokio::join!(rig.ask(rig.write()), cut_short);
    assert!(written.is_none(), "the process died before it answered");
    sleep(Duration::from_secs(1)).await;
    assert!(rig.host.disk().pairs().is_empty());
    assert!(rig.ask(rig.write()).await.is_none(), "nobody is there");

    assert!(rig.host.start());
    assert!(matches!(rig.ask(rig.write()).await, Some(Ok(_))));
    rig.host.crash();
    assert_eq!(rig.host.disk().pairs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_sync_ends_the_process_and_it_is_started_again() {
    let rig = serving().await;
    let problem = "for the test".to_owned();
    let failure = StoreError::Failed { problem };
    rig.host.disk().memory().fail_next_sync(failure);
    assert!(rig.ask(rig.write()).await.is_none());
    assert!(rig.host.disk().pairs().is_empty());
    sleep(Duration::from_secs(1)).await;
    assert!(matches!(rig.ask(rig.write()).await, Some(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn a_wiped_disk_comes_back_as_a_stranger_without_a_config() {
    let rig = serving().await;
    assert!(matches!(rig.ask(rig.write()).await, Some(Ok(_))));
    rig.host.crash();
    rig.host.wipe();
    rig.host.start();
    let refused = rig.ask(rig.write()).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), "wrong_replica");
    let refused = rig.ask(rig.adopt()).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), "wrong_replica");
    assert_eq!(rig.host.disk().config(), None);
}

#[tokio::test(start_paused = true)]
async fn a_paused_process_does_nothing_until_it_goes_on() {
    let rig = serving().await;
    rig.host.pause();
    let resumed = async {
        sleep(Duration::from_secs(5)).await;
        assert!(rig.host.disk().pairs().is_empty());
        rig.host.resume();
    };
    let (written, ()) = tokio::join!(rig.ask(rig.write()), resumed);
    assert!(matches!(written, Some(Ok(_))));
}
