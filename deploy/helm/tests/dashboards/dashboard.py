"""The queries in the dashboards' JSON, with values in the place of Grafana's variables."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

LABEL_VALUES = re.compile(r"label_values\((.*),\s*(\w+)\)$")
METRIC = re.compile(r"\b(?:quorate|process)_[a-z0-9_]+")
HISTOGRAM_SERIES = re.compile(r"_(bucket|sum|count)$")
# What a description names: a runbook, and a panel with its dashboard where that is another one.
RUNBOOK = re.compile(r"\bQuorate[A-Z]\w+")
PANEL = re.compile(r"\*([^*]+)\*(?: \((\w+)\))?")
SENTENCE_END = re.compile(r"[.?](?=\s|$)")
# A shorter description says nothing of what to do.
SHORTEST_DESCRIPTION = 60


@dataclass
class Query:
    """One query of a panel, a variable or an annotation."""

    name: str  # such as overview/Latency/A
    expression: str
    panel: dict | None = None
    target: dict | None = None


class Dashboard:
    """One file."""

    def __init__(self, path: Path):
        self.name = path.stem
        self.json = json.loads(path.read_text())
        self.panels = [panel for panel in self.json["panels"] if panel["type"] != "row"]

    def queries(self):
        """Those of its panels and annotations."""
        for panel in self.panels:
            for target in panel["targets"]:
                name = f"{self.name}/{panel['title']}/{target['refId']}"
                yield Query(name, target["expr"], panel, target)
        for annotation in self.json["annotations"]["list"]:
            yield Query(f"{self.name}/annotation/{annotation['name']}", annotation["expr"])

    def variables(self):
        """The names of its variables with the selector and the label that each lists."""
        for variable in self.json["templating"]["list"]:
            if variable["type"] == "query":
                selector, label = LABEL_VALUES.match(variable["definition"]).groups()
                yield variable["name"], selector, label, variable["multi"]

    def problems(self):
        """What breaks the rules for every dashboard, and for every panel."""
        if self.json["uid"] != f"quorate-{self.name}":
            yield f"{self.name}: its uid is not quorate-{self.name}"
        ids = [panel["id"] for panel in self.json["panels"]]
        if len(set(ids)) != len(ids):
            yield f"{self.name}: two panels have one id"
        titles = [panel["title"] for panel in self.panels]
        if len(set(titles)) != len(titles):
            yield f"{self.name}: two panels have one title"
        taken = {}
        for panel in self.json["panels"]:
            grid = panel["gridPos"]
            if grid["x"] + grid["w"] > 24:
                yield f"{self.name}/{panel['title']}: wider than the grid"
            for x in range(grid["x"], grid["x"] + grid["w"]):
                for y in range(grid["y"], grid["y"] + grid["h"]):
                    if (other := taken.setdefault((x, y), panel["title"])) != panel["title"]:
                        yield f"{self.name}/{panel['title']}: over {other}"
        for panel in self.panels:
            name = f"{self.name}/{panel['title']}"
            text = panel["description"]
            if len(text) < SHORTEST_DESCRIPTION or len(SENTENCE_END.findall(text)) < 2:
                yield f"{name}: does not say what it shows and what to do: {text}"
            if panel["type"] == "stat" and panel["options"]["colorMode"] == "none":
                yield f"{name}: has thresholds that nobody sees"
            if not panel["fieldConfig"]["defaults"]["unit"]:
                yield f"{name}: no unit"
            for target in panel["targets"]:
                for source in (panel["datasource"], target["datasource"]):
                    if source["uid"] != "$datasource":
                        yield f"{name}: not from $datasource"
                if panel["type"] == "stat" and (not target.get("instant") or target.get("range")):
                    yield f"{name}: would show the last value after its metrics are gone"
                if re.search(r"\brate\([^[]*\[(?!\$__rate_interval)", target["expr"]):
                    yield f"{name}: a rate without $__rate_interval"


def references(dashboards: list, runbooks: set):
    """What descriptions send to that is not there."""
    titles = {one.name: {panel["title"] for panel in one.panels} for one in dashboards}
    for dashboard in dashboards:
        for panel in dashboard.panels:
            name, text = f"{dashboard.name}/{panel['title']}", panel["description"]
            for runbook in RUNBOOK.findall(text):
                if runbook not in runbooks:
                    yield f"{name}: there is no runbook {runbook}"
            for title, other in PANEL.findall(text):
                if title not in titles.get(other or dashboard.name, ()):
                    yield f"{name}: there is no panel {title} on {other or dashboard.name}"


def lines(panel: dict) -> set:
    """The thresholds that a panel draws as lines."""
    defaults = panel["fieldConfig"]["defaults"]
    if defaults.get("custom", {}).get("thresholdsStyle", {}).get("mode") != "line":
        return set()
    return {step["value"] for step in defaults["thresholds"]["steps"]} - {None}


def legend(target: dict, labels: dict) -> str:
    """The name of a series."""
    text = target["legendFormat"]
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    return re.sub(r"{{\w+}}", "", text).strip()


def threshold_colour(panel: dict, value: float, field: str) -> str | None:
    """The colour of a value, by the thresholds of its field or of all."""
    config = panel["fieldConfig"]
    thresholds = config["defaults"]["thresholds"]
    for override in config["overrides"]:
        if override["matcher"] == {"id": "byName", "options": field}:
            for one in override["properties"]:
                if one["id"] == "thresholds":
                    thresholds = one["value"]
    colour = None
    for step in thresholds["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return colour


def substitute(text: str, values: dict) -> str:
    """The text with values for $name, the longest names first."""
    for name in sorted(values, key=len, reverse=True):
        text = text.replace(f"${name}", values[name])
    return text


def metrics(expression: str, histograms: set) -> set:
    """The metrics of the program that an expression names."""
    names = set()
    for name in METRIC.findall(expression):
        family = HISTOGRAM_SERIES.sub("", name)
        names.add(family if family in histograms else name)
    return names
