"""A stage that is scaled by its lag, up, down and to zero, and loses nothing by it."""

import json

import pytest
import yaml

from lib import kafka as topics
from lib.wait import eventually

pytestmark = pytest.mark.cluster

COUNT = 60_000

MANIFEST = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: scaled}
spec:
  topics: [{name: NAME.in, partitions: 3}, {name: NAME.out, partitions: 3}]
  stages:
  - name: slow
    autoscaling: {minReplicas: 0, maxReplicas: 3, targetDrainTime: 5s, scaleUpCooldown: 3s, scaleDownCooldown: 15s}
    scoring: {from: NAME.in, steps: [{set: [{name: twice, value: n + n}]}], to: NAME.out}
    # A tenth of a core each, so that there is something to share.
    pod: {resources: {requests: {cpu: 10m}, limits: {cpu: 100m, memory: 256Mi}}}
"""


def test_workers_come_with_the_lag_and_go_with_it(node, release, pods_kafka, unique):
    with node.namespace(unique) as namespace:
        document = yaml.safe_load(MANIFEST.replace("NAME", unique))
        document["metadata"]["namespace"] = namespace
        node.apply(document)

        def row() -> dict:
            status = json.loads(node.kubectl("get", "pipeline", "scaled", "-n", namespace, "-o", "json")).get("status", {})
            return next(iter(status.get("stages", [])), {})

        def replicas(said: str = "") -> int:
            at = row()
            return at["replicas"] if "autoscaling" in at and said in at["autoscaling"]["message"] else -1

        eventually(lambda: replicas() == 0, "nothing is to be read: no worker", 180, every=1)
        for round in range(2):
            wanted = [b'{"n": %d}' % n for n in range(round * COUNT, (round + 1) * COUNT)]
            topics.produce(pods_kafka.address, f"{unique}.in", wanted)
            eventually(lambda: replicas() >= 2, "workers come", 120, every=0.5)
            eventually(lambda: row()["readyReplicas"] >= 1, "and run", 120, every=0.5)
            eventually(lambda: row().get("lag") == 0, "all is read", 300, every=1)
            eventually(lambda: replicas() == 0, "and they go again", 180, every=1)
        results = [json.loads(record.value)["n"] for record in topics.read_all(pods_kafka.address, f"{unique}.out")]
        assert sorted(results) == list(range(2 * COUNT))
