"""A pipeline run as a user runs it: `levada run MANIFEST --json`, and what it says of itself."""

import json
import os
import pathlib
import signal
import subprocess
import time

import requests
import yaml

from lib import kafka as topics
from lib.servers import free_ports
from lib.wait import eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "manifests" / "samples" / "fraud-prevention.yaml"


def add_feed(document: dict) -> None:
    """An edit: a stage `feed` that follows the file in.ndjson, beside the gateway."""
    to = document["spec"]["stages"][0]["ingest"]["to"]
    document["spec"]["stages"].append(
        {"name": "feed", "ingest": {"file": {"path": "in.ndjson", "follow": True}, "to": to}})


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits for its parent does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Pipeline:
    """The fraud-prevention sample under a name of its own, with quicker rolls and mails.

    `edit` may change the manifest (a dict) before it is written; `sets` are given as --set.
    """

    def __init__(self, folder: pathlib.Path, build: pathlib.Path, name: str, kafka: str, opensearch, smtp,
                 edit=None, sets: dict[str, object] | None = None):
        self.folder, self.name, self.kafka = folder, name, kafka
        self.programs = build / "bin"
        self.opensearch, self.smtp = opensearch, smtp
        self.events_topic, self.results_topic = f"{name}.in", f"{name}.out"
        self.dead_topic = f"levada.default.{name}.dead-letters"
        self.http_port = free_ports(4)
        self.grpc_port, self.detect_port, self.detect_grpc_port = (self.http_port + i for i in (1, 2, 3))
        self.state, self.data, self.secrets = folder / "state", folder / "data", folder / "secrets"
        self.manifest = folder / "fraud-prevention.yaml"
        self.sets = sets or {}
        self.arguments: list[str] = []
        self.inside: list[str] = []  # what its command begins with
        self.secret("mail-login", username=smtp.user, password=smtp.password)
        document = self._document()
        if edit:
            edit(document)
        self.document = document
        self.manifest.write_text(yaml.safe_dump(document, sort_keys=False))
        self.runs = 0
        self.runner: subprocess.Popen | None = None

    def _document(self) -> dict:
        document = yaml.safe_load(SAMPLE.read_text())
        document["metadata"]["name"] = self.name
        spec = document["spec"]
        del spec["files"]  # a cluster's
        del spec["tests"]  # of topics by their own names
        spec["connections"]["search"]["opensearch"]["url"] = self.opensearch.url
        spec["connections"]["mail"]["smtp"].update(
            host=self.smtp.host, port=self.smtp.port, tls={"caFile": str(self.smtp.ca)})
        names = {"transactions": self.events_topic, "processed_transactions": self.results_topic,
                 "customers": f"{self.name}.customers"}
        for topic in spec["topics"]:
            topic["name"] = names[topic["name"]]
        spec["stages"] = [stage for stage in spec["stages"] if stage["name"] != "producer"]
        for stage in spec["stages"]:
            for section in stage.values():
                for key in ("from", "to"):
                    if key in section and isinstance(section, dict):
                        section[key] = names[section[key]]
        gateway, detect, search, lake, alert = spec["stages"]
        gateway["ingest"]["http"]["port"] = self.http_port
        gateway["ingest"]["grpc"]["port"] = self.grpc_port
        detect["scoring"]["serve"].update(port=self.detect_port, grpcPort=self.detect_grpc_port)
        for step in detect["scoring"]["steps"]:
            if "join" in step:
                step["join"]["table"] = names[step["join"]["table"]]
            if "model" in step:
                step["model"]["xgboost"] = str(ROOT / "models" / "fraud" / "fraud.json")
        search["indexing"]["index"] = self.name
        lake["archiving"]["roll"]["every"] = "2s"
        alert["notify"]["group"]["wait"] = "1s"
        alert["notify"]["throttle"] = {"limit": 1000, "per": "1m"}
        return document

    def secret(self, secret: str, **values: str) -> None:
        folder = self.secrets / secret
        folder.mkdir(parents=True, exist_ok=True)
        for key, value in values.items():
            (folder / key).write_text(value)

    def command(self) -> list[str]:
        command = [*self.inside, self.programs / "levada", "run", self.manifest, "--kafka", self.kafka,
                   "--programs", self.programs, "--state", self.state, "--data", self.data, "--secrets", self.secrets,
                   "--json", *self.arguments]
        for path, value in self.sets.items():
            command += ["--set", f"{path}={value}"]
        return [str(word) for word in command]

    def start(self, ready: bool = True) -> None:
        self.runs += 1
        with open(self._file("json"), "wb") as out, open(self._file("err"), "wb") as err:
            self.runner = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.folder)
        if ready:
            eventually(self._runs_all, "every stage runs", 60)

    def wait_ready(self, seconds: float = 60) -> None:
        """Until every stage runs, by two reports in a row that come from now on: that a worker was killed a moment ago is in
        the second of them at the latest."""
        known = len(self.reports())
        eventually(lambda: self._runs_all(2, known), "every stage runs", seconds)

    def _runs_all(self, count: int = 1, known: int = 0) -> bool:
        """Whether the newest `count` reports say so, of those behind the first `known`."""
        assert self.runner.poll() is None, f"levada run ended: {self.errors()}"
        newest = self.reports()[known:][-count:]
        return len(newest) == count and all(
            stage["state"] == "running" for report in newest for stage in report["stages"])

    def reports(self) -> list[dict]:
        """Every whole line that it has printed."""
        text = self._file("json").read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def stages(self) -> dict[str, dict]:
        reports = self.reports()
        return {stage["name"]: stage for stage in reports[-1]["stages"]} if reports else {}

    def state_of(self, stage: str) -> str:
        return self.stages()[stage]["state"]

    def errors(self) -> str:
        return self._file("err").read_text()

    def log(self, stage: str) -> str:
        return (self.state / f"{stage}.log").read_text()

    def ports(self, stage: str) -> dict:
        """pid, http and grpc of the stage's process; waits for one that is being started."""
        return eventually(lambda: self._ports(stage), f"{stage} tells its ports")

    def _ports(self, stage: str) -> dict | None:
        try:
            return json.loads((self.state / f"{stage}.ports.json").read_text())
        except FileNotFoundError:
            return None

    def kill(self, stage: str) -> bool:
        """kill -9, as far as it runs; false when it did not."""
        pid = (self._ports(stage) or {}).get("pid")
        if pid not in self._children() or not alive(pid):
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def interrupt(self) -> None:
        self.runner.send_signal(signal.SIGINT)

    def stop(self, seconds: float = 180) -> int:
        """Ctrl-C and the exit code."""
        self.interrupt()
        return self.runner.wait(seconds)

    def close(self) -> None:
        if self.runner is None or self.runner.poll() is not None:
            return
        children = self._children()
        self.runner.kill()
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.runner.wait()

    def _children(self) -> list[int]:
        try:
            return [int(pid) for pid in pathlib.Path(
                f"/proc/{self.runner.pid}/task/{self.runner.pid}/children").read_text().split()]
        except FileNotFoundError:
            return []

    def _file(self, kind: str) -> pathlib.Path:
        return self.folder / f"run-{self.runs}.{kind}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/v1/transactions"

    @property
    def detect_url(self) -> str:
        return f"http://127.0.0.1:{self.detect_port}/v1/detect"

    def post(self, body: bytes, **headers: str) -> requests.Response:
        return requests.post(self.url, data=body, timeout=90,
                             headers={name.replace("_", "-"): value for name, value in headers.items()})

    def send(self, events: list[dict], batch: int = 500, rate: float = 0) -> None:
        """Sends them through the gateway; each must be accepted at the first try."""
        for begin in range(0, len(events), batch):
            part = events[begin:begin + batch]
            answer = self.post("\n".join(map(json.dumps, part)).encode(), Content_Type="application/x-ndjson")
            assert answer.status_code == 200 and answer.json()["accepted"] == len(part), answer.text[:500]
            if rate:
                time.sleep(len(part) / rate)

    @property
    def feed_file(self) -> pathlib.Path:
        """What add_feed's stage follows."""
        return self.manifest.parent / "in.ndjson"

    def events(self) -> list[topics.Record]:
        return topics.read_all(self.kafka, self.events_topic)

    def results(self, seconds: float = 60) -> list[topics.Record]:
        return topics.read_all(self.kafka, self.results_topic, seconds=seconds)

    def dead_letters(self) -> list[topics.Record]:
        return topics.read_all(self.kafka, self.dead_topic)
