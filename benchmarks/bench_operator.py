"""levada-operator with a thousand pipelines of five stages, on a real API server and a real Kafka of its own; then
a controller-runtime operator that makes the like (peers/controller_runtime), on an API server of its own.

Kubernetes' controllers do not run, so no pod does; API server, etcd, Kafka and this program share the
machine's cores with the operator. "Applied" is when the status says so, as a watch of another client sees it.
OPERATORS=levada or =peer measures one of them; PIPELINES, EDITS and REST_SECONDS change the size.
"""

import http.client
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from lib.kube import MADE, Api, install_crd, served
from lib.operators import WRITES, Operator, settled
from lib.servers import Kafka, Kubernetes
from process import cpu_seconds, peak_megabytes

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ["LEVADA_BUILD_DIR"])
PIPELINES = int(os.environ.get("PIPELINES", "1000"))
NAMESPACES = 10
EDITS = int(os.environ.get("EDITS", "300"))
EDITS_A_SECOND = 5
REST = float(os.environ.get("REST_SECONDS", "60"))
OPERATORS = os.environ.get("OPERATORS", "levada peer").split()


class Levada(Operator):
    NAME = "levada-operator"

    def looks(self) -> float:
        return self.metric("levada_operator_reconcile_seconds_count")

    def waiting(self) -> float:
        return self.metric("levada_operator_queue_depth")

    def requests_text(self) -> str:
        return ", ".join(f"{verb} {self.requests_made(verb):.0f}" for verb in (*WRITES, "get", "list", "watch"))


class Peer(Operator):
    """The same questions to controller-runtime's metrics."""
    NAME = "controller-runtime"
    WRITES = ("POST", "PUT", "PATCH", "DELETE")

    def __init__(self, program: pathlib.Path, folder: pathlib.Path, kubeconfig):
        super().__init__(folder, folder, kubeconfig, "", "peer")
        self._command = [program, "--kubeconfig", kubeconfig, "--metrics", f"127.0.0.1:{self.port}"]

    @staticmethod
    def build(folder: pathlib.Path) -> pathlib.Path:
        """With the modules of its go.sum, from wherever Go's own settings say. Minutes the first time."""
        go = subprocess.run([ROOT / "scripts/lib/find_go.sh", "1.26.0"], check=True, capture_output=True, text=True)
        program = folder / "peer-operator"
        subprocess.run([go.stdout.strip(), "build", "-mod=readonly", "-buildvcs=false", "-o", program, "."],
                       cwd=ROOT / "benchmarks/peers/controller_runtime", env=os.environ | {"GOTOOLCHAIN": "local"}, check=True)
        return program

    def answers(self) -> bool:
        try:
            return self.metric("go_goroutines") > 0
        except OSError:
            return False

    def looks(self) -> float:
        return self.metric("controller_runtime_reconcile_total")

    def waiting(self) -> float:
        return self.metric("workqueue_depth")

    def requests_made(self, *methods: str) -> float:
        return sum(self.metric("rest_client_requests_total", method=method) for method in methods or (*self.WRITES, "GET"))

    def writes(self) -> float:
        return self.requests_made(*self.WRITES)

    def requests_text(self) -> str:
        return ", ".join(f"{method} {self.requests_made(method):.0f}" for method in (*self.WRITES, "GET"))


def manifest(i: int, amount: int = 100) -> dict:
    """A stage of each kind; a topic of its own, which the next stages read."""
    name = f"bench-{i}"
    events = f"{name}.events"
    return {
        "apiVersion": "levada.dev/v1alpha1", "kind": "Pipeline",
        "metadata": {"name": name, "namespace": f"bench-{i % NAMESPACES}"},
        "spec": {
            "connections": {"search": {"opensearch": {"url": "http://search.example.com:9200"}},
                            "desk": {"webhook": {"url": "http://desk.example.com/"}}},
            "topics": [{"name": events}, {"name": f"{name}.large"}],
            "stages": [
                {"name": "gateway", "ingest": {"http": {"path": "/events"}, "to": events}},
                {"name": "filter", "scoring": {"from": events, "steps": [{"filter": f"amount > {amount}"}],
                                               "to": f"{name}.large"}},
                {"name": "search", "indexing": {"from": f"{name}.large", "via": "search", "index": name}},
                {"name": "files", "archiving": {"from": f"{name}.large", "parquet": {"folder": "large"}}},
                {"name": "calls", "notify": {"from": f"{name}.large", "webhook": {"via": "desk", "subject": "Large"}}},
            ],
        },
    }


class Follower(threading.Thread):
    """What the status of every pipeline says, and since when, by a watch of its own."""

    def __init__(self, kubeconfig):
        super().__init__(daemon=True)
        self._api = Api(kubeconfig)
        self.applied: dict[str, dict[int, float]] = {}  # name: generation: when it was applied
        self.settled: set[str] = set()

    def run(self) -> None:
        while True:
            try:
                self._follow()
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)  # the connection was cut, or the server is stopped at the end

    def _follow(self) -> None:
        version = ""
        while True:
            if not version:
                listed = self._api.request("GET", Api.path("pipelines"))
                version = listed["metadata"]["resourceVersion"]
                for live in listed["items"]:
                    self._see(live)
            for kind, live in self._api.watch("pipelines", version=version):
                if kind == "ERROR":
                    version = ""
                    break
                version = live["metadata"]["resourceVersion"]
                self._see(live)

    def _see(self, live: dict) -> None:
        name = live["metadata"]["name"]
        if generation := (live.get("status") or {}).get("appliedGeneration"):
            self.applied.setdefault(name, {}).setdefault(generation, time.monotonic())
        if settled(live):
            self.settled.add(name)

    def when_applied(self, name: str, generation: int) -> float | None:
        """Also by a later generation, which may be there before this one was looked at."""
        return min((at for one, at in list(self.applied.get(name, {}).items()) if one >= generation), default=None)


def megabytes(pid: int) -> float:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def in_parallel(kubeconfig, manifests: list[dict]) -> None:
    def work(mine: list[dict]) -> None:
        api = Api(kubeconfig)
        for one in mine:
            api.apply(one)

    threads = [threading.Thread(target=work, args=(manifests[i::8],)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def wait_for(what: str, holds, seconds: float = 3600) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, what
        time.sleep(0.05)
    return time.monotonic() - began


def runs(operator: Operator) -> bool:
    assert operator.process.poll() is None, operator.log()[-2000:]
    return True


def at_rest(operator: Operator) -> bool:
    """No write for ten seconds."""
    before = operator.writes()
    time.sleep(10)
    return operator.writes() == before


def converge(operator: Operator, follower: Follower, api: Api) -> None:
    began = time.monotonic()
    wait_for("all applied", lambda: runs(operator) and len(follower.applied) == PIPELINES)
    applied = time.monotonic() - began
    wait_for("all settled", lambda: runs(operator) and len(follower.settled) == PIPELINES)
    took = time.monotonic() - began
    objects = sum(len(api.list(kind, labels="app.kubernetes.io/managed-by=levada")) for kind in MADE)
    print(f"from nothing: all applied after {applied:.0f} s, with all topics after {took:.0f} s; {objects} objects, "
          f"{cpu_seconds(operator.pid):.1f} s of CPU, {peak_megabytes(operator.pid):.0f} MB at most")
    print(f"  requests: {operator.requests_text()}", flush=True)


def cached(operator: Operator) -> str:
    if not isinstance(operator, Levada):
        return ""
    return f", {operator.metric('levada_operator_cached_bytes') / 1e6:.1f} MB of it objects"


def rest(operator: Operator) -> None:
    wait_for("rest", lambda: at_rest(operator), 600)
    writes, requests, cpu = operator.writes(), operator.requests_made(), cpu_seconds(operator.pid)
    time.sleep(REST)
    cpu = cpu_seconds(operator.pid) - cpu
    print(f"at rest, {REST:.0f} s: {cpu / REST:.2%} of a core, {operator.writes() - writes:.0f} writes and "
          f"{operator.requests_made() - requests:.0f} requests in all; {megabytes(operator.pid):.0f} MB{cached(operator)}",
          flush=True)


def edit(operator: Operator, follower: Follower, api: Api) -> None:
    """A change of one stage, so many a second whether the ones before are carried out or not."""
    dice = random.Random(1)
    begun: list[tuple[str, int, float]] = []
    cpu, writes = cpu_seconds(operator.pid), operator.writes()
    start = time.monotonic()
    for n in range(EDITS):
        time.sleep(max(0.0, start + n / EDITS_A_SECOND - time.monotonic()))
        changed = manifest(dice.randrange(PIPELINES), 1000 + n)
        at = time.monotonic()
        live = api.apply(changed)
        begun.append((changed["metadata"]["name"], live["metadata"]["generation"], at))
    wait_for("all edits applied", lambda: all(follower.when_applied(name, generation) for name, generation, _ in begun), 60)
    took = sorted(1000 * (follower.when_applied(name, generation) - at) for name, generation, at in begun)
    print(f"{EDITS} edits, {EDITS_A_SECOND} a second, apply to applied: p50 {statistics.median(took):.0f} ms, "
          f"p99 {took[int(len(took) * 0.99)]:.0f} ms, slowest {took[-1]:.0f} ms; of the operator an edit: "
          f"{1000 * (cpu_seconds(operator.pid) - cpu) / EDITS:.1f} ms of CPU, "
          f"{(operator.writes() - writes) / EDITS:.1f} writes", flush=True)


def restart(operator: Operator) -> None:
    assert operator.stop() == 0, operator.log()[-2000:]
    began = time.monotonic()
    operator.start()
    wait_for("it answers", operator.answers, 60)
    wait_for("all are looked at", lambda: operator.looks() >= PIPELINES and operator.waiting() == 0, 600)
    took = time.monotonic() - began
    wait_for("rest", lambda: at_rest(operator), 600)
    print(f"started again with all there: all looked at after {took:.1f} s, {operator.writes():.0f} writes, "
          f"{cpu_seconds(operator.pid):.1f} s of CPU, {peak_megabytes(operator.pid):.0f} MB at most, "
          f"{megabytes(operator.pid):.0f} MB then", flush=True)


def measure(make, with_kafka: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kubernetes, kafka = Kubernetes(pathlib.Path(folder)), Kafka(pathlib.Path(folder))
        operator = make(pathlib.Path(folder), kubernetes, kafka)
        print(f"{operator.NAME}, {PIPELINES} pipelines; load average {os.getloadavg()[1]:.1f} of five minutes:", flush=True)
        try:
            kubernetes.start()
            if with_kafka:
                kafka.start()
            api = Api(kubernetes.kubeconfig)
            install_crd(api, ROOT)
            wait_for("the CRD is served", lambda: served(api), 60)
            for i in range(NAMESPACES):
                api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"bench-{i}"}})
            in_parallel(kubernetes.kubeconfig, [manifest(i) for i in range(PIPELINES)])
            follower = Follower(kubernetes.kubeconfig)
            follower.start()
            operator.start()
            converge(operator, follower, api)
            rest(operator)
            edit(operator, follower, api)
            rest(operator)
            restart(operator)
        finally:
            operator.kill()
            kubernetes.kill()
            if with_kafka:
                kafka.kill()


def main() -> None:
    if "levada" in OPERATORS:
        measure(lambda folder, kubernetes, kafka:
                Levada(BUILD, folder, kubernetes.kubeconfig, kafka.address, "bench", "--no-elect"), True)
    if "peer" in OPERATORS:
        with tempfile.TemporaryDirectory() as built:
            try:
                program = Peer.build(pathlib.Path(built))
            except subprocess.CalledProcessError as error:
                print(f"controller-runtime: not measured, since it could not be built: {error}")
                return
            measure(lambda folder, kubernetes, kafka: Peer(program, folder, kubernetes.kubeconfig), False)


if __name__ == "__main__":
    begun = time.monotonic()
    main()
    print(f"took {time.monotonic() - begun:.0f} s", file=sys.stderr)
