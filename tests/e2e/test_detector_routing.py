"""Workers of one stage with state answer for each other: whoever is asked about a key, the one who has it answers."""

import collections
import itertools
import json
import signal
import subprocess
import time

import pytest
import requests

from e2e import streams
from e2e.rpc import Service
from lib import kafka as topics
from lib.servers import free_ports
from lib.wait import eventually

MANIFEST = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  topics:
  - {{name: {name}.in, partitions: 6, key: user, timestamp: at}}
  - {{name: {name}.out}}
  stages:
  - name: first
    scoring:
      from: {name}.in
      steps:
      - features:
          by: [user]
          over: [1h]
          set: [{{name: seen, value: count()}}]
      to: {name}.out
      serve: {{}}
"""
USERS = [f"u{i}" for i in range(40)]


class Workers:
    """levada-scoring on 127.0.0.1, 127.0.0.2, …, all with the ports of the manifest, as pods have them."""

    def __init__(self, pipeline: streams.Streams):
        self._pipeline, self._logs = pipeline, itertools.count()
        serve = pipeline.document["spec"]["stages"][0]["scoring"]["serve"]
        self.http, self.grpc = serve["port"], serve["grpcPort"]
        self.running: dict[str, subprocess.Popen] = {}

    def start(self, ip: str) -> None:
        pipeline = self._pipeline
        command = [pipeline.programs / "levada-scoring", "--pipeline", pipeline.state / "first.yaml", "--stage", "first",
                   "--kafka", pipeline.kafka, "--data", pipeline.data, "--secrets", pipeline.secrets, "--listen", ip,
                   "--port-file", self._ports(ip)]
        with open(pipeline.folder / f"worker-{next(self._logs)}.log", "wb") as log:
            self.running[ip] = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log,
                                                stderr=log)

    def end(self, ip: str, how: int) -> None:
        worker = self.running.pop(ip)
        worker.send_signal(how)
        assert worker.wait(60) == (0 if how == signal.SIGTERM else -how)

    def ask(self, ip: str, user: str) -> requests.Response:
        event = {"user": user, "at": "2026-11-02T08:00:00Z"}
        return requests.post(f"{self._scheme}://{ip}:{self.http}/v1/detect", json=event, timeout=10, verify=False)

    def seen(self, ip: str, user: str) -> int | None:
        """How many events of the user there are by what this worker says, with the one it is asked about."""
        answer = self.ask(ip, user)
        if answer.status_code == 503:
            assert "Ask again in a few seconds" in answer.json()["error"] and answer.headers["Retry-After"]
            return None
        assert answer.status_code == 200, answer.text
        return answer.json()["event"]["seen_1h"]

    def all_answer(self, expected: dict[str, int]) -> bool:
        """Whether every worker answers every key; an answer that is wrong is a failure of the test."""
        right = True
        for ip in self.running:
            for user in USERS:
                seen = self.seen(ip, user)
                assert seen in (None, expected[user]), f"{ip} about {user}: {seen}, not {expected[user]}"
                right = right and seen is not None
        return right

    def forwarded(self, result: str) -> float:
        total = 0.0
        for ip in self.running:
            ports = json.loads(self._ports(ip).read_text())
            text = requests.get(f"http://{ports['http']}/metrics", timeout=10).text
            total += sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                         if line.startswith("levada_scoring_forwarded_total{") and f'result="{result}"' in line)
        return total

    @property
    def _scheme(self) -> str:
        serve = self._pipeline.document["spec"]["stages"][0]["scoring"]["serve"]
        return "https" if "tlsSecretRef" in serve else "http"

    def _ports(self, ip: str):
        return self._pipeline.folder / f"worker-{ip}.json"

    def close(self) -> None:
        for worker in self.running.values():
            worker.kill()
            worker.wait()


@pytest.fixture
def make_workers(tmp_path, build_dir, unique, kafka):
    made = []

    def make(**serve) -> tuple[streams.Streams, Workers]:
        pipeline = streams.Streams(tmp_path, build_dir, unique, kafka.address, MANIFEST)
        port = free_ports(2)
        pipeline.document["spec"]["stages"][0]["scoring"]["serve"] = {"port": port, "grpcPort": port + 1, **serve}
        pipeline.write()
        made.append(pipeline)
        pipeline.secrets.mkdir()
        return pipeline, Workers(pipeline)

    yield make
    for pipeline in made:
        pipeline.close()


def prepare(pipeline: streams.Streams, workers: Workers) -> None:
    """The topics, by a run that then makes room for the workers; and three of those."""
    pipeline.start()
    assert pipeline.stop() == 0
    for ip in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
        workers.start(ip)


def send(pipeline: streams.Streams, users: list[str]) -> None:
    topics.produce(pipeline.kafka, pipeline.topic("in"), [
        topics.Record(json.dumps({"user": user, "at": "2026-11-02T08:00:00Z"}).encode(), user.encode())
        for user in users], partitioner="murmur2_random")  # as ingest does, and Java
    eventually(lambda: topics.group_lag(pipeline.kafka, f"levada.default.{pipeline.name}.first", pipeline.topic("in"))
               == 0, "all is read", 60)


def ready(workers: Workers, expected: dict[str, int], seconds: float) -> float:
    """Asks until every worker answers every key; how long that took."""
    def answers() -> bool:
        try:
            return workers.all_answer(expected)
        except requests.ConnectionError:
            return False  # it has not begun to listen

    began = time.monotonic()
    eventually(answers, "every worker answers every key", seconds)
    return time.monotonic() - began


def test_every_worker_answers_every_key(make_workers):
    pipeline, workers = make_workers()
    try:
        prepare(pipeline, workers)
        counts = collections.Counter(USERS + USERS[::2] + USERS[::5])
        send(pipeline, list(counts.elements()))
        expected = {user: counts[user] + 1 for user in USERS}
        ready(workers, expected, 60)
        assert workers.all_answer(expected), "it was so a moment ago, and asking changes nothing"
        assert workers.forwarded("answered") >= 2 * 2 * len(USERS), "each worker has a part of the keys"
        over_grpc(workers, expected)

        # One dies: its keys are answered again once the group has noticed, 10 s.
        workers.end("127.0.0.2", signal.SIGKILL)
        took = ready(workers, expected, 45)
        print(f"answered again {took:.1f} s after a kill")

        # One leaves in order, another one comes: no wrong answer meanwhile, and all answer in seconds.
        workers.start("127.0.0.4")
        print(f"answered by all {ready(workers, expected, 45):.1f} s after a start")
        workers.end("127.0.0.1", signal.SIGTERM)
        print(f"answered by all {ready(workers, expected, 30):.1f} s after an end")

        # State goes on from where it was, as if nobody had asked.
        send(pipeline, USERS)
        ready(workers, {user: count + 1 for user, count in expected.items()}, 30)
        for ip in list(workers.running):
            workers.end(ip, signal.SIGTERM)
    finally:
        workers.close()
    last = {}
    for record in topics.read_all(pipeline.kafka, pipeline.topic("out")):
        event = json.loads(record.value)
        last[event["user"]] = max(last.get(event["user"], 0), event["seen_1h"])
    assert last == {user: count for user, count in expected.items()}, "the stream has counted what it has read"


def over_grpc(workers: Workers, expected: dict[str, int]) -> None:
    for ip in workers.running:
        with Service(f"{ip}:{workers.grpc}", "levada.v1.Detector") as detector:
            for user in USERS[:6]:
                answer = detector.call("Detect", event=json.dumps(
                    {"user": user, "at": "2026-11-02T08:00:00Z"}).encode())
                assert json.loads(answer.event)["seen_1h"] == expected[user]


def test_over_tls(make_workers):
    pipeline, workers = make_workers(tlsSecretRef="detector-tls")
    folder = pipeline.secrets / "detector-tls"
    folder.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", folder / "tls.key", "-out", folder / "tls.crt", "-subj", "/CN=detector", "-addext",
                    "subjectAltName=DNS:first.shop.svc", "-days", "2"], check=True, capture_output=True)
    try:
        prepare(pipeline, workers)
        send(pipeline, USERS)
        ready(workers, dict.fromkeys(USERS, 2), 60)
        assert workers.forwarded("answered") >= 2 * len(USERS)
    finally:
        workers.close()
