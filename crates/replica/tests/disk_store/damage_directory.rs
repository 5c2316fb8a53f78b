//! Folders that are not, not quite, or no longer a data directory.

use std::fs;

use quorate_replica::disk::OpenError;

use crate::support::{Counting, batch, commit, files_below, open, small};

#[test]
fn a_foreign_folder_is_refused_and_left_alone() {
    for names in [
        &["notes.txt"][..],
        &["config", "HEAD"],
        &["log", "src"],
        &["initialising", "x"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(folder.path().join(name), "mine").unwrap();
        }
        let error = open(folder.path()).err().unwrap();
        assert!(matches!(error, OpenError::NotQuorate { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("is not a Quorate data directory: it contains")
        );
        assert!(!error.to_string().contains('\n'));
        let left: Vec<_> = files_below(folder.path());
        assert_eq!(left.len(), names.len(), "{left:?}");
    }
}

#[test]
fn what_file_systems_and_people_leave_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    let replica_id = open(folder.path()).unwrap().replica_id();
    fs::write(folder.path().join("core.123"), "").unwrap();
    assert_eq!(open(folder.path()).unwrap().replica_id(), replica_id);
}

#[test]
fn another_format_is_named() {
    // The format before large values had files of their own, and one to come.
    for format in [2u32, 7] {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()).unwrap());
        let path = folder.path().join("identity");
        let mut bytes = fs::read(&path).unwrap();
        bytes[8..12].copy_from_slice(&format.to_be_bytes());
        let checksum = crc32c::crc32c(&bytes[..12]).to_be_bytes();
        bytes[12..16].copy_from_slice(&checksum);
        bytes.extend(b"whatever another version writes");
        fs::write(&path, bytes).unwrap();
        let error = open(folder.path()).err().unwrap();
        let path = folder.path().display();
        assert_eq!(
            error.to_string(),
            format!(
                "{path} has data format {format}; this program reads format 3 only: use the program of the other format"
            )
        );
    }
}

#[test]
fn a_disk_that_lost_its_identity_gets_no_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(folder.path()).unwrap();
    commit(directory.store(), &batch(0..5, 1)).unwrap();
    drop(directory);
    fs::remove_file(folder.path().join("identity")).unwrap();
    for _ in 0..2 {
        let error = open(folder.path()).err().unwrap();
        let path = folder.path().join("identity");
        assert_eq!(
            error.to_string(),
            format!(
                "{} is damaged: the file is missing; this replica's disk counts as lost",
                path.display()
            )
        );
    }
}

#[test]
fn an_interrupted_initialisation_is_wiped_and_gets_a_new_identity() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap().replica_id();
    let marker = "Quorate initialises this folder and wipes it if interrupted.\n";
    fs::write(folder.path().join("initialising"), marker).unwrap();
    let entropy = Counting::from(1000);
    let directory =
        quorate_replica::disk::DataDirectory::open(folder.path(), &small(), &entropy).unwrap();
    assert_ne!(directory.replica_id(), first);
    assert!(!folder.path().join("initialising").exists());
    drop(directory);
    fs::write(folder.path().join("initialising"), "something else").unwrap();
    assert!(matches!(
        open(folder.path()),
        Err(OpenError::LostDisk { .. })
    ));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&file).err().unwrap().to_string();
    assert!(error.contains(&file.display().to_string()), "{error}");
    let error = open(&file.join("below")).err().unwrap().to_string();
    assert!(error.contains(&file.display().to_string()), "{error}");
}
