"""`delivery: atLeastOnce` and kill -9: each event has its result, some twice; in what a step remembers each counts, few
twice."""

import collections
import json
import random
import threading
import time

import pytest

from e2e import streams
from e2e.test_state_faults import make_streams  # noqa: F401 (fixture)
from lib import kafka as topics
from lib.wait import eventually

EVENTS, KEYS, KILLS = 60_000, 500, 6
STAGES = ("plain", "counts")

MANIFEST = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  topics:
  - {{name: {name}.in, partitions: 4, key: user, fields: [{{name: user, type: string}}, {{name: seq, type: long}}]}}
  - {{name: {name}.out, partitions: 3}}
  - {{name: {name}.counts, partitions: 3}}
  stages:
  - name: plain
    scoring:
      from: {name}.in
      delivery: atLeastOnce
      commitInterval: 500ms
      steps:
      - set: [{{name: twice, value: seq * 2}}]
      to: {name}.out
  - name: counts
    scoring:
      from: {name}.in
      delivery: atLeastOnce
      commitInterval: 500ms
      steps:
      - features: {{by: [user], over: [24h], set: [{{name: count, value: count()}}, {{name: total, value: sum(seq)}}]}}
      to: {name}.counts
"""


def results(pipeline: streams.Streams, name: str) -> dict[int, list[dict]]:
    """By the event that they are of, as they were written."""
    found = collections.defaultdict(list)
    for _, _, value, _ in streams.read(pipeline.kafka, pipeline.topic(name)):
        event = json.loads(value)
        found[event["seq"]].append(event)
    return found


def steadily(records, seconds: float):
    for number, record in enumerate(records):
        if number % 100 == 0:
            time.sleep(seconds * 100 / EVENTS)
        yield record


@pytest.mark.timeout(900)
def test_no_event_is_lost_though_workers_are_killed(make_streams, kafka):  # noqa: F811
    pipeline = make_streams(kafka, MANIFEST)
    seed = random.randrange(1 << 30)
    print("seed", seed)
    dice = random.Random(seed)
    events = [{"user": f"u{dice.randrange(KEYS)}", "seq": number} for number in range(EVENTS)]
    records = (topics.Record(json.dumps(event).encode(), event["user"].encode()) for event in events)
    pipeline.start()
    writer = threading.Thread(
        target=topics.produce, args=(pipeline.kafka, pipeline.topic("in"), steadily(records, 20)), daemon=True)
    writer.start()
    for _ in range(KILLS):
        for stage in STAGES:
            time.sleep(dice.uniform(0, 1))
            eventually(lambda stage=stage: pipeline.kill(stage), f"{stage} runs, to be killed", 60)
    writer.join(120)
    eventually(lambda: all(topics.group_lag(kafka.address, f"levada.default.{pipeline.name}.{stage}",
                                            pipeline.topic("in")) == 0 for stage in STAGES),
               "all is read", 180, every=0.5)
    pipeline.wait_ready()
    assert pipeline.stop() == 0, pipeline.errors()
    assert not pipeline.dead_letters()

    # Each event's result at least once, and each time the same.
    plain = results(pipeline, "out")
    assert set(plain) == set(range(EVENTS))
    for number, event in enumerate(events):
        assert all(made == dict(event, twice=2 * number) for made in plain[number]), plain[number]

    # What is remembered has each event at least once: a count and a sum are never too small.
    counts = results(pipeline, "counts")
    assert set(counts) == set(range(EVENTS))
    count, total = collections.Counter(), collections.Counter()
    more = 0
    for number, event in enumerate(events):
        user = event["user"]
        count[user] += 1
        total[user] += number
        for made in counts[number]:
            assert made["count_24h"] >= count[user] and made["total_24h"] >= total[user], made
        more += max(made["count_24h"] for made in counts[number]) > count[user]
    repeats = [sum(map(len, found.values())) - EVENTS for found in (plain, counts)]
    print("repeats", repeats, "results with a count that is too large", more)
    assert all(repeats), "no kill came between results and their commit: nothing was tested"
