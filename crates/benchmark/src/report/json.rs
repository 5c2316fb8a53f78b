//! Everything, for programs.

use serde_json::{Value, json};

use crate::cell::{KeySet, Pace};
use crate::figures::Figure;
use crate::findings::Finding;
use crate::outcome::{Compared, Outcome};

/// All results as one object. What is no number is null.
pub(crate) fn json(outcome: &Outcome) -> Value {
    let cells = outcome.cells.iter().map(cell);
    let findings = outcome.findings.iter().map(finding);
    json!({
        "machine": outcome.machine,
        "settings": outcome.settings,
        "errors": outcome.errors(),
        "cells": cells.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
    })
}

fn cell(compared: &Compared) -> Value {
    let cell = compared.cell;
    let figures = Figure::ALL.map(|figure| {
        let found = compared.comparison(figure);
        let goal = compared.goal(figure);
        json!({
            "figure": figure,
            "title": figure.title(),
            "comparison": found,
            "goal": goal.map(|goal| goal.ratio),
            "met": goal.map(|goal| goal.is_met(found.ratio)),
        })
    });
    json!({
        "name": cell.name,
        "title": cell.title,
        "in_flight": match cell.pace {
            Pace::InFlight(count) => Some(count),
            Pace::FixedRate => None,
        },
        "operations_per_second": compared.rate,
        "set_percent": cell.asked.set_percent,
        "value_bytes": cell.asked.value_bytes,
        "keys": match cell.asked.keys {
            KeySet::Few => "few, uniform",
            KeySet::Many => "many, zipf",
        },
        "figures": figures,
        "rounds": {
            "quorate": compared.quorate,
            "etcd": compared.etcd,
        },
    })
}

fn finding(found: &Finding) -> Value {
    let mut value = serde_json::to_value(found).expect("its keys are texts");
    value["met"] = json!(found.bound.map(|bound| bound.holds(found.value)));
    value
}
