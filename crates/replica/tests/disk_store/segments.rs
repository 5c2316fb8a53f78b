//! How segments of the log are set aside.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_replica::disk::DiskStore;

use crate::hooked::{Action, HookedFiles};
use crate::support::{Pairs, assert_holds, batch, commit, open, open_with};

/// Names of the segments that were set aside without zeros.
type Allocated = Arc<Mutex<Vec<String>>>;

fn hooked(allocated: &Allocated) -> Arc<HookedFiles> {
    let allocated = allocated.clone();
    HookedFiles::new(move |action, path: &Path| {
        if action == Action::Allocate {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            allocated.lock().push(name);
        }
        Ok(())
    })
}

/// Commits some hundred batches of so many keys.
fn fill(store: &DiskStore, keys: u64, pairs: &mut Pairs, version: &mut u64) {
    for _ in 0..300 {
        *version += 1;
        let batch = batch(*version % 50..*version % 50 + keys, *version);
        commit(store, &batch).unwrap();
        pairs.extend(batch);
    }
}

#[test]
fn segments_for_long_frames_are_not_filled_with_zeros() {
    let folder = tempfile::tempdir().unwrap();
    let allocated = Allocated::default();
    let directory = open_with(hooked(&allocated), folder.path()).unwrap();
    let (mut pairs, mut version) = (Pairs::new(), 0);
    fill(directory.store(), 1, &mut pairs, &mut version);
    assert_eq!(*allocated.lock(), [""; 0], "short frames");
    fill(directory.store(), 20, &mut pairs, &mut version);
    let long = std::mem::take(&mut *allocated.lock());
    assert!(long.len() > 5, "{long:?}");
    // Two were set aside for frames as long as the last ones.
    fill(directory.store(), 1, &mut pairs, &mut version);
    let short = std::mem::take(&mut *allocated.lock());
    assert!(short.len() <= 2, "{short:?}");
    assert_holds(directory.store(), &pairs);
    drop(directory);

    // What recovery finds behind the frames of such a segment are zeros, as everywhere.
    let directory = open_with(hooked(&allocated), folder.path()).unwrap();
    fill(directory.store(), 20, &mut pairs, &mut version);
    assert!(!allocated.lock().is_empty());
    drop(directory);
    let directory = open(folder.path()).unwrap();
    assert_holds(directory.store(), &pairs);
}
