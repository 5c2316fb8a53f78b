use std::time::Duration;

use quorate_register::{ClusterId, ConfigId, DiskBoots, Epoch, Identity, ReplicaError, ReplicaId};

use super::*;
use crate::membership::Location;

fn identity(number: u8) -> Identity {
    Identity {
        replica_id: ReplicaId::from_bytes([number; 16]),
        pod: format!("replica-{number}"),
        cluster_id: None,
        config: None,
        keys: 7,
        disk_full: false,
        admitted: true,
        boots: DiskBoots::default(),
        leaving: false,
    }
}

/// A store of three members, of which the first `silent` do not answer.
fn status(silent: u8) -> Status {
    let member = |number| MemberStatus {
        pod: format!("replica-{number}"),
        replica_id: ReplicaId::from_bytes([number; 16]),
        address: None,
        location: Location::default(),
        current: true,
        next: false,
        identity: match number < silent {
            true => Err(ReplicaError::TimedOut {
                waited: MEMBER_LIMIT,
            }),
            false => Ok(identity(number)),
        },
        latency: Duration::from_micros(1500),
    };
    Status {
        cluster_id: ClusterId::from_bytes([1; 16]),
        config_id: ConfigId::from_bytes([2; 16]),
        epoch: Epoch::default(),
        joint: false,
        members: (0..3).map(member).collect(),
        operations_in_flight: 1,
    }
}

#[test]
fn the_headline_says_whether_operations_go_on() {
    let full = {
        let mut status = status(1);
        let answer = status.members[1].identity.as_mut().expect("it answers");
        answer.disk_full = true;
        status
    };
    let waiting = {
        let mut status = status(1);
        let answer = status.members[1].identity.as_mut().expect("it answers");
        answer.admitted = false;
        status
    };
    let lost_next_group = {
        let mut status = status(0);
        status.members[0].next = true;
        status.members[0].identity = Err(ReplicaError::NotAdmitted);
        status
    };
    for (status, word, tone) in [
        (status(0), "healthy", Tone::Good),
        (status(1), "degraded", Tone::Warning),
        (status(2), "no quorum", Tone::Bad),
        (full, "read-only", Tone::Bad),
        (waiting, "no quorum", Tone::Bad),
        (lost_next_group, "no quorum", Tone::Bad),
    ] {
        let headline = headline(&status);
        assert!(headline.text.starts_with(word), "{}", headline.text);
        assert_eq!(headline.tone, tone);
    }
}

#[test]
fn members_show_why_they_are_silent_and_what_they_lack() {
    let status = status(1);
    let repair = MemberRepair {
        replica_id: status.members[1].replica_id,
        pod: "replica-1".into(),
        lag_buckets: Some(4),
        keys_copied: 0,
        in_step: None,
        problem: None,
    };
    let repair = RepairStatus {
        config: Some((status.epoch, status.config_id)),
        rounds: 1,
        members: vec![repair],
    };
    let content = content(&status, Some(&repair), None, Instant::now());
    let table = &content.tables[0];
    let cell = |row: usize, column| {
        let at = table.columns.iter().position(|it| *it == column);
        &*table.rows[row][at.expect("there is one")].text
    };
    assert!(cell(0, "State").starts_with("does not answer: "));
    assert_eq!(cell(0, "Answered in"), "-");
    assert_eq!(cell(1, "State"), "ok");
    assert_eq!(cell(1, "Answered in"), "1.50 ms");
    assert_eq!(cell(1, "Repair"), "lacks writes in 4 buckets");
    assert_eq!(cell(2, "Repair"), "not known yet");
    assert!(
        table
            .rows
            .iter()
            .all(|row| row.len() == table.columns.len())
    );
}

#[test]
fn a_change_shows_what_it_waits_for_or_how_far_it_is() {
    let text = |progress: &Progress| change(progress).remove(0).1.text;
    let moving = Progress {
        step: Step::Transferring,
        from: vec!["replica-0".into()],
        to: vec!["replica-0".into(), "replica-1".into()],
        keys: 12,
        bytes: 345,
        ..Progress::default()
    };
    assert_eq!(text(&Progress::default()), "none is under way here");
    let expected =
        "transferring: from replica-0 to replica-0, replica-1; 12 keys, 345 bytes transferred";
    assert_eq!(text(&moving), expected);
}
