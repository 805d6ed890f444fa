"""An ingest stage under test: its topics, its manifest and the workers that run it."""

import json
import pathlib
import signal
import subprocess

import requests
import yaml

from lib import kafka as topics
from lib.servers import free_ports
from lib.wait import eventually

FIELDS = [
    {"name": "id", "type": "string", "required": True},
    {"name": "at", "type": "timestamp"},
    {"name": "amount", "type": "double"},
    {"name": "count", "type": "int"},
]


class Stage:
    """Stage(tmp_path, build_dir, kafka.address, unique, {"http": {"path": "/v1/events"}})"""

    def __init__(self, folder: pathlib.Path, build: pathlib.Path, kafka: str, name: str, ingest: dict,
                 partitions: int = 3, fields: list | None = None):
        self.kafka, self.topic, self.dead_topic = kafka, name, f"levada.default.{name}.dead-letters"
        self.positions_topic = f"levada.default.{name}.in.positions"
        topics.create_topic(kafka, self.topic, partitions, max_message_bytes="2000000")
        topics.create_topic(kafka, self.dead_topic, max_message_bytes="10485760")
        topics.create_topic(kafka, self.positions_topic, cleanup_policy="compact")
        base = free_ports(3)
        self.http_port, self.grpc_port, self.control_port = base, base + 1, base + 2
        for kind, port in (("http", self.http_port), ("grpc", self.grpc_port)):
            if kind in ingest:
                ingest[kind]["port"] = port
        self.folder = folder
        self.manifest = folder / "pipeline.yaml"
        self.manifest.write_text(yaml.safe_dump({
            "apiVersion": "levada.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": name},
            "spec": {
                "topics": [{"name": name, "partitions": partitions, "key": "id", "timestamp": "at",
                            "fields": FIELDS if fields is None else fields}],
                "stages": [{"name": "in", "ingest": {**ingest, "to": name}}],
            },
        }))
        self._command = [build / "bin" / "levada-ingest", "--pipeline", self.manifest, "--stage", "in",
                         "--kafka", kafka, "--secrets", folder / "secrets"]
        self.workers: list[subprocess.Popen] = []

    def start(self, ready: bool = True, control_port: int | None = None) -> subprocess.Popen:
        port = control_port or self.control_port
        log = open(self.folder / f"worker-{len(self.workers)}.log", "wb")
        worker = subprocess.Popen([*self._command, "--http-port", str(port)], stdout=log, stderr=log)
        self.workers.append(worker)
        if ready:
            eventually(lambda: self.ready(worker, port), "the worker is ready")
        return worker

    def ready(self, worker: subprocess.Popen, port: int | None = None) -> bool:
        assert worker.poll() is None, f"the worker ended: {self.log()[-2000:]}"
        try:
            return requests.get(f"http://127.0.0.1:{port or self.control_port}/readyz", timeout=2).ok
        except requests.ConnectionError:
            return False

    def pipe(self, lines: bytes) -> subprocess.CompletedProcess:
        return subprocess.run([*self._command, "--pipe"], input=lines, capture_output=True, timeout=60)

    def log(self) -> str:
        return "".join(file.read_text() for file in sorted(self.folder.glob("worker-*.log")))

    def drain(self, worker: subprocess.Popen, seconds: float = 60) -> int:
        worker.send_signal(signal.SIGTERM)
        return worker.wait(seconds)

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()

    def records(self) -> list[topics.Record]:
        return topics.read_all(self.kafka, self.topic)

    def events(self) -> list[dict]:
        return [json.loads(record.value) for record in self.records()]

    def dead_letters(self) -> list[topics.Record]:
        return topics.read_all(self.kafka, self.dead_topic)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/v1/events"
