//! Files, or frames, that are missing as a whole.

use std::fs;
use std::path::Path;

use crate::sample::{Outcome, Sample, kind, sample};
use crate::support::{copy_directory, files_below, open};

/// What remains of the log looks as if the frame had never been.
#[test]
fn a_frame_that_vanished_as_a_whole_is_an_error() {
    let sample = sample();
    let logs = files_below(&sample.path());
    let mut frames = 0;
    for file in logs.iter().filter(|file| kind(file) == "log") {
        let contents = fs::read(sample.path().join(file)).unwrap();
        let starts: Vec<_> = contents
            .windows(4)
            .enumerate()
            .filter(|(_, window)| window == b"QLog")
            .map(|(index, _)| index)
            .collect();
        for (index, &start) in starts.iter().enumerate() {
            let end = starts.get(index + 1).copied().unwrap_or(contents.len());
            let context = format!("bytes {start}..{end} of {}", file.display());
            let outcome = sample.damaged(&context, |path| {
                let mut contents = contents.clone();
                contents[start..end].fill(0);
                fs::write(path.join(file), contents).unwrap();
            });
            assert_eq!(outcome, Outcome::Refused, "{context}");
            frames += 1;
        }
    }
    assert!(frames > 5);
}

/// A table from before the checkpoint, sound in itself, has not all that left the log.
#[test]
fn an_older_table_is_an_error() {
    let sample = sample();
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let outcome = sample.damaged("an empty table", |path| {
        fs::remove_dir_all(path.join("table")).unwrap();
        copy_directory(&folder.path().join("table"), &path.join("table"));
    });
    assert_eq!(outcome, Outcome::Refused);
}

#[test]
fn a_missing_file_is_an_error() {
    let sample = sample();
    let (mut tables_needed, mut blobs_needed) = (0, 0);
    for file in files_below(&sample.path()) {
        let context = format!("without {}", file.display());
        let outcome = sample.damaged(&context, |path| fs::remove_file(path.join(&file)).unwrap());
        // A file that a merge has replaced may still lie there, and nothing names it any more.
        let needed = match kind(&file).as_str() {
            "table/tables" => Some(&mut tables_needed),
            "table/blobs" => Some(&mut blobs_needed),
            _ => None,
        };
        if let Some(needed) = needed {
            assert_ne!(outcome, Outcome::Noticed, "{context}");
            *needed += usize::from(outcome == Outcome::Refused);
            continue;
        }
        // The segments are one that is sealed, the one written to, and perhaps a spare.
        let newest = file.extension().is_some_and(|e| e == "log") && is_spare(&sample, &file);
        let harmless = kind(&file) == "lock" || newest;
        let expected = if harmless {
            Outcome::Harmless
        } else {
            Outcome::Refused
        };
        assert_eq!(outcome, expected, "{context}");
    }
    assert!(tables_needed > 0 && blobs_needed > 0);
    for folder in ["log", "table", "table/tables", "table/blobs"] {
        let outcome = sample.damaged(folder, |path| {
            fs::remove_dir_all(path.join(folder)).unwrap()
        });
        assert_eq!(outcome, Outcome::Refused, "without {folder}");
    }
}

fn is_spare(sample: &Sample, segment: &Path) -> bool {
    let contents = fs::read(sample.path().join(segment)).unwrap();
    contents.iter().all(|&byte| byte == 0)
}
