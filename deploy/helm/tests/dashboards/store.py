"""A store of separate processes under load, and the faults it meets."""

import http.server
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

NAMESPACE = "test"
RELEASE = "quorate"
# Its name begins as ours does.
OTHER_RELEASE = "quorate-b"
JOB = "test/quorate"
REPLICAS = 4
MEMBERS = 3


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A role as a process, with the labels that Kubernetes would give its metrics."""

    def __init__(self, store: "Store", component: str, pod: str, arguments: list, environment=None):
        self.store, self.component, self.pod = store, component, pod
        self.listen, self.admin = free_port(), free_port()
        self.command = [
            str(store.binaries / f"quorate-{component}"),
            f"--listen=127.0.0.1:{self.listen}",
            f"--admin-listen=127.0.0.1:{self.admin}",
            *arguments,
        ]
        self.environment = {**os.environ, **(environment or {})}
        self.child = None

    def start(self):
        """Starts it, again if it ended."""
        log = (self.store.folder / f"{self.pod}.log").open("a")
        self.child = subprocess.Popen(
            self.command, stdout=log, stderr=log, env=self.environment
        )

    def signal(self, number):
        """Sends it a signal."""
        self.child.send_signal(number)

    def kill(self):
        """Ends it as a crash does."""
        if self.child:
            self.child.kill()
            self.child.wait()

    def get(self, path: str) -> str:
        """What its admin port answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=10) as answer:
            return answer.read().decode()

    def metrics(self) -> str:
        """Its metrics, for which a machine under load may take a while."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.get("/metrics")
            except OSError as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.pod} tells no metrics within a minute") from error
                time.sleep(0.5)

    def target(self):
        """It as a target of Prometheus."""
        labels = {
            "namespace": NAMESPACE,
            "pod": self.pod,
            "container": self.component,
            "app_kubernetes_io_instance": RELEASE,
            "app_kubernetes_io_component": self.component,
        }
        return JOB, f"127.0.0.1:{self.admin}", labels


class Store:
    """Three members of four replicas, two coordinators, one that Kubernetes refuses, and load."""

    def __init__(self, binaries: Path, folder: Path):
        self.binaries, self.folder = binaries, folder
        self.config_file = folder / "config.json"
        self.stopping = threading.Event()
        self.servers = []
        self.replicas = [self.replica(number) for number in range(REPLICAS)]
        places = [f"--replica={it.pod}=127.0.0.1:{it.listen}" for it in self.replicas]
        self.places = places[:MEMBERS]
        shared = [
            *places,
            f"--config-file={self.config_file}",
            "--repair-interval=1s",
            # So slow that Prometheus sees it.
            "--repair-busy-rate=200",
            "--canary-interval=1s",
            "--abort-after=1h",
            # Nobody listens there: the spans are counted as not taken.
            "--trace-endpoint=http://127.0.0.1:9",
        ]
        self.coordinators = [
            Process(self, "coordinator", "quorate-coordinator-a", shared),
            # So few that a fault overloads it.
            Process(self, "coordinator", "quorate-coordinator-b", [*shared, "--max-in-flight=200"]),
        ]
        self.refused = self.refused_coordinator()
        self.kubelet = self.serve(Kubelet)
        self.loads = []
        self.scaling = None

    def replica(self, number: int) -> Process:
        pod = f"{RELEASE}-replica-{number}"
        return Process(
            self, "replica", pod, [f"--pod={pod}", f"--data-dir={self.folder / pod}"]
        )

    def refused_coordinator(self) -> Process:
        """A coordinator whose service account may do nothing."""
        kubeconfig = self.folder / "kubeconfig"
        server = f"http://127.0.0.1:{self.serve(RefusingApi)}"
        kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "clusters": [{"name": "test", "cluster": {"server": server}}],
                    "users": [{"name": "test", "user": {}}],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                }
            )
        )
        arguments = [
            "--kubernetes",
            f"--namespace={NAMESPACE}",
            "--pod-name=quorate-coordinator-c",
            f"--statefulset={RELEASE}-replica",
            f"--service={RELEASE}-replica",
            f"--config-map={RELEASE}-config",
            f"--lease={RELEASE}",
        ]
        environment = {"KUBECONFIG": str(kubeconfig)}
        return Process(self, "coordinator", "quorate-coordinator-c", arguments, environment)

    def serve(self, handler) -> int:
        """Serves HTTP in this process; the port."""
        server = Server(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.servers.append(server)
        return server.server_address[1]

    def processes(self) -> list:
        return [*self.replicas, *self.coordinators, self.refused]

    def targets(self) -> list:
        """All that Prometheus scrapes."""
        return [
            *(process.target() for process in self.processes()),
            ("kubelet", f"127.0.0.1:{self.kubelet}", {}),
        ]

    def start(self):
        """Starts all processes and makes the first config."""
        for process in self.processes():
            process.start()
        deadline = time.monotonic() + 60
        while True:
            done = self.quorate("bootstrap", f"--config-file={self.config_file}", *self.places)
            if done.returncode == 0:
                break
            if time.monotonic() > deadline:
                raise RuntimeError(f"bootstrap: {done.stderr}")
            time.sleep(0.5)
        for coordinator in self.coordinators:
            while not self.is_ready(coordinator):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{coordinator.pod} is not ready within a minute")
                time.sleep(0.2)

    @staticmethod
    def is_ready(process: Process) -> bool:
        try:
            return process.get("/ready") == "ready\n"
        except OSError:
            return False

    def quorate(self, *arguments) -> subprocess.CompletedProcess:
        command = [str(self.binaries / "quorate"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def scale(self, size: int):
        """Asks for so many members, and does not wait until they are."""
        command = [str(self.binaries / "quorate"), "scale", str(size), self.endpoint(0)]
        log = (self.folder / "scale.log").open("a")
        self.scaling = subprocess.Popen(command, stdout=log, stderr=log)

    def wait_for_change(self):
        """Waits until the config has two groups."""
        deadline = time.monotonic() + 60
        while "quorate_config_joint 1\n" not in self.coordinators[0].metrics():
            if time.monotonic() > deadline:
                raise RuntimeError("no change of the members begins within a minute")
            time.sleep(0.02)

    def endpoint(self, number: int) -> str:
        return f"--endpoint=http://127.0.0.1:{self.coordinators[number].listen}"

    def load(self, coordinator: int, concurrency: int):
        """Makes operations until the end."""
        thread = threading.Thread(
            target=self.keep_loading, args=(coordinator, concurrency), daemon=True
        )
        thread.start()
        self.loads.append(thread)

    def write(self, prefix: str):
        """Writes about a thousand keys, for two seconds."""
        done = self.quorate(
            "bench",
            self.endpoint(0),
            "--concurrency=4",
            "--operations=set",
            "--duration=2s",
            "--warmup=0s",
            f"--key-prefix={prefix}",
            "--exchange",
        )
        if done.returncode:
            raise RuntimeError(f"writes: {done.stderr}")

    def unknown_outcomes(self) -> bool:
        """Whether any operation had one."""
        return any(
            re.search(r'outcome="unknown"} [1-9]', coordinator.metrics())
            for coordinator in self.coordinators
        )

    def deletions(self):
        """Deletes keys meanwhile."""
        thread = threading.Thread(target=self.keep_deleting, daemon=True)
        thread.start()
        self.loads.append(thread)

    def keep_loading(self, coordinator: int, concurrency: int):
        for number in itertools.count():
            if self.stopping.is_set():
                return
            command = [
                str(self.binaries / "quorate"),
                "bench",
                self.endpoint(coordinator),
                f"--concurrency={concurrency}",
                "--operations=mixed",
                "--duration=4s",
                "--warmup=0s",
                f"--key-prefix=load-{coordinator}-",
                "--timeout=2s",
            ]
            if coordinator == 0:
                command.append("--exchange")
            log = (self.folder / f"load-{coordinator}.log").open("a")
            subprocess.run(command, stdout=log, stderr=log, timeout=60)

    def keep_deleting(self):
        """Deletes keys until there are many tombstones."""
        for number in range(150):
            if self.stopping.is_set():
                return
            self.quorate("delete", self.endpoint(0), f"deleted-{number}")

    def stop(self):
        """Ends all that was started."""
        self.stopping.set()
        for process in self.processes():
            process.kill()
        if self.scaling:
            self.scaling.kill()
            self.scaling.wait()
        for thread in self.loads:
            thread.join(timeout=30)
        for server in self.servers:
            server.shutdown()


class Server(http.server.ThreadingHTTPServer):
    """An HTTP server whose clients may be gone before it answers."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Quiet(http.server.BaseHTTPRequestHandler):
    """An HTTP server that logs nothing."""

    def log_message(self, *arguments):
        pass

    def answer(self, code: int, kind: str, text: str):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class RefusingApi(Quiet):
    """A Kubernetes API that forbids everything."""

    def forbid(self):
        if length := int(self.headers.get("Content-Length", 0)):
            self.rfile.read(length)
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": "forbidden by the test",
            "reason": "Forbidden",
            "code": 403,
        }
        self.answer(403, "application/json", json.dumps(status))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forbid


class Kubelet(Quiet):
    """The two families of the kubelet's that the dashboards use, as it labels them."""

    started = time.monotonic()

    def do_GET(self):
        lines = []
        for pod, container in (
            *((f"{RELEASE}-replica-{number}", "replica") for number in range(REPLICAS)),
            ("quorate-coordinator-a", "coordinator"),
            # Of another release in the namespace: no dashboard of ours shows it.
            (f"{OTHER_RELEASE}-replica-0", "replica"),
        ):
            labels = f'{{namespace="{NAMESPACE}",pod="{pod}",container="{container}"}}'
            used = 0.1 * (time.monotonic() - self.started)
            lines.append(f"container_memory_working_set_bytes{labels} 50000000")
            lines.append(f"container_cpu_usage_seconds_total{labels} {used}")
        self.answer(200, "text/plain; version=0.0.4", "\n".join(lines) + "\n")


def pause(process: Process):
    """Makes a process hang, as a node that is lost does."""
    process.signal(signal.SIGSTOP)


def resume(process: Process):
    """Undoes it."""
    process.signal(signal.SIGCONT)
