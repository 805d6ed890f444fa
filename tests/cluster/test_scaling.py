"""A stage that is scaled by its lag, from zero, up, and to zero again, and does each event once."""

import collections
import http.server
import json
import threading
import time

import pytest
import yaml

from lib import kafka as topics
from lib.cluster import HOST
from lib.wait import eventually

pytestmark = pytest.mark.cluster

COUNT = 2400  # of which one worker alone has enough for longer than it takes to see how fast it is
ANSWER_SECONDS = 0.05  # a worker sends one after the other: at most twenty a second each

MANIFEST = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: scaled}
spec:
  connections: {desk: {webhook: {url: URL}}}
  topics: [{name: NAME.in, partitions: 3}]
  stages:
  - name: tell
    autoscaling: {minReplicas: 0, maxReplicas: 3, targetDrainTime: 10s, scaleUpCooldown: 3s, scaleDownCooldown: 15s}
    notify: {from: NAME.in, webhook: {via: desk, subject: "${n}"}}
"""


class Desk(http.server.ThreadingHTTPServer):
    """A slow webhook, where pods reach it; it knows how often it was told of each event."""

    def __init__(self):
        super().__init__((HOST, 0), Handler)
        self.told: collections.Counter[int] = collections.Counter()
        self.repeats = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # noqa: N802, the library's name
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(ANSWER_SECONDS)
        self.server.told[int(message["subject"])] += 1
        self.server.repeats += self.headers["Levada-Repeat"] == "true"
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments):
        pass


def test_workers_come_with_the_lag_and_go_with_it(node, release, pods_kafka, unique):
    with node.namespace(unique) as namespace, Desk() as desk:
        url = f"http://{HOST}:{desk.server_port}/"
        document = yaml.safe_load(MANIFEST.replace("NAME", unique).replace("URL", url))
        document["metadata"]["namespace"] = namespace
        node.apply(document)

        def row() -> dict:
            live = json.loads(node.kubectl("get", "pipeline", "scaled", "-n", namespace, "-o", "json"))
            return next(iter(live.get("status", {}).get("stages", [])), {})

        def says(replicas: range) -> bool:
            return row().get("replicas", -1) in replicas and row()["autoscaling"]["message"] != ""

        eventually(lambda: row().get("lag") == 0 and says(range(1)), "nothing is to be read: no worker", 180, every=1)
        for first in (0, COUNT):
            topics.produce(pods_kafka.address, f"{unique}.in", (b'{"n": %d}' % n for n in range(first, first + COUNT)))
            eventually(lambda: says(range(2, 4)), "workers come", 180, every=0.5)
            eventually(lambda: row()["lag"] == 0, "all is done", 300, every=1)
            eventually(lambda: says(range(1)), "and they go again", 180, every=1)
        assert set(desk.told) == set(range(2 * COUNT))
        assert sum(desk.told.values()) - len(desk.told) <= desk.repeats, "told twice without a mark"
        desk.shutdown()
