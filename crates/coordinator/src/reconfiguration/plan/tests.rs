use quorate_register::{ClusterId, ConfigId, ConfigParts, Epoch};

use super::*;

fn id(n: u8) -> ReplicaId {
    ReplicaId::from_bytes([n; 16])
}

fn pod(ordinal: u8) -> String {
    format!("replica-{ordinal}")
}

/// Replica `n` in the pod of ordinal `n`, unless written as (ordinal, n).
fn member(ordinal: u8, n: u8) -> Member {
    Member {
        replica_id: id(n),
        pod: pod(ordinal),
    }
}

fn config(members: &[u8], retired: &[u8]) -> Config {
    let group: Vec<_> = members.iter().map(|&n| member(n, n)).collect();
    Config::new(ConfigParts {
        cluster_id: ClusterId::from_bytes([1; 16]),
        id: ConfigId::from_bytes([2; 16]),
        ancestors: Vec::new(),
        epoch: Epoch {
            recovery: 0,
            number: 1,
        },
        current: group,
        next: None,
        activators: Vec::new(),
        retired: retired.iter().map(|&n| id(n)).collect(),
    })
    .unwrap()
}

fn old(ordinal: u8, n: u8) -> Seen {
    Seen {
        pod: pod(ordinal),
        replica_id: id(n),
        virgin: false,
        admitted: true,
    }
}

fn new(ordinal: u8, n: u8) -> Seen {
    Seen {
        virgin: true,
        ..old(ordinal, n)
    }
}

struct Case {
    config: Config,
    wanted: Option<Vec<String>>,
    seen: Vec<Seen>,
    settled: Vec<ReplicaId>,
    leaving: Vec<ReplicaId>,
    minimum: usize,
}

/// Members 0 to 2, which all answer, and as many wanted.
fn case(wanted: u8) -> Case {
    Case {
        config: config(&[0, 1, 2], &[]),
        wanted: Some((0..wanted).map(pod).collect()),
        seen: (0..3).map(|n| old(n, n)).collect(),
        settled: Vec::new(),
        leaving: Vec::new(),
        minimum: 1,
    }
}

impl Case {
    fn plan(&self) -> Plan {
        plan(&Situation {
            config: &self.config,
            wanted: self.wanted.as_deref(),
            seen: &self.seen,
            settled: &self.settled,
            leaving: &self.leaving,
            minimum: self.minimum,
        })
    }

    fn reason(&self) -> &'static str {
        match self.plan() {
            Plan::Blocked(blocked) => blocked.reason,
            other => panic!("not blocked but {other:?}"),
        }
    }

    fn next(&self) -> Vec<Member> {
        match self.plan() {
            Plan::Change(next) => next,
            other => panic!("no change but {other:?}"),
        }
    }
}

#[test]
fn nothing_changes_while_the_members_are_as_wanted() {
    assert_eq!(case(3).plan(), Plan::Keep);
    let mut unknown = case(3);
    unknown.wanted = None;
    assert_eq!(unknown.plan(), Plan::Keep);
}

#[test]
fn a_member_that_does_not_answer_stays() {
    let mut case = case(3);
    case.seen.truncate(1);
    assert_eq!(case.plan(), Plan::Keep);
}

#[test]
fn all_that_are_to_join_join_at_once() {
    let mut case = case(5);
    case.seen.extend([new(3, 3)]);
    assert_eq!(case.reason(), "waiting_for_replicas");
    case.seen.extend([new(4, 4)]);
    let joined: Vec<_> = (0..5).map(|n| member(n, n)).collect();
    assert_eq!(case.next(), joined);
}

#[test]
fn those_that_are_not_wanted_leave_at_once() {
    assert_eq!(case(1).next(), [member(0, 0)]);
    let mut down = case(1);
    // Two of three must answer for a change, and the one that stays among them.
    down.seen.remove(2);
    assert_eq!(down.next(), [member(0, 0)]);
    down.seen.remove(0);
    assert_eq!(down.reason(), "no_majority");
}

#[test]
fn sizes_that_are_never_adopted() {
    assert_eq!(case(0).reason(), "scaled_to_zero");
    let mut low = case(2);
    low.minimum = 3;
    assert_eq!(low.reason(), "below_minimum");
    assert_eq!(case(32).reason(), "above_maximum");
    // Meanwhile a disk that was lost is replaced all the same.
    low.seen[1] = new(1, 9);
    low.settled.push(id(9));
    assert_eq!(low.next(), [member(0, 0), member(1, 9), member(2, 2)]);
    assert!(
        matches!(case(2).plan(), Plan::Change(_)),
        "an even size is allowed"
    );
}

#[test]
fn a_lost_disk_is_swapped_once_its_successor_is_settled() {
    let mut case = case(3);
    case.seen[1] = new(1, 9);
    assert_eq!(case.plan(), Plan::Keep);
    case.settled = vec![id(9)];
    let swapped = [member(0, 0), member(1, 9), member(2, 2)];
    assert_eq!(case.next(), swapped);
    // Also while a larger size waits for its replicas.
    case.wanted = Some((0..5).map(pod).collect());
    assert_eq!(case.next(), swapped);
    // Never a disk that held a config, or an id that was a member's once.
    case.seen[1] = old(1, 9);
    assert_eq!(case.reason(), "waiting_for_replicas");
    case.seen[1] = new(1, 9);
    case.config = config(&[0, 1, 2], &[9]);
    assert_eq!(case.reason(), "waiting_for_replicas");
}

#[test]
fn whoever_is_to_leave_leaves_and_its_pod_joins_again_with_a_new_disk() {
    let mut case = case(3);
    case.leaving = vec![id(1)];
    assert_eq!(case.next(), [member(0, 0), member(2, 2)]);
    case.config = config(&[0, 2], &[1]);
    assert_eq!(case.reason(), "waiting_for_replicas", "until it is wiped");
    case.seen[1] = new(1, 9);
    case.leaving.clear();
    assert_eq!(case.next(), [member(0, 0), member(1, 9), member(2, 2)]);
}

#[test]
fn one_replica_under_two_names_never_joins() {
    let mut case = case(5);
    case.seen.extend([new(3, 3), new(4, 3)]);
    assert_eq!(case.reason(), "misaddressed");
}
