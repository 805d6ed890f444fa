"""Events that come together by another key than their topic's, where some of them are read long after others."""

import collections
import datetime
import json
import random
import time

import pytest

from e2e import streams
from lib import kafka as topics
from lib.wait import eventually

BY_SHOP = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  topics:
  - {{name: {name}.in, partitions: 4, key: user, timestamp: at, fields: [{{name: at, type: timestamp}}, {{name: user, type: string}}]}}
  - {{name: {name}.out}}
  - {{name: {name}.late}}
  stages:
  - name: first
    scoring:
      from: {name}.in
      steps:
      - window: {{by: [shop], tumbling: 1m, lateness: 2s, lateTo: {name}.late, set: [{{name: count, value: count()}}]}}
      to: {name}.out
"""

BEGIN_MS, HOUR_MS, SHOPS = 1_750_000_020_000, 3_600_000, 20


def events(partition: int, dice: random.Random) -> list[topics.Record]:
    """An hour of them, a little out of order."""
    times = [BEGIN_MS + HOUR_MS * i // 1500 - dice.randrange(1500) for i in range(1500)]
    return [topics.Record(json.dumps({"user": f"u{partition}", "at": at, "shop": f"s{dice.randrange(SHOPS)}"}).encode(),
                          f"u{partition}".encode(), partition=partition) for at in times]


@pytest.fixture
def pipeline(tmp_path, build_dir, unique, kafka):
    made = streams.Streams(tmp_path, build_dir, unique, kafka.address, BY_SHOP)
    yield made
    made.close()


def counted(pipeline: streams.Streams) -> dict[tuple[str, int], int]:
    """What the stage has given: shop and beginning of the window → count."""
    counts = {}
    for record in topics.read_all(pipeline.kafka, pipeline.topic("out")):
        result = json.loads(record.value)
        start = round(datetime.datetime.fromisoformat(result["window_start"]).timestamp() * 1000)
        assert (result["shop"], start) not in counts, "twice"
        counts[result["shop"], start] = result["count"]
    return counts


def count(*parts: list[topics.Record]) -> collections.Counter:
    """What it should be."""
    events = [json.loads(record.value) for part in parts for record in part]
    return collections.Counter((event["shop"], event["at"] // 60_000 * 60_000) for event in events)


def lag(pipeline: streams.Streams) -> int:
    prefix = f"levada.default.{pipeline.name}."
    return (topics.group_lag(pipeline.kafka, prefix + "first", pipeline.topic("in"))
            + topics.group_lag(pipeline.kafka, prefix + "first-by-shop", prefix + "first-by-shop.input"))


def test_a_partition_that_is_read_long_after_the_others_is_not_late(pipeline):
    dice = random.Random(3)
    written = [events(partition, dice) for partition in range(4)]
    expected = count(*written)
    for part in written[:3]:
        topics.produce(pipeline.kafka, pipeline.topic("in"), part)
    pipeline.start()
    eventually(lambda: lag(pipeline) < 20, "what there is has been read", 60)
    time.sleep(3)  # marks have told of all of it
    assert not counted(pipeline), "of one partition nothing is known"

    topics.produce(pipeline.kafka, pipeline.topic("in"), written[3])
    # Another hour later there is one more event in each, which closes what was before it.
    topics.produce(pipeline.kafka, pipeline.topic("in"), [
        topics.Record(json.dumps({"user": "last", "at": BEGIN_MS + 2 * HOUR_MS, "shop": "last"}).encode(),
                      f"u{partition}".encode(), partition=partition) for partition in range(4)])
    eventually(lambda: len(counted(pipeline)) >= len(expected), "all windows are closed", 60)
    assert counted(pipeline) == expected
    assert not topics.read_all(pipeline.kafka, pipeline.topic("late"))
    assert pipeline.stop() == 0
    assert not pipeline.dead_letters()


def test_a_partition_without_events_does_not_hold_the_others_back_for_ever(pipeline):
    part = events(0, random.Random(4))
    topics.produce(pipeline.kafka, pipeline.topic("in"), part)
    pipeline.start()
    # Three partitions are at their ends, and come to rest after half a minute.
    eventually(lambda: len(counted(pipeline)) > 0.9 * len(count(part)), "windows are closed", 90, every=1)
    assert not topics.read_all(pipeline.kafka, pipeline.topic("late"))
    assert pipeline.stop() == 0
