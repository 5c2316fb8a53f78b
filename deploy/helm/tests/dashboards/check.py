"""Runs a store under load and faults and asks a real Prometheus every query of the dashboards.

Each query of each panel, variable and annotation must give data while the store is healthy, or
stand in expected.json with the reason why it gives none then; and each must give data once the
faults were there, at some time neither 0 nor infinite, or stand there with the reason why no fault
of this test can show it. When all processes ended no stat may look healthy. Every
metric that a dashboard names must exist, and every metric that exists must be on a dashboard, in
an alert rule, or in expected.json as deliberately neither.

    check.py BINARIES [RECORD]

BINARIES is the folder with quorate, quorate-coordinator and quorate-replica. RECORD is a file
for the series of all panels, from which pictures.py draws.
"""

import json
import math
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dashboard import Dashboard, metrics, substitute, threshold_colour
from prometheus import SCRAPE_SECONDS, Prometheus
from store import NAMESPACE, OTHER_RELEASE, RELEASE, Store, free_port, pause, resume

HERE = Path(__file__).parent
CHART = HERE.parent.parent / "quorate"
DASHBOARDS = ["overview", "coordinator", "replica", "kubernetes"]
HEALTHY_SECONDS = 20
FAULT_SECONDS = 8
UNKNOWN_ATTEMPTS = 8
# Alerts that fire at once, since the chart's wait for minutes.
RULE = {
    "groups": [
        {
            "name": "test",
            "rules": [
                {
                    "alert": "QuorateMemberSilent",
                    "expr": "min by (namespace, app_kubernetes_io_instance) (quorate_member_info) == 0",
                    "labels": {"severity": "warning"},
                },
                {
                    "alert": "QuorateMetricsAbsent",
                    "expr": f'absent(quorate_build_info{{namespace="{NAMESPACE}",app_kubernetes_io_instance="{RELEASE}"}})',
                    "labels": {"severity": "critical"},
                },
            ],
        }
    ]
}
TYPE = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)


def main():
    binaries = Path(sys.argv[1]).resolve()
    record = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    dashboards = [Dashboard(CHART / "dashboards" / f"{name}.json") for name in DASHBOARDS]
    problems = [problem for dashboard in dashboards for problem in dashboard.problems()]
    with tempfile.TemporaryDirectory(prefix="quorate-dashboards-") as folder:
        problems += run(binaries, Path(folder), dashboards, record)
    for problem in problems:
        print(f"dashboards: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)


def run(binaries: Path, folder: Path, dashboards: list, record: Path | None) -> list:
    """The problems that the running store shows."""
    rules = copied_rules(folder)
    fast = folder / "rule.yaml"
    fast.write_text(json.dumps(RULE))
    store = Store(binaries, folder)
    prometheus = None
    try:
        store.start()
        targets = store.targets()
        prometheus = Prometheus(folder / "prometheus", free_port(), targets, [*rules, fast])
        prometheus.wait_for_targets(len(targets))
        store.load(0, 4)
        store.load(1, 2)
        store.deletions()
        # The first of the load is no state that lasts.
        time.sleep(5)
        started = time.time()
        time.sleep(HEALTHY_SECONDS)
        healthy = time.time()
        restarted = cause_faults(store)
        ended = time.time()
        exported = exported_metrics(store, prometheus, started, ended)
        problems = [
            *lasting_effects(prometheus, ended),
            *restarts(prometheus, dashboards, (started, restarted + 20), store.replicas[2].pod),
            *ask_all(prometheus, dashboards, (started, healthy, ended), record),
            *compare_metrics(dashboards, exported, rules),
        ]
        store.stop()
        return [*problems, *looks_healthy(prometheus, dashboards, (started, ended))]
    except Exception:
        for log in sorted(folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()[-2000:]}", file=sys.stderr)
        raise
    finally:
        store.stop()
        if prometheus:
            prometheus.process.terminate()
            prometheus.process.wait()


def copied_rules(folder: Path) -> list:
    """The chart's rules with what the chart fills in."""
    filled = {
        "THE_NAMESPACE": NAMESPACE,
        "THE_RELEASE": RELEASE,
        "THE_OBJECTIVE": "0.999",
        "THE_RUNBOOKS": "https://quorate.example/docs/runbooks",
    }
    copies = []
    for rule in sorted((CHART / "rules").glob("*.yaml")):
        text = rule.read_text()
        for placeholder, value in filled.items():
            text = text.replace(placeholder, value)
        copies.append(folder / rule.name)
        copies[-1].write_text(text)
    return copies


def cause_faults(store: Store) -> float:
    """Everything that the panels must show, one after the other; when a process was started again."""

    def step(text):
        print(f"dashboards: {text}", flush=True)

    _, second, third, spare = store.replicas
    step("a replica hangs")
    pause(third)
    time.sleep(FAULT_SECONDS)
    step("more operations than are admitted, and a second one hangs amid them: no quorum")
    store.load(1, 400)
    for _ in range(UNKNOWN_ATTEMPTS):
        time.sleep(2)
        pause(second)
        time.sleep(FAULT_SECONDS)
        resume(second)
        # Only what is in its write phase when the second one hangs has an unknown outcome.
        if store.unknown_outcomes():
            break
    resume(third)
    time.sleep(FAULT_SECONDS)
    step("a replica is killed and started again")
    third.kill()
    store.write("lacking-")
    third.start()
    restarted = time.time()
    time.sleep(FAULT_SECONDS)
    step("a fourth member is wanted, and hangs at first and amid the change")
    pause(spare)
    time.sleep(2)
    store.scale(4)
    time.sleep(FAULT_SECONDS)
    resume(spare)
    store.wait_for_change()
    pause(spare)
    time.sleep(FAULT_SECONDS)
    resume(spare)
    try:
        store.scaling.wait(timeout=60)
    except subprocess.TimeoutExpired:
        # What is left of the change is found afterwards.
        pass
    time.sleep(2 * FAULT_SECONDS)
    return restarted


def lasting_effects(prometheus: Prometheus, end: float) -> list:
    """What the faults left behind in the metrics, which they must not."""
    problems = []
    for name, expression in (
        ("a change that ended is still shown", 'quorate_reconfiguration_step{step!="idle"} > 0'),
        ("the change did not end", "quorate_members{group='current'} == 3"),
        ("two groups are still counted", "quorate_config_joint > 0"),
        ("a member does not answer", "quorate_member_info == 0"),
        ("a replica does not know its space", "quorate_store_free_bytes == 0"),
    ):
        if series := prometheus.series(expression, end - 1, end):
            problems.append(f"{name}: {[one['metric'] for one in series]}")
    return problems


def restarts(prometheus: Prometheus, dashboards: list, times: tuple, pod: str) -> list:
    """A while after it the process that was started again is marked, and no other."""
    problems = []
    for dashboard in dashboards:
        values, _ = variable_values(prometheus, dashboard, *times)
        for query in dashboard.queries():
            if query.name.endswith("/annotation/Restarts"):
                expression = substitute(query.expression, values)
                series = prometheus.series(expression, times[1] - 1, times[1])
                if (marked := [one["metric"]["pod"] for one in series]) != [pod]:
                    problems.append(f"{query.name}: marks {marked} and not {pod}")
    return problems


def looks_healthy(prometheus: Prometheus, dashboards: list, times: tuple) -> list:
    """Stats that are green although all processes ended and no metrics are left."""
    time.sleep(8 * SCRAPE_SECONDS)
    now = time.time()
    problems = []
    for dashboard in dashboards:
        values, _ = variable_values(prometheus, dashboard, *times)
        for query in dashboard.queries():
            if not query.panel or query.panel["type"] != "stat":
                continue
            for one in prometheus.instant(substitute(query.expression, values), now):
                value, field = float(one["value"][1]), query.target["legendFormat"]
                if threshold_colour(query.panel, value, field) in ("green", "blue"):
                    problems.append(f"{query.name}: looks healthy without any metrics: {value}")
    return problems


def exported_metrics(store: Store, prometheus: Prometheus, start: float, end: float) -> dict:
    """The families that the processes exported at any time, with their types as far as known."""
    found = {}
    for process in store.processes():
        found.update(TYPE.findall(process.metrics()))
    histograms = {name for name, kind in found.items() if kind == "histogram"}
    own = '{__name__=~"(quorate|process)_.+"}'
    for name in prometheus.label_values(own, "__name__", start, end):
        for family in metrics(name, histograms):
            found.setdefault(family, "unknown")
    return found


def ask_all(prometheus: Prometheus, dashboards: list, times: tuple, record: Path | None) -> list:
    """The problems that the answers of Prometheus show."""
    expected = json.loads((HERE / "expected.json").read_text())
    silent, never = expected["empty_when_healthy"], expected["empty_here"]
    zero = expected["may_be_zero"]
    started, healthy, ended = times
    problems, recorded, names = [], [], set()
    for dashboard in dashboards:
        values, empty = variable_values(prometheus, dashboard, started, ended)
        problems += empty
        for query in dashboard.queries():
            names.add(query.name)
            expression = substitute(query.expression, values)
            series = prometheus.series(expression, started, ended)
            had_data = any(
                float(at) <= healthy and value != "NaN"
                for one in series
                for at, value in one["values"]
            )
            if not had_data and query.name not in {**silent, **never}:
                problems.append(f"{query.name}: no data while healthy: {expression}")
            if not series and query.name not in never:
                problems.append(f"{query.name}: no data under its fault: {expression}")
            if series and query.name in never:
                problems.append(f"{query.name}: listed as empty in this test, and was not")
            flat = bool(series) and not any(
                math.isfinite(float(value)) and float(value)
                for one in series
                for _, value in one["values"]
            )
            if flat and query.name not in zero:
                problems.append(f"{query.name}: nothing but 0 and infinity: {expression}")
            foreign = {one["metric"].get("pod", "") for one in series}
            if foreign := [pod for pod in foreign if pod.startswith(OTHER_RELEASE)]:
                problems.append(f"{query.name}: shows pods of another release: {foreign}")
            if query.panel:
                recorded.append({"name": query.name, "expression": expression, "series": series})
    unknown = sorted({*silent, *never, *zero} - names)
    problems += [f"expected.json: there is no query {name}" for name in unknown]
    print(f"dashboards: {len(names)} queries asked")
    if record:
        record.write_text(
            json.dumps({"start": started, "healthy": healthy, "end": ended, "queries": recorded})
        )
    return problems


def variable_values(prometheus: Prometheus, dashboard: Dashboard, start: float, end: float):
    """What Grafana puts in the place of the variables when everything is chosen."""
    values = {
        # As Grafana makes them while a point of a panel is shorter than a scrape.
        "__rate_interval": f"{4 * SCRAPE_SECONDS}s",
        "__interval": f"{SCRAPE_SECONDS}s",
    }
    problems = []
    for name, selector, label, multi in dashboard.variables():
        selector = substitute(selector, values)
        found = prometheus.label_values(selector, label, start, end)
        if not found:
            problems.append(f"{dashboard.name}: ${name} has no values: {selector}")
        elif len(found) > 1 and not multi:
            problems.append(f"{dashboard.name}: ${name} has several values: {found}")
        values[name] = f"({'|'.join(found)})" if multi else (found or [""])[0]
    return values, problems


def compare_metrics(dashboards: list, exported: dict, rules: list) -> list:
    """What is shown and does not exist, and the other way round."""
    expected = json.loads((HERE / "expected.json").read_text())
    histograms = {name for name, kind in exported.items() if kind == "histogram"}
    shown = set()
    for dashboard in dashboards:
        for query in dashboard.queries():
            shown |= metrics(query.expression, histograms)
    alerts = set()
    for rule in rules:
        alerts |= metrics(rule.read_text(), histograms)
    neither, absent = set(expected["neither"]), set(expected["not_exported_here"])
    problems = [
        f"{name} is on a dashboard, and nothing exports it"
        for name in sorted(shown - set(exported) - absent)
    ]
    problems += [
        f"{name} is exported, and neither on a dashboard nor in an alert rule"
        for name in sorted(set(exported) - shown - alerts - neither)
    ]
    problems += [
        f"{name} is listed as on no dashboard and in no alert rule, and is"
        for name in sorted(neither & (shown | alerts))
    ]
    print(f"dashboards: {len(exported)} metrics exported, {len(shown)} on dashboards")
    return problems


if __name__ == "__main__":
    main()
