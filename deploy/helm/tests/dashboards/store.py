"""A store of separate processes under load, and the faults it meets."""

import http.server
import itertools
import json
import os
import re
import shutil
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

    def wait_for_metric(self, series: str, value: str, pause: float = 0.2):
        """Waits until a series, a regular expression, has a value."""
        line = re.compile(f"^{series} {value}$", re.MULTILINE)
        deadline = time.monotonic() + 60
        while not line.search(self.metrics()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.pod} has no {series} {value} within a minute")
            time.sleep(pause)

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
        # The way from the second coordinator to the first member, and from no other to any.
        self.link = Link(self.replicas[0].listen)
        linked = [f"--replica={self.replicas[0].pod}=127.0.0.1:{self.link.port}", *places[1:]]
        shared = [
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
            Process(self, "coordinator", "quorate-coordinator-a", [*places, *shared]),
            # So few that a fault overloads it.
            Process(
                self,
                "coordinator",
                "quorate-coordinator-b",
                [*linked, *shared, "--max-in-flight=200"],
            ),
        ]
        self.refused = self.refused_coordinator()
        self.kubelet = self.serve(Kubelet)
        self.loads = []
        self.scaling = None

    def replica(self, number: int) -> Process:
        pod = f"{RELEASE}-replica-{number}"
        arguments = [f"--pod={pod}", f"--data-dir={self.folder / pod}", "--require-admission"]
        return Process(self, "replica", pod, arguments)

    def copy_disk(self, replica: Process):
        """Copies the disk of a replica that does not run."""
        shutil.copytree(self.folder / replica.pod, self.folder / "copy")

    def exchange_disk(self, replica: Process):
        """Ends a replica, and starts it with the copy of its disk; again: with its own."""
        own, copy, aside = (self.folder / name for name in (replica.pod, "copy", "aside"))
        replica.kill()
        own.rename(aside)
        copy.rename(own)
        aside.rename(copy)
        replica.start()

    def refused_coordinator(self) -> Process:
        """A coordinator whose service account may do little."""
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
        self.coordinators[0].wait_for_metric("quorate_config_joint", "1", 0.02)

    def wait_for_answers(self, coordinator: Process, member: Process, answers: bool):
        """Waits until a coordinator says that a member answers, or that it does not."""
        series = f'quorate_member_info{{[^}}]*member="{member.pod}"[^}}]*}}'
        coordinator.wait_for_metric(series, str(int(answers)))

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
        self.link.end()


class Link:
    """A relay of TCP, whose answers can be held back: a cut of one direction.

    What is held back comes when the cut has ended, as TCP would send it again.
    """

    def __init__(self, port: int):
        self.to = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open, self.answers = threading.Event(), threading.Event()
        self.open.set()
        self.answers.set()
        threading.Thread(target=self.accept, daemon=True).start()

    def cut(self):
        """From now on answers do not arrive."""
        self.answers.clear()

    def mend(self):
        """They arrive again."""
        self.answers.set()

    def end(self):
        """Nothing passes any more."""
        self.mend()
        self.listener.close()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.relay, args=(near,), daemon=True).start()

    def relay(self, near: socket.socket):
        try:
            far = socket.create_connection(self.to)
        except OSError:
            near.close()
            return
        back = threading.Thread(target=self.pump, args=(far, near, self.answers), daemon=True)
        back.start()
        self.pump(near, far, self.open)
        back.join()
        near.close()
        far.close()

    @staticmethod
    def pump(source: socket.socket, sink: socket.socket, passes: threading.Event):
        """Until either end is closed."""
        try:
            sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := source.recv(65536):
                passes.wait()
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


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
    """A Kubernetes API that forbids everything but a Lease and to look for EndpointSlices."""

    lease = None
    versions = itertools.count(1)
    WATCH_SECONDS = 5

    def do_any(self):
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        path, _, query = self.path.partition("?")
        if "/leases" in path:
            self.keep_lease(body)
        elif path.endswith("/endpointslices") and "watch=" in query:
            # A watch during which nothing happens.
            time.sleep(self.WATCH_SECONDS)
            self.answer(200, "application/json", "")
        elif path.endswith("/endpointslices"):
            listed = {"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1"}
            listed |= {"metadata": {"resourceVersion": "1"}, "items": []}
            self.answer(200, "application/json", json.dumps(listed))
        else:
            self.refuse(403, "Forbidden")

    def keep_lease(self, body):
        """Takes whatever is written: there is one coordinator."""
        kept = type(self)
        if body:
            body["metadata"]["resourceVersion"] = str(next(self.versions))
            kept.lease = body
        if kept.lease:
            self.answer(200, "application/json", json.dumps(kept.lease))
        else:
            self.refuse(404, "NotFound")

    def refuse(self, code: int, reason: str):
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": "refused by the test",
            "reason": reason,
            "code": code,
        }
        self.answer(code, "application/json", json.dumps(status))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any


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
