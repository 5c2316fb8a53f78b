//! The config store in a file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quorate_coordinator::membership::{ConfigDocument, ConfigStore, FileConfigStore, SwapOutcome};
use tempfile::TempDir;

use crate::conformance::{Place, conforms, first};
use crate::support::{Seeded, child};

/// A file in a folder of its own.
struct FilePlace {
    folder: TempDir,
}

impl FilePlace {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("config.json")
    }
}

impl Place for FilePlace {
    type Store = FileConfigStore;

    fn store(&self) -> FileConfigStore {
        FileConfigStore::new(self.path())
    }

    async fn delete(&self) {
        std::fs::remove_file(self.path()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_is_a_config_store() {
    conforms(FilePlace::new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_reader_never_sees_half_a_file() {
    let (place, random) = (FilePlace::new(), Seeded::new(1));
    let config = first(&*random);
    place.store().create(&config).await.unwrap();
    let path = place.path();
    let swapping = tokio::spawn(async move {
        let store = place.store();
        for _ in 0..200 {
            let stored = store.read().await.unwrap().unwrap();
            let next = child(&stored.config, &*random, |parts| {
                parts.ancestors.truncate(9)
            });
            store.swap(&stored.version, &next, true).await.unwrap();
        }
        place
    });
    // Like `cat`, without the lock.
    let mut reads = 0;
    while !swapping.is_finished() || reads == 0 {
        let bytes = std::fs::read(&path).unwrap();
        let document = ConfigDocument::parse(&bytes).unwrap();
        document.config().unwrap();
        reads += 1;
        tokio::task::yield_now().await;
    }
    swapping.await.unwrap();
}

#[tokio::test]
async fn what_is_no_config_is_told_and_never_overwritten() {
    let random = Seeded::new(1);
    let config = first(&*random);
    let valid = ConfigDocument::new(&config, true, 3).to_json();
    let valid = String::from_utf8(valid).unwrap();
    let newer = valid.replacen("\"format\": 1", "\"format\": 2", 1);
    let unknown = valid.replacen("\"active\"", "\"actve\"", 1);
    let half = &valid[..valid.len() / 2];
    let long_id = valid.replacen(&config.id().to_string(), "xyz", 1);
    let zero = valid.replacen("\"epoch\": 1", "\"epoch\": 0", 1);
    for (content, problem) in [
        ("", "it is no document of this store: EOF while parsing"),
        ("hello", "it is no document of this store: expected value"),
        (half, "it is no document of this store: EOF while parsing"),
        (
            "{}",
            "it is no document of this store: missing field `format`",
        ),
        (&newer, "it has format 2; this program reads up to 1"),
        (
            &unknown,
            "it is no document of this store: unknown field `actve`",
        ),
        (&long_id, "an id is 32 hexadecimal digits, not \"xyz\""),
        (&zero, "the epoch is 0; the first config has epoch 1"),
    ] {
        let place = FilePlace::new();
        std::fs::write(place.path(), content).unwrap();
        let store = place.store();
        let error = store.read().await.unwrap_err().to_string();
        let path = place.path().display().to_string();
        assert!(error.starts_with(&format!("{path}: {problem}")), "{error}");
        // Neither is it taken for an empty store.
        if let Ok(outcome) = store.create(&config).await {
            assert_eq!(outcome, SwapOutcome::Conflict);
        }
        assert_eq!(std::fs::read_to_string(place.path()).unwrap(), content);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told() {
    let place = FilePlace::new();
    let error = async |path: &Path| {
        let error = FileConfigStore::new(path).read().await.unwrap_err();
        error.to_string()
    };
    let missing = place.folder.path().join("missing/config.json");
    let told = error(&missing).await;
    assert!(
        told.contains("missing/config.json.lock: No such file or directory"),
        "{told}"
    );
    std::fs::create_dir(place.path()).unwrap();
    let told = error(&place.path()).await;
    assert!(told.contains("config.json: Is a directory"), "{told}");
}

#[tokio::test]
async fn what_a_crash_left_beside_the_file_does_no_harm() {
    let (place, random) = (FilePlace::new(), Seeded::new(1));
    let config = first(&*random);
    for leftover in ["config.json.new", "config.json.lock"] {
        std::fs::write(place.folder.path().join(leftover), "half a").unwrap();
    }
    let store = place.store();
    assert!(store.read().await.unwrap().is_none());
    store.create(&config).await.unwrap();
    assert_eq!(
        store.read().await.unwrap().unwrap().config.id(),
        config.id()
    );
}

/// Up to this sequence the processes swap.
const LAST: u64 = 200;
const PATH: &str = "QUORATE_TEST_CONFIG_FILE";

#[tokio::test]
async fn of_two_processes_one_wins_each_swap() {
    let (place, random) = (FilePlace::new(), Seeded::new(1));
    place.store().create(&first(&*random)).await.unwrap();
    let swappers = [1, 2].map(|_| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "file_store::swapper", "--ignored", "--nocapture"])
            .env(PATH, place.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    });
    let mut won = Vec::new();
    for swapper in swappers {
        let output = swapper.wait_with_output().unwrap();
        assert!(output.status.success());
        let output = String::from_utf8(output.stdout).unwrap();
        let mine: Vec<u64> = output
            .lines()
            .filter_map(|line| line.strip_prefix("won ")?.parse().ok())
            .collect();
        eprintln!("a process won {} of {LAST} swaps", mine.len());
        won.extend(mine);
    }
    // Every swap was won by exactly one, and no winner was overwritten unseen.
    won.sort_unstable();
    assert_eq!(won, (2..=LAST).collect::<Vec<_>>());
}

/// One of the processes of [`of_two_processes_one_wins_each_swap`].
#[tokio::test]
#[ignore = "a part of another test, which runs it in processes of its own"]
async fn swapper() {
    let path = PathBuf::from(std::env::var(PATH).expect("the other test runs this"));
    let (store, random) = (
        FileConfigStore::new(&path),
        Seeded::new(std::process::id().into()),
    );
    loop {
        let stored = store.read().await.unwrap().unwrap();
        let epoch = stored.config.epoch().number;
        if epoch >= LAST {
            return;
        }
        let next = child(&stored.config, &*random, |parts| {
            parts.ancestors.truncate(9)
        });
        let outcome = store.swap(&stored.version, &next, false).await.unwrap();
        if outcome != SwapOutcome::Conflict {
            println!("\nwon {}", epoch + 1);
        }
    }
}
