//! Disks that are set aside, when nothing goes on without them.

use quorate_register::{Config, MemberSet};

use super::{AdmissionState, Admissions};

impl Admissions {
    /// Why nothing goes on, and what a person can do, if so many disks of members are set aside that
    /// the others make no quorum of `config`. Without a config, if any disk is set aside: then it may
    /// be what a config lacks to be proven active.
    pub fn obstacle(&self, config: Option<&Config>) -> Option<String> {
        let aside = |state: &AdmissionState| {
            matches!(state, AdmissionState::Amnesiac(_) | AdmissionState::Unknown)
        };
        let aside = self.pods.iter().filter(|pod| aside(&pod.state));
        let aside: Vec<_> = match config {
            Some(config) => aside.filter(|pod| config.lists(pod.replica_id)).collect(),
            None => aside.collect(),
        };
        let others = |config: &Config| -> MemberSet {
            let members = config.members().iter().enumerate();
            let is_aside = |id| aside.iter().any(|pod| pod.replica_id == id);
            let others = members.filter(|(_, member)| !is_aside(member.replica_id));
            others.map(|(index, _)| index).collect()
        };
        let enough = config.is_some_and(|config| config.quorums().reached(others(config)));
        if aside.is_empty() || enough {
            return None;
        }
        let pods: Vec<_> = aside.iter().map(|pod| &*pod.pod).collect();
        Some(format!(
            "too many disks are set aside, since they may be old copies or the boot counters are: \
             {}. Bring back the disks or the counters; or, if these are the newest there are, run \
             `quorate recover --accept-restored-disks {}`, which may lose what was written after \
             copies were taken",
            pods.join(", "),
            pods.join(",")
        ))
    }

    /// Why the replica in this pod is not admitted, if it was looked at and is not.
    pub fn why_not(&self, pod: &str) -> Option<&AdmissionState> {
        let found = self.pods.iter().find(|found| found.pod == pod)?;
        (found.state != AdmissionState::Admitted).then_some(&found.state)
    }
}

#[cfg(test)]
mod tests {
    use quorate_register::{Member, ReplicaId};
    use quorate_runtime::SystemEntropy;

    use super::*;
    use crate::membership::PodAdmission;

    fn config(members: u8) -> Config {
        let member = |n: u8| Member {
            replica_id: ReplicaId::from_bytes([n; 16]),
            pod: format!("r-{n}"),
        };
        let members = (0..members).map(member).collect();
        Config::first(members, &SystemEntropy).unwrap()
    }

    fn admissions(aside: &[u8], others: &[u8]) -> Admissions {
        let of = |pods: &[u8], state: AdmissionState| -> Vec<_> {
            let one = |&n: &u8| PodAdmission {
                pod: format!("r-{n}"),
                replica_id: ReplicaId::from_bytes([n; 16]),
                state: state.clone(),
            };
            pods.iter().map(one).collect()
        };
        let mut pods = of(aside, AdmissionState::Unknown);
        pods.extend(of(others, AdmissionState::Admitted));
        Admissions { pods }
    }

    #[test]
    fn a_minority_is_no_obstacle() {
        assert_eq!(admissions(&[0], &[1, 2]).obstacle(Some(&config(3))), None);
        assert_eq!(admissions(&[], &[0, 1, 2]).obstacle(None), None);
        // That of no member.
        assert_eq!(admissions(&[7, 8, 9], &[]).obstacle(Some(&config(3))), None);
    }

    #[test]
    fn a_majority_is_named_in_the_command_that_accepts_it() {
        let command = "quorate recover --accept-restored-disks r-0,r-2`";
        for config in [Some(&config(3)), None] {
            let obstacle = admissions(&[0, 2], &[1]).obstacle(config).unwrap();
            assert!(obstacle.contains(command), "{obstacle}");
        }
    }
}
