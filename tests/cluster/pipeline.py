"""The fraud sample on the node, under names of its own, and a client that sends to it without pause.

It has what e2e/books.py looks at, so that the same books are kept of a pipeline here as of `levada run`.
"""

import contextlib
import copy
import json
import threading
import time
from typing import Callable, Iterator

import requests
import yaml
from confluent_kafka.admin import AdminClient

from e2e import books, events
from lib import kafka as topics
from lib.cluster import ROOT, Cluster, ClusterError
from lib.wait import eventually

SAMPLES = ROOT / "manifests" / "samples"
DONE_SECONDS = 240

Edit = Callable[[dict], None]


class ClusterPipeline:
    """`kafka`, `opensearch` and `smtp` are servers of this machine that pods reach as host.levada.internal."""

    def __init__(self, cluster: Cluster, namespace: str, kafka, opensearch, smtp, edit: Edit = lambda document: None):
        self.cluster, self.namespace, self.name = cluster, namespace, namespace
        self.kafka, self.opensearch, self.smtp = kafka.address, opensearch, smtp
        self.events_topic, self.results_topic = f"{self.name}.in", f"{self.name}.out"
        objects = list(yaml.safe_load_all(cluster.kubectl("kustomize", str(SAMPLES))))
        self.document = next(one for one in objects if one["kind"] == "Pipeline")
        self.others = [one for one in objects if one["kind"] != "Pipeline"]
        self._rename()
        edit(self.document)

    def _rename(self) -> None:
        """Topics and index of its own, shorter waits, the servers' ports; no producer, as all events are counted."""
        self.document["metadata"]["name"] = self.name
        spec = self.document["spec"]
        search = spec["connections"]["search"]["opensearch"]
        search["url"] = f"{search['url'].rsplit(':', 1)[0]}:{self.opensearch.url.rsplit(':', 1)[1]}"
        spec["connections"]["mail"]["smtp"]["port"] = self.smtp.port
        del spec["tests"]  # of topics by their own names
        names = {"transactions": self.events_topic, "processed_transactions": self.results_topic,
                 "customers": f"{self.name}.customers"}
        for topic in spec["topics"]:
            topic["name"] = names[topic["name"]]
        spec["stages"] = [stage for stage in spec["stages"] if stage["name"] != "producer"]
        for stage in spec["stages"]:
            for section in stage.values():
                for key in {"from", "to"} & set(section):
                    if isinstance(section, dict):
                        section[key] = names[section[key]]
        for step in self.stage("detect")["scoring"]["steps"]:
            if "join" in step:
                step["join"]["table"] = names[step["join"]["table"]]
        self.stage("search")["indexing"]["index"] = self.name
        self.stage("lake")["archiving"]["roll"]["every"] = "2s"
        self.stage("alert")["notify"]["group"]["wait"] = "1s"
        self.stage("alert")["notify"]["throttle"] = {"limit": 1000, "per": "1m"}

    def stage(self, name: str) -> dict:
        """Of the manifest."""
        return next(stage for stage in self.document["spec"]["stages"] if stage["name"] == name)

    def kubectl(self, *arguments: str, **options) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments, **options)

    def prepare(self) -> None:
        """The Secret and the ConfigMaps that it needs."""
        for one in self.others:
            one["metadata"]["namespace"] = self.namespace
        self.cluster.apply(*self.others)
        self.kubectl("create", "configmap", "mail-ca", f"--from-file=mail-ca.pem={self.smtp.ca}")

    def apply(self, edit: Edit | None = None, ready: bool = True) -> None:
        """Applies the manifest, changed by `edit`, for good where it is taken; waits until all of it runs."""
        before = copy.deepcopy(self.document)
        if edit:
            edit(self.document)
        self.document["metadata"]["namespace"] = self.namespace
        try:
            self.cluster.apply(self.document)
        except ClusterError:
            self.document = before
            raise
        if ready:
            self.wait_ready()

    def live(self) -> dict:
        return json.loads(self.kubectl("get", "pipeline", self.name, "-o", "json"))

    def condition(self, kind: str) -> dict:
        """Of the newest generation; an empty one where the operator has not looked yet."""
        live = self.live()
        for one in live.get("status", {}).get("conditions", []):
            if one["type"] == kind and one["observedGeneration"] == live["metadata"]["generation"]:
                return one
        return {"status": "", "reason": "", "message": ""}

    def wait_for(self, kind: str, status: str, says: str = "", seconds: float = 120) -> dict:
        """Until the condition is so, with this in its reason or message."""
        last = {}

        def so() -> bool:
            last.update(self.condition(kind))
            return last["status"] == status and says in f"{last['reason']}: {last['message']}"

        try:
            eventually(so, f"{kind}={status} {says}", seconds, every=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}; {self.kubectl('get', 'pods')}") from None
        return last

    def wait_ready(self, seconds: float = 180) -> None:
        self.wait_for("Ready", "True", seconds=seconds)

    def stages(self) -> dict[str, dict]:
        """Rows of the status."""
        return {row["name"]: row for row in self.live().get("status", {}).get("stages", [])}

    def topic_rows(self) -> dict[str, dict]:
        return {row["name"]: row for row in self.live().get("status", {}).get("topics", [])}

    def all_topics(self) -> set[str]:
        """Those that it has on Kafka."""
        listed = AdminClient({"bootstrap.servers": self.kafka}).list_topics(timeout=20).topics
        return {name for name in listed if name.startswith((f"{self.name}.", f"levada.{self.namespace}."))}

    def pods(self, stage: str = "") -> dict[str, dict]:
        """Those that are there and not on their way out, by name."""
        selector = f"levada.dev/pipeline={self.name}" + (f",levada.dev/stage={stage}" if stage else "")
        listed = json.loads(self.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return {pod["metadata"]["name"]: pod for pod in listed if "deletionTimestamp" not in pod["metadata"]}

    def all_pods(self) -> dict[str, frozenset[str]]:
        """Names of the pods of each stage."""
        pods: dict[str, set[str]] = {}
        for name, pod in self.pods().items():
            pods.setdefault(pod["metadata"]["labels"]["levada.dev/stage"], set()).add(name)
        return {stage: frozenset(names) for stage, names in pods.items()}

    def url(self) -> str:
        """Of the gateway's Service, which is reached from this machine as from the node."""
        address = self.kubectl("get", "service", f"{self.name}-gateway", "-o=jsonpath={.spec.clusterIP}")
        return f"http://{address}:8080/v1/transactions"

    # What e2e/books.py asks for.

    @property
    def data(self):
        return self.cluster.volume(self.namespace, f"{self.name}-lake")

    def events(self) -> list[topics.Record]:
        return topics.read_all(self.kafka, self.events_topic)

    def results(self, seconds: float = 60) -> list[topics.Record]:
        return topics.read_all(self.kafka, self.results_topic, seconds=seconds)

    def dead_letters(self) -> list[topics.Record]:
        name = next(name for name, row in self.topic_rows().items() if row["role"] == "DeadLetters")
        return topics.read_all(self.kafka, name)


class Traffic:
    """A client that sends transactions, a batch after the other, and writes down what became of each.

    A batch with an answer 200 is *accepted*. One that has no answer, or one that is not 200, may have been stored
    or not: it is *open*, and is not sent again.
    """

    def __init__(self, pipeline: ClusterPipeline, prefix: str, rate: float = 100, batch: int = 10):
        self.pipeline, self.prefix, self.rate, self.batch = pipeline, prefix, rate, batch
        self.accepted: list[dict] = []
        self.open: list[dict] = []
        self.troubles: list[str] = []
        self._url = pipeline.url()
        self._held = threading.Event()
        self._stopped = threading.Event()
        self._sent = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(self.batch / self.rate):
            if self._held.is_set():
                continue
            part = events.make(self.prefix, self.batch, first=self._sent)
            self._sent += self.batch
            trouble = self._send(part)
            (self.open if trouble else self.accepted).extend(part)
            if trouble:
                self.troubles.append(f"{time.strftime('%H:%M:%S')} {trouble[:200]}")

    def _send(self, part: list[dict]) -> str:
        try:  # a connection each time, as from many clients
            answer = requests.post(self._url, data=events.lines(part), timeout=60, headers={
                "Content-Type": "application/x-ndjson", "Connection": "close"}, proxies={"http": ""})
        except requests.RequestException as error:
            return str(error)
        good = answer.status_code == 200 and answer.json()["accepted"] == len(part)
        return "" if good else f"{answer.status_code} {answer.text}"

    def flows(self, count: int = 50, seconds: float = 60) -> None:
        """Until that many more events have been accepted."""
        wanted = len(self.accepted) + count
        eventually(lambda: len(self.accepted) >= wanted, f"{count} more events are accepted; {self.troubles[-2:]}", seconds)

    @contextlib.contextmanager
    def nothing_lost(self) -> Iterator[None]:
        """What is done meanwhile is not noticed by a client: every request is answered with 200."""
        before = len(self.troubles)
        self.flows()
        yield
        self.flows()
        assert self.troubles[before:] == []

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is sent meanwhile."""
        self._held.set()
        try:
            yield
        finally:
            self._held.clear()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(90)
        assert not self._thread.is_alive()

    def check(self) -> dict[str, int]:
        """Stops, waits until all has arrived, and looks: each event that was accepted is in the topic, scored, in
        the index, in the files and, where it was blocked, in a mail; once. Returns how many there are."""
        self.stop()
        pipeline = self.pipeline
        accepted = {event["event_id"] for event in self.accepted}
        stored = books.ids_in(pipeline.events())
        assert accepted - set(stored) == set(), "accepted and not stored"
        assert set(stored) - accepted <= {event["event_id"] for event in self.open}, "stored and never sent"
        assert [event_id for event_id, times in stored.items() if times > 1] == [], "stored twice"
        wanted = set(stored)
        blocked = events.blocked_ids(event for event in self.accepted + self.open if event["event_id"] in wanted)
        books.wait_for(pipeline, wanted, blocked, DONE_SECONDS)
        repeats = books.check(pipeline, wanted, blocked)
        assert pipeline.dead_letters() == []
        return {"accepted": len(accepted), "open": len(self.open), "stored": len(wanted), "mails": len(blocked),
                "repeated mails": repeats}
