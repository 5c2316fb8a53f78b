//! Which members there should be next. Pure.

use quorate_register::{Config, MAX_GROUP_MEMBERS, Member, ReplicaId, majority};

/// A disk that answered, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The pod's name.
    pub pod: String,
    /// The disk.
    pub replica_id: ReplicaId,
    /// Whether it never held a config: only such a disk joins.
    pub virgin: bool,
    /// Whether it serves: its boot was admitted, or needs no admission.
    pub admitted: bool,
}

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The config operated under, which is active and not joint.
    pub config: &'a Config,
    /// The pods that should hold a member each; `None` while nobody knows.
    pub wanted: Option<&'a [String]>,
    /// The disks that answered.
    pub seen: &'a [Seen],
    /// Disks that took the place of a member's and were there for long enough to be swapped in.
    pub settled: &'a [ReplicaId],
    /// Members that must go for another reason: old copies of their disks, or a person's wish.
    pub leaving: &'a [ReplicaId],
    /// Fewer replicas than these are not taken for a wish.
    pub minimum: usize,
}

/// What to do about the members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// They are as they should be.
    Keep,
    /// Change to these.
    Change(Vec<Member>),
    /// They are not as they should be, and something must happen first.
    Blocked(Blocked),
}

/// Why the members are not as they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// One word of few, for metrics.
    pub reason: &'static str,
    /// A sentence that says what to do.
    pub message: String,
}

impl Blocked {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { reason, message }
    }
}

/// Decides which members there should be next (PROTOCOL rule "membership is agreed, not
/// observed"): a member that does not answer stays one; a pod that is not wanted any more leaves;
/// a new pod joins with all others that are to join, in one change; a disk that took the place
/// of a member's is swapped in once it is settled.
pub fn plan(situation: &Situation<'_>) -> Plan {
    let current = &situation.config.parts().current;
    let mut waits = Vec::new();
    let mut next = situation.next_group(&mut waits);
    let refused = situation.refused();
    if refused.is_some() || !waits.is_empty() {
        // What was lost is replaced meanwhile: nothing else grows or shrinks halfway.
        next = situation.with_swaps();
    }
    let same = |group: &[Member]| {
        let kept = group.iter().filter(|member| current.contains(member));
        kept.count() == group.len() && group.len() == current.len()
    };
    match () {
        () if !same(&next) => situation.possible(next),
        () if let Some(refused) = refused => Plan::Blocked(refused),
        () if waits.is_empty() => Plan::Keep,
        () => Plan::Blocked(Blocked::new("waiting_for_replicas", waits.join("; "))),
    }
}

impl Situation<'_> {
    /// Sizes that are never adopted.
    fn refused(&self) -> Option<Blocked> {
        let wanted = self.wanted?.len();
        let members = self.config.parts().current.len();
        if wanted == 0 {
            return Some(Blocked::new(
                "scaled_to_zero",
                format!(
                    "no replicas are wanted, and the {members} members stay members: scale up again, to at least {}",
                    self.minimum
                ),
            ));
        }
        if wanted < self.minimum {
            return Some(Blocked::new(
                "below_minimum",
                format!(
                    "{wanted} replicas are wanted, fewer than the minimum of {}: scale up, or lower the minimum first if that is meant",
                    self.minimum
                ),
            ));
        }
        (wanted > MAX_GROUP_MEMBERS).then(|| {
            Blocked::new(
                "above_maximum",
                format!("{wanted} replicas are wanted; a store has at most {MAX_GROUP_MEMBERS}"),
            )
        })
    }

    /// The group that is wanted; `waits` says what is missing for it.
    fn next_group(&self, waits: &mut Vec<String>) -> Vec<Member> {
        let Some(wanted) = self.wanted else {
            return self.with_swaps();
        };
        let mut next = Vec::with_capacity(wanted.len());
        for pod in wanted {
            if let Some(member) = self.member_in(pod) {
                next.extend(self.successor(member));
                continue;
            }
            match self.seen_in(pod) {
                Some(seen) if self.may_join(seen) => next.push(Member {
                    replica_id: seen.replica_id,
                    pod: pod.clone(),
                }),
                Some(seen) if seen.virgin && !seen.admitted => {
                    waits.push(format!("{pod} waits for its boot to be admitted"));
                }
                Some(seen) => waits.push(format!(
                    "{pod}: its disk, replica {}, was a member before; it joins once it is wiped",
                    seen.replica_id
                )),
                None => waits.push(format!("{pod} does not answer yet")),
            }
        }
        next
    }

    /// The current group, with lost disks replaced.
    fn with_swaps(&self) -> Vec<Member> {
        let current = self.config.parts().current.iter();
        current
            .filter_map(|member| self.successor(member))
            .collect()
    }

    /// Who takes the place of a member: itself, the disk that was put in its place, or nobody.
    fn successor(&self, member: &Member) -> Option<Member> {
        let leaves = self.leaving.contains(&member.replica_id);
        let stranger = self.seen_in(&member.pod);
        let stranger = stranger.filter(|seen| seen.replica_id != member.replica_id);
        match stranger {
            Some(seen)
                if self.may_join(seen) && (leaves || self.settled.contains(&seen.replica_id)) =>
            {
                Some(Member {
                    replica_id: seen.replica_id,
                    pod: member.pod.clone(),
                })
            }
            _ if leaves => None,
            _ => Some(member.clone()),
        }
    }

    fn member_in(&self, pod: &str) -> Option<&Member> {
        let mut current = self.config.parts().current.iter();
        current.find(|member| member.pod == pod)
    }

    fn seen_in(&self, pod: &str) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.pod == pod)
    }

    fn may_join(&self, seen: &Seen) -> bool {
        let retired = &self.config.parts().retired;
        seen.virgin
            && seen.admitted
            && !retired.contains(&seen.replica_id)
            && !self.config.lists(seen.replica_id)
    }

    fn answers(&self, member: &Member) -> bool {
        let seen = self.seen_in(&member.pod);
        seen.is_some_and(|seen| seen.replica_id == member.replica_id && seen.admitted)
    }

    /// The change, if a majority of both groups answers; it would only be given up otherwise.
    fn possible(&self, next: Vec<Member>) -> Plan {
        let current = &self.config.parts().current;
        for (name, group) in [("present", current), ("wanted", &next)] {
            let answering = group.iter().filter(|member| self.answers(member)).count();
            if answering < majority(group.len()) {
                return Plan::Blocked(Blocked::new(
                    "no_majority",
                    format!(
                        "{answering} of the {} {name} members answer, and {} are needed for a change: bring them back first",
                        group.len(),
                        majority(group.len()),
                    ),
                ));
            }
        }
        let twice = |(at, member): (usize, &Member)| {
            next[..at]
                .iter()
                .any(|other| other.replica_id == member.replica_id)
        };
        if next.iter().enumerate().any(twice) {
            return Plan::Blocked(Blocked::new(
                "misaddressed",
                "one replica answers under two names: correct the addresses",
            ));
        }
        Plan::Change(next)
    }
}

#[cfg(test)]
mod tests;
