//! What the durable store costs: CPU and bytes written per put, reads, memory, restart.
//!
//! `cargo run --release -p quorate-replica --example disk_store -- FOLDER [LONG_FRAME_BYTES]`
//! (Linux only; the folder must be missing or empty, and is left behind). What the disk has
//! written is counted for all processes: a file system of its own on a loop device counts only
//! the store.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use quorate_register::{Entropy, Key, OpId, Pair, Timestamp};
use quorate_replica::Store;
use quorate_replica::disk::{DataDirectory, DiskStore, Options};
use tokio::time::Instant;

/// Keys of 16 bytes, of which some are written again and again.
const KEYS: u64 = 10_000;
const PUTS: u64 = 1_000_000;

struct Fixed;

impl Entropy for Fixed {
    fn bits(&self) -> u128 {
        0x7175_6f72_6174_6521
    }
}

fn key(number: u64) -> Key {
    Key::new(format!("key-{number:012}")).expect("16 bytes are a key")
}

fn pair(key: &Key, counter: u64, value: &Bytes) -> Pair {
    let timestamp = Timestamp {
        counter,
        op_id: OpId::from_bytes([5; 16]),
        ..Timestamp::ZERO
    };
    Pair::new(key, timestamp, Some(value.clone()))
}

/// User and system time of all threads, in clock ticks of 10 ms.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<u64> = behind_name
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // utime and stime, of proc(5)'s fields 14 and 15.
    let ticks = fields.get(11).unwrap_or(&0) + fields.get(12).unwrap_or(&0);
    Duration::from_millis(ticks * 10)
}

/// The number behind a name in a file of `/proc`.
fn proc(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

/// What the folder's disk has written, in bytes, for whichever process: a process's own count
/// takes a page cache entry of many pages for written as a whole.
fn disk_written(folder: &Path) -> u64 {
    let device = fs::metadata(folder).map_or(0, |folder| folder.dev());
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00);
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"));
    let stat = stat.unwrap_or_default();
    let sectors = stat
        .split_whitespace()
        .nth(6)
        .and_then(|s| s.parse::<u64>().ok());
    sectors.unwrap_or(0) * 512
}

/// Commits `puts` pairs in batches; the key of each is `choose` of its number.
fn puts(store: &DiskStore, batch: u64, puts: u64, value: &Bytes, choose: impl Fn(u64) -> u64) {
    let (started, cpu_before) = (Instant::now(), cpu());
    let written = disk_written(store.path());
    let mut longest = Duration::ZERO;
    for start in (0..puts).step_by(batch as usize) {
        let pairs: Vec<_> = (start..start + batch)
            .map(|number| {
                let key = key(choose(number));
                let pair = pair(&key, number + 1, value);
                (key, pair)
            })
            .collect();
        let began = Instant::now();
        block_on(store.commit(&pairs)).expect("the disk works");
        longest = longest.max(began.elapsed());
    }
    let elapsed = started.elapsed();
    println!(
        "batch {batch:>3}, values of {} bytes: {:>7.0} puts/s, {:.2} us CPU and {} bytes on disk \
         per put, {:.0} us per batch, longest {:.1} ms; {} MB resident",
        value.len(),
        puts as f64 / elapsed.as_secs_f64(),
        (cpu() - cpu_before).as_secs_f64() * 1e6 / puts as f64,
        (disk_written(store.path()) - written) / puts,
        elapsed.as_secs_f64() * 1e6 * batch as f64 / puts as f64,
        longest.as_secs_f64() * 1e3,
        proc("/proc/self/status", "VmRSS") / 1000,
    );
}

fn reads(store: &DiskStore, what: &str, keys: impl Iterator<Item = u64>) {
    let (cpu_before, mut count, mut found) = (cpu(), 0u64, 0u64);
    for number in keys {
        found += u64::from(
            store
                .read(&key(number))
                .expect("the disk is sound")
                .is_some(),
        );
        count += 1;
    }
    let each = (cpu() - cpu_before).as_secs_f64() * 1e6 / count as f64;
    println!("{what}: {each:.2} us CPU per read, {found} of {count} found");
}

/// Spreads consecutive numbers.
fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("the folder to use");
    let mut options = Options::default();
    if let Some(bytes) = arguments.next() {
        options.long_frame_bytes = bytes.parse().expect("a number of bytes");
    }
    let open = || {
        let started = Instant::now();
        let directory = DataDirectory::open(&folder, &options, &Fixed)
            .unwrap_or_else(|error| panic!("{error}"));
        println!("opened in {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
        directory
    };
    let directory = open();
    let store = directory.store();
    let value = Bytes::from(vec![7; 64]);
    for batch in [1, 64, 256] {
        let count = if batch == 1 { PUTS / 50 } else { PUTS };
        puts(store, batch, count, &value, |number| {
            scattered(number) % KEYS
        });
    }
    let known = |number| scattered(number) % KEYS;
    reads(store, "present, of few keys", (0..500_000).map(known));
    reads(store, "absent", (0..500_000).map(|number| KEYS + number));
    puts(store, 256, PUTS, &Bytes::from(vec![7; 100]), |number| {
        1_000_000 + number
    });
    for (batch, count, bytes) in [
        (16, PUTS / 10, 1 << 10),
        (64, PUTS / 10, 1 << 10),
        (256, PUTS / 10, 1 << 10),
        (1, PUTS / 500, 64 << 10),
        (8, PUTS / 250, 64 << 10),
    ] {
        puts(store, batch, count, &Bytes::from(vec![7; bytes]), |n| {
            scattered(n) % 1_000
        });
    }
    let known = |number| 1_000_000 + scattered(number) % PUTS;
    reads(store, "present, of a million keys", (0..300_000).map(known));
    println!(
        "{} keys estimated, {} MB on disk, {} MB resident at most",
        store.keys(),
        store.disk_bytes() / 1_000_000,
        proc("/proc/self/status", "VmHWM") / 1000
    );
    let started = Instant::now();
    drop(directory);
    println!("closed in {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    drop(open());
}
