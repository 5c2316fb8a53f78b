//! What a status means. Pure.

use quorate_client::{MemberStatus, StatusResponse};

use crate::numbers::counted;

/// How a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// Every member can be reached, and has no problem.
    Healthy,
    /// Operations succeed, yet a member is missing or has a problem.
    Degraded,
    /// Too few members take writes: no set or delete can succeed.
    ReadOnly,
    /// No operation can succeed.
    NoQuorum,
    /// The coordinator knows no config, so that no operation can succeed.
    NotReady,
}

impl Health {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::ReadOnly => "read-only",
            Self::NoQuorum => "no quorum",
            Self::NotReady => "not ready",
        }
    }
}

/// How a store is, and why that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) health: Health,
    /// How many members can be reached, what follows from it, and what is wrong with those
    /// that can.
    pub(crate) reason: String,
    /// How many more may be lost, whichever they are, before operations fail.
    pub(crate) margin: usize,
}

/// How many of a group can be reached.
struct Group {
    name: &'static str,
    members: usize,
    reachable: usize,
    /// Of the reachable ones.
    writable: usize,
}

impl Group {
    fn of(name: &'static str, members: &[&MemberStatus]) -> Self {
        let reachable = || members.iter().filter(|member| member.reachable);
        Self {
            name,
            members: members.len(),
            reachable: reachable().count(),
            writable: reachable().filter(|member| !member.refuses_writes).count(),
        }
    }

    fn majority(&self) -> usize {
        quorate_register::majority(self.members)
    }

    /// How many may be lost before writes fail, which reads do not do earlier; none if they
    /// fail as it is.
    fn margin(&self) -> usize {
        self.writable.saturating_sub(self.majority())
    }

    /// ` of the current group`, if there are two.
    fn suffix(&self, joint: bool) -> String {
        match joint {
            true => format!(" of the {} group", self.name),
            false => String::new(),
        }
    }
}

impl Verdict {
    /// That of a status: each group needs its own majority.
    pub(crate) fn of(status: &StatusResponse) -> Self {
        if has_no_config(status) {
            return Self {
                health: Health::NotReady,
                reason: match status.problem.as_str() {
                    "" => "no config is known yet".to_owned(),
                    problem => problem.to_owned(),
                },
                margin: 0,
            };
        }
        let in_group = |is_in: fn(&&MemberStatus) -> bool| -> Vec<_> {
            status.members.iter().filter(is_in).collect()
        };
        let mut groups = vec![Group::of("current", &in_group(|member| member.current))];
        if status.joint {
            groups.push(Group::of("next", &in_group(|member| member.next)));
        }
        let problems = problems(status);
        let all = groups.iter().all(|group| group.reachable == group.members);
        // A group without members, which no config has, must not count as healthy.
        let unread = groups.iter().find(|it| it.reachable < it.majority());
        let unwritten = groups.iter().find(|it| it.writable < it.majority());
        let health = match (unread, unwritten) {
            (Some(_), _) => Health::NoQuorum,
            (None, Some(_)) => Health::ReadOnly,
            (None, None) if all && problems.is_empty() => Health::Healthy,
            (None, None) => Health::Degraded,
        };
        let margin = groups.iter().map(Group::margin).min().unwrap_or(0);
        let consequence = match (unread.or(unwritten), health) {
            (Some(group), Health::ReadOnly) => format!(
                "{} of {}{} take writes, and {} are needed: sets and deletes fail",
                group.writable,
                counted(group.members as u64, "member"),
                group.suffix(status.joint),
                group.majority()
            ),
            (Some(group), _) => format!(
                "and {}{} are needed: operations fail",
                group.majority(),
                group.suffix(status.joint)
            ),
            (None, _) if margin == 0 => "no more may be lost".to_owned(),
            (None, _) => format!("{margin} more may be lost"),
        };
        let counts = groups.iter().map(|group| {
            let Group {
                members, reachable, ..
            } = group;
            let suffix = group.suffix(status.joint);
            format!("{reachable} of {members} members{suffix}")
        });
        let counts = counts.collect::<Vec<_>>().join(" and ");
        Self {
            health,
            reason: format!("{counts} reachable, {consequence}{problems}"),
            margin,
        }
    }
}

/// Whether the coordinator knows of no store: then it says its version, and why.
pub(crate) fn has_no_config(status: &StatusResponse) -> bool {
    status.config_id.is_empty() && status.members.is_empty()
}

/// What is wrong with members that answered, each after a semicolon.
fn problems(status: &StatusResponse) -> String {
    let members = status.members.iter().filter(|member| member.reachable);
    let problems = members.filter_map(|member| {
        let problem = match member.problem.as_str() {
            "" if member.refuses_writes => "it refuses writes",
            "" => return None,
            problem => problem,
        };
        Some(format!("; {}: {problem}", member.pod))
    });
    problems.collect()
}

/// What is said of the coordinators when not all of them answered.
pub(crate) fn coordinators(answered: usize, asked: usize) -> Option<String> {
    let silent = asked.checked_sub(answered).filter(|silent| *silent > 0)?;
    let asked = counted(asked as u64, "coordinator");
    Some(format!("{silent} of {asked} gave no answer"))
}

#[cfg(test)]
mod tests;
