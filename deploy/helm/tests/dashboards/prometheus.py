"""A real Prometheus and questions to it."""

import json
import math
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

SCRAPE_SECONDS = 1


class Prometheus:
    """A server with its data in a folder, which scrapes targets: (job, address, labels)."""

    def __init__(self, folder: Path, port: int, targets: list, rules: list):
        folder.mkdir()
        jobs = {}
        for job, address, labels in targets:
            jobs.setdefault(job, []).append({"targets": [address], "labels": labels})
        config = {
            "global": {
                "scrape_interval": f"{SCRAPE_SECONDS}s",
                "evaluation_interval": f"{SCRAPE_SECONDS}s",
            },
            "rule_files": [str(rule) for rule in rules],
            "scrape_configs": [
                {"job_name": job, "honor_labels": job == "kubelet", "static_configs": groups}
                for job, groups in jobs.items()
            ],
        }
        # JSON is YAML.
        file = folder / "prometheus.yml"
        file.write_text(json.dumps(config, indent=2))
        self.log = folder / "log"
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )

    def ask(self, path: str, **parameters):
        """The data of an answer of the HTTP API."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=120) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{error.read().decode()}: {parameters}") from None

    def wait_for_targets(self, count: int):
        """Waits until so many targets were scraped."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                targets = self.ask("targets")["activeTargets"]
                if sum(target["health"] == "up" for target in targets) >= count:
                    return
            except (OSError, RuntimeError):
                # It is starting: it does not listen, or says 503.
                pass
            time.sleep(0.2)
        raise RuntimeError(
            f"Prometheus did not scrape {count} targets within a minute: {self.log.read_text()[-2000:]}"
        )

    def wait_for_alert(self, name: str):
        """Until it fires."""
        firing = f'ALERTS{{alertname="{name}",alertstate="firing"}}'
        deadline = time.monotonic() + 60
        while not self.instant(firing, time.time()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} does not fire")
            time.sleep(SCRAPE_SECONDS)

    def label_values(self, selector: str, label: str, start: float, end: float) -> list:
        """What Grafana's label_values gives."""
        return self.ask(f"label/{label}/values", start=start, end=end, **{"match[]": selector})

    def instant(self, expression: str, at: float) -> list:
        """The values of an expression at one time; those without a number are none."""
        result = self.ask("query", query=expression, time=at)["result"]
        return [one for one in result if is_number(one["value"][1])]

    def series(self, expression: str, start: float, end: float) -> list:
        """The series of an expression over a time; those without a number are none."""
        parameters = {"query": expression, "start": start, "end": end, "step": SCRAPE_SECONDS}
        result = self.ask("query_range", **parameters)["result"]
        return [one for one in result if any(is_number(value) for _, value in one["values"])]


def is_number(text: str) -> bool:
    """+Inf is one: the age of what was never heard of."""
    return not math.isnan(float(text))
