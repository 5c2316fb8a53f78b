//! A table for people.

use std::fmt::Write;

use super::number::number;
use crate::figures::Figure;
use crate::findings::{Bound, Finding};
use crate::machine::Machine;
use crate::outcome::{Compared, Outcome};

/// What is measured on.
pub(crate) fn opening(machine: &Machine) -> String {
    let mut text = format!(
        "{} and {} on {} x {}, Linux {}, {}",
        machine.quorate,
        machine.etcd,
        machine.processors,
        machine.processor_model,
        machine.kernel,
        machine.file_system
    );
    if machine.has_no_disk() {
        text.push_str("\nWARNING: this file system is memory, where syncing costs nothing");
    }
    text
}

/// Everything.
pub(crate) fn text(outcome: &Outcome) -> String {
    let mut text = opening(&outcome.machine);
    let settings = &outcome.settings;
    let extent = &settings.extent;
    let _ = write!(
        text,
        "\n{} rounds of {:?} after {:?} of warm-up, {} connections, {} coordinators; etcd is asked \
         at: {}.\nFigures are medians over the rounds; ratios are Quorate's to etcd's, with \
         those of single rounds behind.\n",
        extent.rounds,
        extent.duration,
        extent.warmup,
        settings.connections,
        settings.coordinators,
        settings.etcd_target
    );
    for compared in &outcome.cells {
        cell(&mut text, compared);
    }
    if !outcome.findings.is_empty() {
        let _ = writeln!(text, "\n{:<75} {:>9}  GOAL", "FURTHER", "VALUE");
    }
    for found in &outcome.findings {
        finding(&mut text, found);
    }
    let errors = outcome.errors();
    if errors > 0 {
        let _ = writeln!(text, "\nFAILED: {errors} operations failed; none may");
    }
    text
}

fn cell(text: &mut String, compared: &Compared) {
    let rate = compared.rate.map_or(String::new(), |rate| {
        format!(" of {} a second", number(rate.into()))
    });
    let title = format!("{}{rate}", compared.cell.title);
    let _ = writeln!(
        text,
        "\n{title:<38} {:>10} {:>10} {:>7}  {:<15} GOAL",
        "QUORATE", "ETCD", "RATIO", "ROUNDS"
    );
    let writes = compared.cell.asked.set_percent > 0;
    // What the disk writes while all only read is other programs'.
    let shown = Figure::ALL
        .iter()
        .filter(|figure| writes || !figure.is_of_writes());
    for figure in shown.copied() {
        let found = compared.comparison(figure);
        let goal = compared.goal(figure).map_or(String::new(), |goal| {
            let side = match figure.more_is_better() {
                true => "at least",
                false => "at most",
            };
            let verdict = verdict(goal.is_met(found.ratio));
            format!("{side} {}: {verdict}", number(goal.ratio))
        });
        let rounds = format!("{} to {}", number(found.least), number(found.most));
        let line = format!(
            "  {:<36} {:>10} {:>10} {:>7}  {rounds:<15} {goal}",
            figure.title(),
            number(found.quorate),
            number(found.etcd),
            number(found.ratio),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if compared.errors() > 0 {
        let example = compared.last_error().unwrap_or_default();
        let _ = writeln!(text, "  ERRORS: {}, such as {example}", compared.errors());
    }
}

fn finding(text: &mut String, found: &Finding) {
    let goal = found.bound.map_or(String::new(), |bound| {
        let (side, limit) = match bound {
            Bound::AtLeast(limit) => ("at least", limit),
            Bound::AtMost(limit) => ("at most", limit),
        };
        let verdict = verdict(bound.holds(found.value));
        format!("{side} {}: {verdict}", number(limit))
    });
    let value = format!("{} {}", number(found.value), found.unit);
    let line = format!("{:<75} {value:>9}  {goal}", found.subject);
    let _ = writeln!(text, "{}\n  {}", line.trim_end(), found.note);
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "NOT MET" }
}
