//! Every way in which the last frame of the log may be torn.

use std::fs;
use std::path::{Path, PathBuf};

use quorate_replica::disk::OpenError;

use crate::support::{
    Pairs, Random, assert_holds, batch, commit, copy_directory, open, open_without_syncs, scan,
};

/// A directory with a last frame, in pieces.
struct LastFrame {
    _folder: tempfile::TempDir,
    /// Without the frame, and with a watermark before it.
    before: PathBuf,
    /// What was acknowledged before, and with the frame.
    pairs_before: Pairs,
    pairs_after: Pairs,
    /// The segment with the frame, and where it lies.
    segment: PathBuf,
    contents: Vec<u8>,
    frame: std::ops::Range<usize>,
    /// The watermark that knows the frame.
    watermark: Vec<u8>,
    /// The watermark from before all frames, as a power loss may leave it.
    first_watermark: Vec<u8>,
}

fn last_frame() -> LastFrame {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let before = folder.path().join("before");
    let directory = open(&path).unwrap();
    let first_watermark = fs::read(path.join("watermark")).unwrap();
    let mut pairs_before = Pairs::new();
    for version in 1..=4 {
        let pairs = batch(version..version + 6, version);
        commit(directory.store(), &pairs).unwrap();
        pairs_before.extend(pairs);
    }
    copy_directory(&path, &before);
    let segment = PathBuf::from("log/0000000001.log");
    let old = fs::read(path.join(&segment)).unwrap();
    let mut pairs_after = pairs_before.clone();
    let pairs = batch(3..9, 5);
    commit(directory.store(), &pairs).unwrap();
    pairs_after.extend(pairs);
    let contents = fs::read(path.join(&segment)).unwrap();
    let changed = |(new, old): (&u8, &u8)| new != old;
    let mut bytes = contents.iter().zip(&old);
    let start = bytes.position(changed).unwrap();
    let end = contents.len() - contents.iter().rev().position(|&byte| byte != 0).unwrap();
    let watermark = fs::read(path.join("watermark")).unwrap();
    drop(directory);
    LastFrame {
        _folder: folder,
        before,
        pairs_before,
        pairs_after,
        segment,
        contents,
        frame: start..end,
        watermark,
        first_watermark,
    }
}

impl LastFrame {
    /// The directory as a power loss leaves it when `reached` says which bytes of the frame
    /// reached the disk.
    fn torn(&self, path: &Path, reached: impl Fn(usize) -> bool) {
        copy_directory(&self.before, path);
        let mut contents = self.contents.clone();
        for index in self.frame.clone() {
            if !reached(index) {
                contents[index] = 0;
            }
        }
        fs::write(path.join(&self.segment), contents).unwrap();
    }

    /// Opening gives all that was there before, then goes on.
    fn check(&self, path: &Path, whole: bool, context: &str) {
        let expected = if whole {
            &self.pairs_after
        } else {
            &self.pairs_before
        };
        let directory =
            open_without_syncs(path).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(
            &scan(directory.store(), 1000).unwrap(),
            expected,
            "{context}"
        );
        let mut expected = expected.clone();
        let pairs = batch([0, 50], 6);
        commit(directory.store(), &pairs).unwrap();
        expected.extend(pairs);
        drop(directory);
        assert_holds(open_without_syncs(path).unwrap().store(), &expected);
    }
}

#[test]
fn a_frame_cut_at_any_byte_is_cut_off() {
    let last = last_frame();
    for cut in last.frame.start..=last.frame.end {
        let folder = tempfile::tempdir().unwrap();
        last.torn(folder.path(), |index| index < cut);
        let whole = cut == last.frame.end;
        last.check(
            folder.path(),
            whole,
            &format!("cut at {cut} of {:?}", last.frame),
        );
    }
}

#[test]
fn a_frame_of_which_any_sectors_reached_the_disk_is_cut_off() {
    let last = last_frame();
    for seed in 0..100 {
        let folder = tempfile::tempdir().unwrap();
        let size = [1, 16, 64][seed as usize % 3];
        let missing = Random(seed).next();
        let reached = |index: usize| missing & (1 << ((index / size) % 64)) == 0;
        // Bytes that are zero are the same whether they reached the disk or not.
        let whole = last
            .frame
            .clone()
            .all(|index| reached(index) || last.contents[index] == 0);
        last.torn(folder.path(), reached);
        last.check(folder.path(), whole, &format!("seed {seed}"));
    }
}

/// Even when the power took the watermark: a later frame proves that an earlier one was synced.
#[test]
fn a_damaged_frame_with_another_behind_it_is_missed() {
    let last = last_frame();
    for at in (0..last.frame.start).step_by(7) {
        let folder = tempfile::tempdir().unwrap();
        last.torn(folder.path(), |_| true);
        let path = folder.path().join(&last.segment);
        let mut contents = fs::read(&path).unwrap();
        contents[at] ^= 0x10;
        fs::write(path, contents).unwrap();
        fs::write(folder.path().join("watermark"), &last.first_watermark).unwrap();
        let error = open_without_syncs(folder.path()).err().unwrap();
        assert!(
            error.to_string().contains("behind it was synced"),
            "{error}"
        );
    }
    // Undamaged, the log is read although the watermark knows nothing of it.
    let folder = tempfile::tempdir().unwrap();
    last.torn(folder.path(), |_| true);
    fs::write(folder.path().join("watermark"), &last.first_watermark).unwrap();
    last.check(folder.path(), true, "first watermark");
}

#[test]
fn a_frame_that_was_synced_is_missed() {
    let last = last_frame();
    for cut in last.frame.clone().step_by(7) {
        let folder = tempfile::tempdir().unwrap();
        last.torn(folder.path(), |index| index < cut);
        fs::write(folder.path().join("watermark"), &last.watermark).unwrap();
        let error = open_without_syncs(folder.path()).err().unwrap();
        assert!(matches!(error, OpenError::LostDisk { .. }), "{error}");
        assert!(error.to_string().contains("frame 5 was synced"), "{error}");
    }
}
