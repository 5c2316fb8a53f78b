//! Boots that are counted, and replicas admitted by them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use prometheus::Registry;
use quorate_coordinator::membership::{
    AdmissionState, Admissions, Amnesia, BootCounters, BootEntries, BootEntry, FileBootCounters,
    FixedDirectory, StoreVersion, SwapOutcome, Volumes, accept_disks, admit_all, bootstrap,
};
use quorate_proto::transport::{ChannelOptions, Incoming, ServerOptions, channel, server};
use quorate_proto::{Limits, RemoteReplica, ReplicaService};
use quorate_register::{Config, Fence, Identity, Key, Replica, ReplicaError, ReplicaId};
use quorate_replica::memory::{MemoryDisk, MemoryStore};
use quorate_replica::{LocalReplica, ReplicaMetrics, ReplicaOptions, begin_boot};
use tempfile::TempDir;

use crate::support::{Seeded, child, listen};

const LIMIT: Duration = Duration::from_secs(10);

/// A machine with a disk, whose replica needs an admission.
struct Machine {
    pod: String,
    disk: Arc<MemoryDisk>,
    replica_id: ReplicaId,
    replica: Arc<LocalReplica<MemoryStore>>,
}

impl Machine {
    async fn new(number: u64, random: &Seeded) -> Self {
        Self::start(
            format!("replica-{number}"),
            Arc::default(),
            ReplicaId::random(random),
            random,
        )
        .await
    }

    async fn start(
        pod: String,
        disk: Arc<MemoryDisk>,
        replica_id: ReplicaId,
        random: &Seeded,
    ) -> Self {
        let store = MemoryStore::open(disk.clone());
        let options = ReplicaOptions {
            admitted: begin_boot(&store, true, None, random).await.unwrap(),
            ..ReplicaOptions::new(replica_id, &pod)
        };
        let metrics = ReplicaMetrics::new(&Registry::new(), &pod).unwrap();
        let (replica, committer) = LocalReplica::new(store, options, metrics);
        tokio::spawn(committer.run());
        Self {
            pod,
            disk,
            replica_id,
            replica: Arc::new(replica),
        }
    }

    /// Its process ends, and another one starts on what the disk has.
    async fn restart(&mut self, random: &Seeded) {
        let (pod, disk) = (self.pod.clone(), self.disk.clone());
        *self = Self::start(pod, disk, self.replica_id, random).await;
    }

    async fn identity(&self) -> Identity {
        self.replica.identify(LIMIT).await.unwrap()
    }
}

fn directory(machines: &[Machine]) -> FixedDirectory {
    machines
        .iter()
        .fold(FixedDirectory::default(), |directory, machine| {
            directory.with(&machine.pod, "somewhere", machine.replica.clone())
        })
}

/// Three machines, the file of their counters, and the store they form.
struct Stage {
    random: Arc<Seeded>,
    folder: TempDir,
    machines: Vec<Machine>,
    config: Arc<Config>,
}

impl Stage {
    async fn new(seed: u64) -> Self {
        let random = Seeded::new(seed);
        let mut machines = Vec::new();
        for number in 0..3 {
            machines.push(Machine::new(number, &random).await);
        }
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config.json");
        let all = directory(&machines);
        let early = bootstrap(&all, None, &*random, LIMIT).await.unwrap_err();
        assert!(early.to_string().contains("not admitted yet"), "{early}");
        admit(&all, &FileBootCounters::beside(&path), None).await;
        let config = bootstrap(&all, None, &*random, LIMIT).await.unwrap();
        Self {
            random,
            folder,
            machines,
            config,
        }
    }

    fn counters(&self) -> FileBootCounters {
        FileBootCounters::beside(&self.path())
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("config.json")
    }

    async fn look(&self) -> Vec<AdmissionState> {
        let all = directory(&self.machines);
        states(&admit(&all, &self.counters(), Some(&self.config)).await)
    }

    async fn restart(&mut self, machine: usize) {
        self.machines[machine].restart(&self.random).await;
    }

    async fn entry(&self, machine: usize) -> Option<BootEntry> {
        let stored = self.counters().read().await.unwrap()?;
        stored
            .entries
            .get(&self.machines[machine].replica_id)
            .cloned()
    }

    async fn read(&self, machine: usize) -> Result<(), ReplicaError> {
        let machine = &self.machines[machine];
        let fence = Fence::new(&self.config, machine.replica_id);
        let key = Key::new("key").unwrap();
        machine
            .replica
            .local_read(&fence, &key, LIMIT)
            .await
            .map(drop)
    }
}

async fn admit(
    directory: &FixedDirectory,
    counters: &dyn BootCounters,
    config: Option<&Config>,
) -> Admissions {
    admit_all(directory, counters, None, config, LIMIT)
        .await
        .unwrap()
}

fn states(admissions: &Admissions) -> Vec<AdmissionState> {
    let pods = admissions.pods.iter();
    pods.map(|pod| pod.state.clone()).collect()
}

use AdmissionState::{Admitted, Amnesiac, Unknown, Waiting};

#[tokio::test]
async fn each_start_is_counted_and_admitted() {
    let mut stage = Stage::new(1).await;
    assert_eq!(stage.look().await, [Admitted, Admitted, Admitted]);
    for number in 2..6 {
        stage.restart(1).await;
        assert_eq!(stage.read(1).await, Err(ReplicaError::NotAdmitted));
        assert_eq!(stage.look().await, [Admitted, Admitted, Admitted]);
        assert_eq!(stage.read(1).await, Ok(()));
        assert_eq!(stage.entry(1).await.unwrap().boot.number, number);
    }
    assert_eq!(stage.entry(0).await.unwrap().boot.number, 1);
}

#[tokio::test]
async fn a_disk_restored_from_a_copy_is_set_aside_and_kept() {
    let mut stage = Stage::new(2).await;
    let copy = stage.machines[1].disk.copy();
    stage.restart(1).await;
    stage.look().await;
    // The process ends, the old copy comes in the place of the disk, and another starts.
    stage.machines[1].disk.restore(copy);
    for _ in 0..3 {
        stage.restart(1).await;
        let older = Amnesia::Older {
            counted: 2,
            disk: 1,
        };
        assert_eq!(stage.look().await, [Admitted, Amnesiac(older), Admitted]);
        assert_eq!(stage.read(1).await, Err(ReplicaError::NotAdmitted));
        let identity = stage.machines[1].identity().await;
        assert!(identity.config.is_some(), "it is not wiped");
    }
    assert_eq!(stage.entry(1).await.unwrap().boot.number, 2);
    // Once an active config excludes its id, it comes back as another.
    let retired = stage.machines[1].replica_id;
    let excluding = child(&stage.config, &*stage.random, |parts| {
        parts.current.retain(|member| member.replica_id != retired);
        parts.retired.push(retired);
    });
    stage.config = excluding.clone();
    assert!(matches!(&stage.look().await[1], Waiting(_)));
    assert_eq!(stage.entry(1).await, None, "its entry is dropped");
    let replica = stage.machines[1].replica.clone();
    replica.retire(retired, &excluding, LIMIT).await.unwrap();
    let machine = &mut stage.machines[1];
    assert!(machine.disk.is_retired());
    machine.disk.wipe(true);
    machine.replica_id = ReplicaId::random(&*stage.random);
    stage.restart(1).await;
    assert_eq!(stage.look().await, [Admitted, Admitted, Admitted]);
    assert_eq!(stage.entry(1).await.unwrap().boot.number, 1);
}

#[tokio::test]
async fn lost_counters_are_made_again_from_the_replicas_that_serve() {
    let mut stage = Stage::new(3).await;
    stage.restart(2).await;
    std::fs::remove_file(stage.folder.path().join("config.json.boots")).unwrap();
    // Of the one that waits nobody knows whether its disk is the last one.
    assert_eq!(stage.look().await, [Admitted, Admitted, Unknown]);
    assert_eq!(stage.entry(2).await, None);
    stage.restart(0).await;
    assert_eq!(stage.look().await, [Admitted, Admitted, Unknown]);
    assert_eq!(stage.entry(0).await.unwrap().boot.number, 2);
    assert_eq!(stage.read(0).await, Ok(()));
    let pods = ["replica-2".to_owned()];
    let all = directory(&stage.machines);
    let counters = stage.counters();
    let accepted = accept_disks(&all, &counters, None, &pods, LIMIT).await;
    assert_eq!(accepted.unwrap().len(), 1);
    assert_eq!(stage.look().await, [Admitted, Admitted, Admitted]);
}

#[tokio::test]
async fn counters_that_went_back_follow_the_replicas_that_serve() {
    let mut stage = Stage::new(4).await;
    let path = stage.folder.path().join("config.json.boots");
    let old = std::fs::read(&path).unwrap();
    for machine in [0, 1] {
        stage.restart(machine).await;
    }
    stage.look().await;
    stage.restart(1).await;
    std::fs::write(&path, old).unwrap();
    let counters_older = Amnesia::CountersOlder {
        counted: 1,
        disk: 2,
    };
    assert_eq!(
        stage.look().await,
        [Admitted, Amnesiac(counters_older), Admitted]
    );
    assert_eq!(stage.entry(0).await.unwrap().boot.number, 2);
}

#[tokio::test]
async fn a_boot_that_was_counted_by_a_coordinator_that_died_is_admitted_by_the_next() {
    let mut stage = Stage::new(5).await;
    stage.restart(1).await;
    let boots = stage.machines[1].identity().await.boots;
    let stored = stage.counters().read().await.unwrap().unwrap();
    let mut entries = stored.entries;
    let entry = entries.get_mut(&stage.machines[1].replica_id).unwrap();
    entry.boot = boots.intent.unwrap();
    let swapped = stage.counters().swap(&stored.version, &entries).await;
    assert!(matches!(swapped.unwrap(), SwapOutcome::Swapped(_)));
    // Its container starts anew in between, too.
    stage.restart(1).await;
    assert_eq!(stage.look().await, [Admitted, Admitted, Admitted]);
    assert_eq!(stage.entry(1).await.unwrap().boot, boots.intent.unwrap());
}

/// Several coordinators look at once, over many starts: each start is counted once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_coordinators_count_each_start_once() {
    const STARTS: u64 = 15;
    let mut stage = Stage::new(6).await;
    for number in 2..=STARTS {
        for machine in 0..3 {
            stage.restart(machine).await;
        }
        let all = Arc::new(directory(&stage.machines));
        let looks = (0..4).map(|_| {
            let (all, counters) = (all.clone(), stage.counters());
            // One that loses every swap says so, and looks again.
            tokio::spawn(async move { admit_all(&*all, &counters, None, None, LIMIT).await })
        });
        for look in looks.collect::<Vec<_>>() {
            if let Ok(admissions) = look.await.unwrap() {
                for state in states(&admissions) {
                    assert_eq!(state, Admitted, "start {number}");
                }
            }
        }
        assert_eq!(stage.look().await, [Admitted, Admitted, Admitted]);
        for machine in 0..3 {
            assert_eq!(stage.entry(machine).await.unwrap().boot.number, number);
            assert_eq!(stage.read(machine).await, Ok(()));
        }
    }
}

/// Counters that somebody else changes between two questions, or whose answer to a swap is lost.
struct Troubled {
    inner: FileBootCounters,
    reads: Mutex<u32>,
    lost_answers: Mutex<u32>,
}

#[async_trait]
impl BootCounters for Troubled {
    async fn read(
        &self,
    ) -> Result<
        Option<quorate_coordinator::membership::StoredBoots>,
        quorate_coordinator::membership::ConfigStoreError,
    > {
        *self.reads.lock() += 1;
        self.inner.read().await
    }

    async fn create(
        &self,
        entries: &BootEntries,
    ) -> Result<SwapOutcome, quorate_coordinator::membership::ConfigStoreError> {
        self.inner.create(entries).await
    }

    async fn swap(
        &self,
        version: &StoreVersion,
        entries: &BootEntries,
    ) -> Result<SwapOutcome, quorate_coordinator::membership::ConfigStoreError> {
        let outcome = self.inner.swap(version, entries).await?;
        let lost = std::mem::take(&mut *self.lost_answers.lock());
        if lost > 0 {
            return Err(quorate_coordinator::membership::ConfigStoreError {
                problem: "no answer".into(),
            });
        }
        Ok(outcome)
    }
}

#[tokio::test]
async fn nobody_is_admitted_on_a_swap_that_is_not_confirmed() {
    let mut stage = Stage::new(7).await;
    stage.restart(1).await;
    let counters = Troubled {
        inner: stage.counters(),
        reads: Mutex::new(0),
        lost_answers: Mutex::new(1),
    };
    let all = directory(&stage.machines);
    let failed = admit_all(&all, &counters, None, None, LIMIT).await;
    assert_eq!(failed.unwrap_err().to_string(), "no answer");
    assert!(!stage.machines[1].identity().await.admitted);
    // The next look finds it counted.
    let found = admit_all(&all, &counters, None, None, LIMIT).await.unwrap();
    assert_eq!(states(&found), [Admitted, Admitted, Admitted]);
    assert_eq!(*counters.reads.lock(), 2);
}

#[tokio::test]
async fn with_all_disks_restored_nothing_is_served_until_a_person_accepts_them() {
    let mut stage = Stage::new(8).await;
    let copies: Vec<_> = stage
        .machines
        .iter()
        .map(|machine| machine.disk.copy())
        .collect();
    for machine in 0..3 {
        stage.restart(machine).await;
    }
    stage.look().await;
    for (machine, copy) in copies.into_iter().enumerate() {
        stage.machines[machine].disk.restore(copy);
        stage.restart(machine).await;
    }
    let older = Amnesiac(Amnesia::Older {
        counted: 2,
        disk: 1,
    });
    assert_eq!(
        stage.look().await,
        [older.clone(), older.clone(), older.clone()]
    );

    let all = directory(&stage.machines);
    let accept = |pods: &[&str]| {
        let pods: Vec<String> = pods.iter().map(ToString::to_string).collect();
        let (all, counters) = (&all, stage.counters());
        async move { accept_disks(all, &counters, None, &pods, LIMIT).await }
    };
    let missing = accept(&["replica-0", "replica-9"]).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "nothing was accepted: replica-9: it does not answer"
    );
    assert_eq!(
        stage.look().await,
        [older.clone(), older.clone(), older.clone()]
    );

    let accepted = accept(&["replica-0", "replica-2"]).await.unwrap();
    assert_eq!(accepted.len(), 2);
    assert_eq!(stage.look().await, [Admitted, older, Admitted]);
    assert_eq!(stage.read(0).await, Ok(()));
    assert!(
        accept(&["replica-0"]).await.unwrap().is_empty(),
        "it serves"
    );
}

struct Claims(Mutex<Result<Option<String>, String>>);

#[async_trait]
impl Volumes for Claims {
    async fn volume(&self, _: &str) -> Result<Option<String>, String> {
        self.0.lock().clone()
    }
}

#[tokio::test]
async fn a_disk_on_another_volume_is_a_copy() {
    let random = Seeded::new(9);
    let mut machines = vec![Machine::new(0, &random).await];
    let folder = TempDir::new().unwrap();
    let counters = FileBootCounters::new(folder.path().join("boots"));
    let claims = Claims(Mutex::new(Ok(Some("claim-1".into()))));
    let found = admit_all(&directory(&machines), &counters, Some(&claims), None, LIMIT).await;
    assert_eq!(states(&found.unwrap()), [Admitted]);
    let bound = machines[0].identity().await.boots.volume;
    assert_eq!(bound.as_deref(), Some("claim-1"));

    machines[0].restart(&random).await;
    *claims.0.lock() = Err("no answer".into());
    let found = admit_all(&directory(&machines), &counters, Some(&claims), None, LIMIT).await;
    let waits = Waiting("its volume is not known: no answer".into());
    assert_eq!(states(&found.unwrap()), [waits]);
    *claims.0.lock() = Ok(Some("claim-2".into()));
    let found = admit_all(&directory(&machines), &counters, Some(&claims), None, LIMIT).await;
    let moved = Amnesiac(Amnesia::OtherVolume {
        bound: "claim-1".into(),
        found: "claim-2".into(),
    });
    assert_eq!(states(&found.unwrap()), [moved]);

    let (all, pods) = (directory(&machines), ["replica-0".to_owned()]);
    let accepted = accept_disks(&all, &counters, Some(&claims), &pods, LIMIT).await;
    assert_eq!(accepted.unwrap().len(), 1);
    let found = admit_all(&all, &counters, Some(&claims), None, LIMIT).await;
    assert_eq!(states(&found.unwrap()), [Admitted]);
    let bound = machines[0].identity().await.boots.volume;
    assert_eq!(bound.as_deref(), Some("claim-2"));
}

#[tokio::test]
async fn of_two_copies_of_one_disk_none_is_admitted() {
    let mut stage = Stage::new(10).await;
    let copy = stage.machines[1].disk.copy();
    let disk = Arc::<MemoryDisk>::default();
    disk.restore(copy);
    let (id, random) = (stage.machines[1].replica_id, stage.random.clone());
    let twin = Machine::start("replica-3".into(), disk, id, &random).await;
    stage.machines.push(twin);
    let twin_of = |other: &str| {
        Amnesiac(Amnesia::TwoPods {
            other: other.into(),
        })
    };
    // The one that serves is the disk itself.
    assert_eq!(
        stage.look().await,
        [Admitted, Admitted, Admitted, twin_of("replica-1")]
    );
    stage.restart(1).await;
    assert_eq!(
        stage.look().await,
        [
            Admitted,
            twin_of("replica-3"),
            Admitted,
            twin_of("replica-1")
        ]
    );
    stage.machines.pop();
    assert_eq!(stage.look().await, [Admitted, Admitted, Admitted]);
}

#[tokio::test]
async fn admission_goes_over_the_network() {
    let random = Seeded::new(11);
    let machine = Machine::new(0, &random).await;
    let server_options = ServerOptions::default();
    let listener = listen("127.0.0.1:0".parse().unwrap());
    let incoming = Incoming::new(vec![listener], &server_options);
    let address = incoming.local_addresses().unwrap()[0].to_string();
    let service = ReplicaService::new(machine.replica.clone(), Limits::default());
    let serving = server(&server_options)
        .add_service(service.into_server())
        .serve_with_incoming(incoming);
    tokio::spawn(async move { serving.await.expect("serving does not fail") });
    let channel = channel(&address, &ChannelOptions::default()).unwrap();
    let remote = Arc::new(RemoteReplica::new(channel, Limits::default()));
    let remote_directory = FixedDirectory::default().with("replica-0", &address, remote.clone());

    let folder = TempDir::new().unwrap();
    let counters = FileBootCounters::new(folder.path().join("boots"));
    let key = Key::new("key").unwrap();
    let stranger = Config::first(
        vec![quorate_register::Member {
            replica_id: machine.replica_id,
            pod: "replica-0".into(),
        }],
        &*random,
    )
    .unwrap();
    let fence = Fence::new(&stranger, machine.replica_id);
    let read = || remote.local_read(&fence, &key, LIMIT);
    assert_eq!(read().await, Err(ReplicaError::NotAdmitted));
    let found = admit(&remote_directory, &counters, None).await;
    assert_eq!(states(&found), [Admitted]);
    assert_eq!(read().await, Err(ReplicaError::NeedConfig));
    assert!(counters_path_is_readable(&folder.path().join("boots")));
}

/// People can read the counters.
fn counters_path_is_readable(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap();
    text.contains("\"number\": 1") && text.contains("\"replica_id\"")
}
