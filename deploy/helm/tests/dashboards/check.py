"""Runs a store under load and faults and asks a real Prometheus every query of the dashboards.

Each query of each panel, variable and annotation must give data while the store is healthy, or
stand in expected.json with the reason why it gives none then; and each must give data once the
faults were there, at some time neither 0 nor infinite, or stand there with the reason why no fault
of this test can show it. Who does not answer must be named, and nobody else. When all processes
ended no stat may look healthy. Every metric that a dashboard names must exist, and every metric
that exists must be on a dashboard, in an alert rule, or in expected.json as deliberately neither.
Each alert of the chart has its threshold drawn, or stands there with the reason why not.

    check.py BINARIES [RECORD]

BINARIES is the folder with quorate, quorate-coordinator and quorate-replica. RECORD is a file
for the series of all panels, from which pictures.py draws.
"""

import json
import math
import re
import shutil
import subprocess
import sys
import textwrap
import tempfile
import time
from pathlib import Path

from dashboard import Dashboard, legend, lines, metrics, references, substitute, threshold_colour
from prometheus import SCRAPE_SECONDS, Prometheus
from store import NAMESPACE, OTHER_RELEASE, RELEASE, Store, free_port, pause, resume

HERE = Path(__file__).parent
CHART = HERE.parent.parent / "quorate"
DASHBOARDS = ["overview", "coordinator", "replica", "kubernetes"]
HEALTHY_SECONDS = 20
FAULT_SECONDS = 8
UNKNOWN_ATTEMPTS = 8
RUNBOOKS = HERE.parents[3] / "docs" / "runbooks"
# Those that tell of a state, which ends with it.
STATES = {"QuorateMemberMissing", "QuorateNoMarginLeft", "QuorateNoQuorum"}
# It looks at six hours of this machine's disk, of which there are minutes.
UNTOUCHED = {"QuorateDiskFilling"}
ALERT = re.compile(r"(- alert: )(\w+)(\n.*?\n *for: )(\S+)", re.DOTALL)
TYPE = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)


def main():
    binaries = Path(sys.argv[1]).resolve()
    record = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    dashboards = [Dashboard(CHART / "dashboards" / f"{name}.json") for name in DASHBOARDS]
    problems = [problem for dashboard in dashboards for problem in dashboard.problems()]
    problems += references(dashboards, {page.stem for page in RUNBOOKS.glob("*.md")})
    problems += alert_lines(dashboards)
    with tempfile.TemporaryDirectory(prefix="quorate-dashboards-") as folder:
        problems += run(binaries, Path(folder), dashboards, record)
    for problem in problems:
        print(f"dashboards: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)


def run(binaries: Path, folder: Path, dashboards: list, record: Path | None) -> list:
    """The problems that the running store shows."""
    rules = chart_rules(folder)
    store = Store(binaries, folder)
    prometheus = None
    try:
        store.start()
        targets = store.targets()
        prometheus = Prometheus(folder / "prometheus", free_port(), targets, rules)
        prometheus.wait_for_targets(len(targets))
        store.load(0, 4)
        store.load(1, 2)
        store.deletions()
        # The first of the load is no state that lasts.
        time.sleep(5)
        started = time.time()
        time.sleep(HEALTHY_SECONDS)
        healthy = time.time()
        moments = cause_faults(store, prometheus)
        ended = time.time()
        problems = [
            *lasting_effects(prometheus, ended),
            *who_is_named(
                prometheus, dashboards, store, {"healthy": healthy, "end": ended, **moments}
            ),
            *restarts(
                prometheus, dashboards, (started, moments["restarted"] + 20), store.replicas[2].pod
            ),
        ]
        # What pictures show is a store in trouble, and people look at it then.
        pause(store.replicas[2])
        store.wait_for_answers(store.coordinators[0], store.replicas[2], False)
        time.sleep(FAULT_SECONDS)
        last = time.time()
        # A scrape that waits now is over before it could be answered after all.
        time.sleep(2 * SCRAPE_SECONDS)
        resume(store.replicas[2])
        exported = exported_metrics(store, prometheus, started, last)
        problems += [
            *ask_all(prometheus, dashboards, (started, healthy, last), record),
            *compare_metrics(dashboards, exported, rules),
        ]
        ended = last
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


def chart_rules(folder: Path) -> list:
    """The chart's rules, which helm renders where it is installed, with their `for` shortened."""
    texts = {rule.name: rule.read_text() for rule in sorted((CHART / "rules").glob("*.yaml"))}
    if shutil.which("helm"):
        command = ["helm", "template", RELEASE, str(CHART), f"--namespace={NAMESPACE}"]
        command += ["--set=monitoring.prometheusRule.enabled=true"]
        command += ["--show-only=templates/monitoring/prometheusrule.yaml"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        manifests = done.stdout.split("\nspec:\n")[1:]
        specs = [textwrap.dedent(manifest.split("\n---")[0]) for manifest in manifests]
        texts = dict(zip(texts, specs, strict=True))
    else:
        print("dashboards: helm is not installed; its part is done by the test", flush=True)
    filled = {
        "THE_NAMESPACE": NAMESPACE,
        "THE_RELEASE": RELEASE,
        "THE_OBJECTIVE": "0.999",
        "THE_RUNBOOKS": "https://quorate.example/docs/runbooks",
    }
    copies = []
    for name, text in texts.items():
        for placeholder, value in filled.items():
            text = text.replace(placeholder, value)
        copies.append(folder / name)
        copies[-1].write_text(ALERT.sub(shortened, text))
    return copies


def shortened(alert: re.Match) -> str:
    """An alert that waits for a second only."""
    head, name, middle, _ = alert.groups()
    return alert.group() if name in UNTOUCHED else f"{head}{name}{middle}1s"


def alert_lines(dashboards: list) -> list:
    """What a panel draws otherwise than the alert has it; each alert has its line or a reason."""
    text = (CHART / "rules" / "alerts.yaml").read_text()
    alerts = {name: middle.rpartition("\n")[0] for _, name, middle, _ in ALERT.findall(text)}
    listed = json.loads((HERE / "expected.json").read_text())["alert_lines"]
    problems = [f"alert_lines: {name}: listed or alert only" for name in set(alerts) ^ set(listed)]
    panels = {f"{one.name}/{panel['title']}": panel for one in dashboards for panel in one.panels}
    for alert, where in listed.items():
        for name, value in where.items() if isinstance(where, dict) else ():
            # Of whole numbers, the first that is above.
            limits = [f"[<>=] {value}", *([f"> {value - 1}"] if value == 1 else [])]
            if not any(re.search(rf"{one}(\s|\)|$)", alerts.get(alert, "")) for one in limits):
                problems.append(f"{name}: {value} is not the threshold of {alert}")
            if name not in panels or value not in lines(panels[name]):
                problems.append(f"{name}: no line at {value}, where {alert} begins")
    return problems


def cause_faults(store: Store, prometheus: Prometheus) -> dict:
    """Everything that the panels must show, one after the other; when each was to be seen."""
    moments = {}

    def step(text):
        print(f"dashboards: {text}", flush=True)

    first, second, third, spare = store.replicas
    near, far = store.coordinators
    step("answers of one replica do not reach one coordinator")
    store.link.cut()
    store.wait_for_answers(far, first, False)
    time.sleep(FAULT_SECONDS)
    moments["cut"] = time.time()
    store.link.mend()
    store.wait_for_answers(far, first, True)
    step("a replica hangs")
    pause(third)
    for coordinator in (near, far):
        store.wait_for_answers(coordinator, third, False)
    time.sleep(FAULT_SECONDS)
    moments["hangs"] = time.time()
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
    # Every coordinator must have found it, however busy this machine is.
    pause(second)
    prometheus.wait_for_alert("QuorateNoQuorum")
    resume(second)
    resume(third)
    time.sleep(FAULT_SECONDS)
    step("a replica is killed and started again")
    third.kill()
    store.copy_disk(third)
    store.write("lacking-")
    third.start()
    moments["restarted"] = time.time()
    time.sleep(FAULT_SECONDS)
    step("an old copy of its disk is put back: it is not admitted until it has its own again")
    store.exchange_disk(third)
    for coordinator in (near, far):
        coordinator.wait_for_metric('quorate_unadmitted_replicas{state="amnesiac"}', "1")
    time.sleep(FAULT_SECONDS)
    store.exchange_disk(third)
    for coordinator in (near, far):
        coordinator.wait_for_metric('quorate_unadmitted_replicas{state="amnesiac"}', "0")
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
    return moments


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


def shown(prometheus: Prometheus, dashboards: list, panel: str, at: float) -> list:
    """What a panel shows at a time: the name, the labels and the value of each series."""
    found = []
    for dashboard in dashboards:
        values, _ = variable_values(prometheus, dashboard, at - 60, at)
        for query in dashboard.queries():
            if query.panel and query.name.startswith(f"{panel}/"):
                for one in prometheus.instant(substitute(query.expression, values), at):
                    name = legend(query.target, one["metric"])
                    found.append((name, one["metric"], float(one["value"][1])))
    return found


def who_is_named(prometheus: Prometheus, dashboards: list, store: Store, moments: dict) -> list:
    """Whether the dashboards name who is missing, nobody else, and nobody while all is well."""
    first, third, far = store.replicas[0].pod, store.replicas[2].pod, store.coordinators[1].pod
    names = {"healthy": "none", "end": "none", "cut": f"{first} not to {far}", "hangs": third}
    cells = {
        "cut": {f"{far} → {first}"},
        "hangs": {f"{one.pod} → {third}" for one in store.coordinators},
    }
    states = {"hangs": {("QuorateMemberMissing", third), ("QuorateNoMarginLeft", None)}}
    problems = []

    def judge(what, moment, seen, expected):
        if seen != expected:
            problems.append(f"{what}: {moment}: {seen} and not {expected}")

    for moment, name in names.items():

        def panel(title, at=moments[moment]):
            return shown(prometheus, dashboards, title, at)

        silent = "overview/Members that do not answer"
        judge(silent, moment, [name for name, _, _ in panel(silent)], [name])
        reached = "coordinator/Reachability"
        red = {name for name, _, value in panel(reached) if not value}
        judge(reached, moment, red, cells.get(moment, set()))
        fire = "overview/Alerts that fire"
        alerts = {
            (labels["alertname"], labels.get("member", labels.get("pod")))
            for _, labels, _ in panel(fire)
        }
        of_states = {alert for alert in alerts if alert[0] in STATES}
        judge(fire, moment, of_states, states.get(moment, set()))
        if moment == "hangs" and ("QuorateTargetDown", third) not in alerts:
            problems.append(f"{fire}: no QuorateTargetDown of {third}: {alerts}")
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
    silent, unless = expected["empty_when_healthy"], expected["empty_unless"]
    zero = expected["may_be_zero"]
    started, healthy, ended = times
    never = {
        name
        for name, condition in unless.items()
        if not prometheus.series(condition, started, ended)
    }
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
            if not had_data and query.name not in {*silent, *never}:
                problems.append(f"{query.name}: no data while healthy: {expression}")
            if not series and query.name not in never:
                problems.append(f"{query.name}: no data under its fault: {expression}")
            if series and query.name in never:
                problems.append(f"{query.name}: has data without {unless[query.name]}")
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
            one = {"name": query.name, "expression": expression, "series": series}
            if query.target and query.target.get("instant"):
                one["instant"] = prometheus.instant(expression, ended)
            recorded.append(one)
    unknown = sorted({*silent, *unless, *zero} - names)
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
