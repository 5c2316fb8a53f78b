//! Bits flipped and bytes cut off: what comes out is exact, or an error.

use std::collections::BTreeMap;
use std::fs;

use crate::sample::{Outcome, flip, kind, length, sample};
use crate::support::{Random, files_below};

#[test]
fn the_sample_has_every_kind_of_file() {
    let sample = sample();
    let files = files_below(&sample.path());
    let mut kinds = BTreeMap::<String, usize>::new();
    for file in &files {
        *kinds.entry(kind(file)).or_default() += 1;
    }
    let expected = [
        "boots",
        "checkpoint",
        "config",
        "identity",
        "lock",
        "log",
        "table/blobs",
        "table/current",
        "table/tables",
        "table/v",
        "watermark",
    ];
    assert_eq!(
        kinds.keys().collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
    // How many tables there are is up to merges.
    assert!(kinds["log"] >= 2, "{kinds:?}");
    assert_eq!(sample.damaged("untouched", |_| ()), Outcome::Harmless);
}

#[test]
fn a_flipped_bit_is_an_error_or_harmless() {
    // How many bits of each file are flipped, one at a time.
    let flips: u64 = std::env::var("QUORATE_TEST_FLIPS").map_or(40, |n| n.parse().unwrap());
    let sample = sample();
    let mut random = Random(11);
    let mut outcomes = BTreeMap::<(String, Outcome), usize>::new();
    for file in files_below(&sample.path()) {
        let bytes = length(&sample, &file);
        for index in 0..flips.min(bytes) {
            // Half of them near the ends, where headers and trailers are.
            let offset = match index % 4 {
                0 => random.below(bytes.min(64)),
                1 => bytes - 1 - random.below(bytes.min(256)),
                _ => random.below(bytes),
            };
            let bit = random.below(8);
            let context = format!("bit {bit} of byte {offset} of {}", file.display());
            let outcome = sample.damaged(&context, |path| flip(&path.join(&file), offset, bit));
            *outcomes.entry((kind(&file), outcome)).or_default() += 1;
        }
    }
    let count = |kind: &str, outcome| {
        outcomes
            .get(&(kind.to_owned(), outcome))
            .copied()
            .unwrap_or(0)
    };
    for file in ["identity", "log", "table/current", "table/v"] {
        assert!(count(file, Outcome::Refused) > 0, "{file}: {outcomes:?}");
    }
    for file in ["table/tables", "table/blobs"] {
        assert!(count(file, Outcome::Noticed) > 0, "{file}: {outcomes:?}");
    }
    // Each of these exists twice.
    for file in ["config", "checkpoint", "watermark", "lock"] {
        assert_eq!(count(file, Outcome::Refused), 0, "{file}: {outcomes:?}");
    }
    println!("{outcomes:#?}");
}

/// A sector, or a page, that reads as zeros, or a file that ends early.
#[test]
fn lost_sectors_and_cut_files_are_an_error_or_harmless() {
    let sample = sample();
    let mut random = Random(12);
    for file in files_below(&sample.path()) {
        let bytes = length(&sample, &file);
        for (round, size) in [512, 4096, 512, 4096, u64::MAX, u64::MAX]
            .into_iter()
            .enumerate()
        {
            let start = random.below(bytes) / 512 * 512;
            let context = format!(
                "{size} bytes at {start} of {}, round {round}",
                file.display()
            );
            sample.damaged(&context, |path| {
                let path = path.join(&file);
                let mut contents = fs::read(&path).unwrap();
                if size == u64::MAX {
                    contents.truncate(start as usize);
                } else {
                    let end = bytes.min(start + size);
                    contents[start as usize..end as usize].fill(0);
                }
                fs::write(path, contents).unwrap();
            });
        }
    }
}

/// `lsm-tree` allocates by this number before it compares a checksum.
#[test]
fn damaged_tables_of_contents_do_not_end_the_process() {
    let sample = sample();
    let mut damaged = 0;
    for file in files_below(&sample.path()) {
        let contents = fs::read(sample.path().join(&file)).unwrap();
        let at = contents.windows(4).rposition(|window| window == b"TOC!");
        let (Some(at), true) = (at, file.starts_with("table")) else {
            continue;
        };
        let mut refused = 0;
        for bit in 0..8 {
            let context = format!("bit {bit} of the count in {}", file.display());
            let outcome = sample.damaged(&context, |path| {
                flip(&path.join(&file), at as u64 + 7, bit);
            });
            refused += usize::from(outcome == Outcome::Refused);
        }
        // A file that a merge has replaced may still lie there, and is never opened.
        assert!([0, 8].contains(&refused), "{}", file.display());
        damaged += refused;
    }
    assert!(damaged >= 16);
}

/// Both slots of a file that exists twice are more than one fault: an error, and never the
/// older of two records.
#[test]
fn files_that_exist_twice_are_lost_with_both() {
    let sample = sample();
    for (file, slots) in [
        ("config", [8, (128 << 10) + 8]),
        ("checkpoint", [8, (16 << 10) + 8]),
        ("watermark", [3, 4096 + 3]),
    ] {
        for damaged in [&slots[..1], &slots[1..], &slots[..]] {
            let context = format!("{file} at {damaged:?}");
            let outcome = sample.damaged(&context, |path| {
                for &slot in damaged {
                    flip(&path.join(file), slot, 3);
                }
            });
            let lost = damaged.len() == 2;
            let expected = if lost {
                Outcome::Refused
            } else {
                Outcome::Harmless
            };
            assert_eq!(outcome, expected, "{context}");
        }
    }
}
