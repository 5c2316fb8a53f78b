//! A replica on a data directory over its boots: started, copied, restored, retired.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use quorate_register::{
    Config, ConfigParts, Fence, Identity, Key, Member, OpId, Pair, Replica, ReplicaError,
    ReplicaId, Timestamp, Write,
};
use quorate_replica::{
    Committing, DirectoryDisk, InstanceDirectory, ReplicaHost, ReplicaMetrics, start,
};
use quorate_runtime::SystemEntropy;

type Store = Arc<quorate_replica::disk::DiskStore>;

const LIMIT: Duration = Duration::from_secs(10);

struct Running {
    replica: Arc<ReplicaHost<Store>>,
    committing: Committing<DirectoryDisk>,
}

impl Running {
    fn start(path: &Path, instance: Option<&Path>) -> Self {
        let mut disk = DirectoryDisk::new(path, "replica-0", Arc::new(SystemEntropy));
        disk.require_admission = true;
        disk.replica.instance = instance.map(InstanceDirectory::new);
        let metrics = ReplicaMetrics::new(&Registry::new(), "replica-0").unwrap();
        let running = start(disk, metrics).unwrap();
        Self {
            replica: running.replica,
            committing: running.committer,
        }
    }

    async fn identity(&self) -> Identity {
        self.replica.identify(LIMIT).await.unwrap()
    }

    /// Admits whatever boot waits.
    async fn admit(&self) -> Result<(), ReplicaError> {
        let identity = self.identity().await;
        let boot = identity.boots.intent.unwrap();
        let volume = Some("claim");
        self.replica
            .admit(identity.replica_id, boot, volume, LIMIT)
            .await
    }

    async fn write(&self, fence: &Fence) -> Result<(), ReplicaError> {
        let key = Key::new("key").unwrap();
        let timestamp = Timestamp {
            counter: 1,
            op_id: OpId::from_bytes([1; 16]),
            ..Timestamp::ZERO
        };
        let write = Write {
            pair: Pair::new(&key, timestamp, Some("value".into())),
            key,
            origin: fence.epoch,
        };
        self.replica.local_write(fence, &write, LIMIT).await
    }

    /// Ends it as a process ends.
    async fn stop(self) {
        let Self {
            replica,
            mut committing,
        } = self;
        drop(replica);
        committing.ended().await.unwrap();
    }
}

fn config(replica_id: ReplicaId) -> Arc<Config> {
    let pod = "replica-0".into();
    let members = vec![Member { replica_id, pod }];
    Arc::new(Config::first(members, &SystemEntropy).unwrap())
}

/// A config behind `config`, whose only member is another replica.
fn without(config: &Config, retired: ReplicaId) -> Arc<Config> {
    let mut parts: ConfigParts = config.parts().clone();
    parts.epoch.number += 1;
    parts.ancestors.insert(0, parts.id);
    parts.id = quorate_register::ConfigId::random(&SystemEntropy);
    parts.current[0].replica_id = ReplicaId::random(&SystemEntropy);
    parts.retired.push(retired);
    Arc::new(Config::new(parts).unwrap())
}

#[tokio::test]
async fn nothing_is_served_before_the_boot_is_admitted() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), None);
    let identity = running.identity().await;
    assert!(!identity.admitted && identity.cluster_id.is_none());
    assert_eq!(identity.boots.intent.unwrap().number, 1);
    let config = config(identity.replica_id);
    let fence = Fence::new(&config, identity.replica_id);
    let adopt = || {
        running
            .replica
            .adopt(identity.replica_id, &config, true, LIMIT)
    };
    assert_eq!(adopt().await, Err(ReplicaError::NotAdmitted));
    assert_eq!(running.write(&fence).await, Err(ReplicaError::NotAdmitted));

    let mut other = identity.boots.intent.unwrap();
    other.number += 1;
    let admit = |id, boot| running.replica.admit(id, boot, None, LIMIT);
    let refused = admit(identity.replica_id, other).await;
    assert!(matches!(refused, Err(ReplicaError::Invalid { .. })));
    let stranger = ReplicaId::random(&SystemEntropy);
    let refused = admit(stranger, identity.boots.intent.unwrap()).await;
    assert!(matches!(refused, Err(ReplicaError::WrongReplica { .. })));
    assert_eq!(adopt().await, Err(ReplicaError::NotAdmitted));

    running.admit().await.unwrap();
    let boot = identity.boots.intent.unwrap();
    admit(identity.replica_id, boot)
        .await
        .expect("twice is once");
    adopt().await.unwrap();
    running.write(&fence).await.unwrap();
    let identity = running.identity().await;
    assert!(identity.admitted);
    assert_eq!(identity.boots.admitted, Some(boot));
    assert_eq!(identity.boots.volume.as_deref(), Some("claim"));
    running.stop().await;

    // The next start waits again, and an intent outlives any number of starts.
    let mut intents = Vec::new();
    for _ in 0..3 {
        let running = Running::start(folder.path(), None);
        assert_eq!(running.write(&fence).await, Err(ReplicaError::NotAdmitted));
        intents.push(running.identity().await.boots.intent.unwrap());
        running.stop().await;
    }
    assert_eq!(intents[0].number, 2);
    assert_eq!(intents, [intents[0]; 3]);
}

#[tokio::test]
async fn a_container_restarted_in_its_pod_needs_no_admission() {
    let folder = tempfile::tempdir().unwrap();
    let (pod, next_pod) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = folder.path();
    let running = Running::start(disk, Some(pod.path()));
    running.admit().await.unwrap();
    let boots = running.identity().await.boots;
    running.stop().await;
    let running = Running::start(disk, Some(pod.path()));
    let identity = running.identity().await;
    assert!(identity.admitted);
    assert_eq!(identity.boots, boots, "the same boot goes on");
    running.stop().await;
    // Another pod, and the first one again: its boot is not the last any more.
    let running = Running::start(disk, Some(next_pod.path()));
    assert!(!running.identity().await.admitted);
    running.admit().await.unwrap();
    running.stop().await;
    let running = Running::start(disk, Some(pod.path()));
    assert!(!running.identity().await.admitted);
    running.stop().await;
}

/// Runs until the replica has another id than `old`.
async fn until_new(running: &mut Running, old: ReplicaId) -> Identity {
    let Running {
        replica,
        committing,
    } = running;
    let changed = async {
        loop {
            match replica.identify(LIMIT).await {
                Ok(identity) if identity.replica_id != old => return identity,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    tokio::select! {
        identity = changed => identity,
        ended = committing.ended() => panic!("the replica ended: {ended:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_replica_comes_back_as_another_in_the_same_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), None);
    let old = running.identity().await.replica_id;
    running.admit().await.unwrap();
    let joined = config(old);
    let fence = Fence::new(&joined, old);
    running
        .replica
        .adopt(old, &joined, true, LIMIT)
        .await
        .unwrap();
    running.write(&fence).await.unwrap();

    let listed = running.replica.retire(old, &joined, LIMIT).await;
    assert!(matches!(listed, Err(ReplicaError::Invalid { .. })));
    running.write(&fence).await.expect("it serves on");

    let excluding = without(&joined, old);
    running
        .replica
        .retire(old, &excluding, LIMIT)
        .await
        .unwrap();
    // Whatever comes now finds nothing of the old disk.
    let refused = running.write(&fence).await.unwrap_err();
    assert!(
        matches!(
            refused,
            ReplicaError::Unreachable { .. } | ReplicaError::WrongReplica { .. }
        ),
        "{refused}"
    );
    let identity = until_new(&mut running, old).await;
    assert!(!identity.admitted && identity.cluster_id.is_none() && identity.keys == 0);
    assert_eq!(identity.boots.admitted, None);
    let refused = running.replica.retire(old, &excluding, LIMIT).await;
    assert!(matches!(refused, Err(ReplicaError::WrongReplica { .. })));

    // It can join again, as the other that it is, and be retired again.
    let new = identity.replica_id;
    running.admit().await.unwrap();
    let joined = config(new);
    running
        .replica
        .adopt(new, &joined, true, LIMIT)
        .await
        .unwrap();
    running.write(&Fence::new(&joined, new)).await.unwrap();
    let excluding = without(&joined, new);
    running
        .replica
        .retire(new, &excluding, LIMIT)
        .await
        .unwrap();
    until_new(&mut running, new).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_not_admitted_is_retired_too() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), None);
    let old = running.identity().await.replica_id;
    running.admit().await.unwrap();
    let joined = config(old);
    running
        .replica
        .adopt(old, &joined, true, LIMIT)
        .await
        .unwrap();
    running.stop().await;
    let mut running = Running::start(folder.path(), None);
    assert!(!running.identity().await.admitted);
    let excluding = without(&joined, old);
    running
        .replica
        .retire(old, &excluding, LIMIT)
        .await
        .unwrap();
    until_new(&mut running, old).await;
    running.stop().await;
}

/// The process is killed once the end of the disk was promised: the next start wipes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_retirement_is_resumed_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), None);
    let old = running.identity().await.replica_id;
    running.admit().await.unwrap();
    let joined = config(old);
    running
        .replica
        .adopt(old, &joined, true, LIMIT)
        .await
        .unwrap();
    let excluding = without(&joined, old);
    running
        .replica
        .retire(old, &excluding, LIMIT)
        .await
        .unwrap();
    // Whoever has the place is gone before the disk is wiped.
    running.stop().await;
    let running = Running::start(folder.path(), None);
    let identity = running.identity().await;
    assert_ne!(identity.replica_id, old);
    assert_eq!((identity.cluster_id, identity.keys), (None, 0));
    running.stop().await;
}
