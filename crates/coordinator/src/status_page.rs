//! The status for people with a browser.

use async_trait::async_trait;
use quorate_register::majority;
use quorate_runtime::admin::{Cell, StatusContent, StatusPage, StatusTable, Tone};
use tokio::time::Instant;

use crate::reconfiguration::{Progress, Step};
use crate::repair::{MemberRepair, RepairStatus};
use crate::status::MEMBER_LIMIT;
use crate::{MemberStatus, Role, Status};

#[async_trait]
impl StatusPage for Role {
    async fn content(&self) -> StatusContent {
        let Some(status) = self.coordinator.status(MEMBER_LIMIT).await else {
            let problem = self.coordinator.membership().why_not_ready();
            return StatusContent {
                headline: Cell::new(problem, Tone::Bad),
                ..StatusContent::default()
            };
        };
        let repair = self
            .repairer
            .as_ref()
            .map(|it| it.status().borrow().clone());
        let progress = self.reconfigurer.as_ref();
        let progress = progress.map(|it| it.progress().borrow().clone());
        content(&status, repair.as_ref(), progress.as_ref(), Instant::now())
    }
}

fn content(
    status: &Status,
    repair: Option<&RepairStatus>,
    progress: Option<&Progress>,
    now: Instant,
) -> StatusContent {
    let joint = if status.joint { ", being changed" } else { "" };
    let mut facts = vec![
        ("Cluster", Cell::plain(status.cluster_id.to_string())),
        ("Config", Cell::plain(status.config_id.to_string())),
        ("Epoch", Cell::plain(format!("{}{joint}", status.epoch))),
        ("In flight", Cell::plain(operations(status))),
    ];
    if let Some(progress) = progress {
        facts.extend(change(progress));
    }
    let members = status.members.iter().map(|member| {
        let known = repair.filter(|it| it.config.is_some_and(|(_, id)| id == status.config_id));
        let mut known = known.iter().flat_map(|it| &it.members);
        let repair = known.find(|it| it.replica_id == member.replica_id);
        row(member, status, repair, now)
    });
    StatusContent {
        headline: headline(status),
        facts,
        tables: vec![StatusTable {
            title: "Members",
            columns: vec![
                "Member",
                "State",
                "Group",
                "Epoch",
                "Answered in",
                "Keys",
                "Repair",
                "Address",
            ],
            rows: members.collect(),
        }],
    }
}

fn operations(status: &Status) -> String {
    match status.operations_in_flight {
        1 => "1 operation".to_owned(),
        number => format!("{number} operations"),
    }
}

/// Whether a majority of each group serves. A member that refuses writes counts for reads only.
fn headline(status: &Status) -> Cell {
    let serving = |member: &MemberStatus| matches!(&member.identity, Ok(it) if it.admitted);
    let writing = |member: &MemberStatus| serving(member) && !member_disk_full(member);
    let groups: [fn(&MemberStatus) -> bool; 2] = [|it| it.current, |it| it.next];
    let reaches = |able: &dyn Fn(&MemberStatus) -> bool| {
        groups.iter().all(|is_in| {
            let group = || status.members.iter().filter(|it| is_in(it));
            let of = group().count();
            of == 0 || group().filter(|it| able(it)).count() >= majority(of)
        })
    };
    let (answer, all) = (
        status.members.iter().filter(|it| serving(it)).count(),
        status.members.len(),
    );
    if !reaches(&serving) {
        let text = format!("no quorum: {answer} of {all} members serve; operations fail");
        Cell::new(text, Tone::Bad)
    } else if !reaches(&writing) {
        Cell::new(
            "read-only: the disks of too many members are full",
            Tone::Bad,
        )
    } else if answer < all || status.members.iter().any(member_disk_full) {
        let text = format!("degraded: {answer} of {all} members serve; operations go on");
        Cell::new(text, Tone::Warning)
    } else {
        Cell::new(format!("healthy: all {all} members serve"), Tone::Good)
    }
}

fn member_disk_full(member: &MemberStatus) -> bool {
    matches!(&member.identity, Ok(it) if it.disk_full)
}

/// How far the members are as they should be.
fn change(progress: &Progress) -> Vec<(&'static str, Cell)> {
    let mut facts = Vec::new();
    if let Some(wanted) = progress.wanted {
        facts.push(("Members wanted", Cell::plain(wanted.to_string())));
    }
    facts.push(match (&progress.blocked, progress.step) {
        (Some(blocked), _) => (
            "Change",
            Cell::new(format!("waiting: {}", blocked.message), Tone::Warning),
        ),
        (None, Step::Idle) => ("Change", Cell::plain("none is under way here")),
        (None, step) => {
            let (from, to) = (progress.from.join(", "), progress.to.join(", "));
            let (step, keys, bytes) = (step.word(), progress.keys, progress.bytes);
            let text =
                format!("{step}: from {from} to {to}; {keys} keys, {bytes} bytes transferred");
            ("Change", Cell::plain(text))
        }
    });
    if let Some(last) = &progress.last {
        let (ending, epoch, keys) = (last.ending.word(), last.epoch, last.keys);
        let took = last.took.as_secs_f64();
        let text = format!("{ending} with epoch {epoch} in {took:.1} s; {keys} keys transferred");
        facts.push(("Last change", Cell::plain(text)));
    }
    facts
}

fn row(
    member: &MemberStatus,
    status: &Status,
    repair: Option<&MemberRepair>,
    now: Instant,
) -> Vec<Cell> {
    let (state, epoch, keys) = match &member.identity {
        Err(error) => (
            Cell::new(format!("does not answer: {error}"), Tone::Bad),
            Cell::plain("-"),
            "-".to_owned(),
        ),
        Ok(identity) => {
            let state = if !identity.admitted {
                Cell::new("not admitted: it serves nothing", Tone::Bad)
            } else if identity.disk_full {
                Cell::new("disk nearly full: refuses writes", Tone::Bad)
            } else {
                Cell::new("ok", Tone::Good)
            };
            let held = identity.config.as_ref().map(|held| held.config.epoch());
            let epoch = match held {
                Some(epoch) if epoch == status.epoch => Cell::plain(epoch.to_string()),
                Some(epoch) => Cell::new(format!("{epoch}, not the config's"), Tone::Warning),
                None => Cell::new("holds no config", Tone::Warning),
            };
            (state, epoch, identity.keys.to_string())
        }
    };
    let latency = match member.identity {
        Ok(_) => format!("{:.2} ms", member.latency.as_secs_f64() * 1e3),
        Err(_) => "-".to_owned(),
    };
    let group = match (member.current, member.next) {
        (true, true) => "both",
        (true, false) => "current",
        (false, true) => "next",
        (false, false) => "-",
    };
    vec![
        Cell::plain(&*member.pod),
        state,
        Cell::plain(group),
        epoch,
        Cell::plain(latency),
        Cell::plain(keys),
        repair.map_or_else(|| Cell::plain("not known yet"), |it| lag(it, now)),
        Cell::plain(member.address.as_deref().unwrap_or("-")),
    ]
}

/// How far repair says that a member is behind.
fn lag(repair: &MemberRepair, now: Instant) -> Cell {
    if let Some(problem) = &repair.problem {
        return Cell::new(format!("cannot compare: {problem}"), Tone::Warning);
    }
    match (repair.lag_buckets, repair.in_step) {
        (Some(0), Some(at)) => {
            let seconds = now.saturating_duration_since(at).as_secs();
            Cell::new(format!("in step {seconds} s ago"), Tone::Good)
        }
        (Some(buckets), _) if buckets > 0 => {
            Cell::new(format!("lacks writes in {buckets} buckets"), Tone::Warning)
        }
        _ => Cell::plain("not known yet"),
    }
}

#[cfg(test)]
mod tests;
