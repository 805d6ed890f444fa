"""A pipeline of all the steps with state, events for it, and what is to come out: computed in one go, from the topics
as they were written (streams_model.py).
"""

import collections
import datetime
import itertools
import json
import pathlib
import random
import time
from typing import Iterator, NamedTuple

import yaml
from confluent_kafka import Consumer, KafkaException, TopicPartition

from e2e.pipeline import Pipeline
from e2e.streams_model import BASKET_MS, Dedup, Expected, Partition, Sources, canonical
from lib import kafka as topics
from lib.wait import eventually

PARTITIONS = 6
BEGIN_MS = 1_750_000_000_000
STEP_MS = 5  # of event time, between two events
USERS, SHOPS = 5000, 200

MANIFEST = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  topics:
  - name: {name}.in
    partitions: 6
    key: user
    timestamp: at
    fields:
    - {{name: at, type: timestamp, required: true}}
    - {{name: user, type: string, required: true}}
    - {{name: amount, type: long}}
    - {{name: basket, type: long}}
  - {{name: {name}.users, compacted: true, partitions: 3, key: user}}
  - {{name: {name}.out, partitions: 3}}
  - {{name: {name}.minutes, partitions: 3}}
  - {{name: {name}.late, partitions: 3}}
  - {{name: {name}.visits, partitions: 3}}
  - {{name: {name}.shops, partitions: 3}}
  stages:
  - name: enrich
    scoring:
      from: {name}.in
      steps:
      - dedup: {{by: [user, event.id], within: 1h}}
      - join: {{table: {name}.users, by: user, as: profile}}
      - features:
          by: [user]
          over: [1m, 10m]
          lateness: 5m
          set:
          - {{name: count, value: count()}}
          - {{name: spent, value: sum(amount)}}
      - explode: {{list: event.items, as: item, indexAs: place}}
      to: {name}.out
  - name: minutes
    scoring:
      from: {name}.in
      steps:
      - window:
          by: [user]
          tumbling: 1m
          lateness: 10s
          lateTo: {name}.late
          set:
          - {{name: count, value: count()}}
          - {{name: total, value: sum(amount)}}
          - {{name: most, value: max(amount)}}
      to: {name}.minutes
  - name: visits
    scoring:
      from: {name}.in
      steps:
      - window:
          by: [user]
          session: {{gap: 30s}}
          lateness: 10s
          set:
          - {{name: count, value: count()}}
          - {{name: total, value: sum(amount)}}
      to: {name}.visits
  - name: shops
    scoring:
      from: {name}.in
      steps:
      - filter: amount > 20
      - dedup: {{by: [event.shop, basket], within: 10m}}
      to: {name}.shops
"""

# A smaller one.
ONCE = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  topics:
  - {{name: {name}.in, partitions: 2, key: user}}
  - {{name: {name}.out}}
  stages:
  - name: first
    scoring:
      from: {name}.in
      steps:
      - dedup: {{by: [user], within: 1h}}
      to: {name}.out
"""


class Streams(Pipeline):
    """The pipeline above, or a smaller one, under a name of its own. Its table is filled before it starts."""

    def __init__(self, folder: pathlib.Path, build: pathlib.Path, name: str, kafka: str, manifest: str = MANIFEST):
        self.folder, self.name, self.kafka = folder, name, kafka
        self.programs = build / "bin"
        self.dead_topic = f"levada.default.{name}.dead-letters"
        self.state, self.data, self.secrets = folder / "state", folder / "data", folder / "secrets"
        self.manifest = folder / "streams.yaml"
        self.document = yaml.safe_load(manifest.format(name=name))
        self.write()
        self.sets, self.arguments, self.inside = {}, [], []
        self.runs, self.runner = 0, None
        # Of the input the ends, and of the topic in between the last records when the input had been read up to there.
        self._between: tuple[dict[int, int], dict[int, int]] = {}, {}
        declared = self.document["spec"]["topics"]
        topics.create_topic(kafka, self.topic("in"), declared[0]["partitions"])
        if self.topic("users") not in (topic["name"] for topic in declared):
            return
        topics.create_topic(kafka, self.topic("users"), 3, cleanup_policy="compact")
        self.users = {f"u{i}": {"user": f"u{i}", "level": i % 7} for i in range(0, USERS, 2)}
        topics.produce(kafka, self.topic("users"), [
            topics.Record(json.dumps(row).encode(), user.encode()) for user, row in self.users.items()])

    def write(self) -> None:
        self.manifest.write_text(yaml.safe_dump(self.document, sort_keys=False))

    def topic(self, name: str) -> str:
        return f"{self.name}.{name}"

    @property
    def between(self) -> str:
        """The topic between the two parts of the stage `shops`."""
        return f"levada.default.{self.name}.shops-by-basket-event-shop.input"

    def has_read_everything(self) -> bool:
        """Every stage, the one of the topic in between too. What a killed worker left there in an open transaction is
        waited for: Kafka ends it."""
        try:
            if any(topics.group_lag(self.kafka, self._group(stage), self.topic("in"))
                   for stage in ("enrich", "minutes", "visits", "shops")):
                return False
            ends = topics.end_offsets(self.kafka, self.topic("in"))
            if self._between[0] != ends:
                self._between = ends, {record.partition: record.offset for record in read(self.kafka, self.between)}
            committed = topics.group_offsets(self.kafka, self._group("shops-by-basket-event-shop"))
            return all(committed.get((self.between, partition), 0) > last
                       for partition, last in self._between[1].items())
        except KafkaException:  # the broker is being restarted
            return False

    def _group(self, stage: str) -> str:
        return f"levada.default.{self.name}.{stage}"


def make(count: int, seed: int) -> Iterator[topics.Record]:
    """Events: out of order, some late, some twice, some that nobody can process."""
    dice = random.Random(seed)
    recent: collections.deque[dict] = collections.deque(maxlen=5000)
    for number in range(count):
        what = dice.random()
        if what < 0.03 and recent:
            event = dict(recent[dice.randrange(len(recent))], seq=number)  # the same once more
        else:
            late = dice.randrange(90_000) if what < 0.04 else dice.randrange(6_000) if what < 0.30 else 0
            event = {
                "id": f"e{number}", "user": f"u{int(USERS * dice.random() ** 2)}", "shop": f"s{dice.randrange(SHOPS)}",
                "at": BEGIN_MS + number * STEP_MS - late, "amount": dice.randrange(100),
                "basket": dice.randrange(2000), "items": [f"i{dice.randrange(50)}" for _ in range(dice.randrange(4))],
                "seq": number,
            }
            recent.append(event)
        key = event["user"].encode()
        if what > 0.9995:
            yield topics.Record(b'{"id": "broken', key)
        elif what > 0.999:
            yield topics.Record(json.dumps(dict(event, at="soon")).encode(), key)
        elif what > 0.9985:
            yield topics.Record(json.dumps(dict(event, items="none")).encode(), key)
        else:
            yield topics.Record(json.dumps(event).encode(), key)


def feed(pipeline: Streams, events, rate: float = 0) -> None:
    """At `rate` events a second; 0: as fast as it goes."""
    for part in iter(lambda: list(itertools.islice(events, 2000 if rate else 50_000)), []):
        topics.produce(pipeline.kafka, pipeline.topic("in"), part, seconds=600, message_timeout_ms="600000")
        if rate:
            time.sleep(len(part) / rate)


def send(pipeline: Streams, *users: str) -> None:
    """To the pipeline ONCE; returns when its stage has read them."""
    topics.produce(pipeline.kafka, pipeline.topic("in"),
                   [topics.Record(b'{"user": "%s"}' % user.encode(), user.encode()) for user in users])
    eventually(lambda: topics.group_lag(pipeline.kafka, f"levada.default.{pipeline.name}.first", pipeline.topic("in"))
               == 0, "the stage has read it")


def came_out(pipeline: Streams) -> list[str]:
    """The users that ONCE has let pass."""
    return sorted(record.value.decode()[10:-2] for record in topics.read_all(pipeline.kafka, pipeline.topic("out")))


class Read(NamedTuple):
    partition: int
    offset: int
    value: bytes | None
    source: str | None  # the header levada-source


def read(address: str, topic: str) -> Iterator[Read]:
    """Each committed record of a topic that is no longer written."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "levada-tests-streams", "enable.auto.commit": False,
                         "enable.partition.eof": True, "isolation.level": "read_committed"})
    ends = topics.end_offsets(address, topic)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
    waiting = set(ends)
    deadline = time.monotonic() + 90
    while waiting:
        messages = consumer.consume(5000, 0.3)
        if messages:
            deadline = time.monotonic() + 90
        assert time.monotonic() < deadline, f"{topic}: a transaction is open"
        for message in messages:
            if message.error() is None:
                source = dict(message.headers() or ()).get("levada-source")
                yield Read(message.partition(), message.offset(), message.value(), source and source.decode())
            elif message.offset() >= ends[message.partition()]:
                waiting.discard(message.partition())
    consumer.close()


def expected(pipeline: Streams, **options) -> Expected:
    """From the topic of events, and for the second part of `shops` from the topic before it."""
    out = Expected(**options)
    partitions = collections.defaultdict(lambda: Partition(pipeline.users))
    for partition, offset, value, _ in read(pipeline.kafka, pipeline.topic("in")):
        out.where = (partition, offset)
        try:
            event = json.loads(value)
            good = isinstance(event["at"], int)
        except ValueError:
            good = False
        if good:
            partitions[partition].take(event, out)
            continue
        for stage in ("enrich", "minutes", "visits"):
            out.dead(stage)
        # Without a step that goes by time, only what is no JSON is a dead letter.
        if value.startswith(b'{"id": "broken'):
            out.dead("shops")
        elif event["amount"] > 20:
            out("between", event)
    dedups = collections.defaultdict(lambda: Dedup(BASKET_MS))
    sources = collections.defaultdict(Sources)
    for partition, offset, value, source in read(pipeline.kafka, pipeline.between):
        out.where = (partition, offset)
        sources[partition].take(source)
        if value is None:
            continue
        event = json.loads(value)
        if not isinstance(event["at"], int):
            out.dead("shops-by-basket-event-shop")
            continue
        if dedups[partition].keeps((event["shop"], event["basket"]), event["at"], sources[partition].newest):
            out("shops", event)
    return out


def check(pipeline: Streams) -> dict[str, int]:
    """The topics hold what they should, to the record. Returns how many records each has."""
    wanted = expected(pipeline)
    have = {name: collections.Counter(hash(text) for text in written(pipeline, name))
            for name in ("out", "minutes", "late", "visits", "between", "shops")}
    wrong = {name: set((wanted.records[name] - have[name]) | (have[name] - wanted.records[name])) for name in have}
    counts = {name: sum(counter.values()) for name, counter in have.items()}
    assert not any(wrong.values()), explain(pipeline, wrong, counts)
    dead = collections.Counter(
        (record.header("levada-stage").decode().rsplit("/", 1)[1], int(record.header("levada-partition")),
         int(record.header("levada-offset"))) for record in pipeline.dead_letters())
    assert dead == wanted.dead_letters, list((dead - wanted.dead_letters) + (wanted.dead_letters - dead))[:10]
    assert all(counts.values()) and dead
    return counts | {"dead letters": sum(dead.values())}


def written(pipeline: Streams, name: str) -> Iterator[str]:
    topic = pipeline.between if name == "between" else pipeline.topic(name)
    for _, _, value, _ in read(pipeline.kafka, topic):
        if value is None:
            continue  # it says how far time had come
        record = json.loads(value)
        for field in ("window_start", "window_end"):
            if field in record:
                record[field] = round(datetime.datetime.fromisoformat(record[field]).timestamp() * 1000)
        yield canonical(record)


def explain(pipeline: Streams, wrong: dict[str, set[int]], counts: dict[str, int]) -> str:
    few = {name: set(list(numbers)[:5]) for name, numbers in wrong.items()}
    lines = [f"{name}: {len(numbers)} of {counts[name]} records differ" for name, numbers in wrong.items() if numbers]
    lines += sorted(expected(pipeline, show=few).shown)
    for name, numbers in few.items():
        lines += [f"{name}: written {text}" for text in written(pipeline, name) if numbers and hash(text) in numbers]
    return "\n".join(lines)
