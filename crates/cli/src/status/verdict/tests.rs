use super::*;

fn member(reachable: bool, current: bool, next: bool) -> MemberStatus {
    MemberStatus {
        reachable,
        current,
        next,
        ..MemberStatus::default()
    }
}

fn verdict(reachable: usize, members: usize) -> (Health, usize, String) {
    let members = (0..members).map(|at| member(at < reachable, true, false));
    let verdict = Verdict::of(&StatusResponse {
        members: members.collect(),
        ..StatusResponse::default()
    });
    (verdict.health, verdict.margin, verdict.reason)
}

#[test]
fn a_majority_decides_for_1_to_7_members() {
    for members in 1..=7_usize {
        let majority = members / 2 + 1;
        for reachable in 0..=members {
            let (health, margin, _) = verdict(reachable, members);
            let expected = match reachable {
                all if all == members => Health::Healthy,
                most if most >= majority => Health::Degraded,
                _ => Health::NoQuorum,
            };
            assert_eq!(health, expected, "{reachable} of {members}");
            assert_eq!(margin, reachable.saturating_sub(majority));
        }
    }
    let empty = Verdict::of(&StatusResponse {
        config_id: "c".to_owned(),
        ..StatusResponse::default()
    });
    assert_eq!(empty.health, Health::NoQuorum);
}

#[test]
fn says_what_it_means() {
    let reason = |reachable, members| verdict(reachable, members).2;
    assert_eq!(reason(3, 3), "3 of 3 members reachable, 1 more may be lost");
    assert_eq!(
        reason(2, 3),
        "2 of 3 members reachable, no more may be lost"
    );
    assert_eq!(
        reason(1, 3),
        "1 of 3 members reachable, and 2 are needed: operations fail"
    );
    assert_eq!(coordinators(2, 2), None);
    assert_eq!(
        coordinators(1, 2).as_deref(),
        Some("1 of 2 coordinators gave no answer")
    );
}

#[test]
fn each_group_of_a_joint_config_needs_its_own_majority() {
    let joint = |members: &[(bool, bool, bool)]| {
        let members = members.iter().map(|&(r, c, n)| member(r, c, n));
        Verdict::of(&StatusResponse {
            joint: true,
            members: members.collect(),
            ..StatusResponse::default()
        })
    };
    // One member is replaced by another; the two that stay are enough.
    let stay = [(true, true, true), (true, true, true)];
    let verdict = joint(&[stay[0], stay[1], (false, true, false), (true, false, true)]);
    assert_eq!(verdict.health, Health::Degraded);
    assert_eq!(
        verdict.reason,
        "2 of 3 members of the current group and 3 of 3 members of the next group \
         reachable, no more may be lost"
    );
    // Three of the four do not help when two of one group are missing.
    let verdict = joint(&[
        (true, true, false),
        (false, true, true),
        (true, false, true),
        (true, false, true),
    ]);
    assert_eq!(verdict.health, Health::NoQuorum);
    assert!(
        verdict
            .reason
            .contains("and 2 of the current group are needed")
    );
}

/// A verdict on members that answered, some of which refuse writes.
fn full(refusing: usize, members: usize) -> Verdict {
    let members = (0..members).map(|at| MemberStatus {
        pod: format!("replica-{at}"),
        refuses_writes: at < refusing,
        problem: if at < refusing { "disk full" } else { "" }.to_owned(),
        ..member(true, true, false)
    });
    Verdict::of(&StatusResponse {
        members: members.collect(),
        ..StatusResponse::default()
    })
}

#[test]
fn members_that_refuse_writes_count_as_missing_to_writes() {
    for members in 1..=7_usize {
        let majority = members / 2 + 1;
        for refusing in 0..=members {
            let verdict = full(refusing, members);
            let writable = members - refusing;
            let expected = match writable {
                all if all == members => Health::Healthy,
                most if most >= majority => Health::Degraded,
                _ => Health::ReadOnly,
            };
            assert_eq!(verdict.health, expected, "{writable} of {members}");
            assert_eq!(verdict.margin, writable.saturating_sub(majority));
        }
    }
}

#[test]
fn problems_of_members_that_answered_are_said() {
    let degraded = full(1, 3).reason;
    let expected = "3 of 3 members reachable, no more may be lost; replica-0: disk full";
    assert_eq!(degraded, expected);
    let read_only = full(2, 3).reason;
    let expected = "3 of 3 members reachable, 1 of 3 members take writes, and 2 are needed: \
                    sets and deletes fail; replica-0: disk full; replica-1: disk full";
    assert_eq!(read_only, expected);
    // One that is wrong otherwise takes part all the same.
    let odd = MemberStatus {
        pod: "replica-0".to_owned(),
        problem: "odd".to_owned(),
        ..member(true, true, false)
    };
    let verdict = Verdict::of(&StatusResponse {
        members: vec![odd, member(true, true, false), member(true, true, false)],
        ..StatusResponse::default()
    });
    assert_eq!((verdict.health, verdict.margin), (Health::Degraded, 1));
    let expected = "3 of 3 members reachable, 1 more may be lost; replica-0: odd";
    assert_eq!(verdict.reason, expected);
}

#[test]
fn too_few_reachable_members_weigh_more_than_full_ones() {
    let full = MemberStatus {
        refuses_writes: true,
        ..member(true, true, false)
    };
    let gone = member(false, true, false);
    let verdict = Verdict::of(&StatusResponse {
        members: vec![full, gone.clone(), gone],
        ..StatusResponse::default()
    });
    assert_eq!(verdict.health, Health::NoQuorum);
    let expected = "1 of 3 members reachable, and 2 are needed: operations fail; \
                    : it refuses writes";
    assert_eq!(verdict.reason, expected);
}

#[test]
fn while_no_config_is_known_the_coordinator_says_why() {
    let problem = "no config is known yet (a: unreachable)";
    let verdict = Verdict::of(&StatusResponse {
        problem: problem.to_owned(),
        ..StatusResponse::default()
    });
    assert_eq!(verdict.health, Health::NotReady);
    assert_eq!(verdict.reason, problem);
}
