"""levada-operator as a process, beside an API server: started, stopped, frozen and killed."""

import json
import os
import pathlib
import re
import signal
import subprocess

import requests

from lib.servers import free_ports
from lib.wait import eventually

WRITES = ("create", "update", "apply", "patch", "delete")


class Operator:
    """Operator(build_dir, tmp_path, server.kubeconfig, kafka.address, "a").start()"""

    def __init__(self, build: pathlib.Path, folder: pathlib.Path, kubeconfig, kafka: str, identity: str,
                 *flags: str):
        self.identity = identity
        self.port = free_ports()
        self._log = folder / f"operator-{identity}.log"
        settings = folder / f"operator-{identity}.yaml"
        settings.write_text(json.dumps({"kafka": {"brokers": kafka}}))
        self._command = [build / "bin" / "levada-operator", "--kubeconfig", kubeconfig, "--settings", settings,
                         "--operator-namespace", "default", "--identity", identity, "--address", "127.0.0.1",
                         "--http-port", str(self.port), *flags]
        self.process: subprocess.Popen | None = None

    def start(self) -> "Operator":
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self, seconds: float = 40) -> int:
        """As Kubernetes does it: SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(seconds)

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def metrics(self) -> list[tuple[str, dict[str, str], float]]:
        """Name, labels and value of each series."""
        text = requests.get(f"http://127.0.0.1:{self.port}/metrics", timeout=10).text
        lines = (re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line) for line in text.splitlines())
        return [(match[1], dict(re.findall(r'(\w+)="([^"]*)"', match[2] or "")), float(match[3]))
                for match in lines if match]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all series of this name that have these labels."""
        return sum(value for one, has, value in self.metrics()
                   if one == name and all(has.get(key) == wanted for key, wanted in labels.items()))

    def requests_made(self, *verbs: str) -> float:
        """To the API server, those for Leases left out; of these verbs or all."""
        return sum(value for name, labels, value in self.metrics()
                   if name == "levada_operator_api_requests_total" and labels["resource"] != "leases"
                   and labels["verb"] in (verbs or (*WRITES, "get", "list", "watch")))

    def writes(self) -> float:
        return self.requests_made(*WRITES)

    def answers(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/healthz", timeout=1).ok
        except requests.RequestException:
            return False

    def leads(self) -> bool:
        return self.answers() and self.metric("levada_operator_leader") == 1

    def wait_until_leading(self, seconds: float = 60) -> None:
        eventually(self.leads, f"{self.identity} leads", seconds)


def pipeline(namespace: str, name: str, amount: int = 100, **spec) -> dict:
    """Three stages and three topics; `amount` is the number to change."""
    orders, large = f"{name}.orders", f"{name}.large"
    return {
        "apiVersion": "levada.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "topics": [{"name": orders}, {"name": large}],
            "stages": [
                {"name": "gateway", "ingest": {"http": {"path": "/orders"}, "to": orders}},
                {"name": "filter", "scoring": {"from": orders, "steps": [{"filter": f"amount > {amount}"}], "to": large}},
                {"name": "files", "archiving": {"from": large, "ndjson": {"folder": "large"}}},
            ],
            **spec,
        },
    }


def condition(live: dict | None, type: str) -> dict:
    for one in ((live or {}).get("status") or {}).get("conditions", []):
        if one["type"] == type:
            return one
    return {}


def applied(live: dict | None) -> bool:
    """The newest manifest is carried out on the API server."""
    status = (live or {}).get("status") or {}
    return bool(status) and status.get("appliedGeneration") == live["metadata"]["generation"]


def settled(live: dict | None) -> bool:
    """And Kafka has its topics."""
    return applied(live) and condition(live, "TopicsReady").get("status") == "True"
