"""A notify stage under test: its topics, its manifest and the workers that run it."""

import json
import pathlib
import subprocess

from lib import kafka as topics
from lib.kafka import Record
from lib.wait import eventually

MANIFEST = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  connections:
    {connection}
  topics:
  - {{name: {name}, partitions: {partitions}}}
  stages:
  - name: alert
    notify:
      from: {name}
      {notify}
"""


class Stage:
    """A notify stage: its topics, and workers that can be killed."""

    def __init__(self, folder: pathlib.Path, program: pathlib.Path, kafka: str, name: str, connection: str,
                 notify: str, secret: dict[str, str], partitions: int = 2):
        self.kafka, self.topic, self.group = kafka, name, f"levada.default.{name}.alert"
        self.sent_topic, self.dead_topic = f"{self.group}.sent", f"levada.default.{name}.dead-letters"
        topics.create_topic(kafka, name, partitions)
        topics.create_topic(kafka, self.sent_topic, partitions, cleanup_policy="compact")
        topics.create_topic(kafka, self.dead_topic)
        manifest = folder / "pipeline.yaml"
        manifest.write_text(MANIFEST.format(name=name, connection=connection, notify=notify, partitions=partitions))
        for key, value in secret.items():
            (folder / "secrets" / "login").mkdir(parents=True, exist_ok=True)
            (folder / "secrets" / "login" / key).write_text(value)
        self._command = [program, "--pipeline", manifest, "--stage", "alert", "--kafka", kafka,
                         "--secrets", folder / "secrets"]
        self._folder = folder
        self.workers: list[subprocess.Popen] = []

    def start(self, instance: str = "") -> subprocess.Popen:
        """With an instance name, a worker that was killed gets its partitions back at once."""
        log = open(self._folder / f"worker-{len(self.workers)}.log", "wb")
        worker = subprocess.Popen([*self._command, "--instance", instance], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()

    def log(self, worker: int = 0) -> str:
        return (self._folder / f"worker-{worker}.log").read_text()

    def write(self, events: list[dict], **record) -> None:
        topics.produce(self.kafka, self.topic,
                       [Record(json.dumps(e).encode(), str(e["n"]).encode(), **record) for e in events])

    def wait_until_done(self, seconds: float = 60) -> None:
        eventually(lambda: topics.group_lag(self.kafka, self.group, self.topic) == 0, "all is committed", seconds)

    def dead(self) -> list[Record]:
        return topics.read_all(self.kafka, self.dead_topic)

    def sent_log(self) -> dict[bytes, bytes | None]:
        """What is in the send log, as compaction would leave it."""
        newest = {record.key: record.value for record in topics.read_all(self.kafka, self.sent_topic)}
        return {key: value for key, value in newest.items() if value is not None}


def event(n: int, send: bool = True) -> dict:
    return {"n": n, "send": send}
