"""Bad input through the whole pipeline: refused at the gateway with a reason each; written into the topics
past the gateway it becomes a dead letter with its bytes, reason and place. No process minds."""

import json

import pytest

from e2e import books, events
from lib import kafka as topics
from lib.kafka import Record
from lib.wait import eventually

TIME = "2026-11-02T08:00:00Z"


def event(**changes) -> bytes:
    """A good event of the sample with changes; None takes a field away, bytes are put in as they are."""
    fields = {"event_id": "x", "event_time": TIME, "entity_id": "c", "transaction_amt": 10.0, **changes}
    parts = [f'"{name}":'.encode() + (value if isinstance(value, bytes) else json.dumps(value).encode())
             for name, value in fields.items() if value is not None]
    return b"{" + b",".join(parts) + b"}"


DEEP = b"[" * 10_000 + b"]" * 10_000
BROKEN = {
    "no json": b"no json at all",
    "cut off": event()[:-1],
    "empty": b"",
    "two values": event() + event(),
    "array": b"[" + event() + b"]",
    "number": b"7",
    "utf8": event(event_id=b'"\xff\xfe"'),
    "utf8 overlong": event(event_id=b'"\xc0\xaf"'),
    "surrogate": event(event_id=b'"\\ud800"'),
    "control": event(event_id=b'"a\x00b"'),
    "deep": event(more=DEEP),
    "deep objects": event(more=b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "only brackets": b"[" * 100_000,
    "nan": event(transaction_amt=b"NaN"),
    "infinity": event(transaction_amt=b"-Infinity"),
    "too large a number": event(transaction_amt=b"1e999"),
    "duplicate": event()[:-1] + b',"event_id":"y"}',
    "bom": b"\xef\xbb\xbf" + event(),
}
WRONG = {
    "amount is text": event(transaction_amt="10"),
    "amount is a list": event(transaction_amt=[1]),
    "no amount": event(transaction_amt=None),
    "no id": event(event_id=None),
    "id is null": event(event_id=b"null"),
    "id is a number": event(event_id=7),
    "no key": event(entity_id=None),
    "time is text": event(event_time="soon"),
    "time of no day": event(event_time="2026-02-30T00:00:00Z"),
    "time is true": event(event_time=True),
    "no time": event(event_time=None),
}
# Scoring reads only the fields that its expressions use, and to it this is an infinite amount.
FOR_THE_SINKS = ["duplicate", "too large a number"]
GOOD_TIMES = ["2026-11-02T08:00:00Z", "2026-11-02T09:00:00+01:00", "2026-11-02T08:00:00.000000Z", 1793606400,
              1793606400000]


def check_places(letters: list[Record], stage: str, topic: str, written: list[Record]) -> None:
    """Each dead letter is the original, and says where that was and why it is one."""
    originals = {(record.partition, record.offset): record for record in written}
    for letter in letters:
        place = int(letter.header("levada-partition")), int(letter.header("levada-offset"))
        original = originals.pop(place)
        assert letter.header("levada-topic").decode() == topic
        assert letter.header("levada-stage").decode() == stage
        reason = letter.header("levada-error").decode()
        assert 5 < len(reason) < 2000, reason
        assert (letter.value, letter.key) == (original.value, original.key)
        assert letter.header("trace") == original.header("trace")
        assert letter.header("levada-timestamp") == str(original.timestamp_ms).encode()


def dead_of(pipeline, stage: str) -> list[Record]:
    return [letter for letter in pipeline.dead_letters()
            if letter.header("levada-stage") == f"{pipeline.name}/{stage}".encode()]


def pids(pipeline) -> dict[str, int]:
    return {stage: pipeline.ports(stage)["pid"] for stage in pipeline.stages()}


def test_the_gateway_says_of_each_event_what_is_wrong(make_pipeline):
    pipeline = make_pipeline()
    pipeline.start()
    before = pids(pipeline)
    for name, body in {**BROKEN, **WRONG}.items():
        if name in ("array", "two values"):
            continue  # a batch of one, and of two
        answer = pipeline.post(body)
        assert answer.status_code == 400, (name, answer.status_code, answer.text[:300])
        told = answer.json()
        assert told.get("error") or told["results"][0]["error"], name
        assert len(answer.content) < 3000, name
    assert pipeline.post(event(event_id="x" * 50_000_000)).status_code == 413
    # One bad one among good ones costs only itself.
    mixed = [event(event_id=f"{pipeline.name}-a"), WRONG["no amount"], BROKEN["nan"], event(event_id=f"{pipeline.name}-b")]
    answer = pipeline.post(b"\n".join(mixed), Content_Type="application/x-ndjson")
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["accepted", "invalid", "invalid", "accepted"]
    assert "transaction_amt" in results[1]["error"]
    odd = [event(event_id=f"{pipeline.name}-t{i}", event_time=time) for i, time in enumerate(GOOD_TIMES)]
    answer = pipeline.post(b"\n".join(odd), Content_Type="application/x-ndjson")
    assert answer.status_code == 200, answer.text
    wanted = {f"{pipeline.name}-{name}" for name in ["a", "b", *(f"t{i}" for i in range(len(GOOD_TIMES)))]}
    books.wait_for(pipeline, wanted, set())
    assert {row["event_time"].isoformat() for row in books.rows(pipeline)} == {"2026-11-02T08:00:00+00:00"}
    assert pids(pipeline) == before
    assert pipeline.stop() == 0
    assert books.check(pipeline, wanted, set()) == 0
    assert not pipeline.dead_letters()


def test_past_the_gateway_scoring_buries_it(make_pipeline):
    pipeline = make_pipeline()
    pipeline.start()
    before = pids(pipeline)
    good = events.make(pipeline.name, 200)
    bad = [body for name, body in BROKEN.items() if name not in FOR_THE_SINKS]
    bad += [WRONG["amount is text"], WRONG["amount is a list"], WRONG["no amount"], WRONG["time is text"]]
    records = [Record(body, b"k%d" % i, headers=[("trace", b"t%d" % i)]) for i, body in enumerate(bad)]
    mixed = [Record(json.dumps(one).encode(), one["entity_id"].encode()) for one in good]
    for i, record in enumerate(records):
        mixed.insert(i * 7, record)
    topics.produce(pipeline.kafka, pipeline.events_topic, mixed)
    wanted, blocked = {one["event_id"] for one in good}, events.blocked_ids(good)
    books.wait_for(pipeline, wanted, blocked)
    eventually(lambda: len(dead_of(pipeline, "detect")) >= len(bad), "scoring's dead letters", 30)
    assert pids(pipeline) == before
    assert pipeline.stages()["detect"]["dead_letters"] == len(bad)
    assert pipeline.stop() == 0
    assert books.check(pipeline, wanted, blocked) == 0
    letters = dead_of(pipeline, "detect")
    assert sorted(letter.value for letter in letters) == sorted(bad)
    check_places(letters, f"{pipeline.name}/detect", pipeline.events_topic, pipeline.events())


def test_past_scoring_each_sink_buries_what_it_cannot_take(make_pipeline):
    pipeline = make_pipeline()
    pipeline.start()
    before = pids(pipeline)
    good = [{**one, "score": 1.0, "outcome": "approve"} for one in events.make(pipeline.name, 200, first=1)
            if one["transaction_amt"] < 900]
    bad = [*BROKEN.values(), event(transaction_amt={"a": 1}), WRONG["time is text"]]
    records = [Record(body, b"k", headers=[("trace", b"t%d" % i)]) for i, body in enumerate(bad)]
    mixed = [Record(json.dumps(one).encode(), one["entity_id"].encode()) for one in good]
    for i, record in enumerate(records):
        mixed.insert(i * 7, record)
    topics.produce(pipeline.kafka, pipeline.results_topic, mixed)
    wanted = {one["event_id"] for one in good}
    books.wait_for(pipeline, wanted, set())
    for stage in ("search", "lake", "alert"):
        eventually(lambda: len(dead_of(pipeline, stage)) >= len(bad), f"{stage}'s dead letters", 30)
    assert pids(pipeline) == before
    assert pipeline.stop() == 0
    assert set(books.documents(pipeline)) == wanted
    assert sorted(row["event_id"] for row in books.rows(pipeline)) == sorted(wanted)
    written = pipeline.results()
    for stage in ("search", "lake", "alert"):
        letters = dead_of(pipeline, stage)
        assert sorted(letter.value for letter in letters) == sorted(bad), stage
        check_places(letters, f"{pipeline.name}/{stage}", pipeline.results_topic, written)


@pytest.mark.parametrize("topic_of, stages", [("events_topic", ["detect"]), ("results_topic", ["search", "lake"])])
def test_an_event_of_50_megabytes_past_the_gateway(make_pipeline, private_opensearch, topic_of, stages):
    """Where somebody lets the topic take it: cut to what the dead-letter topic takes, with its full size.

    An OpenSearch of its own, since it is as much as that small one takes at once.
    """
    pipeline = make_pipeline(opensearch=private_opensearch)
    pipeline.start()
    before = pids(pipeline)
    topic = getattr(pipeline, topic_of)
    allow(pipeline.kafka, topic, "60000000")
    huge = event(event_id=f"{pipeline.name}-huge", more="x" * 50_000_000, transaction_amt={"a": 1})
    topics.produce(pipeline.kafka, topic, [Record(huge, b"k")], message_max_bytes=60_000_000)
    for stage in stages:
        letters = eventually(lambda: dead_of(pipeline, stage), f"{stage}'s dead letter", 90)
        assert letters[0].header("levada-truncated-from") == str(len(huge)).encode()
        assert huge.startswith(letters[0].value) and len(letters[0].value) > 100_000
    after = events.make(pipeline.name, 50, first=1)
    pipeline.send(after)
    wanted = {one["event_id"] for one in after}
    books.wait_for(pipeline, wanted, set())
    assert pids(pipeline) == before
    for stage, pid in before.items():
        with open(f"/proc/{pid}/status") as status:
            peak_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        assert peak_kb < 600_000, (stage, peak_kb)
    assert pipeline.stop() == 0


def allow(kafka: str, topic: str, max_bytes: str) -> None:
    from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[
        ConfigEntry("max.message.bytes", max_bytes, incremental_operation=AlterConfigOpType.SET)])
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.incremental_alter_configs([resource])[resource].result(30)
