//! The process is killed again and again while it commits.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Pairs, Random, batch, commit, open, scan};

const FOLDER_VARIABLE: &str = "QUORATE_TEST_KILLED_FOLDER";
const KILLS: u64 = 110;

/// Commit number `number`: always the same keys.
fn numbered_batch(number: u64) -> Vec<(quorate_register::Key, quorate_register::Pair)> {
    batch((0..6).map(|n| (number * 7 + n * 31) % 400), number)
}

/// Not a test by itself: the process that [`kill_after_kill_every_acknowledged_pair_is_there`]
/// starts and kills. It commits numbered batches from the one that its store ends with, and
/// says each number once it is acknowledged.
#[test]
fn child_that_commits() {
    let Ok(folder) = std::env::var(FOLDER_VARIABLE) else {
        return;
    };
    let directory = open(Path::new(&folder)).unwrap();
    let store = directory.store();
    let pairs = scan(store, 100_000).unwrap();
    let newest = pairs.values().map(|pair| pair.timestamp.counter).max();
    // Not println!, which the test harness keeps to itself.
    let mut output = std::io::stdout().lock();
    for number in newest.unwrap_or(0) + 1.. {
        commit(store, &numbered_batch(number)).unwrap();
        writeln!(output, "\nacknowledged {number}").unwrap();
        output.flush().unwrap();
    }
}

#[test]
fn kill_after_kill_every_acknowledged_pair_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let mut random = Random(3);
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        // Some are killed while they open the store.
        let wanted = random.below(60);
        acknowledged = run_and_kill(&path, wanted).unwrap_or(acknowledged);
        let directory = open(&path).unwrap();
        let pairs = scan(directory.store(), 100_000).unwrap();
        let newest = pairs.values().map(|pair| pair.timestamp.counter).max();
        let newest = newest.unwrap_or(0);
        // The last batch may be there without having been acknowledged.
        let unknown = newest.checked_sub(acknowledged);
        assert!(
            unknown.is_some_and(|n| n <= 1),
            "kill {kill}: {newest} of {acknowledged}"
        );
        let mut expected = Pairs::new();
        for number in 1..=newest {
            expected.extend(numbered_batch(number));
        }
        assert_eq!(pairs, expected, "kill {kill}");
        acknowledged = newest;
    }
    assert!(acknowledged > KILLS, "{acknowledged} commits");
    assert!(fs::read_dir(path.join("table/tables")).unwrap().count() > 0);
}

/// Runs the child until it acknowledged so many batches, and kills it; returns the last one.
fn run_and_kill(path: &Path, wanted: u64) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child_that_commits", "--nocapture"])
        .env(FOLDER_VARIABLE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = None;
    let mut lines = lines.map_while(Result::ok).filter_map(|line| {
        let number = line.strip_prefix("acknowledged ")?;
        number.parse::<u64>().ok()
    });
    for number in lines.by_ref().take(wanted as usize) {
        last = Some(number);
    }
    // SIGKILL; what it had said before still lies in the pipe.
    child.kill().unwrap();
    child.wait().unwrap();
    lines.last().or(last)
}
