//! A status for people.

use std::time::Duration;

use quorate_client::{MemberStatus, MembershipStatus, StatusResponse};

use super::Answer;
use super::verdict::{Health, Verdict, coordinators, has_no_config};
use crate::membership::sentence;
use crate::numbers::{counted, latency, thousands};
use crate::table::{Cell, Colour, Column, coloured, table};

/// So many digits of an id tell members apart; `--output json` has all.
const SHORT_ID: usize = 8;

/// The lines of a status as `answer` has it, `answers` being those of all coordinators.
pub(crate) fn status(
    answers: &[Answer],
    answer: &Answer,
    status: &StatusResponse,
    verdict: &Verdict,
    colours: bool,
) -> Vec<String> {
    let mut lines = vec![headline(answers, verdict, colours), String::new()];
    let label = |text: &str| coloured(&format!("{text:<10}"), Colour::Dim, colours);
    let joint = if status.joint {
        ", members are being changed"
    } else {
        ""
    };
    let StatusResponse {
        cluster_id,
        config_id,
        epoch,
        ..
    } = status;
    if !has_no_config(status) {
        lines.push(format!("{}{cluster_id}", label("cluster")));
        lines.push(format!(
            "{}{config_id}, epoch {epoch}{joint}",
            label("config")
        ));
    }
    if let Some(membership) = &status.membership {
        lines.push(format!("{}{}", label("change"), change(membership)));
    }
    let in_flight = match status.operations_in_flight {
        1 => "1 operation".to_owned(),
        number => format!("{} operations", thousands(number)),
    };
    lines.push(format!(
        "{}{}, version {}, {in_flight} in flight",
        label("seen by"),
        answer.endpoint,
        status.version
    ));
    if !has_no_config(status) {
        lines.push(String::new());
        lines.extend(members(status, colours));
    }
    if answers.len() > 1 {
        lines.push(String::new());
        lines.extend(endpoints(answers, colours));
    }
    lines
}

/// How far the members are as they should be.
fn change(membership: &MembershipStatus) -> String {
    let wanted = membership
        .wanted
        .map(|wanted| counted(u64::from(wanted), "member"));
    let wanted = wanted.map_or_else(String::new, |wanted| format!("; {wanted} wanted"));
    let last = match membership.last_change.as_str() {
        "" => String::new(),
        last => format!("; the last one {last}"),
    };
    format!("{}{wanted}{last}", sentence(membership))
}

fn headline(answers: &[Answer], verdict: &Verdict, colours: bool) -> String {
    let colour = match verdict.health {
        Health::Healthy => Colour::Green,
        Health::Degraded | Health::NotReady => Colour::Yellow,
        Health::ReadOnly | Health::NoQuorum => Colour::Red,
    };
    let word = coloured(verdict.health.word(), colour, colours);
    let answered = answers
        .iter()
        .filter(|answer| answer.status.is_ok())
        .count();
    let silent = coordinators(answered, answers.len());
    let silent = silent.map_or_else(String::new, |silent| format!("; {silent}"));
    format!("{word}: {}{silent}", verdict.reason)
}

fn members(status: &StatusResponse, colours: bool) -> Vec<String> {
    let mut columns = vec![
        Column::left("MEMBER"),
        Column::left("ADDRESS"),
        Column::left("REPLICA ID"),
    ];
    if status.joint {
        columns.push(Column::left("GROUP"));
    }
    columns.extend([
        Column::right("EPOCH", 0),
        Column::right("KEYS", 0),
        Column::right("ANSWER", 0),
        Column::left("REPAIR"),
        Column::left("STATE"),
    ]);
    let rows = status.members.iter().map(|member| row(member, status));
    table(&columns, &rows.collect::<Vec<_>>(), colours)
}

fn row(member: &MemberStatus, status: &StatusResponse) -> Vec<Cell> {
    let plain = |text: &str| (text.to_owned(), Colour::Plain);
    let if_reachable = |text: String, colour| match member.reachable {
        true => (text, colour),
        false => ("-".to_owned(), Colour::Dim),
    };
    let mut row = vec![
        (member.pod.clone(), Colour::Bold),
        plain(member.address.as_deref().unwrap_or("-")),
        plain(
            member
                .replica_id
                .get(..SHORT_ID)
                .unwrap_or(&member.replica_id),
        ),
    ];
    if status.joint {
        row.push(plain(match (member.current, member.next) {
            (true, true) => "both",
            (true, false) => "current",
            (false, true) => "next",
            (false, false) => "-",
        }));
    }
    let behind = member.epoch != status.epoch;
    let epoch = if behind {
        Colour::Yellow
    } else {
        Colour::Plain
    };
    let answer = latency(Duration::from_micros(member.latency_us));
    row.push(if_reachable(member.epoch.clone(), epoch));
    row.push(if_reachable(thousands(member.keys), Colour::Plain));
    row.push(if_reachable(answer, Colour::Plain));
    let (repair, colour) = match member.lag_buckets {
        None => ("not known".to_owned(), Colour::Dim),
        Some(0) => ("in step".to_owned(), Colour::Plain),
        Some(buckets) => (
            format!("lacks {}", counted(buckets, "bucket")),
            Colour::Yellow,
        ),
    };
    row.push(if_reachable(repair, colour));
    row.push(match (member.reachable, member.problem.as_str()) {
        (true, "") => ("ok".to_owned(), Colour::Green),
        (true, problem) => (problem.to_owned(), Colour::Yellow),
        (false, "") => ("unreachable".to_owned(), Colour::Red),
        (false, problem) if problem.starts_with("unreachable") => (problem.to_owned(), Colour::Red),
        (false, problem) => (format!("unreachable: {problem}"), Colour::Red),
    });
    row
}

fn endpoints(answers: &[Answer], colours: bool) -> Vec<String> {
    let columns = [
        Column::left("COORDINATOR"),
        Column::right("EPOCH", 0),
        Column::right("IN FLIGHT", 0),
        Column::left("STATE"),
    ];
    let rows = answers.iter().map(|answer| {
        let endpoint = (answer.endpoint.clone(), Colour::Bold);
        match &answer.status {
            Ok(status) => vec![
                endpoint,
                (status.epoch.clone(), Colour::Plain),
                (thousands(status.operations_in_flight), Colour::Plain),
                ("ok".to_owned(), Colour::Green),
            ],
            Err(error) => vec![
                endpoint,
                ("-".to_owned(), Colour::Dim),
                ("-".to_owned(), Colour::Dim),
                (answer.problem(error), Colour::Red),
            ],
        }
    });
    table(&columns, &rows.collect::<Vec<_>>(), colours)
}
